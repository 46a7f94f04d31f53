//! A disk of its own for what the agent keeps, which can be frozen and filled. Making one needs root.

use std::fs::File;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room enough for what waits in a run.
const BYTES: u64 = 128 << 20;
const FILLER: &str = "filler";

/// A file system on a file, mounted at a folder.
pub(crate) struct Disk {
    image: PathBuf,
    mount: PathBuf,
    is_frozen: bool,
}

impl Disk {
    pub(crate) fn mount(image: PathBuf, mount: PathBuf) -> Result<Self> {
        File::create(&image)?.set_len(BYTES)?;
        std::fs::create_dir_all(&mount)?;
        let text = image.to_string_lossy();
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &text])?;
        run("mount", &["-o", "loop", &text, &mount.to_string_lossy()])?;
        // Others may look into the root of a new file system.
        std::fs::set_permissions(&mount, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(Self { image, mount, is_frozen: false })
    }

    /// Whoever writes hangs from now on, in the system, where no signal reaches it.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        run("fsfreeze", &["--freeze", &self.mount.to_string_lossy()])?;
        self.is_frozen = true;
        Ok(())
    }

    pub(crate) fn thaw(&mut self) -> Result<()> {
        if self.is_frozen {
            run("fsfreeze", &["--unfreeze", &self.mount.to_string_lossy()])?;
        }
        self.is_frozen = false;
        Ok(())
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.mount.join(FILLER))?;
        let block = vec![7; 1 << 20];
        let mut bytes = block.len();
        while bytes > 0 {
            // Ever smaller, until nothing finds room.
            while file.write_all(&block[..bytes]).is_ok() {}
            bytes /= 4;
        }
        Ok(())
    }

    pub(crate) fn empty(&self) -> Result<()> {
        match std::fs::remove_file(self.mount.join(FILLER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, for the agent may be ending; what fails leaves a mount that says where it comes from.
        let _ = self.thaw();
        let _ = run("umount", &["--lazy", &self.mount.to_string_lossy()]);
        let _ = std::fs::remove_file(&self.image);
    }
}

/// The folder of one destination's queue, as saker lays it out.
pub(crate) fn queue_folder(dir: &Path, destination: &str) -> PathBuf {
    dir.join("data/queues").join(destination)
}

#[expect(clippy::disallowed_methods, reason = "the standard library makes no file systems")]
fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::other(format!("{program} {}: {said}", arguments.join(" "))))
}
