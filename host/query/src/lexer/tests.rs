use super::*;

fn kinds(query: &str) -> Vec<TokenKind> {
    tokens(query).unwrap().into_iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect()
}

fn problem(query: &str) -> String {
    tokens(query).unwrap_err().to_string()
}

#[test]
fn numbers_and_durations_are_read_in_all_their_forms() {
    for (text, expected) in [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("0x1F", 31.0),
        ("0xffffffffffffffff", u64::MAX as f64),
        ("017", 15.0),
        ("089", 89.0),
        ("1_000_000", 1e6),
        ("Inf", f64::INFINITY),
        ("4.9e-324", 4.9e-324),
    ] {
        assert_eq!(kinds(text), [TokenKind::Number(expected)], "{text}");
    }
    for (text, expected) in [
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("250ms", 250),
        ("1y1w1d", 373 * 86_400_000),
        ("0s", 0),
        ("1m5ms", 60_005),
    ] {
        assert_eq!(kinds(text), [TokenKind::Duration(expected)], "{text}");
    }
    for text in
        ["5x", "1e400", "1m1h", "1m1m", "1_", "1__0", "0x", "1.5m", "5ms3", "99999999999999999999y", "1_000m", "0b1"]
    {
        assert!(tokens(text).is_err(), "{text}");
    }
    assert!(problem("5parsecs").contains("1h30m"));
}

#[test]
fn texts_are_read_with_gos_escapes() {
    for (text, expected) in [
        (r#""a\"b""#, "a\"b"),
        (r"'a\'b'", "a'b"),
        (r#""\n\t\\\x41\101\u00e9\U0001F600""#, "\n\t\\AAé😀"),
        ("`a\\n\nb`", "a\\n\nb"),
        (r#""\xc3\xa9""#, "é"),
        ("\"größe\"", "größe"),
    ] {
        assert_eq!(kinds(text), [TokenKind::Text(expected.into())], "{text}");
    }
    for text in
        ["\"a", "\"a\nb\"", "`a", r#""\q""#, r#""\xg0""#, r#""\ud800""#, r#""\xff""#, r#""\777""#, "\"\\", r#""\u00"#]
    {
        assert!(tokens(text).is_err(), "{text}");
    }
}

#[test]
fn comments_and_blanks_are_passed_over_and_colons_belong_to_names() {
    assert_eq!(kinds("# all\n a:b:c # end"), [TokenKind::Name("a:b:c".into())]);
    assert_eq!(kinds("[5m:1m]").len(), 5);
    assert_eq!(kinds("a=~b").len(), 3);
}

#[test]
fn a_foreign_character_and_a_huge_query_are_rejected_with_place_and_cure() {
    assert_eq!(tokens("a +\n  ü").unwrap_err().place.to_string(), "2:3");
    assert!(problem("cpu.busy").contains("{\"cpu.busy\"}"));
    assert!(problem(&" ".repeat(QUERY_BYTES_MAX + 1)).contains("at most"));
}
