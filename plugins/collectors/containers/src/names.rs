//! Which container a control group is, by its path alone.

/// Who runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Docker,
    Podman,
    Containerd,
    Crio,
    Lxc,
    Machine,
}

/// What the path says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Container<'p> {
    pub(crate) runtime: Runtime,
    /// The runtime's id, or the name where it has no other.
    pub(crate) id: &'p str,
    /// containerd's namespace, if the path tells it.
    pub(crate) space: Option<&'p str>,
}

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 64;

impl Runtime {
    /// The namespace that cAdvisor gives to names of this runtime.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Lxc => "lxc",
            Self::Machine => "machine",
        }
    }

    /// Whether the id is the name, too.
    pub(crate) fn is_named_by_path(self) -> bool {
        matches!(self, Self::Lxc | Self::Machine)
    }
}

/// The container that a group is. What lies within a container is none: whoever is inside chooses those names.
pub(crate) fn container(path: &str) -> Option<Container<'_>> {
    let (found, depth) = outermost(path)?;
    (depth + 1 == parts(path).count()).then_some(found)
}

/// The path of the container that a group lies in, if it is not one itself.
pub(crate) fn within(path: &str) -> Option<&str> {
    let (_, depth) = outermost(path)?;
    let end = path.match_indices('/').nth(depth + 1)?.0;
    Some(&path[..end])
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn outermost(path: &str) -> Option<(Container<'_>, usize)> {
    let mut parent = "";
    for (depth, part) in parts(path).enumerate() {
        if let Some(found) = of_part(part, parent) {
            return Some((found, depth));
        }
        parent = part;
    }
    None
}

fn of_part<'p>(part: &'p str, parent: &'p str) -> Option<Container<'p>> {
    let container = |runtime, id| Some(Container { runtime, id, space: None });
    if let Some(name) = part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty()) {
        return container(Runtime::Lxc, name);
    }
    if parent == "lxc" {
        return container(Runtime::Lxc, part);
    }
    if parent == "machine.slice" {
        let of = |start, end| part.strip_prefix(start)?.strip_suffix(end).filter(|name: &&str| !name.is_empty());
        if let Some(name) = of("machine-", ".scope").or_else(|| of("systemd-nspawn@", ".service")) {
            return container(Runtime::Machine, name);
        }
    }
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    // containerd with systemd's names given to a runtime that knows none of them: `kubepods-….slice:cri-containerd:ID`.
    let bare = bare.rsplit(':').next().unwrap_or(bare);
    let at = bare.len().checked_sub(ID_DIGITS).filter(|at| bare.is_char_boundary(*at))?;
    let (prefix, id) = bare.split_at(at);
    if !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    match prefix {
        "docker-" => container(Runtime::Docker, id),
        "libpod-" => container(Runtime::Podman, id),
        "crio-" => container(Runtime::Crio, id),
        "cri-containerd-" => Some(Container { runtime: Runtime::Containerd, id, space: Some("k8s.io") }),
        "nerdctl-" => Some(Container { runtime: Runtime::Containerd, id, space: Some("default") }),
        "" if parent == "docker" => container(Runtime::Docker, id),
        "" if parent.starts_with("pod") || part.contains(':') => {
            Some(Container { runtime: Runtime::Containerd, id, space: Some("k8s.io") })
        }
        "" if !parent.is_empty() => Some(Container { runtime: Runtime::Containerd, id, space: Some(parent) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4";

    #[test]
    fn the_paths_of_all_runtimes_are_known() {
        for (path, runtime, space) in [
            (format!("/docker/{ID}"), Runtime::Docker, None),
            (format!("/system.slice/docker-{ID}.scope"), Runtime::Docker, None),
            (format!("/machine.slice/libpod-{ID}.scope"), Runtime::Podman, None),
            (format!("/libpod_parent/libpod-{ID}"), Runtime::Podman, None),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
                Runtime::Podman,
                None,
            ),
            (format!("/kubepods/burstable/pod0f1e/{ID}"), Runtime::Containerd, Some("k8s.io")),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f.slice/cri-containerd-{ID}.scope"
                ),
                Runtime::Containerd,
                Some("k8s.io"),
            ),
            (
                format!("/system.slice/containerd.service/kubepods-besteffort-pod0f.slice:cri-containerd:{ID}"),
                Runtime::Containerd,
                Some("k8s.io"),
            ),
            (format!("/default/{ID}"), Runtime::Containerd, Some("default")),
            (format!("/system.slice/nerdctl-{ID}.scope"), Runtime::Containerd, Some("default")),
            (format!("/kubepods.slice/kubepods-pod0f.slice/crio-{ID}.scope"), Runtime::Crio, None),
        ] {
            assert_eq!(container(&path), Some(Container { runtime, id: ID, space }), "{path}");
            assert_eq!(within(&path), None, "{path}");
        }
        for (path, runtime, id) in [
            ("/lxc.payload.web", Runtime::Lxc, "web"),
            ("/lxc/web", Runtime::Lxc, "web"),
            ("/machine.slice/systemd-nspawn@db.service", Runtime::Machine, "db"),
            ("/machine.slice/machine-qemu.scope", Runtime::Machine, "qemu"),
        ] {
            assert_eq!(container(path), Some(Container { runtime, id, space: None }), "{path}");
        }
    }

    #[test]
    fn other_groups_are_no_containers() {
        for path in [
            "/",
            "/system.slice/ssh.service",
            "/docker",
            "/lxc.payload.",
            &format!("/{ID}"),
            &format!("/kubepods.slice/crio-conmon-{ID}.scope"),
            &format!("/machine.slice/libpod-conmon-{ID}.scope"),
            &format!("/docker/{}", &ID[1..]),
            &format!("/docker/{}", ID.to_uppercase()),
            "/é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é€é",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }

    #[test]
    fn what_lies_within_a_container_cannot_pass_for_another() {
        let inner = format!("/docker/{ID}/system.slice/docker-{}.scope", ID.replace('8', "9"));
        assert_eq!(container(&inner), None);
        assert_eq!(within(&inner), Some(format!("/docker/{ID}").as_str()));
        assert_eq!(within(&format!("/docker/{ID}")), None);
        assert_eq!(within("/system.slice"), None);
    }
}
