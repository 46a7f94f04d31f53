//! Disks and network devices.

use saker_sdk::glob;

use crate::facts::{Facts, folders, line, number};

/// What passes for a disk and is none.
const NO_DISKS: [&str; 4] = ["loop*", "ram*", "sr*", "zram*"];
/// Interfaces of containers and of nothing, as cAdvisor leaves them out.
const NO_INTERFACES: [&str; 5] = ["lo", "veth*", "docker*", "nerdctl*", "bonding_masters"];
/// Bytes of a sector, whatever the device has.
const SECTOR: f64 = 512.0;

pub(crate) fn add(sys: &str, facts: &mut Facts) {
    let disks = format!("{sys}/block");
    for name in folders(&disks).iter().filter(|name| !NO_DISKS.iter().any(|none| glob::matches(none, name))) {
        let (Some(size), Some(numbers)) =
            (number(&format!("{disks}/{name}/size")), line(&format!("{disks}/{name}/dev")))
        else {
            continue;
        };
        let (major, minor) = numbers.split_once(':').unwrap_or((&numbers, ""));
        let scheduler = line(&format!("{disks}/{name}/queue/scheduler")).map_or_else(String::new, |text| chosen(&text));
        let shown = name.replace('!', "/");
        let tags = [("name", shown.as_str()), ("major", major), ("minor", minor), ("scheduler", &scheduler)];
        facts.add("machine_disk_size_bytes", size * SECTOR, &tags);
    }
    let interfaces = format!("{sys}/class/net");
    for name in folders(&interfaces).iter().filter(|name| !NO_INTERFACES.iter().any(|none| glob::matches(none, name))) {
        let at = format!("{interfaces}/{name}");
        let address = line(&format!("{at}/address")).unwrap_or_default();
        let tags = [("name", name.as_str()), ("mac_address", &address)];
        facts.add_known("machine_network_mtu_bytes", number(&format!("{at}/mtu")), &tags);
        // -1 and errors stand for a speed that is not known.
        facts.add_known("machine_network_speed_mbits", number(&format!("{at}/speed")), &tags);
    }
}

/// `none [mq-deadline] kyber`, of which the one in brackets is in use.
fn chosen(text: &str) -> String {
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(name, _)| name);
    chosen.unwrap_or(text).to_owned()
}
