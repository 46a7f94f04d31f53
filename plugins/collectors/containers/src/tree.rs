//! The folders of one hierarchy of control groups, and how they change.
//!
//! The kernel counts the folders in a folder as its links. So a look at each branch finds what has come and gone; only
//! where the number is another, or something has been found gone, a folder is listed. A group that one other takes the
//! place of within one run is found because the one that has gone cannot be read.

use std::collections::BTreeMap;

use crate::files::{Fault, folders, look};

/// Groups of a hierarchy that are remembered: whoever is in a container may make as many as they like.
pub(crate) const NODES_MAX: usize = 20_000;
/// Runs for which a new group without any below it is looked at like a branch: that is when they get them.
const YOUNG_RUNS: u8 = 10;

/// A hierarchy.
#[derive(Debug)]
pub(crate) struct Tree {
    root: String,
    nodes: BTreeMap<String, Node>,
    is_first: bool,
    /// Whether there was no room for something.
    pub(crate) is_full: bool,
}

#[derive(Debug)]
struct Node {
    links: u64,
    children: Vec<String>,
    young: u8,
}

/// What has changed, by paths from the top.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Tree {
    pub(crate) fn new(root: impl Into<String>) -> Self {
        Self { root: root.into(), nodes: BTreeMap::new(), is_first: true, is_full: false }
    }

    /// Looks at all branches; with `leaves` also at groups that have none below them.
    pub(crate) fn refresh(&mut self, leaves: bool) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        if !self.nodes.contains_key("/") {
            look(&self.root)?;
            self.insert("/".into(), &mut changes);
        }
        let looked_at = |node: &Node| leaves || node.young > 0 || !node.children.is_empty() || node.links != 2;
        let due: Vec<String> =
            self.nodes.iter().filter(|(_, node)| looked_at(node)).map(|(path, _)| path.clone()).collect();
        for path in due {
            self.visit(&path, &mut changes);
        }
        self.is_first = false;
        Ok(changes)
    }

    /// Has the folder that a group is in listed at the next look, because the group has gone.
    pub(crate) fn doubt(&mut self, path: &str) {
        let above = path.rfind('/').map_or("/", |at| if at == 0 { "/" } else { &path[..at] });
        if let Some(node) = self.nodes.get_mut(above) {
            node.links = 0;
        }
    }

    fn visit(&mut self, path: &str, changes: &mut Changes) {
        let is_first = self.is_first;
        let Some(node) = self.nodes.get_mut(path) else { return };
        node.young = node.young.saturating_sub(1);
        // What has gone is taken away when the folder around it is listed.
        let Ok(found) = look(&full(&self.root, path)) else { return };
        // Where links are not counted there is nothing to compare.
        if found.links == node.links && found.links >= 2 || (is_first && found.links == 2) {
            node.links = found.links;
            return;
        }
        let Ok(mut children) = folders(&full(&self.root, path)) else { return };
        children.sort_unstable();
        node.links = found.links;
        let before = std::mem::replace(&mut node.children, children.clone());
        for gone in before.iter().filter(|name| children.binary_search(name).is_err()) {
            self.remove(&join(path, gone), changes);
        }
        for new in children.iter().filter(|name| before.binary_search(name).is_err()) {
            self.insert(join(path, new), changes);
        }
    }

    fn insert(&mut self, path: String, changes: &mut Changes) {
        if self.nodes.len() >= NODES_MAX {
            self.is_full = true;
            return;
        }
        let young = if self.is_first { 0 } else { YOUNG_RUNS };
        self.nodes.insert(path.clone(), Node { links: 0, children: Vec::new(), young });
        changes.added.push(path.clone());
        self.visit(&path, changes);
    }

    fn remove(&mut self, path: &str, changes: &mut Changes) {
        if let Some(node) = self.nodes.remove(path) {
            for child in node.children {
                self.remove(&join(path, &child), changes);
            }
            changes.removed.push(path.to_owned());
        }
    }
}

/// A group's folder.
pub(crate) fn full(root: &str, path: &str) -> String {
    if path == "/" { root.to_owned() } else { format!("{root}{path}") }
}

fn join(path: &str, name: &str) -> String {
    if path == "/" { format!("/{name}") } else { format!("{path}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Folder;

    fn refreshed(tree: &mut Tree, leaves: bool) -> (Vec<String>, Vec<String>) {
        let mut changes = tree.refresh(leaves).unwrap();
        changes.added.sort();
        changes.removed.sort();
        (changes.added, changes.removed)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn groups_are_found_at_any_depth_when_they_come_and_when_they_have_gone() {
        let folder = Folder::new("tree");
        folder.folder("a/b/c");
        folder.folder("d");
        let mut tree = Tree::new(folder.path(""));
        assert_eq!(refreshed(&mut tree, false), (texts(&["/", "/a", "/a/b", "/a/b/c", "/d"]), texts(&[])));
        assert_eq!(refreshed(&mut tree, false), (texts(&[]), texts(&[])));
        folder.folder("a/b/e/f");
        assert_eq!(refreshed(&mut tree, false), (texts(&["/a/b/e", "/a/b/e/f"]), texts(&[])));
        folder.remove("a");
        let gone = ["/a", "/a/b", "/a/b/c", "/a/b/e", "/a/b/e/f"];
        assert_eq!(refreshed(&mut tree, false), (texts(&[]), texts(&gone)));
        // What had nothing below it is looked at now and then.
        folder.folder("d/g");
        assert_eq!(refreshed(&mut tree, true), (texts(&["/d/g"]), texts(&[])));
    }

    #[test]
    fn one_that_takes_the_place_of_another_is_found_once_that_is_in_doubt() {
        let folder = Folder::new("tree-doubt");
        folder.folder("a/old");
        let mut tree = Tree::new(folder.path(""));
        tree.refresh(true).unwrap();
        folder.remove("a/old");
        folder.folder("a/new");
        tree.doubt("/a/old");
        assert_eq!(refreshed(&mut tree, false), (texts(&["/a/new"]), texts(&["/a/old"])));
    }

    #[test]
    fn a_hierarchy_that_is_not_there_is_a_fault_and_one_that_comes_is_found() {
        let folder = Folder::new("tree-later");
        let mut tree = Tree::new(folder.path("later"));
        assert_eq!(tree.refresh(true), Err(Fault::Absent));
        folder.folder("later/a");
        assert_eq!(refreshed(&mut tree, true).0, ["/", "/a"]);
    }
}
