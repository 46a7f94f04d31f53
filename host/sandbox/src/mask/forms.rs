//! The forms that bytes of a text are put into on their way: escapes, entities, hexadecimal, base64.

/// The longest form of one byte: `&#x00ff;` and the like.
pub(super) const FORM_BYTES_MAX: usize = 8;
/// Named entities of HTML.
const ENTITIES: &[(u8, &[u8])] =
    &[(b'&', b"&amp;"), (b'<', b"&lt;"), (b'>', b"&gt;"), (b'"', b"&quot;"), (b'\'', b"&apos;")];

/// How many bytes a pattern takes that these begin with, each of its bytes in any form.
pub(super) fn length(pattern: &[u8], bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    for (known, &wanted) in pattern.iter().enumerate() {
        let rest = &bytes[at..];
        let plain = rest.first()?.eq_ignore_ascii_case(&wanted);
        match escaped(wanted, rest) {
            // It may stand for itself as well: `%` for `%25`, or for what follows.
            Some(escape) if plain => match length(&pattern[known + 1..], &rest[escape..]) {
                Some(behind) => return Some(at + escape + behind),
                None => at += 1,
            },
            Some(escape) => at += escape,
            None if plain => at += 1,
            None => return None,
        }
    }
    Some(at)
}

/// The length of an escape of one byte that these begin with.
fn escaped(wanted: u8, bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'+' => (wanted == b' ').then_some(1),
        b'%' => numbered(wanted, bytes, 1, 2),
        b'\\' => match bytes.get(1)? {
            b'u' | b'U' => numbered(wanted, bytes, 2, 4),
            b'x' | b'X' => numbered(wanted, bytes, 2, 2),
            second => (*second == wanted).then_some(2),
        },
        b'&' => entity(wanted, bytes),
        _ => None,
    }
}

/// A number of so many hexadecimal digits that begins there.
fn numbered(wanted: u8, bytes: &[u8], at: usize, digits: usize) -> Option<usize> {
    let found = bytes.get(at..at + digits)?;
    found.eq_ignore_ascii_case(format!("{wanted:0digits$x}").as_bytes()).then_some(at + digits)
}

/// An entity of HTML, by its name or its number.
fn entity(wanted: u8, bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().take(FORM_BYTES_MAX).position(|&byte| byte == b';')?;
    let name = &bytes[..=end];
    let by_name = ENTITIES.iter().any(|(byte, entity)| *byte == wanted && name.eq_ignore_ascii_case(entity));
    let by_number = || {
        let digits = std::str::from_utf8(&bytes[1..end]).ok()?.strip_prefix('#')?;
        match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        }
    };
    (by_name || by_number() == Some(wanted.into())).then_some(end + 1)
}

pub(super) const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(super) const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of base64 that a secret decides alone where so many bytes of something else stand before it.
pub(super) fn within_base64(secret: &[u8], offset: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bit = |at: usize| secret[at / 8] >> (7 - at % 8) & 1;
    // The first character that no earlier byte has a part in.
    let first = (6 - offset * 8 % 6) % 6;
    (first..(secret.len() * 8).saturating_sub(5))
        .step_by(6)
        .map(|from| alphabet[(from..from + 6).fold(0, |value, at| value << 1 | usize::from(bit(at)))])
        .collect()
}

/// What base64 stands for, if this is base64 of something that can be printed.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let value = |digit: &u8| {
        let place = |alphabet: &[u8; 64]| alphabet.iter().position(|letter| letter == digit);
        place(STANDARD).or_else(|| place(URL_SAFE))
    };
    let values: Vec<_> = digits.iter().map(value).collect::<Option<_>>()?;
    let bit = |at: usize| (values[at / 6] >> (5 - at % 6) & 1) as u8;
    let bytes: Vec<u8> = (0..values.len() * 6 / 8)
        .map(|byte| (byte * 8..byte * 8 + 8).fold(0, |value, at| value << 1 | bit(at)))
        .collect();
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte)).then_some(bytes)
}
