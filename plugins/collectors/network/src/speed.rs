//! How fast interfaces are, from `/sys/class/net/*/speed`.
//!
//! A link's speed hardly ever changes, and each file costs more than all of `/proc/net/dev`: the speeds are read once a
//! minute, and that of a new interface at once.

use std::collections::HashMap;

use saker_sdk::prelude::*;

/// How long a speed is believed.
const KEPT_MS: i64 = 60_000;

/// The speeds that were read last.
#[derive(Debug)]
pub(crate) struct Speeds {
    directory: String,
    read_at_ms: i64,
    known: HashMap<String, Option<f64>>,
    denied: bool,
}

impl Speeds {
    /// The speeds in a sys file system.
    pub(crate) fn new(sys: &str) -> Self {
        Self { directory: format!("{sys}/class/net"), read_at_ms: 0, known: HashMap::new(), denied: false }
    }

    /// Begins a run: forgets what is too old.
    pub(crate) fn begin(&mut self, now_ms: i64) {
        // Also if the clock was set back.
        if !(0..KEPT_MS).contains(&now_ms.saturating_sub(self.read_at_ms)) {
            self.known.clear();
            self.read_at_ms = now_ms;
        }
    }

    /// The speed of an interface in bits a second; none if it has none, as virtual ones and those without a link.
    pub(crate) fn of(&mut self, interface: &str) -> Option<f64> {
        if let Some(speed) = self.known.get(interface) {
            return *speed;
        }
        let speed = self.read(interface);
        self.known.insert(interface.into(), speed);
        speed
    }

    fn read(&mut self, interface: &str) -> Option<f64> {
        match text::read(&format!("{}/{interface}/speed", self.directory)) {
            Ok(text) => parse(&text),
            Err(CollectError::Denied(_)) => {
                if !std::mem::replace(&mut self.denied, true) {
                    let line = format!("no permission to read {}: speeds and shares are left out", self.directory);
                    host::log(host::Level::Warn, &line);
                }
                None
            }
            // The kernel rejects to tell the speed of an interface that has none.
            Err(_) => None,
        }
    }
}

/// The file holds megabits a second, and -1 if they are not known; old kernels wrote that as a number without a sign.
fn parse(text: &str) -> Option<f64> {
    let megabits: i64 = text.trim().parse().ok()?;
    let unknown = megabits <= 0 || megabits == i64::from(u16::MAX) || megabits >= i64::from(u32::MAX);
    (!unknown).then_some(megabits as f64 * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_in_megabits_and_may_be_unknown() {
        assert_eq!(parse("1000\n"), Some(1e9));
        assert_eq!(parse("400000\n"), Some(4e11));
        assert_eq!(["-1\n", "0\n", "65535\n", "4294967295\n", "fast\n", ""].map(parse), [None; 6]);
    }

    #[test]
    fn a_speed_is_read_where_it_is_and_missing_elsewhere() {
        let mut speeds = Speeds::new("../../../tests/fixtures/sys");
        assert_eq!(speeds.of("eno1"), Some(1e9));
        assert_eq!(speeds.of("enp3s0f1"), None, "no link");
        assert_eq!(speeds.of("wg0"), None, "no such file");
    }

    #[test]
    fn a_speed_is_read_again_after_a_minute_or_when_the_clock_was_set_back() {
        let mut speeds = Speeds::new("/nowhere");
        let mut kept = |now_ms| {
            speeds.begin(now_ms);
            let kept = speeds.known.contains_key("eth0");
            speeds.of("eth0");
            kept
        };
        assert_eq!([1_000_000, 1_010_000, 1_059_999, 1_060_000].map(&mut kept), [false, true, true, false]);
        assert_eq!([1_070_000, 1_059_000, 1_060_000].map(&mut kept), [true, false, true]);
    }
}
