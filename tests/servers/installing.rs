//! Plugins from a registry, pinned and signed.

use crate::agent::{repository, shipped, variant};
use crate::desk::Desk;
use crate::servers::Server;

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
    let said = desk.rejected(&[&["install", &tag][..], &plain].concat());
    assert!(said.contains("it is not signed"), "{said}");
    assert_eq!(desk.installed("cpu"), None);

    let (status, digest) = desk.run(&[&["push", &cpu, &tag, "--sign-key", &key][..], &plain].concat());
    assert_eq!(status, 0, "{digest}");
    let said = desk.do_it(&[&["install", &tag][..], &plain].concat());
    assert!(said.contains("cpu: cpu 0.1.0, a collector, signed by") && said.contains("requests grant.read"), "{said}");
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
