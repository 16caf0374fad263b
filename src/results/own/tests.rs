//! Where the reader answers, it answers what the parser of [`super::super::line`] does.

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::super::facts::{
    AuthenticationFacts, Check, ConfigChecks, ConnectorFacts, InstanceFacts, Told,
};
use super::super::line::{Change, read_any_line, write_telling_line};
use super::*;

/// Texts of all kinds: most of them plain.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,40}",
        1 => "\\PC{0,12}",
        1 => any::<String>(),
        1 => Just(ROLLED_BACK.to_owned()),
    ]
}

fn ids() -> impl Strategy<Value = Option<Id>> {
    let uuid = any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string());
    of(prop_oneof![3 => uuid, 1 => texts()].prop_map(|text| Id::new(&text)))
}

fn steps() -> impl Strategy<Value = Steps> {
    vec(prop::sample::select(&Step::ALL[..]), 0..4).prop_map(Steps::from)
}

fn progress() -> impl Strategy<Value = Progress> {
    let errors = (
        texts(),
        texts(),
        prop::sample::select(&Step::ALL[..]),
        any::<bool>(),
    );
    let errors = errors.prop_map(|(code, message, step, retryable)| {
        Box::new(RowError {
            code: code.into(),
            message,
            step,
            retryable,
        })
    });
    let state = prop::sample::select(&State::ALL[..]);
    let step = of(prop::sample::select(&Step::ALL[..]));
    (
        (state, step, any::<Option<bool>>(), any::<u32>()),
        (ids(), ids(), ids()),
        (steps(), steps(), steps()),
        of(errors),
        of(texts()),
    )
        .prop_map(|(told, ids, steps, error, why)| Progress {
            state: told.0,
            step: told.1,
            user_id: ids.0,
            authentication_id: ids.1,
            instance_id: ids.2,
            enabled: told.2,
            created: steps.0,
            adopted: steps.1,
            lost: steps.2,
            attempts: told.3,
            error,
            why: why.map(String::into_boxed_str),
        })
}

type Facts = (
    Option<ConnectorFacts>,
    Option<AuthenticationFacts>,
    Option<InstanceFacts>,
);

fn facts() -> impl Strategy<Value = Facts> {
    let checks = btree_map(texts(), Just(Check::default()), 0..3);
    (
        of(
            (texts(), texts()).prop_map(|(connector, connector_version)| ConnectorFacts {
                connector,
                connector_version,
            }),
        ),
        of(
            (texts(), texts(), any::<bool>()).prop_map(|(auth_name, environment_id, hidden)| {
                AuthenticationFacts {
                    auth_name,
                    environment_id,
                    hidden,
                }
            }),
        ),
        of(
            (texts(), texts(), texts(), checks).prop_map(|texts| InstanceFacts {
                solution_id: texts.0,
                instance_name: texts.1,
                auth_external_id: texts.2,
                config_checks: ConfigChecks {
                    key: Check::default(),
                    slots: texts.3,
                },
            }),
        ),
    )
}

/// A line that this tool writes, without its end.
fn written() -> impl Strategy<Value = Vec<u8>> {
    (any::<u32>(), any::<u128>(), texts(), progress(), facts()).prop_map(
        |(row, key, user, progress, facts)| {
            let mut line = Vec::new();
            let told = Told {
                connector: facts.0.as_ref(),
                authentication: facts.1.as_ref(),
                instance: facts.2.as_ref(),
            };
            let at = Timestamp::UNIX_EPOCH;
            write_telling_line(
                &mut line,
                (row.into(), Key(key)),
                &user,
                &progress,
                at,
                told,
            );
            line.pop();
            line
        },
    )
}

/// What may become of a line.
#[derive(Clone, Debug)]
enum Damage {
    Byte(u8),
    Insert(u8),
    Remove(usize),
    Cut,
    /// Bytes that mean something, put in the way.
    Word(&'static str),
    /// A key and its value, once more behind another.
    Double(prop::sample::Index),
    /// Two keys with their values change places.
    Swap(prop::sample::Index),
    Without,
}

fn damages() -> impl Strategy<Value = Damage> {
    const WORDS: [&str; 16] = [
        "\"",
        "\\",
        "\\n",
        "\\u0041",
        ",",
        "{",
        "}",
        "[]",
        "null",
        " ",
        "0",
        ".5",
        "-",
        ",\"later\":{\"a\":[1]}",
        ",\"connector\":\"c\"",
        "ü",
    ];
    prop_oneof![
        any::<u8>().prop_map(Damage::Byte),
        any::<u8>().prop_map(Damage::Insert),
        (1..40_usize).prop_map(Damage::Remove),
        Just(Damage::Cut),
        prop::sample::select(&WORDS[..]).prop_map(Damage::Word),
        any::<prop::sample::Index>().prop_map(Damage::Double),
        any::<prop::sample::Index>().prop_map(Damage::Swap),
        Just(Damage::Without),
    ]
}

fn damaged(line: &mut Vec<u8>, damage: &Damage, at: prop::sample::Index) {
    if line.is_empty() {
        return;
    }
    let byte = at.index(line.len());
    // keys with their values, as nearly as it matters here
    let whole = String::from_utf8_lossy(line).into_owned();
    let mut parts: Vec<&str> = whole.split_inclusive(",\"").collect();
    let part = at.index(parts.len());
    match damage {
        Damage::Byte(new) => line[byte] = *new,
        Damage::Insert(new) => line.insert(byte, *new),
        Damage::Remove(length) => {
            line.drain(byte..line.len().min(byte + length));
        }
        Damage::Cut => line.truncate(byte),
        Damage::Word(word) => {
            line.splice(byte..byte, word.bytes());
        }
        Damage::Double(from) => {
            let from = from.index(parts.len());
            parts.insert(part, parts[from]);
            *line = parts.concat().into_bytes();
        }
        Damage::Swap(with) => {
            let with = with.index(parts.len());
            parts.swap(part, with);
            *line = parts.concat().into_bytes();
        }
        Damage::Without => {
            parts.remove(part);
            *line = parts.concat().into_bytes();
        }
    }
}

/// Both readers, where this one answers; whether it did.
fn agree(line: &[u8]) -> Result<bool, TestCaseError> {
    let Some(own) = read(line) else {
        return Ok(false);
    };
    let change = Change {
        row: own.row,
        key: own.key,
        progress: own.progress(),
        name: Cow::Borrowed(own.external_user_id()),
    };
    prop_assert_eq!(read_any_line(line, |_| true), Ok(Some(change)));
    let unwanted = read_any_line(line, |_| false);
    prop_assert_eq!(unwanted.map(|taken| taken.is_some()), Ok(own.takes_back()));
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_line_without_escapes_is_read(line in written()) {
        let read = agree(&line)?;
        prop_assert_eq!(read, !line.contains(&b'\\'));
    }

    #[test]
    fn of_a_damaged_line_both_say_the_same(
        line in written(),
        damages in vec((damages(), any::<prop::sample::Index>()), 1..3),
    ) {
        let mut line = line;
        for (damage, at) in &damages {
            damaged(&mut line, damage, *at);
        }
        agree(&line)?;
    }
}

#[test]
fn a_damaged_byte_is_noticed_wherever_it_stands() {
    let mut line = Vec::new();
    let mut progress = Progress::none();
    progress.user_id = Some(Id::new("13b3ab9c-e222-4739-a69b-c4dd07fbbfa4"));
    progress.created.add(Step::User);
    super::super::line::write_line(
        &mut line,
        1,
        Key(5),
        "c-1",
        &progress,
        Timestamp::UNIX_EPOCH,
    );
    line.pop();
    assert!(agree(&line).unwrap());
    for at in 0..line.len() {
        for byte in 0..=u8::MAX {
            let mut other = line.clone();
            other[at] = byte;
            agree(&other).unwrap();
        }
    }
}
