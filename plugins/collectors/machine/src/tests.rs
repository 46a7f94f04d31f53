use super::*;

use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    /// A machine with two nodes of one core with two threads each; the last is offline.
    fn machine(test: &str) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("saker-machine-{}-{test}", std::process::id())));
        let cpu = "sys/devices/system/cpu";
        folder.write("proc/meminfo", "MemTotal:       2048 kB\nMemFree: 1 kB\nSwapTotal:      1024 kB\n");
        folder.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 2400.003\n");
        folder.write("proc/version", "Linux version 6.1.0-1 (build@host) #1 SMP\n");
        folder.write("proc/sys/kernel/random/boot_id", "b-1\n");
        folder.write(&format!("{cpu}/online"), "0-2\n");
        for (number, node) in [(0, 0), (1, 0), (2, 1), (10, 1)] {
            folder.write(&format!("sys/devices/system/node/node{node}/cpu{number}/x"), "");
            if number < 10 {
                folder.write(&format!("{cpu}/cpu{number}/topology/core_id"), "0\n");
                folder.write(&format!("{cpu}/cpu{number}/topology/physical_package_id"), &format!("{node}\n"));
            }
            let cache = format!("{cpu}/cpu{number}/cache/index0");
            let shared = if node == 0 { "0-1" } else { "2,10" };
            for (name, text) in
                [("level", "1"), ("type", "Data"), ("size", "48K"), ("shared_cpu_list", shared), ("id", "0")]
            {
                folder.write(&format!("{cache}/{name}"), text);
            }
        }
        folder.write("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       1024 kB\nNode 0 MemFree: 1 kB\n");
        folder.write("sys/devices/system/node/node0/distance", "10 21\n");
        folder.write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
        folder.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4\n");
        folder.disk("sda", "8:0");
        folder.disk("loop0", "7:0");
        folder.write("sys/class/net/eth0/address", "02:fc:00:00:00:01\n");
        folder.write("sys/class/net/eth0/mtu", "1500\n");
        folder.write("sys/class/net/eth0/speed", "-1\n");
        folder.write("sys/class/net/lo/mtu", "65536\n");
        folder.write("sys/class/dmi/id/product_uuid", "U-1\n");
        folder.write("etc/machine-id", "m-1\n");
        folder.write("etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n");
        folder
    }

    fn disk(&self, name: &str, numbers: &str) {
        self.write(&format!("sys/block/{name}/size"), "100\n");
        self.write(&format!("sys/block/{name}/dev"), numbers);
        self.write(&format!("sys/block/{name}/queue/scheduler"), "none [mq-deadline]\n");
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn open(&self) -> (Machine, Columns) {
        let at = |name: &str| self.0.join(name).display().to_string();
        let settings = format!(
            r#"{{"proc": "{}", "sys": "{}", "machine_id": ["{}"], "os_release": ["{}"]}}"#,
            at("proc"),
            at("sys"),
            at("etc/machine-id"),
            at("etc/os-release")
        );
        (Machine::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap(), Columns::default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run((machine, columns): &mut (Machine, Columns)) -> Vec<String> {
    let run = Run { timestamp_ms: 60_000, interval_ms: 60_000 };
    columns.begin(run);
    machine.collect(run, columns).unwrap();
    let shown = |value: &Sample| {
        let tags: Vec<_> = value.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{}{{{}}} {}", value.metric.trim_start_matches("machine_"), tags.join(","), value.value)
    };
    let values = columns.values().iter().map(shown).collect();
    let _ = columns.take();
    values
}

#[test]
fn the_machine_is_told_as_it_is_and_what_is_not_known_is_not_told() {
    let folder = Folder::machine("all");
    let expected = [
        "cpu_cores{} 3",
        "cpu_physical_cores{} 2",
        "cpu_sockets{} 2",
        "cpu_frequency_khz{} 2400003",
        "cpu_thread{node_id=0,socket_id=0,core_id=0,thread_id=0} 1",
        "cpu_thread{node_id=0,socket_id=0,core_id=0,thread_id=1} 1",
        "cpu_thread{node_id=1,socket_id=1,core_id=0,thread_id=2} 1",
        "cpu_cache_capacity_bytes{node_id=0,core_id=0,socket_id=0,type=Data,level=1,cache_id=0} 49152",
        "cpu_cache_capacity_bytes{node_id=1,core_id=0,socket_id=1,type=Data,level=1,cache_id=0} 49152",
        "memory_bytes{} 2097152",
        "swap_bytes{} 1048576",
        "hugepages_count{page_size=2048} 4",
        "node_memory_capacity_bytes{node_id=0} 1048576",
        "node_hugepages_count{node_id=0,page_size=2048} 3",
        "node_distance{node_id=0,target_node_id=0} 10",
        "node_distance{node_id=0,target_node_id=1} 21",
        "disk_size_bytes{name=sda,major=8,minor=0,scheduler=mq-deadline} 51200",
        "network_mtu_bytes{name=eth0,mac_address=02:fc:00:00:00:01} 1500",
        "info{machine_id=m-1,boot_id=b-1,system_uuid=U-1,vendor_id=GenuineIntel,kernel_version=6.1.0-1,\
         os_version=Debian GNU/Linux 13} 1",
    ];
    assert_eq!(run(&mut folder.open()), expected);
}

#[test]
fn a_change_is_seen_and_nothing_else_is_read_again() {
    let folder = Folder::machine("change");
    let mut open = folder.open();
    let first = run(&mut open);
    // Not a change that is looked for: what was read is told again.
    folder.write("sys/block/sda/size", "200\n");
    assert_eq!(run(&mut open), first);
    folder.disk("sdb", "8:16");
    let changed = run(&mut open);
    let has = |start: &str| changed.iter().any(|line| line.starts_with(start));
    assert!(
        has("disk_size_bytes{name=sda,major=8,minor=0,scheduler=mq-deadline} 102400")
            && has("disk_size_bytes{name=sdb")
    );
    assert_eq!(changed.len(), first.len() + 1);
}

#[test]
fn a_machine_that_tells_little_is_told_as_far_as_it_does() {
    let folder = Folder::machine("little");
    std::fs::remove_dir_all(folder.0.join("sys")).unwrap();
    let values = run(&mut folder.open());
    assert_eq!(values[..3], ["cpu_cores{} 1", "memory_bytes{} 2097152", "swap_bytes{} 1048576"]);
    std::fs::remove_file(folder.0.join("proc/meminfo")).unwrap();
    let (mut machine, mut columns) = folder.open();
    let error = machine.collect(Run { timestamp_ms: 0, interval_ms: 1 }, &mut columns).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.contains("meminfo")));
}
