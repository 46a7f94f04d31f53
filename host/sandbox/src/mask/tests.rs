use std::collections::VecDeque;

use http_body_util::BodyExt;

use super::*;

fn mask(secret: &str) -> Mask {
    let mut mask = Mask::default();
    mask.add(secret.as_bytes());
    mask
}

fn check(secret: &str, came: &str, left: &str) {
    assert_eq!(mask(secret).text(came), left, "{secret} in {came}");
}

#[test]
fn a_secret_is_found_in_the_forms_that_text_takes_on_its_way() {
    check("sesame", "token=sesame&x=1", "token=******&x=1");
    check("sesame", "SESAME Sesame", "****** ******");
    check("se/sa+me", "a se%2Fsa%2bme b", "a ************ b");
    check("se\"me!", r#"{"t":"se\"me!"}"#, r#"{"t":"*******"}"#);
    check("se\"me!", r#"{"t":"se\u0022me\u0021"}"#, r#"{"t":"****************"}"#);
    check("sesame", r"\x73\x65\x73\x61\x6d\x65", "************************");
    check("se<me>", "<p>se&lt;me&gt; se&#60;me&#x3E;</p>", "<p>************ ***************</p>");
    check("sesame", "736573616d65", "************");
    check("open sesame", "q=open+sesame open%20sesame", "q=*********** *************");
    check(
        "s%e&s\\a+m",
        r"s%25e%26s%5ca%2bm s%e&s\a+m s%e&amp;s\\a+m",
        &format!("{} {} {}", "*".repeat(17), "*".repeat(9), "*".repeat(14)),
    );
    check("%25x%25", "%25x%25 %2525x%2525", "******* ***********");
    check("sesame", "seame sesam", "seame sesam");
    check("sesame", "nothing to see here", "nothing to see here");
}

#[test]
fn a_secret_within_base64_is_found_at_any_offset() {
    use std::fmt::Write;
    for before in ["", "a", "ab", "abc", "user:"] {
        for after in ["", "x", "yz"] {
            let text = format!("{before}open-sesame-please{after}");
            let mut encoded = String::new();
            for chunk in text.as_bytes().chunks(3) {
                let bits =
                    chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
                for place in 0..=chunk.len() {
                    let digit = STANDARD[(bits >> (18 - 6 * place) & 63) as usize];
                    write!(encoded, "{}", char::from(digit)).unwrap();
                }
            }
            let masked = mask("open-sesame-please").text(&encoded);
            let blots = masked.bytes().filter(|byte| *byte == BLOT).count();
            assert!(blots >= 22, "{text}: {masked} of {encoded}");
        }
    }
}

#[test]
fn what_a_secret_in_base64_stands_for_is_one_as_well() {
    // `user:open-sesame`
    let mask = mask("dXNlcjpvcGVuLXNlc2FtZQ==");
    assert_eq!(mask.text("hello user, open-sesame!"), "hello user, ***********!");
    assert_eq!(mask.text("Basic dXNlcjpvcGVuLXNlc2FtZQ=="), format!("Basic {}", "*".repeat(24)));
}

/// A body that comes in these pieces.
struct Pieces(VecDeque<&'static [u8]>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }
}

async fn through(secret: &str, pieces: Vec<&'static [u8]>) -> String {
    let body: WasiBody = Pieces(pieces.into()).boxed_unsync();
    let masked = Masked { body, mask: mask(secret), held: Vec::new(), trailers: None };
    String::from_utf8(masked.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_secret_that_comes_in_pieces_is_found() {
    assert_eq!(through("sesame", vec![b"a se", b"sa", b"", b"me b"]).await, "a ****** b");
    assert_eq!(through("sesame", vec![b"s", b"e", b"s", b"a", b"m", b"e"]).await, "******");
    assert_eq!(through("s/same", vec![b"s%", b"2", b"fsam", b"e ses"]).await, "******** ses");
    assert_eq!(through("sesame", vec![b"see se", b"sses", b"ame"]).await, "see ses******");
    assert_eq!(through("sesame", vec![b"cut off: sesam"]).await, "cut off: sesam");
    assert_eq!(through("sesame", vec![b"cut off: ses"]).await, "cut off: ses");
}

#[test]
fn headers_are_looked_through_and_a_packed_body_is_rejected() {
    let mut headers = HeaderMap::new();
    headers.append("x-echo", HeaderValue::from_static("Bearer sesame"));
    headers.append("x-echo", HeaderValue::from_static("plain"));
    headers.append("x-sesame-x", HeaderValue::from_static("1"));
    mask("sesame").headers(&mut headers);
    let values: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(values, [("x-echo", "Bearer ******"), ("x-echo", "plain")]);
    for (name, value, expected) in [
        ("content-encoding", "gzip", true),
        ("content-encoding", "identity, br", true),
        ("content-encoding", "identity", false),
        ("transfer-encoding", "gzip, chunked", true),
        ("transfer-encoding", "chunked", false),
        ("content-type", "gzip", false),
    ] {
        let headers = HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_static(value))]);
        assert_eq!(packed(&headers).is_some(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn what_is_held_does_not_tell_whether_a_guess_is_right() {
    let lengths = |guess: &'static [u8]| async move {
        let filling: &'static [u8] = &[b'.'; 3000];
        let body: WasiBody = Pieces([filling, guess, filling].into()).boxed_unsync();
        let mut masked = Masked { body, mask: self::mask("sesame"), held: Vec::new(), trailers: None };
        let mut lengths = Vec::new();
        while let Some(frame) = masked.frame().await {
            lengths.push(frame.unwrap().into_data().unwrap().len());
        }
        lengths
    };
    assert_eq!(lengths(b"sesam").await, lengths(b"guess").await);
}
