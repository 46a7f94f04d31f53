//! Building a [`Description`], and the permissions in it.

use crate::bindings::types::{Description, Permission, PermissionRequest};

impl Description {
    /// Starts a description: a name of lower-case letters, digits and `-`, the plugin's version, and one line that says
    /// what it does.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            permissions: Vec::new(),
            settings_schema: String::new(),
            default_interval_ms: None,
        }
    }

    /// Asks for a permission, and tells the operator why.
    #[must_use]
    pub fn requests(mut self, permission: Permission, reason: &str) -> Self {
        self.permissions.push(PermissionRequest { permission, reason: reason.into() });
        self
    }

    /// Suggests how often to collect, in milliseconds. The operator's interval wins.
    #[must_use]
    pub fn every_ms(mut self, interval_ms: u32) -> Self {
        self.default_interval_ms = Some(interval_ms);
        self
    }
}

/// Permission to read files below an absolute directory, or one file.
#[must_use]
pub fn read(directory: &str) -> Permission {
    Permission::Read(directory.into())
}

/// Permission to read and write files below an absolute directory.
#[must_use]
pub fn write(directory: &str) -> Permission {
    Permission::Write(directory.into())
}

/// Permission to keep files in a folder of the instance's own, [`DATA_DIR`](crate::DATA_DIR).
#[must_use]
pub fn data_dir() -> Permission {
    Permission::DataDir
}

/// Permission to ask for the size and fill of file systems mounted at or below an absolute directory.
#[must_use]
pub fn statfs(directory: &str) -> Permission {
    Permission::Statfs(directory.into())
}

/// Permission to connect to `host:port`.
#[must_use]
pub fn connect(address: &str) -> Permission {
    Permission::Connect(address.into())
}

/// Permission to send requests over a Unix socket: a method, the socket's path, and what a request's path begins with, in
/// whole segments, where `*` stands for any one.
#[must_use]
pub fn unix(method: &str, socket: &str, path: &str) -> Permission {
    Permission::Unix(format!("{method} {socket} {path}"))
}

/// Permission to have a secret put by the agent into the requests to `scheme://host:port`.
#[must_use]
pub fn secret(to: &str) -> Permission {
    Permission::Secret(to.into())
}

/// Permission to see an environment variable of the agent.
#[must_use]
pub fn env(name: &str) -> Permission {
    Permission::Env(name.into())
}

/// Permission to write to the agent's standard output as it is.
#[must_use]
pub fn stdout() -> Permission {
    Permission::Stdout
}
