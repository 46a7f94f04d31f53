//! The forms that bytes of a text are put into on their way: escapes, entities, hexadecimal, base64.

/// The longest form of one byte: `&#x00ff;` and the like.
const FORM_BYTES_MAX: usize = 8;
/// Named entities of HTML.
const ENTITIES: &[(u8, &[u8])] =
    &[(b'&', b"&amp;"), (b'<', b"&lt;"), (b'>', b"&gt;"), (b'"', b"&quot;"), (b'\'', b"&apos;")];

/// How a pattern stands to the bytes from some place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    No,
    /// It ends there.
    To(usize),
    /// All bytes that there are fit, and so many bytes of the pattern are among them.
    Part(usize),
}

/// Whether a pattern begins these bytes, each of its bytes in any form.
pub(super) fn matches(pattern: &[u8], bytes: &[u8]) -> Found {
    if bytes.is_empty() { Found::No } else { matches_behind(pattern, bytes, 0, 0) }
}

/// The same where so many bytes of the pattern are known to be in the bytes before a place.
fn matches_behind(pattern: &[u8], bytes: &[u8], mut known: usize, mut at: usize) -> Found {
    let mut best = Found::No;
    while let Some(&wanted) = pattern.get(known) {
        let rest = &bytes[at..];
        let plain = rest.first().is_some_and(|first| first.eq_ignore_ascii_case(&wanted));
        match (escaped(wanted, rest), plain) {
            // It may stand for itself as well: `%` for `%25`, or for what follows.
            (Found::To(length), true) => match matches_behind(pattern, bytes, known + 1, at + length) {
                Found::No => at += 1,
                Found::Part(part) => (best, at) = (Found::Part(part), at + 1),
                found @ Found::To(_) => return found,
            },
            (Found::Part(_), true) => (best, at) = (Found::Part(known), at + 1),
            (Found::No, true) => at += 1,
            (Found::To(length), false) => at += length,
            (Found::Part(_), false) => return Found::Part(known),
            (Found::No, false) => return best,
        }
        known += 1;
    }
    Found::To(at)
}

/// Whether these bytes begin with an escape of one byte, and how long that is.
fn escaped(wanted: u8, bytes: &[u8]) -> Found {
    let Some(&first) = bytes.first() else { return Found::Part(0) };
    match first {
        b'+' if wanted == b' ' => Found::To(1),
        b'%' => numbered(wanted, bytes, 1, 2),
        b'\\' => match bytes.get(1) {
            None => Found::Part(0),
            Some(b'u' | b'U') => numbered(wanted, bytes, 2, 4),
            Some(b'x' | b'X') => numbered(wanted, bytes, 2, 2),
            Some(second) if *second == wanted => Found::To(2),
            Some(_) => Found::No,
        },
        b'&' => entity(wanted, bytes),
        _ => Found::No,
    }
}

/// A number of so many hexadecimal digits that begins there.
fn numbered(wanted: u8, bytes: &[u8], at: usize, digits: usize) -> Found {
    let found = &bytes[at..bytes.len().min(at + digits)];
    let expected = format!("{wanted:0digits$x}");
    match found.eq_ignore_ascii_case(&expected.as_bytes()[..found.len()]) {
        true if found.len() == digits => Found::To(at + digits),
        true => Found::Part(0),
        false => Found::No,
    }
}

/// An entity of HTML, by its name or its number.
fn entity(wanted: u8, bytes: &[u8]) -> Found {
    let window = &bytes[..bytes.len().min(FORM_BYTES_MAX)];
    let Some(end) = window.iter().position(|&byte| byte == b';') else {
        return if window.len() < FORM_BYTES_MAX { Found::Part(0) } else { Found::No };
    };
    let name = &window[..=end];
    let by_name = ENTITIES.iter().any(|(byte, entity)| *byte == wanted && name.eq_ignore_ascii_case(entity));
    let number = std::str::from_utf8(&window[1..end]).ok().and_then(|text| {
        let digits = text.strip_prefix('#')?;
        match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        }
    });
    if by_name || number == Some(wanted.into()) { Found::To(end + 1) } else { Found::No }
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
