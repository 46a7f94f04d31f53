//! Where plugins are installed by command: a folder with a configuration, and a key.

use std::path::PathBuf;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::agent::{Home, saker};

/// A folder with a configuration, and what is run in it.
pub(crate) struct Desk {
    pub(crate) home: Home,
    pub(crate) private: PathBuf,
}

impl Desk {
    /// With a key whose signatures count; `required` says whether there has to be one.
    pub(crate) fn new(required: bool) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let home = Home::new(&[]);
        let private = home.dir.path().join("key.pem");
        std::fs::write(&private, pair.serialize_pem()).unwrap();
        std::fs::write(home.dir.path().join("key.pub"), pair.public_key_pem()).unwrap();
        let keys = format!("[plugins]\nsignature_keys = [\"key.pub\"]\nrequire_signature = {required}\n");
        Self { home: home.config(&keys), private }
    }

    /// Runs `saker plugin …`; answers its exit status, and what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = saker(&[&["plugin"], arguments].concat(), self.home.dir.path());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The same with the configuration; it has to go well.
    pub(crate) fn do_it(&self, arguments: &[&str]) -> String {
        let (status, said) = self.run(&[arguments, &["--config", "agent.toml"]].concat());
        assert_eq!(status, 0, "{arguments:?}: {said}");
        said
    }

    /// It has to fail.
    pub(crate) fn rejected(&self, arguments: &[&str]) -> String {
        let (status, said) = self.run(&[arguments, &["--config", "agent.toml"]].concat());
        assert_eq!(status, 1, "{arguments:?}: {said}");
        said
    }

    pub(crate) fn installed(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.home.plugin_path(name)).ok()
    }
}
