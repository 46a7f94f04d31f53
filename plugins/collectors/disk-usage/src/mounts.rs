//! The table of mounts, parsed, and the choice of those that are reported.
//!
//! The format is that of `/proc/mounts`, described in `man 5 fstab`. What is left out and why is in README.md.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saker_sdk::gaps::GapSource;
use saker_sdk::glob;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// A device, `server:/path`, or for file systems without one any word.
    pub(crate) source: String,
    /// Where it is mounted.
    pub(crate) path: String,
    /// The kind of file system.
    pub(crate) fstype: String,
}

/// Which mounts are reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// If not empty, exactly the paths that fit one of these patterns.
    pub(crate) only: Vec<String>,
    /// Patterns of file system types that are left out.
    pub(crate) fstypes: Vec<String>,
    /// Directories that are left out with all below; with a `/` at the end, only what is below.
    pub(crate) directories: Vec<String>,
    /// Patterns of sources that are left out.
    pub(crate) sources: Vec<String>,
}

/// Parses the table.
pub(crate) fn parse(text: &str, place: &mut GapSource<'_>) -> Vec<Mount> {
    let mut table = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match parse_line(line) {
            Some(mount) => table.push(mount),
            // A source with a blank in it, as some have, is told from a path by nothing.
            None => place.odd(line, "a source, an absolute path and a type", line),
        }
    }
    table
}

fn parse_line(line: &str) -> Option<Mount> {
    // Exactly one space stands between columns, and the first column may be empty.
    let mut columns = line.split(' ');
    let (source, path, fstype) = (columns.next()?, columns.next()?, columns.next()?);
    let sound = path.starts_with('/') && !fstype.is_empty() && !fstype.contains('/');
    sound.then(|| Mount {
        source: unescape(source).into(),
        path: unescape(path).into(),
        fstype: unescape(fstype).into(),
    })
}

/// Replaces `\` and three octal digits by the byte that they stand for.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match after.split_first_chunk().and_then(|(digits, after)| Some((octal(digits)?, after))) {
            Some((byte, after)) if *first == b'\\' => {
                bytes.push(byte);
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok()
}

impl Filter {
    /// The mounts to report, in the table's order.
    pub(crate) fn choose(&self, mut table: Vec<Mount>) -> Vec<Mount> {
        uncovered(&mut table);
        table.retain(|mount| self.takes(mount));
        // Who names mounts gets them, even those that are the same device.
        if self.only.is_empty() {
            once_per_device(&mut table);
        }
        table
    }

    fn takes(&self, mount: &Mount) -> bool {
        if !self.only.is_empty() {
            return glob::any(&self.only, &mount.path);
        }
        // In a container `/` is an overlay, and all the same the root that its user sees.
        mount.path == "/"
            || !(glob::any(&self.fstypes, &mount.fstype)
                || glob::any(&self.sources, &mount.source)
                || self.directories.iter().any(|directory| covers(directory, &mount.path)))
    }
}

fn covers(directory: &str, path: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() != directory.ends_with('/')))
}

/// Drops what a later mount at the same path hides.
fn uncovered(table: &mut Vec<Mount>) {
    let mut later = HashSet::new();
    let visible: Vec<_> = table.iter().rev().map(|mount| later.insert(mount.path.as_str())).collect();
    let mut visible = visible.into_iter().rev();
    table.retain(|_| visible.next().unwrap_or(true));
}

/// Keeps the shortest path of each device: bind mounts and subvolumes would count it again.
fn once_per_device(table: &mut Vec<Mount>) {
    let mut shortest = HashMap::<&str, &str>::new();
    for mount in table.iter().filter(|mount| is_device(&mount.source)) {
        let path = shortest.entry(&mount.source).or_insert(&mount.path);
        if mount.path.len() < path.len() {
            *path = &mount.path;
        }
    }
    let kept: Vec<_> =
        table.iter().map(|mount| shortest.get(mount.source.as_str()).is_none_or(|path| *path == mount.path)).collect();
    let mut kept = kept.into_iter();
    table.retain(|_| kept.next().unwrap_or(true));
}

/// Whether a source names one file system. A word such as `tmpfs` may stand for many, and `/dev/fuse` does.
fn is_device(source: &str) -> bool {
    (source.starts_with('/') && source != "/dev/fuse") || source.contains(":/")
}

#[cfg(test)]
mod tests {
    use saker_sdk::CollectError;
    use saker_sdk::gaps::Gaps;

    use super::*;

    const MOUNTS: &str = include_str!("../../../../tests/fixtures/proc/mounts");

    fn parse(text: &str) -> Vec<Mount> {
        super::parse(text, &mut Gaps::default().of("mounts"))
    }

    fn paths(filter: &Filter, text: &str) -> Vec<String> {
        filter.choose(parse(text)).into_iter().map(|mount| mount.path).collect()
    }

    fn ignoring(fstypes: &[&str], directories: &[&str], sources: &[&str]) -> Filter {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Filter { only: Vec::new(), fstypes: list(fstypes), directories: list(directories), sources: list(sources) }
    }

    #[test]
    fn a_real_table_is_read_whole() {
        let table = parse(MOUNTS);
        assert_eq!(table.len(), 29);
        assert_eq!(table[5].source, "/dev/mapper/vg0-root");
        assert_eq!((table[5].path.as_str(), table[5].fstype.as_str()), ("/", "ext4"));
        assert_eq!(table[23].path, "/media/usb stick,2", "escapes are octal");
    }

    #[test]
    fn only_whole_escapes_are_replaced() {
        assert_eq!(unescape(r"/a\040\134\011b"), "/a \\\tb");
        assert_eq!(unescape(r"/a\04"), r"/a\04");
        assert_eq!(unescape(r"/a\999\+40\"), r"/a\999\+40\");
        assert_eq!(unescape(r"/a\777"), r"/a\777", "more than a byte holds");
        assert_eq!(unescape(r"/caf\303\251"), "/café");
        assert_eq!(unescape(r"/\é40"), r"/\é40");
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_itself() {
        for line in [
            "tmpfs /tmp",
            "tmpfs tmp tmpfs rw 0 0",
            "proc net:[4026532152] proc rw 0 0",
            "a b /mnt ext4",
            "/a /b /mnt ext4",
        ] {
            let mut gaps = Gaps::default();
            let table = super::parse(&format!("proc /proc proc rw 0 0\n{line}\n"), &mut gaps.of("mounts"));
            assert_eq!(table.len(), 1, "{line}");
            let error = gaps.finish(Vec::new()).unwrap_err();
            let expected = format!("mounts: expected a source, an absolute path and a type, found {line:?}");
            assert_eq!(error, CollectError::Malformed(expected));
        }
        assert_eq!(parse(""), []);
        assert_eq!(parse(" /mnt tmpfs rw 0 0\n")[0].source, "", "a mount may have an empty source");
    }

    #[test]
    fn the_root_is_reported_whatever_it_is() {
        let text = "overlay / overlay rw 0 0\noverlay /x overlay rw 0 0\nnone /y ext4 rw 0 0\n";
        assert_eq!(paths(&ignoring(&["overlay"], &["/"], &["none"]), text), ["/"]);
    }

    #[test]
    fn an_ignored_directory_covers_what_is_below_it_but_not_its_neighbours() {
        let text = "a /lib ext4\nb /lib/modules ext4\nc /library ext4\nd /var ext4\ne /var/x ext4\n";
        assert_eq!(paths(&ignoring(&[], &["/lib", "/var/"], &[]), text), ["/library", "/var"]);
    }

    #[test]
    fn of_two_mounts_at_one_path_the_later_is_visible() {
        let text = "systemd-1 /mnt autofs\nnas:/x /mnt nfs4\n/dev/sda1 /tmp ext4\ntmpfs /tmp tmpfs\n";
        let table = ignoring(&["autofs", "tmpfs"], &[], &[]).choose(parse(text));
        assert_eq!(table.len(), 1);
        assert_eq!(table[0].source, "nas:/x");
    }

    #[test]
    fn a_device_that_is_mounted_twice_is_reported_at_its_shortest_path() {
        let text = "/dev/a /long/way ext4\n/dev/a /short ext4\n/dev/a /other ext4\nn:/x /n1 nfs4\nn:/x /n nfs4\n";
        assert_eq!(paths(&Filter::default(), text), ["/short", "/n"]);
        let words = "tmpfs /a tmpfs\ntmpfs /bb tmpfs\n/dev/fuse /c fuse.x\n/dev/fuse /dd fuse.y\n";
        assert_eq!(paths(&Filter::default(), words), ["/a", "/bb", "/c", "/dd"], "these are no devices");
    }

    #[test]
    fn named_mounts_are_reported_whatever_is_ignored() {
        let mut filter = ignoring(&["tmpfs"], &["/run"], &[]);
        filter.only = vec!["/run".to_owned(), "/srv/*".to_owned(), "/var/*".to_owned()];
        assert_eq!(
            paths(&filter, MOUNTS),
            ["/run", "/srv/data", "/var/lib/postgresql/16/main", "/var/lib/docker/overlay2/5a1c9e7f/merged"],
        );
    }
}
