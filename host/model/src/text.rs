//! Text that comes from outside the agent: a guest's errors and descriptions, a server's answers, names that clients
//! push. It ends up in logs, terminals and API answers, so it is cut and cleaned once, on its way in.

/// Bytes of a message that a guest or a server hands over: an error, a reason, a summary.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Bytes of a name that a guest or a server hands over: of a plugin, an export, a permission.
pub const NAME_BYTES_MAX: usize = 255;

/// One line of at most `most` bytes, and `…` where it was cut. What a terminal or a log reader would not show as it is
/// becomes a blank: control characters, line and paragraph separators, and what turns or hides text (bidirectional
/// controls, zero-width spaces, Unicode's tags). Joiners stay, which scripts and emoji need. Blanks around it go.
#[must_use]
pub fn clean(text: &str, most: usize) -> String {
    let text = text.trim();
    let kept = &text[..text.floor_char_boundary(most)];
    let mut line: String = kept.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    line.truncate(line.trim_end().len());
    line.drain(..line.len() - line.trim_start().len());
    if kept.len() < text.len() {
        line.push('…');
    }
    line
}

/// Whether a text holds a character that [`clean`] takes out.
#[must_use]
pub fn is_clean(text: &str) -> bool {
    // Most texts are ASCII, where only control characters are unsafe.
    text.bytes().all(|byte| matches!(byte, 0x20..0x7f)) || !text.chars().any(is_unsafe)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'                    // the soft hyphen, which is not shown
            | '\u{61c}'                 // the Arabic letter mark
            | '\u{200b}' | '\u{200e}' | '\u{200f}' // the zero-width space, and marks of direction
            | '\u{2028}'..='\u{202e}'   // separators of lines and paragraphs; embeddings and overrides
            | '\u{2060}'..='\u{206f}'   // the word joiner, invisible operators, isolates
            | '\u{feff}'                // the byte order mark
            | '\u{fff9}'..='\u{fffb}'   // annotations
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_becomes_a_blank() {
        assert_eq!(clean("a\x1b[2Jb\r\nc\u{9b}d", 99), "a [2Jb  c d");
        assert_eq!(clean("user\u{202e}gpj.exe\u{2028}2026 ERROR\u{200b}", 99), "user gpj.exe 2026 ERROR");
        assert_eq!(clean("Grüße, 世界 🦀👩‍👩‍👧", 99), "Grüße, 世界 🦀👩‍👩‍👧");
        assert_eq!(clean("\x1b[2J \u{202e}", 99), "[2J");
        assert_eq!(clean(" \n\t ", 99), "");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clean("äöü", 4), "äö…");
        assert_eq!(clean("äöü", 3), "ä…");
        assert_eq!(clean("äöü", 6), "äöü");
        assert!(clean(&"x".repeat(7 << 20), MESSAGE_BYTES_MAX).len() <= MESSAGE_BYTES_MAX + '…'.len_utf8());
    }

    #[test]
    fn a_clean_text_is_told_from_one_that_is_not() {
        assert!(is_clean("cpu.busy") && is_clean("Grüße") && is_clean(""));
        assert!(!is_clean("a\tb") && !is_clean("a\u{2029}b") && !is_clean("ä\u{2066}"));
    }
}
