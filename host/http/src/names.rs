//! The names under which the server may be asked.
//!
//! A page that somebody opens in a browser on this host can reach the server too. Such a page can have its own name
//! point here (DNS rebinding), and then read everything as if it were ours; only the name in `Host` gives it away.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;

/// So much of /etc/hosts is looked at.
const HOSTS_BYTES_MAX: u64 = 256 << 10;

/// Names, in small letters and without a dot at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    /// This host's.
    own: BTreeSet<String>,
    /// Those that the operator has added.
    added: BTreeSet<String>,
}

impl HostNames {
    /// This host's own names, and more. The own are what the system calls itself, and the names that stand beside that
    /// one in /etc/hosts. What a resolver says is not asked for: on a foreign network somebody else may answer.
    #[must_use]
    pub fn of_this_host(added: &[String]) -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut hosts = String::new();
        // Without it there is the one name.
        let _ = File::open("/etc/hosts").and_then(|file| file.take(HOSTS_BYTES_MAX).read_to_string(&mut hosts));
        Self { own: own(&name, &hosts), added: added.iter().map(|name| plain(name)).collect() }
    }

    /// Whether a host of a request is meant to be this one.
    pub(crate) fn has(&self, host: &str) -> bool {
        is_address(host) || self.is_own(host) || self.is_added(host)
    }

    /// Whether it is a name that leads to this machine and nowhere else.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let name = plain(host);
        name == "localhost" || self.own.contains(&name)
    }

    /// Whether the operator has added it.
    pub(crate) fn is_added(&self, host: &str) -> bool {
        self.added.contains(&plain(host))
    }
}

/// Whether it is an address: nobody can have one point elsewhere.
fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn own(name: &str, hosts: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from([plain(name)]);
    for line in hosts.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let beside: Vec<_> = line.split_whitespace().skip(1).map(plain).collect();
        if beside.contains(&plain(name)) {
            names.extend(beside);
        }
    }
    names.remove("");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_the_hosts_own_are_its_own() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1\tweb-1.example.com Web-1 # the host\n10.0.0.2 db # web-1\n";
        let names = HostNames { own: own("web-1", hosts), added: BTreeSet::from(["metrics.example".into()]) };
        for ours in [
            "web-1",
            "WEB-1.",
            "web-1.example.com",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "192.168.0.9",
            "Metrics.Example",
        ] {
            assert!(names.has(ours), "{ours}");
        }
        for foreign in ["db", "web-2", "evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "", ".", "127.1", "[::1"]
        {
            assert!(!names.has(foreign), "{foreign}");
        }
        assert!(own("", "127.0.0.1 localhost").is_empty());
    }

    #[test]
    fn this_host_knows_its_name() {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        assert!(HostNames::of_this_host(&[]).has(&name));
    }
}
