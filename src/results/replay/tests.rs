use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{DigestMap, Id, State, Step, user_digest};
use crate::results::checksum::seal;
use crate::results::facts::Facts;
use crate::results::line::write_line;
use crate::results::users::{SeenUser, seen_users};

fn header() -> Header {
    Header::new("https://tray.io/graphql")
}

fn append(bytes: &mut Vec<u8>, key: u128, name: &str, progress: &Progress) {
    let at = Timestamp::UNIX_EPOCH;
    write_line(bytes, (1, Key(key)), name, progress, at, Facts::default());
}

fn progress(state: State, step: Step) -> Progress {
    let mut progress = Progress::none();
    progress.enter(state, Some(step));
    progress
}

/// A file of two rows, with checksums or as earlier versions wrote it.
fn file(sealed: bool) -> Vec<u8> {
    let header = header();
    let mut lines = Vec::new();
    append(&mut lines, 1, "c", &progress(State::Sent, Step::User));
    append(&mut lines, 2, "c", &progress(State::Sent, Step::User));
    append(&mut lines, 1, "c", &progress(State::Partial, Step::User));
    if sealed {
        lines = seal(&lines, header.tag());
    }
    [header.to_line(), lines].concat()
}

/// With the byte changed that follows the nth line end by so many bytes.
fn bent(mut bytes: Vec<u8>, lines: usize, text: &[u8], new: &[u8]) -> Vec<u8> {
    let mut ends = memchr::memchr_iter(b'\n', &bytes);
    let start = ends.nth(lines - 1).unwrap();
    let at = start + memmem::find(&bytes[start..], text).unwrap();
    bytes.splice(at..at + text.len(), new.iter().copied());
    bytes
}

#[test]
fn the_last_line_of_a_row_is_its_state() {
    for sealed in [true, false] {
        let replay = replay_bytes(&file(sealed)).unwrap();
        let state = |key| replay.standing(Key(key)).unwrap().state;
        assert_eq!([state(1), state(2)], [State::Partial, State::Sent]);
        assert_eq!(
            replay.progress(Key(1)).unwrap().unwrap().state,
            State::Partial
        );
        assert_eq!((replay.len(), replay.torn), (2, 0));
        assert_eq!(seen_users(&replay).unwrap().len(), 1);
    }
    assert_eq!(size_of::<Entry>(), 24);
}

#[test]
fn cut_anywhere_the_whole_lines_before_the_cut_are_read() {
    let bytes = file(true);
    for cut in 0..bytes.len() {
        let replay = replay_bytes(&bytes[..cut]).unwrap();
        let whole = memrchr(b'\n', &bytes[..cut]).map_or(0, |at| at + 1);
        assert_eq!(replay.whole as usize, whole);
        assert_eq!(replay.torn as usize, cut - whole);
        let mut with_nuls = bytes[..cut].to_vec();
        with_nuls.extend([0; 100]);
        assert_eq!(replay_bytes(&with_nuls).unwrap().whole as usize, whole);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    for sealed in [true, false] {
        let error = replay_bytes(&bent(file(sealed), 2, b"type", b"\"ype")).unwrap_err();
        assert!(
            matches!(error, ReplayError::Line { line: 3, .. }),
            "{error}"
        );
    }
    let mut two = file(true);
    two.extend(file(true));
    let error = replay_bytes(&two).unwrap_err();
    assert!(
        matches!(error, ReplayError::OtherBatch { line: 5 }),
        "{error}"
    );
    let other = file(true);
    let end = memchr::memchr(b'\n', &other).unwrap() + 1;
    let error = replay_bytes(&[file(true), other[end..].to_vec()].concat()).unwrap_err();
    assert!(
        matches!(error, ReplayError::OtherBatch { line: 5 }),
        "{error}"
    );
}

#[test]
fn a_line_that_is_not_what_was_written_opens_its_row_again() {
    let replay = replay_bytes(&bent(file(true), 3, b"partial", b"done")).unwrap();
    let named = DamagedLine {
        line: 4,
        row: Some(1),
    };
    assert_eq!(replay.damaged, [named]);
    // the line before it counts, and it was sent already
    let known = replay.progress(Key(1)).unwrap().unwrap();
    assert_eq!(known, progress(State::Sent, Step::User));
    // one that a later line has overtaken is named and nothing else
    let replay = replay_bytes(&bent(file(true), 1, b"sent", b"done")).unwrap();
    assert_eq!(replay.damaged.len(), 1);
    assert_eq!(replay.standing(Key(1)).unwrap().state, State::Partial);
    // what was done behind the last line that is known is to be asked about, and may be anybody's
    let header = header();
    let mut lines = Vec::new();
    let mut known = progress(State::Partial, Step::User);
    known.user_id = Some(Id::new("u"));
    append(&mut lines, 1, "c", &known);
    known.enter(State::Sent, Some(Step::Authentication));
    append(&mut lines, 1, "c", &known);
    let bytes = [header.to_line(), seal(&lines, header.tag())].concat();
    let replay = replay_bytes(&bent(bytes, 2, b"\"attempts\":0", b"\"attempts\":7")).unwrap();
    let known = replay.progress(Key(1)).unwrap().unwrap();
    assert!(known.is_open(Step::Authentication) && !known.is_ours(Step::Authentication));
    assert_eq!(replay.standing(Key(1)), Some(known.standing()));
}

#[test]
fn a_foreign_file_is_not_taken_for_a_torn_one() {
    for text in [
        "my-token",
        "{\"type\":\"row\"}",
        "externalUserId,connector\nc-1,sqs\n",
    ] {
        assert!(matches!(
            replay_bytes(text.as_bytes()),
            Err(ReplayError::Foreign(_))
        ));
    }
    assert!(replay_bytes(b"{\"ty").is_ok());
}

#[test]
fn a_later_format_is_refused() {
    let text = String::from_utf8(file(true)).unwrap();
    let later = text.replacen("\"version\":1", "\"version\":2", 1);
    let error = replay_bytes(later.as_bytes()).unwrap_err();
    assert!(matches!(error, ReplayError::Version { found: 2, known: 1 }));
}

/// A line: which of four rows, and what becomes of its end user, of whom there are two.
fn line() -> impl Strategy<Value = (u128, u8)> {
    (0..4_u128, 0..6_u8)
}

fn next(known: &Progress, what: u8) -> Progress {
    let mut progress = known.clone();
    let step = Some(Step::User);
    match what {
        0 => progress.enter(State::Sent, step),
        1 | 2 => {
            progress.enter(State::Partial, step);
            progress.user_id = Some(Id::new(if what == 1 { "u-1" } else { "u-2" }));
            progress.lost = Default::default();
        }
        3 => {
            progress.enter(State::Partial, None);
            progress.user_id = None;
            progress.lost.add(Step::User);
        }
        4 => {
            progress.enter(State::Partial, None);
            progress.user_id = None;
            progress.why = Some(ROLLED_BACK.into());
        }
        _ => progress.enter(State::Failed, step),
    }
    progress
}

proptest! {
    /// The last lines, and those that take something back, say as much as all lines.
    #[test]
    fn as_if_every_line_were_parsed(lines in prop::collection::vec(line(), 0..40), sealed: bool) {
        let mut known: DigestMap<Progress> = DigestMap::default();
        let mut users: DigestMap<SeenUser> = DigestMap::default();
        let mut bytes = Vec::new();
        for (row, what) in lines {
            let name = ["c-1", "ü-2"][(row % 2) as usize];
            let progress = next(known.get(&row).unwrap_or(&Progress::none()), what);
            users.entry(user_digest(name)).or_default().see(&progress);
            append(&mut bytes, row, name, &progress);
            known.insert(row, progress);
        }
        let header = header();
        if sealed {
            bytes = seal(&bytes, header.tag());
        }
        let replay = replay_bytes(&[header.to_line(), bytes].concat()).unwrap();
        prop_assert_eq!(seen_users(&replay).unwrap(), users);
        prop_assert_eq!(replay.len(), known.len());
        for (key, progress) in known {
            prop_assert_eq!(replay.standing(Key(key)), Some(progress.standing()));
            prop_assert_eq!(replay.progress(Key(key)).unwrap(), Some(progress));
        }
    }
}
