//! The `network` collector: traffic and errors of network interfaces, from `/proc/net/dev`. README.md lists the metrics.

mod dev;
mod speed;

use saker_sdk::gaps::Gaps;
use saker_sdk::glob;
use saker_sdk::prelude::*;
use saker_sdk::rates::{Delta, Rates};
use saker_sdk::round;

use crate::dev::Interface;
use crate::speed::Speeds;

saker_sdk::settings! {
    /// Settings of the `network` collector.
    pub struct NetworkSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// The sys file system, for the speed of interfaces.
        pub sys: String = "/sys".into(),
        /// Patterns of interface names that are reported.
        pub include: Vec<String> = vec!["*".into()],
        /// Patterns of interface names that are left out, of those that are included.
        pub exclude: Vec<String> = EXCLUDED.split_ascii_whitespace().map(str::to_owned).collect(),
    }
}

/// The loopback, the host's ends of containers and virtual machines, their bridges, and what the kernel or a container
/// engine makes of itself. Bonds, bridges such as `br0`, VLANs, VPNs and `tun*` carry a host's own traffic and stay.
const EXCLUDED: &str = "lo veth* docker* br-* podman* cni* flannel* cali* cilium* lxc* lxdbr* kube-* nodelocaldns \
    virbr* vnet* tap* dummy* ifb* erspan0 gre0 gretap0 ip6gre0 ip6tnl0 ip6_vti0 ip_vti0 sit0 tunl0";

/// The collector, with the bytes of the run before.
pub struct Network {
    file: KeptFile,
    include: Vec<String>,
    exclude: Vec<String>,
    speeds: Speeds,
    /// The bytes that went in and out, by interface.
    rates: Rates<2>,
    gaps: Gaps,
}

impl Collector for Network {
    type Settings = NetworkSettings;

    fn describe() -> Description {
        Description::new("network", env!("CARGO_PKG_VERSION"), "Traffic and errors of network interfaces")
            .requests(read("/proc"), "the figures are in /proc/net/dev")
            .requests(read("/sys"), "the speed of an interface is in /sys/class/net")
    }

    fn open(settings: NetworkSettings) -> Result<Self, OpenError> {
        Ok(Self {
            file: KeptFile::new(format!("{}/net/dev", settings.proc)),
            include: settings.include,
            exclude: settings.exclude,
            speeds: Speeds::new(&settings.sys),
            rates: Rates::restore(),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = self.file.read()?;
        let takes = |name: &str| glob::any(&self.include, name) && !glob::any(&self.exclude, name);
        let interfaces = dev::parse(&text, takes, &mut self.gaps.of(self.file.path()));
        self.speeds.begin(run.timestamp_ms);
        self.rates.begin(&run);
        let mut values = Vec::with_capacity(interfaces.len() * 26);
        for interface in &interfaces {
            interface.push_counters(&mut values);
            let change = interface.bytes().and_then(|bytes| self.rates.change(&interface.name, bytes));
            if let Some(speed) = self.speeds.of(&interface.name) {
                values.push(interface.gauge("net.if.speed.bits", speed));
                push_shares(&mut values, interface, change, speed);
            }
        }
        self.rates.keep();
        self.gaps.finish(values)
    }
}

saker_sdk::export_collector!(Network);

fn push_shares(values: &mut Vec<Sample>, interface: &Interface, change: Option<Delta<2>>, speed: f64) {
    if let Some([received, sent]) = change.and_then(|change| change.per_second()) {
        let percent = |bytes: f64| round::percent(100.0 * 8.0 * bytes / speed);
        values.push(interface.gauge("net.if.in.percent", percent(received)));
        values.push(interface.gauge("net.if.out.percent", percent(sent)));
    }
}

#[cfg(test)]
mod tests;
