//! `saker store`: a running agent's, and the files of one that does not run.

use crate::agent::{Agent, Home, saker};

/// Values of a minute ago and of now.
fn filled() -> Agent {
    let agent = Home::new(&[]).keys("endpoint = \"box\"").start();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (metric, value) in [("jobs.done", 1.5), ("jobs.failed", 2.5), ("other", 3.5)] {
        let at = |seconds: u64| {
            format!("{{\"metric\":\"{metric}\",\"value\":{value},\"step\":10,\"timestamp\":{}}}", now - seconds)
        };
        assert_eq!(agent.post("/v1/push", &format!("[{},{}]", at(60), at(0))).0, 200);
    }
    agent
}

/// Runs `saker store …` in the agent's folder; its exit status, and what it said.
fn store(agent: &Agent, arguments: &[&str]) -> (i32, String) {
    let output = saker(&[&["store"], arguments].concat(), agent.home.dir.path());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn dumped(agent: &Agent, metric: &str, access: &[&str]) -> usize {
    let (status, said) = store(agent, &[&["dump", metric], access].concat());
    assert_eq!(status, 0, "{said}");
    said.lines().count() - 1
}

#[test]
fn a_delete_leaves_the_store_and_the_recent_points_and_says_what_of_queues_stays() {
    let agent = filled();
    let access = ["--address", &agent.address];
    assert_eq!(dumped(&agent, "*", &access), 6);
    let (_, said) = store(&agent, &[&["delete", "jobs.*", "--dry-run"], &access[..]].concat());
    assert!(said.contains("2 series would be deleted"), "{said}");
    assert_eq!(agent.json("/saker/v1/recent?metric=jobs.*")["total"], 2);
    let (status, said) = store(&agent, &[&["delete", "jobs.*"], &access[..]].concat());
    assert!(status == 0 && said.contains("2 series deleted") && said.contains("saker queue list"), "{said}");
    assert_eq!(dumped(&agent, "*", &access), 2);
    let recent = agent.json("/saker/v1/recent?metric=*");
    let left = |series: &&serde_json::Value| !series["points"].as_array().unwrap().is_empty();
    let names: Vec<_> =
        recent["series"].as_array().unwrap().iter().filter(left).map(|series| &series["metric"]).collect();
    assert_eq!(names, ["other"]);
    assert_eq!(agent.operate("/saker/v1/store/delete"), 400, "nothing is named");
    assert_eq!(agent.post("/saker/v1/store/delete?metric=*", "").0, 403, "any page could send it");
    assert_eq!(dumped(&agent, "*", &access), 2);
}

#[test]
fn an_export_is_imported_by_another_agent_and_files_are_worked_on_where_none_runs() {
    let (mut from, to) = (filled(), Home::new(&[]).start());
    let file = from.home.dir.path().join("points");
    let name = file.to_str().unwrap();
    let (status, said) = store(&from, &["export", name, "*", "--address", &from.address]);
    assert_eq!(status, 0, "{said}");
    let (status, said) = store(&from, &["import", name, "--address", &to.address]);
    assert!(status == 0 && said.contains("6 points taken"), "{said}");
    assert_eq!(dumped(&to, "*", &["--address", &to.address]), 6);
    let (status, said) = store(&to, &["copy", "jobs.*", "--from", &from.address, "--address", &to.address]);
    assert!(status == 0 && said.contains("4 points taken"), "{said}");
    assert_eq!(dumped(&to, "*", &["--address", &to.address]), 6, "the same points again");
    let (status, said) = store(&from, &["status", "--data-dir", "data"]);
    assert!(status == 1 && said.contains("in use"), "{said}");
    from.kill();
    assert_eq!(dumped(&from, "*", &["--data-dir", "data"]), 6);
    let (status, said) = store(&from, &["delete", "other", "--data-dir", "data"]);
    assert_eq!(status, 0, "{said}");
    for command in ["status", "verify", "compact"] {
        let (status, said) = store(&from, &[command, "--data-dir", "data"]);
        assert_eq!(status, 0, "{command}: {said}");
    }
    from.start_again();
    assert_eq!(dumped(&from, "*", &["--address", &from.address]), 4);
}
