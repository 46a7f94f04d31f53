//! What file system something lies on, told by what the kernel says of a descriptor and not by a path: a bind mount of
//! `/proc` is procfs wherever it is.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{FileType, fstat, fstatfs};

/// What a grant makes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSystem {
    /// It holds what was put there; cgroups, whose files are figures, count as well.
    Ordinary,
    /// Processes, and the kernel's own figures.
    Proc,
    /// Devices.
    Sys,
    /// Another door to the kernel, by its magic number: only a grant that names it opens it.
    Kernel(u64),
}

const PROC: u64 = 0x9fa0;
const SYSFS: u64 = 0x6265_6572;

/// The numbers of `linux/magic.h` that stand for no storage: what lies there is the kernel's state, its memory, or other
/// processes'. Names are those of `/proc/filesystems`.
const KERNEL: [(u64, &str); 20] = [
    (PROC, "proc"),
    (SYSFS, "sysfs"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xcafe_4a11, "bpf"),
    (0x6265_6570, "configfs"),
    (0xde5e_81e4, "efivarfs"),
    (0x6165_676c, "pstore"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x5a3c_69f0, "apparmorfs"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x6759_6969, "rpc_pipefs"),
    (0x6e66_7364, "nfsd"),
    (0x6573_5543, "fusectl"),
    (0x9584_58f6, "hugetlbfs"),
    (0x1980_0202, "mqueue"),
    (0x6e73_6673, "nsfs"),
    (0x1cd1, "devpts"),
];

/// The file system that a descriptor is on.
pub(super) fn of(fd: impl AsFd) -> io::Result<FileSystem> {
    let magic = u64::from(u32::try_from(fstatfs(fd)?.f_type & 0xffff_ffff).unwrap_or(0));
    Ok(match magic {
        PROC => FileSystem::Proc,
        SYSFS => FileSystem::Sys,
        _ if KERNEL.iter().any(|&(kernel, _)| kernel == magic) => FileSystem::Kernel(magic),
        _ => FileSystem::Ordinary,
    })
}

/// Whether a descriptor is a device's: behind it may be a disk, or memory.
pub(super) fn is_device(fd: impl AsFd) -> io::Result<bool> {
    let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
    Ok(matches!(kind, FileType::CharacterDevice | FileType::BlockDevice))
}

/// Where a descriptor's file is, as this process sees it.
pub(super) fn path_of(fd: impl AsFd) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// A line of `/proc/self/mountinfo`.
pub(super) struct MountInfo {
    id: u64,
    /// The folder of its file system that stands at `point`.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    kind: String,
}

impl MountInfo {
    fn parse(line: &[u8]) -> Option<Self> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = line.split(|byte| *byte == b' ');
        let id = text(fields.next()?).parse().ok()?;
        let (root, point) = (unescape(fields.nth(2)?), unescape(fields.next()?));
        let kind = text(fields.skip_while(|field| *field != b"-").nth(1)?);
        Some(Self { id, root, point, kind })
    }

    /// Whether it leads into the kernel.
    fn is_kernel(&self) -> bool {
        KERNEL.iter().any(|(_, name)| *name == self.kind)
    }
}

/// Blanks and backslashes of paths stand there as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\');
        match digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn mounts() -> io::Result<Vec<MountInfo>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(MountInfo::parse).collect())
}

/// The mount that a descriptor was reached through.
pub(super) fn mount_of(fd: impl AsFd) -> io::Result<MountInfo> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse::<u64>().ok());
    let found = mounts()?.into_iter().find(|mount| Some(mount.id) == id);
    found.ok_or_else(|| io::Error::other("its mount is not listed in /proc/self/mountinfo"))
}

/// What is mounted below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MountsBelow {
    /// Whether anything is.
    pub(super) any: bool,
    /// The first place that leads into the kernel.
    pub(super) kernel: Option<PathBuf>,
}

/// What is mounted below a folder, which is given as the kernel names it.
pub(super) fn mounted_below(folder: &Path) -> io::Result<MountsBelow> {
    let below: Vec<_> = mounts()?
        .into_iter()
        .filter(|mount| mount.point.starts_with(folder) && mount.point.as_os_str() != folder.as_os_str())
        .collect();
    let kernel = below.iter().find(|mount| mount.is_kernel()).map(|mount| mount.point.clone());
    Ok(MountsBelow { any: !below.is_empty(), kernel })
}

/// A path as text. What is none cannot be asked for by a guest either.
pub(super) fn as_text(path: &Path) -> io::Result<&str> {
    std::str::from_utf8(path.as_os_str().as_bytes()).map_err(|_| io::Error::other("its path is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_known_by_its_magic_number_and_not_by_its_path() {
        let kind = |path: &str| of(fs::File::open(path).unwrap()).unwrap();
        assert_eq!(kind("/proc/stat"), FileSystem::Proc);
        assert_eq!(kind("/sys/class"), FileSystem::Sys);
        assert_eq!(kind("/etc"), FileSystem::Ordinary);
        assert!(is_device(fs::File::open("/dev/null").unwrap()).unwrap());
        assert!(mounted_below(Path::new("/")).unwrap().kernel.is_some());
        assert_eq!(mount_of(fs::File::open("/proc/sys/kernel").unwrap()).unwrap().kind, "proc");
    }

    #[test]
    fn a_mount_is_read_with_its_root_and_its_blanks() {
        let line = br"36 35 98:0 /1 /mnt\040two rw,noatime master:1 - proc none rw,errors=continue";
        let mount = MountInfo::parse(line).unwrap();
        assert_eq!((mount.id, mount.root.as_path()), (36, Path::new("/1")));
        assert_eq!((mount.point.as_path(), mount.is_kernel()), (Path::new("/mnt two"), true));
        assert!(MountInfo::parse(b"36 35").is_none());
    }
}
