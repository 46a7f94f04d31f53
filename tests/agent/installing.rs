//! Plugins from files and from a registry, pinned and signed. Needs Debian's `docker-registry`.

use std::path::PathBuf;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::agent::{Home, guest, repository, saker, shipped, variant};
use crate::servers::Server;

/// A folder with a configuration, and what is run in it.
struct Desk {
    home: Home,
    private: PathBuf,
}

impl Desk {
    /// With a key whose signatures count; `required` says whether there has to be one.
    fn new(required: bool) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let home = Home::new(&[]);
        let private = home.dir.path().join("key.pem");
        std::fs::write(&private, pair.serialize_pem()).unwrap();
        std::fs::write(home.dir.path().join("key.pub"), pair.public_key_pem()).unwrap();
        let keys = format!("[plugins]\nsignature_keys = [\"key.pub\"]\nrequire_signature = {required}\n");
        Self { home: home.config(&keys), private }
    }

    /// Runs `saker plugin …`; answers its exit status, and what it said.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = saker(&[&["plugin"], arguments].concat(), self.home.dir.path());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The same with the configuration; it has to go well.
    fn do_it(&self, arguments: &[&str]) -> String {
        let (status, said) = self.run(&[arguments, &["--config", "agent.toml"]].concat());
        assert_eq!(status, 0, "{arguments:?}: {said}");
        said
    }

    /// It has to fail.
    fn refused(&self, arguments: &[&str]) -> String {
        let (status, said) = self.run(&[arguments, &["--config", "agent.toml"]].concat());
        assert_eq!(status, 1, "{arguments:?}: {said}");
        said
    }

    fn installed(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.home.plugin_path(name)).ok()
    }
}

#[test]
fn a_plugin_comes_from_a_registry_by_tag_and_by_digest_with_its_signature() {
    let registry = Server::registry();
    let desk = Desk::new(true);
    let cpu = repository().join("target/plugins/cpu.wasm").display().to_string();
    let tag = format!("oci://{}/team/cpu:1", registry.address);
    let plain = ["--plain-http", registry.address.as_str()];
    let key = desk.private.display().to_string();

    // Without a signature it is not even compiled.
    let (status, digest) = desk.run(&[&["push", &cpu, &tag][..], &plain].concat());
    assert_eq!(status, 0, "{digest}");
    let said = desk.refused(&[&["install", &tag][..], &plain].concat());
    assert!(said.contains("it is not signed"), "{said}");
    assert_eq!(desk.installed("cpu"), None);

    let (status, digest) = desk.run(&[&["push", &cpu, &tag, "--sign-key", &key][..], &plain].concat());
    assert_eq!(status, 0, "{digest}");
    let said = desk.do_it(&[&["install", &tag][..], &plain].concat());
    assert!(said.contains("cpu: cpu 0.1.0, a collector, signed by") && said.contains("wants grant.read"), "{said}");
    assert_eq!(desk.installed("cpu"), Some(shipped("cpu")));
    let said = desk.do_it(&["installed"]);
    assert!(said.contains(digest.trim()) && said.contains("as installed"), "{said}");

    // By digest, under another name.
    let fixed = format!("oci://{}/team/cpu@{}", registry.address, digest.trim());
    desk.do_it(&[&["install", &fixed, "--name", "cpu-fixed"][..], &plain].concat());
    assert_eq!(desk.installed("cpu-fixed"), Some(shipped("cpu")));

    // The tag moves on: the one by tag follows, the one by digest stays.
    let next = desk.home.dir.path().join("next.wasm");
    std::fs::write(&next, variant(&shipped("cpu"), 7)).unwrap();
    let next = next.display().to_string();
    let (status, said) = desk.run(&[&["push", &next, &tag, "--sign-key", &key][..], &plain].concat());
    assert_eq!(status, 0, "{said}");
    let said = desk.do_it(&[&["update"][..], &plain].concat());
    assert!(said.contains("cpu-fixed: unchanged") && said.contains("cpu: other hash"), "{said}");
    assert_eq!(desk.installed("cpu"), Some(variant(&shipped("cpu"), 7)));
    assert_eq!(desk.installed("cpu-fixed"), Some(shipped("cpu")));

    // The agent checks again by itself, from what was kept.
    let agent = desk.home.start();
    agent.until("both run", |agent| agent.instance("cpu").zip(agent.instance("cpu-fixed")));
}

#[test]
fn an_update_that_asks_for_more_waits_for_a_yes() {
    let desk = Desk::new(false);
    let source = desk.home.dir.path().join("mine.wasm");
    let path = source.display().to_string();
    std::fs::write(&source, shipped("load")).unwrap();
    desk.do_it(&["install", &path]);
    std::fs::write(&source, shipped("network")).unwrap();
    let said = desk.refused(&["update", "mine"]);
    assert!(
        said.contains("mine: more permission: wants grant.read = [\"/sys\"]") && said.contains("--accept"),
        "{said}"
    );
    assert_eq!(desk.installed("mine"), Some(shipped("load")));
    desk.do_it(&["update", "mine", "--accept"]);
    assert_eq!(desk.installed("mine"), Some(shipped("network")));
    std::fs::write(desk.home.plugin_path("mine"), b"something else").unwrap();
    let said = desk.refused(&["installed"]);
    assert!(said.contains("changed") && said.contains("1 of 1"), "{said}");
    desk.do_it(&["remove", "mine"]);
    assert_eq!(desk.installed("mine"), None);
    assert!(desk.refused(&["remove", "mine"]).contains("was not installed here"));
}

#[test]
fn what_is_no_plugin_or_is_somebody_elses_changes_nothing() {
    let desk = Desk::new(false);
    let text = desk.home.dir.path().join("text.wasm");
    std::fs::write(&text, "no plugin").unwrap();
    let said = desk.refused(&["install", &text.display().to_string()]);
    assert!(said.contains("the file is not WebAssembly"), "{said}");
    desk.home.put("load", b"mine");
    let load = repository().join("target/plugins/load.wasm").display().to_string();
    assert!(desk.refused(&["install", &load]).contains("was not installed by this command"));
    assert_eq!(desk.installed("load").as_deref(), Some(&b"mine"[..]));
    let said = desk.refused(&["install", "oci://127.0.0.1:9/team/cpu:1", "--plain-http", "127.0.0.1:9"]);
    assert!(said.contains("oci://127.0.0.1:9/team/cpu:1: "), "{said}");
}

#[test]
fn the_agent_runs_nothing_that_is_not_signed_where_a_signature_is_required() {
    let desk = Desk::new(true);
    desk.home.put("steady-1", &guest("steady-1"));
    let agent = desk.home.start();
    let error = |agent: &crate::agent::Agent| {
        let plugins = agent.json("/api/v1/plugins");
        let file = plugins["files"].as_array().unwrap().iter().find(|file| file["file"] == "steady-1.wasm").cloned();
        file.and_then(|file| Some(file["error"].as_str()?.to_owned()))
    };
    let found = agent.until("it is refused", |agent| error(agent));
    assert_eq!(found, "it is not signed: there is no steady-1.wasm.sig beside it");
    // A signature that comes later is looked at.
    let key = std::fs::read_to_string(&desk.private).unwrap();
    let signature = saker_plugins::Signature::Plain(saker_author::install::sign(&key, &guest("steady-1")).unwrap());
    std::fs::write(agent.home.dir.path().join("plugins/steady-1.wasm.sig"), signature.to_text()).unwrap();
    agent.until("it runs", |agent| agent.instance("steady-1"));
    // One that is wrong is not.
    agent.home.put("steady-1", &guest("steady-2"));
    let found =
        agent.until("the other is refused", |agent| error(agent).filter(|error| error.contains("none of the keys")));
    assert!(found.contains("its signature is by none of the keys"), "{found}");
}
