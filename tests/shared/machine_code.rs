//! Compile caches of tests: what one has compiled, no other compiles again. Read in by the tests that load plugins.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The key of all of them, for code is taken only under the key that it was written under.
const KEY: [u8; 32] = [7; 32];

/// Makes a compile cache of this folder.
pub(crate) fn make(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    let key = folder.with_extension("key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
}

/// The one that stays from test to test.
pub(crate) fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/compiled");
        make(&folder);
        folder
    })
}
