//! Quoted texts, with Go's escapes; between backquotes a text is what it is.

use super::Lexer;
use crate::place::SyntaxError;
use crate::token::TokenKind;

impl Lexer<'_> {
    pub(super) fn text(&mut self, quote: char) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        self.at += 1;
        if quote == '`' {
            let text = self.take_while(|c| c != '`');
            return self.close(start, quote, text.into());
        }
        // Bytes, for `\xff` is a byte and not a character.
        let mut bytes = Vec::new();
        loop {
            let plain = self.take_while(|c| c != quote && !matches!(c, '\\' | '\n'));
            bytes.extend_from_slice(plain.as_bytes());
            if !self.rest().starts_with('\\') {
                break;
            }
            self.at += 1;
            self.escape(start, quote, &mut bytes)?;
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.close(start, quote, text),
            Err(_) => Err(self.error(start, "the string is not UTF-8", "write other bytes as characters: \\u00e9")),
        }
    }

    fn close(&mut self, start: usize, quote: char, text: String) -> Result<TokenKind, SyntaxError> {
        if !self.rest().starts_with(quote) {
            let cure = format!("end it with {quote} on the same line, or put it between backquotes");
            return Err(self.error(start, "unterminated quoted string", cure));
        }
        self.at += 1;
        Ok(TokenKind::Text(text))
    }

    fn escape(&mut self, start: usize, quote: char, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let escaped = self.peek();
        self.at += escaped.map_or(0, char::len_utf8);
        let simple = match escaped {
            Some('a') => 7,
            Some('b') => 8,
            Some('f') => 12,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 11,
            Some('\\') => b'\\',
            Some(c) if c == quote => c as u8,
            Some('x') => return self.code(start, 2, 16, |code| bytes.push(code as u8)),
            Some('u') => return self.character(start, 4, bytes),
            Some('U') => return self.character(start, 8, bytes),
            Some('0'..='7') => {
                self.at -= 1;
                return self.code(start, 3, 8, |code| bytes.push(code as u8));
            }
            _ => {
                let cure = "write a backslash as \\\\, or put the string between backquotes";
                return Err(self.error(start, "unknown escape sequence in a string", cure));
            }
        };
        bytes.push(simple);
        Ok(())
    }

    fn character(&mut self, start: usize, digits: usize, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let mut found = None;
        self.code(start, digits, 16, |code| found = char::from_u32(code))?;
        let Some(found) = found else {
            return Err(self.error(start, "no such character", "write a Unicode code point, as \\u00e9"));
        };
        bytes.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn code(&mut self, start: usize, digits: usize, base: u32, found: impl FnOnce(u32)) -> Result<(), SyntaxError> {
        let code = self.rest().get(..digits).and_then(|text| u32::from_str_radix(text, base).ok());
        match code.filter(|code| digits > 3 || *code < 256) {
            Some(code) => {
                self.at += digits;
                found(code);
                Ok(())
            }
            None => {
                let cure = format!("this escape has {digits} digits of base {base}");
                Err(self.error(start, "bad escape sequence in a string", cure))
            }
        }
    }
}
