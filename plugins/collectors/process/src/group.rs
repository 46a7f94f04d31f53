//! Groups of processes that the operator asks for: which processes belong to one, and what they come to.

use saker_sdk::prelude::*;
use saker_sdk::round;

use crate::GroupSettings;
use crate::stat::{Process, TICKS_PER_SECOND};

/// The kernel keeps this many bytes of a name.
const NAME_BYTES: usize = 15;

/// One group.
pub(crate) struct Group {
    name: Option<String>,
    cmdline: Option<String>,
    tags: Vec<(String, String)>,
}

/// What the processes of a group come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupTally {
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) pages: u64,
    /// Start of the one that runs longest, in ticks since boot.
    pub(crate) first_start: Option<u64>,
    /// Ticks used since the run before, by those of them that were there then.
    pub(crate) ticks: u64,
    /// How many were there then.
    pub(crate) compared: u64,
}

impl Group {
    /// Makes the groups; on failure, says which one is unusable and why.
    pub(crate) fn all(settings: Vec<GroupSettings>) -> Result<Vec<Self>, String> {
        let mut groups: Vec<Self> = Vec::with_capacity(settings.len());
        for (index, settings) in settings.into_iter().enumerate() {
            let number = index + 1;
            let group = Self::new(settings).map_err(|error| format!("groups: group {number}: {error}"))?;
            if let Some(other) = groups.iter().position(|other| other.tags == group.tags) {
                let other = other + 1;
                return Err(format!("groups: group {number}: same tags as group {other}; give it a `label`"));
            }
            groups.push(group);
        }
        Ok(groups)
    }

    fn new(GroupSettings { label, name, cmdline }: GroupSettings) -> Result<Self, String> {
        for (field, text) in [("label", &label), ("name", &name), ("cmdline", &cmdline)] {
            if text.as_ref().is_some_and(String::is_empty) {
                return Err(format!("{field}: is empty; leave it out instead"));
            }
        }
        if name.is_none() && cmdline.is_none() {
            return Err("has neither `name` nor `cmdline`".into());
        }
        let tag = |key: &str, text: &Option<String>| text.as_ref().map(|text| (key.to_owned(), text::tag_value(text)));
        let tags = match tag("group", &label) {
            Some(label) => vec![label],
            None => [tag("cmdline", &cmdline), tag("name", &name)].into_iter().flatten().collect(),
        };
        Ok(Self { name, cmdline, tags })
    }

    /// Whether a process with this name and command line belongs to the group.
    pub(crate) fn fits(&self, name: &[u8], command: &str) -> bool {
        self.fits_name(name) && self.cmdline.as_ref().is_none_or(|part| command.contains(part.as_str()))
    }

    /// Whether it takes the command line to tell if a process of this name belongs to the group.
    pub(crate) fn wants_command(&self, name: &[u8]) -> bool {
        self.cmdline.is_some() && self.fits_name(name)
    }

    /// Whether the name of a program is the one that is asked for, as far as the kernel keeps it.
    fn fits_name(&self, found: &[u8]) -> bool {
        let Some(name) = &self.name else { return true };
        let name = name.as_bytes();
        found == name || name.get(..NAME_BYTES).is_some_and(|start| found == start)
    }

    /// Appends the group's metrics, given the seconds since boot and since the run before as far as they are known.
    pub(crate) fn push(
        &self,
        tally: &GroupTally,
        page_bytes: u32,
        uptime_s: Option<f64>,
        elapsed_s: Option<f64>,
        values: &mut Vec<Sample>,
    ) {
        let mut push = |metric: &str, value: f64| {
            let mut value = Sample::gauge(metric, value);
            value.tags.clone_from(&self.tags);
            values.push(value);
        };
        push("proc.num", tally.processes as f64);
        push("proc.threads", tally.threads as f64);
        push("proc.mem.rss", tally.pages as f64 * f64::from(page_bytes));
        // Where every process is new, nobody knows what they have used; where there is none, it is nothing.
        if let Some(elapsed_s) = elapsed_s.filter(|_| tally.compared > 0 || tally.processes == 0) {
            push("proc.cpu.percent", round::percent(100.0 * tally.ticks as f64 / TICKS_PER_SECOND / elapsed_s));
        }
        if let Some((start, uptime_s)) = tally.first_start.zip(uptime_s) {
            push("proc.uptime", round::rate((uptime_s - start as f64 / TICKS_PER_SECOND).max(0.0)));
        }
    }
}

impl GroupTally {
    /// Adds a process, with the ticks that it has used since the run before if it was there then.
    pub(crate) fn add(&mut self, process: &Process, ticks: Option<u64>) {
        self.processes += 1;
        self.threads += process.threads;
        self.pages = self.pages.saturating_add(process.pages);
        self.first_start = Some(self.first_start.map_or(process.start, |start| start.min(process.start)));
        self.ticks = self.ticks.saturating_add(ticks.unwrap_or(0));
        self.compared += u64::from(ticks.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(label: &str, name: &str, cmdline: &str) -> GroupSettings {
        let given = |text: &str| (text != "-").then(|| text.to_owned());
        GroupSettings { label: given(label), name: given(name), cmdline: given(cmdline) }
    }

    #[test]
    fn tags_are_what_was_asked_for_unless_there_is_a_label() {
        for (label, name, cmdline, expected) in [
            ("-", "nginx", "-", "name=nginx"),
            ("-", "-", "worker", "cmdline=worker"),
            ("-", "nginx", "worker", "cmdline=worker name=nginx"),
            ("web", "nginx", "worker", "group=web"),
            ("-", "java", "-Da=b,c\td", "cmdline=-Da=b,c_d name=java"),
        ] {
            let group = Group::new(settings(label, name, cmdline)).unwrap();
            let tags: Vec<_> = group.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(tags.join(" "), expected);
        }
    }

    #[test]
    fn an_unusable_group_is_named() {
        let error = |groups: Vec<GroupSettings>| Group::all(groups).err().unwrap();
        assert_eq!(
            error(vec![settings("-", "a", "-"), settings("x", "-", "-")]),
            "groups: group 2: has neither `name` nor `cmdline`"
        );
        assert_eq!(error(vec![settings("-", "", "-")]), "groups: group 1: name: is empty; leave it out instead");
        assert_eq!(
            error(vec![settings("-", "-", "a\tb"), settings("-", "-", "a\u{7}b")]),
            "groups: group 2: same tags as group 1; give it a `label`"
        );
    }

    #[test]
    fn a_name_is_compared_as_far_as_the_kernel_keeps_it() {
        let fits = |name: &str, found: &str| Group::new(settings("-", name, "-")).unwrap().fits_name(found.as_bytes());
        assert!(fits("nginx", "nginx"));
        assert!(!fits("nginx", "nginx2"));
        assert!(!fits("nginx2", "nginx"));
        assert!(fits("systemd-networkd", "systemd-network"));
        assert!(!fits("systemd-networkd", "systemd-networ"));
        assert!(fits("kworker/0:1H-kblockd", "kworker/0:1H-kblockd"));
    }

    #[test]
    fn values_that_cannot_be_had_are_left_out() {
        let group = Group::new(settings("-", "nginx", "-")).unwrap();
        let metrics = |tally: &GroupTally, uptime_s, elapsed_s| {
            let mut values = Vec::new();
            group.push(tally, 4096, uptime_s, elapsed_s, &mut values);
            values.into_iter().map(|value| format!("{}={}", value.metric, value.value)).collect::<Vec<_>>().join(" ")
        };
        let none = GroupTally::default();
        assert_eq!(metrics(&none, Some(9.0), None), "proc.num=0 proc.threads=0 proc.mem.rss=0");
        assert_eq!(
            metrics(&none, Some(9.0), Some(10.0)),
            "proc.num=0 proc.threads=0 proc.mem.rss=0 proc.cpu.percent=0"
        );
        let new = GroupTally { processes: 2, threads: 3, pages: 2, first_start: Some(400), ..none };
        assert_eq!(metrics(&new, Some(9.0), Some(10.0)), "proc.num=2 proc.threads=3 proc.mem.rss=8192 proc.uptime=5");
        let old = GroupTally { ticks: 250, compared: 1, ..new };
        assert_eq!(metrics(&old, None, Some(5.0)), "proc.num=2 proc.threads=3 proc.mem.rss=8192 proc.cpu.percent=50");
    }
}
