use super::*;

#[test]
fn a_count_is_whole_and_no_negative_number_in_disguise() {
    assert_eq!(["0", "7", "9223372036854775807"].map(count), [Some(0), Some(7), Some(u64::MAX / 2)]);
    for text in ["", "x", "-1", "+1", "1.5", "9223372036854775808", "18446744073709551615", "99999999999999999999"] {
        assert_eq!(count(text), None, "{text}");
    }
}
