use super::*;
use crate::network::Link;

const CPU_STAT: &str = "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnice_usec 0\nnr_periods 100\n\
    nr_throttled 7\nthrottled_usec 1500\nnr_bursts 2\nburst_usec 30\n";
const MEMORY_STAT: &str = "anon 4096000\nfile 8192000\nkernel 700000\nkernel_stack 16384\nfile_mapped 2048000\n\
    file_dirty 4096\nfile_writeback 8192\ninactive_anon 0\nactive_anon 4096000\ninactive_file 6000000\n\
    active_file 2192000\npgfault 1234\npgmajfault 5\npgscan 77\npgsteal 66\nworkingset_refault_anon 1\n\
    workingset_refault_file 2\n";
const PRESSURE: &str =
    "some avg10=1.50 avg60=0.75 avg300=0.10 total=123456\nfull avg10=0.50 avg60=0.25 avg300=0.00 total=23456\n";
const IO: &str = "8:0 rbytes=1000 wbytes=2000 rios=10 wios=20 dbytes=30 dios=3\n253:0 \n7:1 rbytes=5 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n";

/// A tree of version 2: a container of Docker's below a slice, and a service.
fn version_two(folder: &Folder) -> String {
    folder.write_all(
        "cgroup",
        &[
            ("cgroup.controllers", "cpuset cpu io memory hugetlb pids\n"),
            ("cgroup.procs", "1\n2\n"),
            ("cpu.stat", "usage_usec 9000000\nuser_usec 6000000\nsystem_usec 3000000\n"),
            ("memory.stat", "anon 10\nfile 20\ninactive_file 5\n"),
        ],
    );
    let container = format!("system.slice/docker-{ID}.scope");
    folder.write_all(
        &format!("cgroup/{container}"),
        &[
            ("cgroup.procs", "4242\n4243\n"),
            ("cpu.stat", CPU_STAT),
            ("cpu.weight", "100\n"),
            ("cpu.max", "50000 100000\n"),
            ("cpu.pressure", PRESSURE),
            ("memory.pressure", PRESSURE),
            ("io.pressure", PRESSURE),
            ("memory.current", "13000000\n"),
            ("memory.peak", "14000000\n"),
            ("memory.swap.current", "0\n"),
            ("memory.stat", MEMORY_STAT),
            ("memory.events", "low 0\nhigh 3\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n"),
            ("memory.max", "268435456\n"),
            ("memory.min", "0\n"),
            ("memory.swap.max", "max\n"),
            ("pids.current", "17\n"),
            ("pids.max", "max\n"),
            ("io.stat", IO),
        ],
    );
    folder.write_all(
        "cgroup/system.slice/ssh.service",
        &[("cgroup.procs", "99\n"), ("cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\n"), ("io.stat", "")],
    );
    folder.write("proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    folder.write("proc/net/dev", NET_HOST);
    folder.write("proc/4242/net/dev", NET);
    folder.write("proc/4242/net/tcp", TCP);
    format!("/{container}")
}

const NET_HOST: &str = "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0\n";
const NET: &str = "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n\
    \x20 eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n  eth1: 50 5 0 0 0 0 0 0 60 6 0 0 0 0 0 0\nvethx: 7 7 0 0 0 0 0 0 7 7 0 0 0 0 0 0\n";
const TCP: &str = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 0100007F:1F90 0100007F:9999 01 0\n   2: 0100007F:1F90 0100007F:9998 01 0\n";

#[test]
fn a_group_of_version_2_is_told_with_cadvisors_names_and_units() {
    let folder = Folder::new("v2");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, r#", "sockets": true"#);
    session.run(10).unwrap();
    session.check(
        &container,
        &[
            ("cpu_usage_total", "", 5e9),
            ("cpu_usage_user", "", 3e9),
            ("cpu_usage_system", "", 2e9),
            ("cpu_cfs_periods", "", 100.0),
            ("cpu_cfs_throttled_periods", "", 7.0),
            ("cpu_cfs_throttled_time", "", 1_500_000.0),
            ("cpu_cfs_bursts_periods", "", 2.0),
            ("cpu_cfs_burst_time", "", 30_000.0),
            ("memory_usage", "", 13_000_000.0),
            ("memory_working_set", "", 7_000_000.0),
            ("memory_max_usage", "", 14_000_000.0),
            ("memory_cache", "", 8_192_000.0),
            ("memory_rss", "", 4_096_000.0),
            ("memory_swap", "", 0.0),
            ("memory_mapped_file", "", 2_048_000.0),
            ("memory_total_active_file", "", 2_192_000.0),
            ("memory_total_inactive_file", "", 6_000_000.0),
            ("memory_kernel", "", 700_000.0),
            ("memory_file_dirty", "", 4096.0),
            ("memory_file_writeback", "", 8192.0),
            ("memory_pgscan", "", 77.0),
            ("memory_pgsteal", "", 66.0),
            ("memory_workingset_refault_file", "", 2.0),
            ("memory_workingset_refault_anon", "", 1.0),
            ("memory_failure", "failure_type=pgfault,scope=hierarchical", 1234.0),
            ("memory_failure", "failure_type=pgmajfault,scope=hierarchical", 5.0),
            ("memory_events_high", "", 3.0),
            ("memory_events_max", "", 4.0),
            ("oom_events", "", 2.0),
            ("processes", "", 2.0),
            ("threads", "", 17.0),
            ("psi_cpu_total", "kind=some", 123_456.0),
            ("psi_cpu_avg10", "kind=some", 1.5),
            ("psi_memory_avg60", "kind=full", 0.25),
            ("psi_io_total", "kind=full", 23_456.0),
            ("psi_io_avg300", "kind=some", 0.1),
            ("io_service_bytes", "major=8,minor=0,device=/dev/sda,operation=Read", 1000.0),
            ("io_serviced", "major=8,minor=0,device=/dev/sda,operation=Write", 20.0),
            ("io_service_bytes", "major=7,minor=1,operation=Discard", 0.0),
            ("rx_bytes", "", 1050.0),
            ("tx_errors", "", 3.0),
            ("network_rx_bytes", "interface=eth0", 1000.0),
            ("network_tx_dropped", "interface=eth0", 4.0),
            ("network_rx_packets", "interface=eth1", 5.0),
            ("network_tcp", "state=established", 2.0),
            ("network_tcp", "state=listen", 1.0),
            ("network_tcp", "state=closing", 0.0),
            ("spec_cpu_shares", "", 2597.0),
            ("spec_cpu_quota", "", 50_000.0),
            ("spec_cpu_period", "", 100_000.0),
            ("spec_memory_limit", "", 268_435_456.0),
            ("container_info", &format!("id={ID},namespace=docker"), 1.0),
        ],
    );
    for unknown in ["spec_memory_swap_limit", "spec_threads_max", "memory_failcnt", "start_time_seconds"] {
        assert_eq!(session.value(unknown, &format!("container={container}")), None, "{unknown}");
    }
    assert_eq!(session.value("network_tcp6", &format!("container={container},state=listen")), None);
    assert!(session.value("creation_time_seconds", &format!("container={container}")).is_some());
    // The topmost group tells no usage; a service without a memory controller nothing of memory.
    session.check(
        "/",
        &[
            ("memory_usage", "", 30.0),
            ("memory_working_set", "", 25.0),
            ("rx_bytes", "", 100.0),
            ("cpu_usage_total", "", 9e9),
        ],
    );
    session.check("/system.slice/ssh.service", &[("cpu_usage_total", "", 1000.0), ("processes", "", 1.0)]);
    assert_eq!(session.value("memory_usage", "container=/system.slice/ssh.service"), None);
    assert_eq!(session.value("io_serviced", "container=/system.slice/ssh.service"), None);
    assert_eq!(logged(), Vec::<String>::new());
    let steps: Vec<_> = session.values.iter().map(|value| value.step_s).collect();
    assert!(steps.iter().all(|step| matches!(step, Some(10 | 120))), "{steps:?}");
}

/// Trees of version 1: hierarchies of one and of two controllers, with links beside them, as systemd makes them.
fn version_one(folder: &Folder) {
    for name in ["cpu,cpuacct", "memory", "pids", "blkio", "systemd"] {
        folder.write_all(&format!("cgroup/{name}"), &[("cgroup.procs", "1\n")]);
    }
    std::os::unix::fs::symlink("cpu,cpuacct", folder.path("cgroup/cpu")).unwrap();
    folder.write("cgroup/blkio/blkio.throttle.io_service_bytes_recursive", "Total 0\n");
    folder.write("proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    folder.write_all(
        &format!("cgroup/cpu,cpuacct/docker/{ID}"),
        &[
            ("cpuacct.usage", "123456789\n"),
            ("cpuacct.usage_percpu", "100000000 23456789 \n"),
            ("cpuacct.stat", "user 8\nsystem 4\n"),
            ("cpu.stat", "nr_periods 5\nnr_throttled 1\nthrottled_time 99\n"),
            ("cpu.shares", "512\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ],
    );
    folder.write_all(
        &format!("cgroup/memory/docker/{ID}"),
        &[
            ("cgroup.procs", "7\n8\n9\n"),
            ("memory.usage_in_bytes", "5000000\n"),
            ("memory.max_usage_in_bytes", "6000000\n"),
            ("memory.failcnt", "3\n"),
            ("memory.kmem.usage_in_bytes", "40960\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.soft_limit_in_bytes", "1048576\n"),
            ("memory.numa_stat", "total=10 N0=6 N1=4\nfile=5 N0=3 N1=2\nhierarchical_file=50 N0=30 N1=20\n"),
            (
                "memory.stat",
                "cache 1\nrss 2\npgfault 10\npgmajfault 1\ninactive_file 3\ntotal_cache 1000000\ntotal_rss 2000000\n\
             total_swap 4096\ntotal_mapped_file 8192\ntotal_active_file 400000\ntotal_inactive_file 600000\n\
             total_pgfault 30\ntotal_pgmajfault 3\n",
            ),
        ],
    );
    folder.write(&format!("cgroup/pids/docker/{ID}/pids.current"), "21\n");
    folder.write(&format!("cgroup/pids/docker/{ID}/pids.max"), "100\n");
    folder.write_all(
        &format!("cgroup/blkio/docker/{ID}"),
        &[
            (
                "blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\nTotal 12288\n",
            ),
            ("blkio.throttle.io_serviced_recursive", "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n"),
        ],
    );
}

#[test]
fn a_group_of_version_1_is_put_together_from_its_hierarchies() {
    let folder = Folder::new("v1");
    version_one(&folder);
    let mut session = Session::open(&folder, r#", "per_cpu": true, "numa": true, "hugetlb": true"#);
    session.run(10).unwrap();
    session.check(
        &format!("/docker/{ID}"),
        &[
            ("cpu_usage_total", "", 123_456_789.0),
            ("cpu_usage_user", "", 80_000_000.0),
            ("cpu_usage_system", "", 40_000_000.0),
            ("cpu_usage_per_cpu", "instance=1", 23_456_789.0),
            ("cpu_cfs_throttled_time", "", 99.0),
            ("memory_usage", "", 5_000_000.0),
            ("memory_working_set", "", 4_400_000.0),
            ("memory_cache", "", 1_000_000.0),
            ("memory_failcnt", "", 3.0),
            ("memory_kernel", "", 40_960.0),
            ("memory_failure", "failure_type=pgfault,scope=container", 10.0),
            ("memory_failure", "failure_type=pgfault,scope=hierarchical", 30.0),
            ("memory_numa_pages", "node=0,type=file", 30.0),
            ("memory_numa_pages_own", "node=1,type=file", 2.0),
            ("oom_events", "", 2.0),
            ("threads", "", 21.0),
            ("processes", "", 3.0),
            ("io_service_bytes", "major=8,minor=0,device=/dev/sda,operation=Total", 12_288.0),
            ("io_serviced", "major=8,minor=0,device=/dev/sda,operation=Write", 2.0),
            ("spec_cpu_shares", "", 512.0),
            ("spec_memory_reservation_limit", "", 1_048_576.0),
            ("spec_threads_max", "", 100.0),
        ],
    );
    for unlimited in ["spec_memory_limit", "spec_cpu_quota", "psi_cpu_total"] {
        assert_eq!(session.value(unlimited, &format!("container=/docker/{ID}")), None, "{unlimited}");
    }
    assert_eq!(session.groups(), ["/", "/docker", &format!("/docker/{ID}")]);
    assert_eq!(logged(), Vec::<String>::new());
}

#[test]
fn of_a_hybrid_each_controller_is_read_where_it_is() {
    let folder = Folder::new("hybrid");
    version_one(&folder);
    folder.remove("cgroup/pids");
    folder.write_all("cgroup/unified", &[("cgroup.controllers", "pids\n"), ("cgroup.procs", "1\n")]);
    folder.write_all(
        &format!("cgroup/unified/docker/{ID}"),
        &[("pids.current", "5\n"), ("cpu.pressure", PRESSURE), ("cpu.stat", CPU_STAT)],
    );
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    session.check(
        &format!("/docker/{ID}"),
        &[
            ("threads", "", 5.0),
            ("psi_cpu_avg60", "kind=some", 0.75),
            ("cpu_usage_total", "", 123_456_789.0),
            ("memory_usage", "", 5_000_000.0),
        ],
    );
}

#[test]
fn without_a_memory_controller_that_is_said_once_and_the_rest_is_told() {
    let folder = Folder::new("no-memory");
    version_one(&folder);
    folder.remove("cgroup/memory");
    let mut session = Session::open(&folder, "");
    for at_s in [10, 20, 30] {
        session.run(at_s).unwrap();
        session.check(&format!("/docker/{ID}"), &[("cpu_usage_total", "", 123_456_789.0), ("threads", "", 21.0)]);
        assert!(session.values.iter().all(|value| !value.metric.starts_with("memory_")));
    }
    assert_eq!(logged(), ["the kernel has no memory controller: that of groups is not known"]);
}

#[test]
fn files_that_cannot_be_read_or_make_no_sense_are_said_once_and_cost_themselves() {
    let folder = Folder::new("unreadable");
    let container = version_two(&folder);
    let at = |name: &str| format!("cgroup{container}/{name}");
    // A folder in place of a file cannot be read.
    folder.remove(&at("memory.stat"));
    folder.folder(&at("memory.stat"));
    folder.write(&at("memory.current"), "-1\n");
    folder.write(&at("io.stat"), "8:0 rbytes=x wbytes=2000\nnonsense\n8:0\n: :\n");
    folder.write(&at("cpu.pressure"), "some avg10=999.00 total=1\nfull avg10=nan\n");
    folder.write(&at("pids.current"), "18446744073709551615\n");
    let mut session = Session::open(&folder, "");
    for at_s in [10, 20, 30] {
        session.run(at_s).unwrap();
        for unknown in ["memory_usage", "memory_working_set", "memory_cache", "threads"] {
            assert_eq!(session.value(unknown, &format!("container={container}")), None, "{unknown}");
        }
        session.check(
            &container,
            &[
                ("cpu_usage_total", "", 5e9),
                ("io_service_bytes", "major=8,minor=0,device=/dev/sda,operation=Write", 2000.0),
                ("psi_cpu_total", "kind=some", 1.0),
            ],
        );
    }
    let mut said: Vec<_> = logged().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    said.sort();
    assert_eq!(said, ["cpu.pressure", "io.stat", "memory.current", "memory.stat", "pids.current"], "{:?}", logged());
}

#[test]
fn one_that_comes_and_goes_between_two_intervals_leaves_first_and_last_values() {
    let folder = Folder::new("short");
    version_two(&folder);
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    session.run(11).unwrap();
    assert!(session.values.is_empty(), "nothing is told between: {:?}", session.values);
    let short = format!("system.slice/docker-{}.scope", ID.replace('8', "7"));
    folder.write_all(
        &format!("cgroup/{short}"),
        &[("cpu.stat", "usage_usec 100\nuser_usec 100\nsystem_usec 0\n"), ("memory.current", "4096\n")],
    );
    session.run(12).unwrap();
    session.check(&format!("/{short}"), &[("cpu_usage_total", "", 100_000.0), ("memory_usage", "", 4096.0)]);
    folder.write(&format!("cgroup/{short}/cpu.stat"), "usage_usec 250\nuser_usec 250\nsystem_usec 0\n");
    session.run(13).unwrap();
    session.check(&format!("/{short}"), &[("cpu_usage_total", "", 250_000.0)]);
    folder.remove(&format!("cgroup/{short}"));
    session.run(14).unwrap();
    session.run(15).unwrap();
    assert!(session.values.is_empty());
}

#[test]
fn of_one_that_has_run_for_long_the_last_processor_time_is_a_second_old() {
    let folder = Folder::new("last");
    let container = version_two(&folder);
    // What is open of a removed file on a disk can still be read; of a removed group it cannot.
    let mut session = Session::open(&folder, r#", "open_files": 0"#);
    session.run(10).unwrap();
    folder.write(&format!("cgroup{container}/cpu.stat"), "usage_usec 6000000\n");
    session.run(13).unwrap();
    assert!(session.values.is_empty());
    folder.remove(&format!("cgroup{container}"));
    session.run(14).unwrap();
    let expected = (Some(6e9), Some(13_000));
    let last = session.values.first().map(|value| (Some(value.value), value.timestamp_ms)).unwrap_or_default();
    assert_eq!((session.values.len(), last), (1, expected));
}

#[test]
fn one_that_vanishes_while_it_is_read_costs_itself() {
    let folder = Folder::new("vanishing");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, r#", "open_files": 0"#);
    session.run(10).unwrap();
    // Files go before their folder does.
    for name in ["memory.current", "memory.stat", "cgroup.procs", "io.stat"] {
        folder.remove(&format!("cgroup{container}/{name}"));
    }
    session.run(20).unwrap();
    session.check(&container, &[("cpu_usage_total", "", 5e9)]);
    session.check("/system.slice/ssh.service", &[("cpu_usage_total", "", 1000.0)]);
    folder.remove(&format!("cgroup{container}"));
    session.run(30).unwrap();
    assert_eq!(session.groups(), ["/", "/system.slice/ssh.service"]);
    folder.remove("cgroup");
    // The files of the tree itself are held.
    session.run(40).unwrap();
    assert_eq!(session.groups(), ["/"]);
    version_two(&folder);
    session.run(50).unwrap();
    session.check(&container, &[("cpu_usage_total", "", 5e9)]);
    assert_eq!(logged(), Vec::<String>::new());
}

#[test]
fn ten_thousand_that_came_and_went_leave_neither_descriptors_nor_series() {
    let folder = Folder::new("leak");
    version_two(&folder);
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    let (before, open_before) = (session.counts(), open_files());
    let mut most = 0;
    for round in 0..100_i64 {
        for number in 0..100 {
            folder.write(&format!("cgroup/job-{round}-{number}/cpu.stat"), CPU_STAT);
        }
        session.run(11 + 2 * round).unwrap();
        most = most.max(session.counts().len());
        for number in 0..100 {
            folder.remove(&format!("cgroup/job-{round}-{number}"));
        }
        session.run(12 + 2 * round).unwrap();
    }
    session.run(300).unwrap();
    assert!(most >= 100, "they were seen: {most}");
    assert_eq!(session.groups(), before.keys().cloned().collect::<Vec<_>>());
    assert_eq!(open_files(), open_before);
    // Handles are given again: there are no more than those of the most that there were at a time.
    let id = session.columns.define(Sample::gauge("next", 0.0));
    assert!(id < 210 * crate::metrics::COUNT as u32, "{id}");
}

/// Files of this process in the folders of these tests, whatever other tests have open.
fn open_files() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    links.filter(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().contains("-leak/"))).count()
}

#[test]
fn network_is_told_once_for_each_namespace() {
    let folder = Folder::new("namespaces");
    let container = version_two(&folder);
    // Two groups share the namespace of the first; a third is in the host's.
    for (name, process) in [("a", 4300), ("b", 4301), ("c", 4302)] {
        folder
            .write_all(&format!("cgroup/{name}"), &[("cgroup.procs", &format!("{process}\n")), ("cpu.stat", CPU_STAT)]);
        folder.folder(&format!("proc/{process}/net"));
    }
    let link = |from: &str, to: &str| std::fs::hard_link(folder.path(from), folder.path(to)).unwrap();
    link("proc/4242/net/dev", "proc/4300/net/dev");
    link("proc/4242/net/dev", "proc/4301/net/dev");
    link("proc/net/dev", "proc/4302/net/dev");
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    let tellers = |session: &Session| -> Vec<String> {
        let told = session.values.iter().filter(|value| value.metric == "rx_bytes");
        told.map(|value| value.tags[0].1.clone()).collect()
    };
    assert_eq!(tellers(&session), ["/", "/a"]);
    folder.remove("cgroup/a");
    session.run(20).unwrap();
    assert_eq!(tellers(&session), ["/", "/b"]);
    folder.remove("cgroup/b");
    session.run(30).unwrap();
    assert_eq!(tellers(&session), ["/", container.as_str()]);
    assert_eq!(Link::default(), Link::Unknown);
}

#[test]
fn containerds_and_crios_containers_are_named_by_their_state_files() {
    let folder = Folder::new("state");
    let other = ID.replace('8', "9");
    for path in [format!("kubepods/pod1/{ID}"), format!("kubepods.slice/crio-{other}.scope")] {
        folder.write(&format!("cgroup/{path}/cpu.stat"), CPU_STAT);
    }
    folder.write("cgroup/cgroup.controllers", "memory pids io\n");
    folder.write(
        &format!("containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"),
        r#"{"ociVersion": "1.1.0", "process": {"env": ["SECRET=x"]}, "annotations": {
            "io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.27",
            "io.kubernetes.cri.sandbox-name": "web-7d9", "io.kubernetes.cri.sandbox-namespace": "shop", "other": "x"}}"#,
    );
    folder.write(
        &format!("crio/overlay-containers/{other}/userdata/config.json"),
        r#"{"annotations": {"io.kubernetes.cri-o.Name": "k8s_db_db-0_shop_1", "io.kubernetes.cri-o.ImageName": "postgres:16",
            "io.kubernetes.cri-o.Labels": "{\"io.kubernetes.container.name\":\"db\",\"tier\":\"data\"}"}}"#,
    );
    let mut session = Session::open(&folder, r#", "labels": ["io.kubernetes.*.name", "tier"]"#);
    session.run(10).unwrap();
    session.check(
        &format!("/kubepods/pod1/{ID}"),
        &[(
            "container_info",
            &format!(
                "id={ID},name=web,namespace=containerd,image=docker.io/library/nginx:1.27,\
             label.io.kubernetes.container.name=web,label.io.kubernetes.pod.name=web-7d9"
            ),
            1.0,
        )],
    );
    session.check(&format!("/kubepods.slice/crio-{other}.scope"), &[(
        "container_info",
        &format!(
            "id={other},name=k8s_db_db-0_shop_1,namespace=crio,image=postgres:16,label.io.kubernetes.container.name=db,\
             label.tier=data"
        ),
        1.0,
    )]);
    assert!(session.values.iter().flat_map(|value| &value.tags).all(|(_, value)| !value.contains("SECRET")));
}

fn inspected(name: &str, image: &str) -> String {
    format!(
        r#"{{"Id": "{ID}", "Name": "/{name}", "Config": {{"Image": "{image}", "Env": ["SECRET=x"],
            "Labels": {{"tier": "front", "secret": "y"}}}}, "State": {{"StartedAt": "2026-11-29T13:12:58.5Z"}}}}"#
    )
}

fn answer(status: u16, body: String) {
    saker_sdk::testing::answer(Ok(saker_sdk::http::Response { status, retry_after_s: None, body }));
}

#[test]
fn dockers_containers_are_named_by_one_question_each() {
    let folder = Folder::new("docker");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, r#", "docker": "/run/docker.sock", "labels": ["tier"]"#);
    answer(200, inspected("web", "nginx:1"));
    for at_s in [10, 11, 12, 130] {
        session.run(at_s).unwrap();
    }
    let posted = saker_sdk::testing::posted();
    assert_eq!(posted.len(), 1, "one question, never one a run");
    assert_eq!((posted[0].method.as_str(), &*posted[0].target.path), ("GET", &*format!("/containers/{ID}/json")));
    session.check(
        &container,
        &[
            ("container_info", &format!("id={ID},name=web,namespace=docker,image=nginx:1,label.tier=front"), 1.0),
            ("start_time_seconds", "", 1_795_957_978.5),
        ],
    );
}

#[test]
fn a_runtime_that_does_not_answer_is_asked_rarely_and_values_do_not_wait() {
    use saker_sdk::http::HttpError;
    let folder = Folder::new("docker-silent");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, r#", "docker": "/run/docker.sock""#);
    let mut asked = 0;
    for at_s in 10..200 {
        saker_sdk::testing::answer(Err(HttpError::Unavailable("nobody listens".into())));
        session.run(at_s).unwrap();
        if at_s % 10 == 0 {
            session.check(&container, &[("cpu_usage_total", "", 5e9)]);
        }
        asked += saker_sdk::testing::posted().len();
    }
    assert_eq!(asked, 3);
    assert_eq!(logged().len(), 1, "{:?}", logged());
}

#[test]
fn groups_are_chosen_by_what_is_known_of_them() {
    let folder = Folder::new("choice");
    let container = version_two(&folder);
    let groups = |more: &str, inspected: Option<String>| {
        inspected.into_iter().for_each(|body| answer(200, body));
        let mut session = Session::open(&folder, &format!(r#", "docker": "/run/docker.sock", {more}"#));
        session.run(10).unwrap();
        let _ = saker_sdk::testing::posted();
        session.groups()
    };
    let inspected = || Some(inspected("web", "nginx:1"));
    let none = Vec::<String>::new();
    assert_eq!(groups(r#""include": ["name=w*"]"#, inspected()), [container.as_str()]);
    assert_eq!(groups(r#""include": ["name=db"]"#, inspected()), none);
    assert_eq!(groups(r#""include": ["label.tier=front"]"#, inspected()), [container.as_str()]);
    assert_eq!(groups(r#""only_containers": true, "exclude": ["image=nginx*"]"#, inspected()), none);
    assert_eq!(groups(r#""only_containers": true"#, inspected()), [container.as_str()]);
    assert_eq!(groups(r#""include": ["path=/system.slice/ssh*"]"#, None), ["/system.slice/ssh.service"]);
}

#[test]
fn what_may_be_watched_is_bounded_and_a_container_cannot_take_the_place_of_others() {
    let folder = Folder::new("bounds");
    let container = version_two(&folder);
    for number in 0..50 {
        folder.write(&format!("cgroup{container}/inner-{number:02}/cpu.stat"), CPU_STAT);
        folder.write(&format!("cgroup/outer-{number:02}/cpu.stat"), CPU_STAT);
    }
    let mut session = Session::open(&folder, r#", "max_groups": 40, "max_nested": 5"#);
    session.run(10).unwrap();
    assert_eq!(session.counts().len(), 40);
    let mut session = Session::open(&folder, r#", "max_nested": 5"#);
    session.run(10).unwrap();
    let inner = session.groups().iter().filter(|path| path.contains("inner")).count();
    assert_eq!((inner, session.counts().len()), (5, 4 + 50 + 5));
    assert_eq!(logged().len(), 2, "{:?}", logged());
}

#[test]
fn threads_are_counted_by_state_if_that_is_asked_for() {
    let folder = Folder::new("tasks");
    let container = version_two(&folder);
    folder.write(&format!("cgroup{container}/cgroup.threads"), "11\n12\n13\n14\n");
    for (thread, state) in [(11, "S"), (12, "R"), (13, "D")] {
        folder.write(&format!("proc/{thread}/stat"), &format!("{thread} (a) b) {state} 1 1\n"));
    }
    let mut session = Session::open(&folder, r#", "tasks": true"#);
    session.run(10).unwrap();
    let states = ["sleeping", "running", "stopped", "uninterruptible"];
    let counts =
        states.map(|state| session.value("tasks_state", &format!("container={container},state={state}")).unwrap());
    assert_eq!(counts, [1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn without_any_groups_that_is_said() {
    let folder = Folder::new("none");
    folder.folder("cgroup/x");
    let error = Session::open(&folder, "").run(10).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.ends_with("there are no control groups")));
}

#[test]
fn unusable_settings_are_rejected_when_opening() {
    for settings in [r#"{"every_s": 0}"#, r#"{"include": ["web"]}"#, r#"{"max_groups": 0}"#] {
        let error = Containers::open(parse(settings).unwrap()).err().unwrap();
        assert!(matches!(error, OpenError::Settings(_)), "{settings}");
    }
}

/// Each file of the container, a line changed in each of many ways: what is told of it is lost or is another, and all else
/// is as it was.
#[test]
fn a_line_that_is_changed_costs_at_most_what_it_says() {
    let folder = Folder::new("changed");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    let others = |session: &Session| -> Vec<Sample> {
        let own = |value: &&Sample| value.tags[0].1 != container && value.metric != "creation_time_seconds";
        session.values.iter().filter(own).cloned().collect()
    };
    let sound = others(&session);
    for (name, text) in
        [("cpu.stat", CPU_STAT), ("memory.stat", MEMORY_STAT), ("cpu.pressure", PRESSURE), ("io.stat", IO)]
    {
        saker_sdk::testing::each_line_changed(text, |changed, _| {
            folder.write(&format!("cgroup{container}/{name}"), changed);
            let mut session = Session::open(&folder, "");
            session.run(10).unwrap();
            assert_eq!(others(&session), sound);
            for value in &session.values {
                assert!(value.value.is_finite() && value.value >= 0.0 && value.value < 1e22, "{value:?}");
            }
        });
        folder.write(&format!("cgroup{container}/{name}"), text);
    }
}

/// What the backends in cAdvisor's shape make of the values: the same series and points, through their encoder.
#[test]
fn a_group_becomes_a_record_of_cadvisors_drivers() {
    use saker_sdk::encode::cadvisor::{CONTAINER_TAG, CadvisorRecords};
    use saker_sdk::settings::serde_json::{self, json};
    let folder = Folder::new("record");
    let container = version_two(&folder);
    let mut session = Session::open(&folder, "");
    session.run(10).unwrap();
    let mut records = CadvisorRecords::new(CONTAINER_TAG.into());
    let mut points = Vec::new();
    for (value, id) in session.values.iter().filter(|value| value.tags[0].1 == container).zip(0..) {
        let mut tags = value.tags.clone();
        tags.sort();
        let Sample { metric, metric_type, .. } = value.clone();
        records.define(id, &Series { endpoint: "web-1".into(), metric, tags, metric_type, step_s: 10 });
        points.push(Point { series: id, timestamp_ms: 10_000, value: value.value });
    }
    let mut places: Vec<_> = (0..points.len() as u32).collect();
    records.arrange(&points, &mut places);
    let mut body = Vec::new();
    assert_eq!(records.push_record(&points, &places, usize::MAX, &mut body), points.len());
    let record: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&record["machine_name"], &record["container_Name"]), (&json!("web-1"), &json!(container)));
    let stats = &record["container_stats"];
    assert_eq!(
        stats["cpu"],
        json!({"usage": {"total": 5_000_000_000_u64, "user": 3_000_000_000_u64, "system": 2_000_000_000}})
    );
    assert_eq!(
        stats["memory"],
        json!({
            "usage": 13_000_000, "max_usage": 14_000_000, "cache": 8_192_000, "rss": 4_096_000, "swap": 0,
            "mapped_file": 2_048_000, "working_set": 7_000_000, "total_active_file": 2_192_000,
            "total_inactive_file": 6_000_000, "hierarchical_data": {"pgfault": 1234, "pgmajfault": 5},
        })
    );
    assert_eq!(stats["network"], json!({"rx_bytes": 1050, "rx_errors": 1, "tx_bytes": 2060, "tx_errors": 3}));
    assert_eq!(stats["custom_metrics"]["threads"][0]["float_value"], 17);
}
