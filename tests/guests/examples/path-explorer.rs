//! Tries each path in every way that there is: as it stands, part by part over directories that it keeps open, and
//! through a link that it makes. Answers what it read, whether it saw what kind of thing is there, where a link leads,
//! and the names of a list.

use std::fs;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `burrow`.
    pub struct PathExplorerSettings {
        /// What to try.
        pub paths: Vec<String> = Vec::new(),
        /// A folder that it may write to, for links.
        pub links: String = String::new(),
        /// A folder to list.
        pub list: String = String::new(),
    }
}

/// The guest.
pub struct PathExplorer(PathExplorerSettings);

impl Collector for PathExplorer {
    type Settings = PathExplorerSettings;

    fn describe() -> Description {
        Description::new("path-explorer", "1.0.0", "Tries paths in every way")
    }

    fn open(settings: PathExplorerSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut values = Vec::new();
        for (number, path) in self.0.paths.iter().enumerate() {
            let mut push = |way: &str, worked: bool| {
                let value = Sample::gauge(&format!("path-explorer.{way}"), f64::from(worked));
                values.push(value.tag("path", &text::tag_value(path)));
            };
            push("read", fs::read(path).is_ok_and(|bytes| !bytes.is_empty()));
            push("list", fs::read_dir(path).is_ok_and(|entries| entries.flatten().count() > 0));
            push("see", fs::metadata(path).is_ok());
            push("link", fs::read_link(path).is_ok());
            push("step", by_steps(path));
            if !self.0.links.is_empty() {
                let link = format!("{}/link{number}", self.0.links);
                make_link(path, &link);
                push("through", fs::read(&link).is_ok() || fs::read_dir(&link).is_ok());
            }
        }
        if !self.0.list.is_empty() {
            let entries = fs::read_dir(&self.0.list).map_err(|error| CollectError::from_io(&self.0.list, &error))?;
            for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
                values.push(Sample::gauge("path-explorer.name", 1.0).tag("name", &text::tag_value(&name)));
            }
        }
        Ok(values)
    }
}

saker_sdk::export_collector!(PathExplorer);

/// Opens directory after directory, each from the one before, and reads the last part from the last of them.
#[cfg(target_arch = "wasm32")]
fn by_steps(path: &str) -> bool {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    let roots = wasip2::filesystem::preopens::get_directories();
    let below =
        |name: &str| path.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/') || name == "/");
    let Some((root, rest)) = roots.iter().find_map(|(root, name)| Some((root, below(name)?))) else { return false };
    let parts: Vec<_> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let mut kept = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let from = kept.last().unwrap_or(root);
        let last = index + 1 == parts.len();
        let flags = if last { OpenFlags::empty() } else { OpenFlags::DIRECTORY };
        match from.open_at(PathFlags::SYMLINK_FOLLOW, part, flags, DescriptorFlags::READ) {
            Ok(opened) if last => return opened.read(100, 0).is_ok_and(|(bytes, _)| !bytes.is_empty()),
            Ok(opened) => kept.push(opened),
            Err(_) => return false,
        }
    }
    false
}

#[cfg(not(target_arch = "wasm32"))]
fn by_steps(_path: &str) -> bool {
    false
}

fn make_link(target: &str, path: &str) {
    #[cfg(target_arch = "wasm32")]
    for (directory, name) in wasip2::filesystem::preopens::get_directories() {
        if let Some(rest) = path.strip_prefix(name.as_str()) {
            // WASI makes no absolute link. Whether this one was made shows when it is read.
            let target = format!("../../../../../../../..{target}");
            let _ = directory.symlink_at(&target, rest.trim_start_matches('/'));
        }
    }
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (target, path);
}
