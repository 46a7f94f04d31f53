//! The `file` backend, through the agent: its grants, a crash, a swap.

use std::path::Path;

use super::exact::{awkward, delivered, fails_with, identities, identities_of_json, plain, push};
use crate::agent::{Agent, Home, shipped, variant};

fn config(directory: &str, grant: &str, more: &str) -> String {
    format!(
        "[destination.there]\nbackend = \"file\"\nbatch.max_age = \"50ms\"\nretry = {{ min = \"50ms\", max = \"200ms\" }}\n{grant}\n\
         [[route]]\ndestinations = [\"there\"]\n[destination.there.settings]\ndirectory = \"{directory}\"\n{more}\n"
    )
}

fn start(directory: &str, grant: &str, more: &str) -> Agent {
    Home::new(&["file"]).keys("endpoint = \"box\"").config(&config(directory, grant, more)).start()
}

/// What stands in the files of a directory, in the order of their names.
fn text(directory: &Path) -> String {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_files_of_a_granted_directory_hold_each_point_and_follow_each_other() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let agent = start(path, &format!("grant.write = [\"{path}\"]"), "max_bytes = 5000\nkeep = 0\nfsync = true");
    let values = awkward();
    push(&agent, &values);
    delivered(&agent, values.len());
    assert_eq!(identities_of_json(text(dir.path()).lines()), identities(&values));
    let more = plain(100, 1);
    for (number, part) in more.chunks(10).enumerate() {
        push(&agent, part);
        delivered(&agent, values.len() + 10 * (number + 1));
    }
    assert_eq!(identities_of_json(text(dir.path()).lines()), identities(&[values, more].concat()));
    let sizes: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= 5000), "{sizes:?}");
}

#[test]
fn a_backend_without_its_grant_says_which_line_is_missing() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    for grant in ["", &format!("grant.read = [\"{path}\"]")] {
        let agent = start(path, grant, "");
        push(&agent, &plain(5, 1));
        let line = format!("grant.write = [\"{path}\"]");
        fails_with(&agent, &line);
        agent.home.write_config(
            &agent.home.config_text().replace("[[route]]", &format!("{line}\n[[route]]")).replace("grant.read", "#"),
        );
        delivered(&agent, 5);
    }
    assert_eq!(text(dir.path()).lines().count(), 10);
}

#[test]
fn a_line_that_a_crash_has_cut_is_taken_back() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let cut = dir.path().join("saker-20231114T221320.123Z.jsonl");
    std::fs::write(&cut, "{\"whole\":1}\n{\"cut\":").unwrap();
    let agent = start(path, &format!("grant.write = [\"{path}\"]"), "max_age_s = 0");
    push(&agent, &plain(5, 1));
    delivered(&agent, 5);
    agent.home.put("file", &variant(&shipped("file"), 1));
    agent.until("it is swapped", |agent| (agent.instance("destination there")?["counts"]["swaps"] == 1).then_some(()));
    push(&agent, &plain(5, 2));
    delivered(&agent, 10);
    agent.until_logged("took back 7 bytes of a line that was not finished");
    let text = text(dir.path());
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, "{\"whole\":1}");
    assert_eq!(identities_of_json(rest.lines()), identities(&[plain(5, 1), plain(5, 2)].concat()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_instance_can_write_to_a_folder_of_its_own() {
    let agent = start("/data", "grant.data_dir = true", "");
    push(&agent, &plain(5, 1));
    delivered(&agent, 5);
    let folders: Vec<_> = std::fs::read_dir(agent.home.dir.path().join("data/folders"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [folder] = &folders[..] else { panic!("{folders:?}") };
    assert_eq!(identities_of_json(text(folder).lines()), identities(&plain(5, 1)));
}
