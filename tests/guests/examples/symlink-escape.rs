//! Tries to reach a file outside by links: makes them in a folder that it may write to, then reads through them.

use std::fs;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `link`.
    pub struct SymlinkEscapeSettings {
        /// A folder that it may write to.
        pub folder: String,
        /// A file outside of it.
        pub outside: String,
    }
}

/// The guest.
pub struct SymlinkEscape(SymlinkEscapeSettings);

impl Collector for SymlinkEscape {
    type Settings = SymlinkEscapeSettings;

    fn describe() -> Description {
        Description::new("symlink-escape", "1.0.0", "Makes links to what is outside")
    }

    fn open(settings: SymlinkEscapeSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let SymlinkEscapeSettings { folder, outside } = &self.0;
        let relative = format!("../../../../../../../..{outside}");
        let mut read = 0;
        let mut made = 0;
        for (number, target) in [outside.clone(), relative, format!("{folder}/..{outside}")].iter().enumerate() {
            let (soft, hard, moved) =
                (format!("{folder}/soft{number}"), format!("{folder}/hard{number}"), format!("{folder}/moved{number}"));
            made += u32::from(fs::hard_link(target, &hard).is_ok());
            made += u32::from(fs::rename(target, &moved).is_ok());
            made += u32::from(fs::copy(target, format!("{folder}/copy{number}")).is_ok());
            symlink(target, &soft);
            for path in [&soft, &hard, &moved, &format!("{soft}/")] {
                read += u32::from(fs::read(path).is_ok());
            }
            // A symbolic link must not be a way to write either: what is outside tells. Where there is no link, this makes
            // a file.
            let _ = fs::write(&soft, "overwritten");
        }
        Ok(vec![Sample::gauge("link.read", f64::from(read)), Sample::gauge("link.made", f64::from(made))])
    }
}

saker_sdk::export_collector!(SymlinkEscape);

/// The standard library has no symbolic links here, WASI has.
fn symlink(target: &str, path: &str) {
    #[cfg(target_arch = "wasm32")]
    for (directory, name) in wasip2::filesystem::preopens::get_directories() {
        if let Some(rest) = path.strip_prefix(name.as_str()) {
            // Whether it was made shows when it is read.
            let _ = directory.symlink_at(target, rest.trim_start_matches('/'));
        }
    }
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (target, path);
}
