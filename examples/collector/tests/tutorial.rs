//! The tutorial shows this very crate.

#[test]
fn the_tutorial_shows_the_whole_of_this_collector() {
    let page = include_str!("../../../docs/write-a-plugin.md");
    assert!(page.contains(include_str!("../src/lib.rs")), "copy src/lib.rs into docs/write-a-plugin.md");
}
