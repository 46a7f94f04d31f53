use saker_sdk::testing::logged;
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_700_000_000_123;
const RULES: Rules = Rules { max_bytes: 20, max_age_ms: 10_000, keep: 3, fsync: false };

fn files(dir: &TempDir, rules: Rules) -> Files {
    Files::new(dir.path().to_str().unwrap().into(), "saker".into(), "jsonl", rules).unwrap()
}

/// Names without what they have in common, and contents.
fn all(dir: &TempDir) -> Vec<(String, String)> {
    let mut all: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

fn contents(dir: &TempDir) -> Vec<String> {
    all(dir).into_iter().map(|(_, content)| content).collect()
}

#[test]
fn lines_are_appended_and_the_next_file_is_begun_when_one_is_long_enough() {
    let dir = TempDir::new().unwrap();
    let mut files = files(&dir, RULES);
    assert!(contents(&dir).is_empty(), "nothing is made before there is something to write");
    for (number, line) in
        ["aaaaaaaaa\n", "bbbbbbbbb\n", "c\n", "a line that is longer than a file\n", "d\n"].iter().enumerate()
    {
        files.append(line.as_bytes(), NOW + number as i64).unwrap();
    }
    assert_eq!(contents(&dir), ["c\n", "a line that is longer than a file\n", "d\n"]);
    assert_eq!(all(&dir)[0].0, "saker-20231114T221320.125Z.jsonl");
}

#[test]
fn a_file_ends_at_its_age_and_no_name_is_older_than_the_last() {
    let dir = TempDir::new().unwrap();
    let mut files = files(&dir, Rules { keep: 0, ..RULES });
    for (time, line) in
        [(0, "a\n"), (9_999, "b\n"), (10_000, "c\n"), (-50_000, "d\n"), (20_000, "e\n"), (-50_000, "f\n")]
    {
        files.append(line.as_bytes(), NOW + time).unwrap();
    }
    assert_eq!(contents(&dir), ["a\nb\n", "c\nd\n", "e\nf\n"]);
    // By its length, while the clock is behind: the name is still the newest.
    files.append(b"0123456789012345678\n", NOW).unwrap();
    assert_eq!(contents(&dir).last().unwrap(), "0123456789012345678\n");
}

#[test]
fn the_newest_file_goes_on_without_its_unfinished_line() {
    let dir = TempDir::new().unwrap();
    let rules = Rules { max_bytes: 1 << 40, ..RULES };
    files(&dir, rules).append(b"first\n", NOW).unwrap();
    let path = dir.path().join(&all(&dir)[0].0);
    for (before, after) in [
        ("first\n".to_owned(), "first\nnew\n".to_owned()),
        ("first\nhal".to_owned(), "first\nnew\n".to_owned()),
        ("half".to_owned(), "new\n".to_owned()),
        (String::new(), "new\n".to_owned()),
        (format!("first\n{}", "x".repeat(200_000)), "first\nnew\n".to_owned()),
    ] {
        fs::write(&path, before).unwrap();
        files(&dir, rules).append(b"new\n", NOW).unwrap();
        assert_eq!(contents(&dir), [after]);
    }
    assert!(logged().last().unwrap().1.ends_with("took back 200000 bytes of a line that was not finished"));
}

#[test]
fn a_file_that_is_none_of_ours_is_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("saker-20231114T221320.123Z.jsonl");
    let foreign = "x".repeat(REPAIR_MAX as usize + 1);
    fs::write(&path, &foreign).unwrap();
    for other in ["saker-20231114T221320.123Z.jsonl.gz", "saker-b-20990101T000000.000Z.jsonl", "saker.jsonl"] {
        fs::write(dir.path().join(other), "other").unwrap();
    }
    let mut files = files(&dir, Rules { keep: 2, ..RULES });
    files.append(b"new\n", NOW - 5).unwrap();
    assert!(fs::read_to_string(&path).unwrap() == foreign);
    assert_eq!(fs::read_to_string(dir.path().join("saker-20231114T221320.124Z.jsonl")).unwrap(), "new\n");
    assert_eq!(all(&dir).len(), 5);
}

#[test]
fn a_file_that_someone_removes_or_empties_is_no_place_to_write_to() {
    let dir = TempDir::new().unwrap();
    let mut files = files(&dir, RULES);
    files.append(b"a\n", NOW).unwrap();
    fs::remove_file(dir.path().join(&all(&dir)[0].0)).unwrap();
    files.append(b"b\n", NOW + 1).unwrap();
    assert_eq!(contents(&dir), ["b\n"]);
    fs::write(dir.path().join(&all(&dir)[0].0), "").unwrap();
    files.append(b"0123456789012345678\n", NOW + 2).unwrap();
    assert_eq!(contents(&dir), ["0123456789012345678\n"]);
}

#[test]
fn what_could_not_be_written_whole_is_not_there_and_is_tried_again() {
    // Nothing can be appended to a full device; and nothing taken back.
    let dir = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("saker-20231114T221320.123Z.jsonl")).unwrap();
    let mut files = files(&dir, Rules { max_bytes: 1 << 40, max_age_ms: 0, ..RULES });
    for _ in 0..2 {
        let error = files.append(b"a\n", NOW).unwrap_err();
        let WriteError::Retry(retry) = error else { panic!("{error:?}") };
        assert!(retry.message.starts_with(dir.path().to_str().unwrap()), "{}", retry.message);
    }
    fs::remove_file(dir.path().join("saker-20231114T221320.123Z.jsonl")).unwrap();
    files.append(b"a\n", NOW).unwrap();
    assert_eq!(contents(&dir), ["a\n"]);
}

#[test]
fn a_directory_that_is_not_there_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("later");
    let mut files = Files::new(path.to_str().unwrap().into(), "saker".into(), "jsonl", RULES).unwrap();
    assert!(matches!(files.append(b"a\n", NOW), Err(WriteError::Retry(_))));
    fs::create_dir(path).unwrap();
    files.append(b"a\n", NOW).unwrap();
}

#[test]
fn what_the_disk_must_have_is_flushed_to_it() {
    let dir = TempDir::new().unwrap();
    files(&dir, Rules { fsync: true, ..RULES }).append(b"a\n", NOW).unwrap();
    assert_eq!(contents(&dir), ["a\n"]);
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (directory, name, max_bytes, named) in [
        ("logs", "saker", 1, "directory: must be absolute"),
        ("", "saker", 1, "directory: must be absolute"),
        ("/logs", "", 1, "name: "),
        ("/logs", "a/b", 1, "name: "),
        ("/logs", "..", 1, "name: "),
        ("/logs", "saker", 0, "max_bytes: "),
    ] {
        let opened = Files::new(directory.into(), name.into(), "jsonl", Rules { max_bytes, ..RULES });
        let Err(OpenError::Settings(message)) = opened else { panic!("{named}") };
        assert!(message.starts_with(named), "{message}");
    }
}
