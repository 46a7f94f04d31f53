//! Everything that is linked or run in a build may be used, changed and passed on without more than its notice.

use crate::graph::{Package, packages};

/// Licences that ask for a notice at most.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an expression leaves a choice of permissive licences alone. `/` is an older way to write `OR`; parentheses
/// bind what stands in them, and otherwise `AND` binds closer.
fn is_permissive(expression: &str) -> bool {
    let mut rest = expression.trim();
    let choice = choice(&mut rest);
    choice && rest.is_empty()
}

fn choice(rest: &mut &str) -> bool {
    let mut holds = all(rest);
    while take(rest, "OR ") || take(rest, "/") {
        // Both sides are read to their ends.
        holds |= all(rest);
    }
    holds
}

fn all(rest: &mut &str) -> bool {
    let mut holds = one(rest);
    while take(rest, "AND ") {
        holds &= one(rest);
    }
    holds
}

fn one(rest: &mut &str) -> bool {
    if take(rest, "(") {
        return choice(rest) & take(rest, ")");
    }
    let mut name = word(rest).to_owned();
    if take(rest, "WITH ") {
        name = format!("{name} WITH {}", word(rest));
    }
    PERMISSIVE.contains(&name.as_str())
}

fn word<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find([' ', '/', '(', ')']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    word
}

fn take(rest: &mut &str, what: &str) -> bool {
    let Some(after) = rest.strip_prefix(what) else { return false };
    *rest = after.trim_start();
    true
}

#[test]
fn an_expression_is_permissive_if_one_of_its_choices_is() {
    for expression in [
        "MIT",
        "MIT OR GPL-2.0",
        "GPL-2.0 OR BSD-3-Clause",
        "MIT/Unlicense",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "ISC AND (Apache-2.0 OR ISC)",
    ] {
        assert!(is_permissive(expression), "{expression}");
    }
    for expression in
        ["", "GPL-2.0", "MIT AND GPL-2.0", "(MIT OR ISC) AND MPL-2.0", "MIT OR", "MIT)", "Apache-2.0 WITH X", "MIT ISC"]
    {
        assert!(!is_permissive(expression), "{expression}");
    }
}

#[test]
fn every_package_has_a_permissive_licence() {
    let is_wrong = |package: &&Package| !package.licence.as_deref().is_some_and(is_permissive);
    let wrong: Vec<_> =
        packages().iter().filter(is_wrong).map(|it| format!("{} {}: {:?}", it.name, it.version, it.licence)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
