//! Moves what is granted to somebody else out of the way, puts a link in its place, and traps, so that another instance
//! follows that opens its grants.

use std::fs;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `swap`.
    pub struct GrantSwapperSettings {
        /// A folder that it may write to.
        pub folder: String,
        /// What in it is moved away.
        pub name: String,
        /// Where the link in its place leads. WASI makes no absolute one.
        pub to: String,
    }
}

/// The guest.
pub struct GrantSwapper(GrantSwapperSettings);

impl Collector for GrantSwapper {
    type Settings = GrantSwapperSettings;

    fn describe() -> Description {
        Description::new("grant-swapper", "1.0.0", "Puts a link in the place of what is granted")
    }

    fn open(settings: GrantSwapperSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let GrantSwapperSettings { folder, name, to } = &self.0;
        let path = format!("{folder}/{name}");
        fs::rename(&path, format!("{path}.away")).map_err(|error| CollectError::from_io_writing(&path, &error))?;
        #[cfg(target_arch = "wasm32")]
        for (directory, root) in wasip2::filesystem::preopens::get_directories() {
            if root == *folder {
                directory.symlink_at(to, name).map_err(|error| CollectError::Other(format!("{error:?}")))?;
            }
        }
        panic!("swapped for a link to {to}");
    }
}

saker_sdk::export_collector!(GrantSwapper);
