//! Small files that cost a compiler dearly. Each is the honest module with more in it, so that it would run if it could be
//! compiled.

use std::fmt::Write;

/// Their names, and what to add to the module.
pub(crate) fn all() -> [(&'static str, String); 4] {
    [("jumps", jumps()), ("nesting", nesting()), ("live", live()), ("code", code())]
}

/// Tables of jumps out of many nested blocks: each adds an edge for every block.
fn jumps() -> String {
    let (functions, blocks, targets) = (24, 2000, 40_000);
    let mut text = String::new();
    for _ in 0..functions {
        text.push_str("(func (param i32) (local i64 i64 i64 i64)\n");
        for local in 0..blocks {
            let _ = writeln!(text, "block local.get {0} i64.const 1 i64.add local.set {0}", 1 + local % 4);
        }
        text.push_str("local.get 0 br_table");
        (0..targets).for_each(|target| _ = write!(text, " {}", target * 7 % blocks));
        text.push('\n');
        for local in 0..blocks {
            let _ = writeln!(text, "end local.get {0} i64.const 3 i64.mul local.set {0}", 1 + local % 4);
        }
        text.push_str(")\n");
    }
    text
}

/// Loops in loops, with locals that change in each.
fn nesting() -> String {
    let (depth, locals) = (20_000, 400);
    let mut text = String::from("(func (param i32)");
    (0..locals).for_each(|_| text.push_str(" (local i64)"));
    text.push('\n');
    for level in 0..depth {
        let _ = writeln!(text, "loop local.get {0} i64.const 1 i64.add local.set {0}", 1 + level % locals);
    }
    for level in 0..depth {
        let _ = writeln!(text, "local.get 0 br_if {} end", level % 3);
    }
    text.push_str(")\n");
    text
}

/// Values that all live until the end of one function.
fn live() -> String {
    let values = 250_000;
    let mut text = String::from("(func $any (param i64) (result i64) local.get 0)\n(func (param i64) (result i64)\n");
    (0..values).for_each(|_| text.push_str("local.get 0 call $any\n"));
    (1..values).for_each(|_| text.push_str("i64.add\n"));
    text.push_str(")\n");
    text
}

/// Instructions of a byte that become fifty of machine code.
fn code() -> String {
    let (functions, pairs) = (500, 2000);
    let mut text = String::new();
    for _ in 0..functions {
        text.push_str("(func (param f64) (result f64) local.get 0\n");
        (0..pairs).for_each(|_| text.push_str("i64.trunc_f64_s f64.convert_i64_u\n"));
        text.push_str(")\n");
    }
    text
}
