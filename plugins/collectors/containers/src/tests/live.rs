//! This machine's own groups, where they can be made.

use super::*;

/// A group in hierarchies of version 1, with a process in it.
struct Live {
    folders: Vec<String>,
    child: std::process::Child,
}

impl Live {
    /// None where no group can be made: without root, or where the hierarchies are not of version 1.
    fn make(name: &str) -> Option<Self> {
        let roots = ["memory", "cpuacct", "pids"].map(|controller| format!("/sys/fs/cgroup/{controller}"));
        if roots.iter().any(|root| !std::path::Path::new(&format!("{root}/tasks")).exists()) {
            return None;
        }
        let folders: Vec<_> = roots.iter().map(|root| format!("{root}/{name}")).collect();
        if folders.iter().any(|folder| std::fs::create_dir_all(folder).is_err()) {
            return None;
        }
        let child = spawn();
        for folder in &folders {
            std::fs::write(format!("{folder}/cgroup.procs"), child.id().to_string()).unwrap();
        }
        Some(Self { folders, child })
    }

    fn read(&self, controller: &str, file: &str) -> String {
        let folder = self.folders.iter().find(|folder| folder.contains(controller)).unwrap();
        std::fs::read_to_string(format!("{folder}/{file}")).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "a group needs a process")]
fn spawn() -> std::process::Child {
    std::process::Command::new("sleep").arg("60").spawn().unwrap()
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.folders.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

fn session(name: &str) -> Session {
    let settings = format!(r#"{{"include": ["path=/{name}*"], "open_files": 100}}"#);
    let containers = Containers::open(parse(&settings).unwrap()).unwrap();
    Session { containers, columns: Columns::default(), values: Vec::new() }
}

#[test]
fn figures_equal_the_kernels_files_and_a_removed_group_is_gone_a_second_later() {
    let name = format!("saker-live-{}", std::process::id());
    let Some(live) = Live::make(&name) else {
        eprintln!("no group of version 1 can be made here: nothing is looked at");
        return;
    };
    let mut session = session(&name);
    session.run(10).unwrap();
    let number = |text: &str| text.trim().parse::<f64>().unwrap();
    let line = |text: &str, key: &str| number(text.lines().find_map(|line| line.strip_prefix(key)).unwrap());
    let stat = live.read("memory", "memory.stat");
    session.check(
        &format!("/{name}"),
        &[
            ("memory_usage", "", number(&live.read("memory", "memory.usage_in_bytes"))),
            ("memory_rss", "", line(&stat, "total_rss ")),
            ("memory_failure", "failure_type=pgfault,scope=container", line(&stat, "pgfault ")),
            ("cpu_usage_total", "", number(&live.read("cpuacct", "cpuacct.usage"))),
            ("threads", "", 1.0),
            ("processes", "", 1.0),
            ("oom_events", "", 0.0),
        ],
    );
    session.run(11).unwrap();
    assert!(session.values.is_empty());
    drop(live);
    session.run(12).unwrap();
    session.run(20).unwrap();
    assert!(session.values.is_empty(), "{:?}", session.values);
    assert_eq!(logged(), Vec::<String>::new());
}
