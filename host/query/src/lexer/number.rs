//! Numbers (`1`, `.5`, `1e-3`, `0x1F`, `1_000`) and durations (`1h30m`, `90s`, `250ms`).

use super::Lexer;
use crate::place::SyntaxError;
use crate::token::TokenKind;

/// Units from long to short, as a duration lists them, with their milliseconds.
pub(crate) const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

const DURATION_CURE: &str = "write units from long to short, each once, as 1h30m; they are y, w, d, h, m, s and ms";

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            return self.hexadecimal(start);
        }
        let word = self.number_text();
        let follows = self.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if !follows {
            let digits = word.replace('_', "");
            let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|c| matches!(c, b'0'..=b'7'));
            let parsed =
                if octal { i64::from_str_radix(&digits, 8).ok().map(|n| n as f64) } else { digits.parse().ok() };
            let well_formed =
                !word.ends_with('_') && !word.contains("__") && !word.contains("_.") && !word.contains("._");
            if let Some(value) = parsed.filter(|value| well_formed && f64::is_finite(*value)) {
                return Ok(TokenKind::Number(value));
            }
            return Err(self.error(start, format!("bad number {word:?}"), "write it as 1, 0.5, 1e3 or 0x1F"));
        }
        self.at = start;
        self.duration(start)
    }

    /// Digits with underscores, a fraction, an exponent; not more than one of each.
    fn number_text(&mut self) -> String {
        let start = self.at;
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        self.take_while(digits);
        if self.rest().starts_with('.') {
            self.at += 1;
            self.take_while(digits);
        }
        let rest = self.rest().as_bytes();
        if matches!(rest.first(), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
            if rest.get(1 + signed).is_some_and(u8::is_ascii_digit) {
                self.at += 1 + signed;
                self.take_while(digits);
            }
        }
        self.query[start..self.at].into()
    }

    fn hexadecimal(&mut self, start: usize) -> Result<TokenKind, SyntaxError> {
        self.at += 2;
        let digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').replace('_', "");
        match u64::from_str_radix(&digits, 16) {
            Ok(value) => Ok(TokenKind::Number(value as f64)),
            Err(_) => Err(self.error(start, "bad hexadecimal number", "write it as 0x1F, with at most 16 digits")),
        }
    }

    fn duration(&mut self, start: usize) -> Result<TokenKind, SyntaxError> {
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        match parse_duration(word) {
            Some(duration_ms) => Ok(TokenKind::Duration(duration_ms)),
            None => Err(self.error(start, format!("bad number or duration {word:?}"), DURATION_CURE)),
        }
    }
}

/// A duration such as `1h30m` in milliseconds.
fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, scale) = units.find(|(name, _)| *name == &rest[..unit])?;
        total = total.checked_add(count.checked_mul(*scale)?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}
