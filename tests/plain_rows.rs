//! Most rows are checked as the cells that they are, without their objects being put together. What is found of a
//! row must not depend on it: the same verdict, word for word, the same key, and the same things of Tray referred to.

use std::io;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tray_import::catalog::Catalog;
use tray_import::catalog::entry::Entry;
use tray_import::input::blocks::Blocks;
use tray_import::input::layout::Layout;
use tray_import::input::mapping::Mapping;
use tray_import::input::open::Format;
use tray_import::input::records::for_each_row;
use tray_import::issue::Problem;
use tray_import::validate::check::{self, Entries};
use tray_import::validate::one_by_one::OneByOne;
use tray_import::validate::pipeline::{self, Judgement};
use tray_import::validate::references::References;

/// Connectors whose schemas say all kinds of things, some of them more than can be told of a field by itself.
fn catalog() -> Catalog {
    let text = json!({"type": "string"});
    let schemas = [
        json!({"type": "object", "additionalProperties": false, "required": ["key"], "properties": {
            "key": {"type": "string", "minLength": 2, "maxLength": 4},
            "region": {"enum": ["us", "eu", 7]}, "a.b": {"pattern": "^(?!x)"}}}),
        json!({"properties": {"key": {"type": "integer", "minimum": 3}, "region": {"type": ["boolean", "null"]},
            "list": {"type": "array", "items": text, "uniqueItems": true}, "a": {"properties": {"b": {"type": "number"}}}}}),
        json!({}),
        json!({"properties": {"key": text}, "anyOf": [{"required": ["key"]}, {"required": ["region"]}]}),
        json!({"properties": {"key": {"$ref": "#/definitions/short"}}, "definitions": {"short": {"maxLength": 3}}}),
        json!({"required": ["never"], "properties": {"key": false}}),
        json!({"required": ["a"], "properties": {"a": {"required": ["b"]}}, "minProperties": 1}),
    ];
    let entries = schemas.iter().enumerate().map(|(number, schema)| {
        let form = [
            json!({}),
            json!({"required": ["sub"], "properties": {"sub": text}}),
        ];
        let environments: Vec<Value> = ["Live", "Test"][..1 + number % 2]
            .iter()
            .map(|title| {
                json!({"id": format!("env-{number}-{title}"), "title": title,
                "credentials": schema, "userData": form[number / 2 % 2]})
            })
            .collect();
        let entry = json!({"connector": format!("c{number}"), "versions": ["1.0", "2.1", ""],
            "service": {"id": format!("s{number}"), "name": format!("s{number}"), "version": 1},
            "authType": "token", "environments": environments});
        Entry::parse(&entry, Path::new("c.json")).unwrap()
    });
    Catalog::of(entries.collect()).unwrap()
}

#[derive(Debug, PartialEq)]
struct Found {
    line: u64,
    problems: Vec<Problem>,
}

type Referred = (Vec<(String, Vec<String>, Vec<String>)>, Vec<String>, bool);

fn referred(references: &References) -> Referred {
    let solutions = references.solutions.iter().map(|(solution, slots)| {
        let [auth, config] = [&slots.auth, &slots.config].map(|set| set.iter().cloned().collect());
        (solution.clone(), auth, config)
    });
    let services = references
        .services
        .iter()
        .map(|service| format!("{service:?}"));
    (
        solutions.collect(),
        services.collect(),
        references.form_data,
    )
}

/// What the pipeline finds, block by block.
fn by_the_pipeline(
    catalog: &Catalog,
    format: Format,
    mapping: &Mapping,
    text: &str,
) -> (Vec<Found>, Vec<Option<String>>, Referred) {
    let (layout, mut blocks) = open(format, mapping, text);
    let (mut found, mut keys) = (Vec::new(), Vec::new());
    let totals = pipeline::run::<_, io::Error>(&mut blocks, &layout, catalog, true, |verdict| {
        let (key, problems) = match verdict.judgement {
            Judgement::Valid { key, .. } => (key, Vec::new()),
            Judgement::Invalid { problems, .. } => (None, problems.to_vec()),
        };
        keys.push(key.map(|key| key.to_string()));
        found.push(Found {
            line: verdict.line,
            problems,
        });
        Ok(())
    });
    (found, keys, referred(&totals.unwrap().references))
}

/// The same, every row put together and one after the other.
fn one_by_one(
    catalog: &Catalog,
    format: Format,
    mapping: &Mapping,
    text: &str,
) -> (Vec<Found>, Vec<Option<String>>, Referred) {
    let (mut found, mut keys, mut references) = (Vec::new(), Vec::new(), References::default());
    let (layout, mut blocks) = open(format, mapping, text);
    let (mut judge, mut number) = (OneByOne::new(catalog), 0);
    while let Some(block) = blocks.next_block().unwrap() {
        for_each_row(&block, &layout, |at, row, mut problems| {
            number += 1;
            let mut row = row;
            let checked = judge.check(number, row.as_deref_mut(), &mut problems);
            let key = row
                .zip(checked)
                .map(|(row, checked)| check::key(row, checked.environment));
            keys.push(key.map(|key| key.to_string()));
            found.push(Found {
                line: at.line,
                problems,
            });
        });
    }
    // rows that are valid by themselves refer to things, whatever else is in the file
    let (layout, mut blocks) = open(format, mapping, text);
    let mut entries = Entries::new(catalog);
    while let Some(block) = blocks.next_block().unwrap() {
        for_each_row(&block, &layout, |_, row, mut problems| {
            let checked = row.and_then(|row| {
                let checked = check::check(&mut entries, row, &mut problems)?;
                Some((row, checked))
            });
            if let Some((row, checked)) = checked {
                references.add(row, checked);
            }
        });
    }
    (found, keys, referred(&references))
}

fn open<'t>(format: Format, mapping: &Mapping, text: &'t str) -> (Layout, Blocks<&'t [u8]>) {
    let mut blocks = Blocks::new(text.as_bytes(), format);
    let layout = match format {
        Format::Jsonl => Layout::of_json_lines(mapping.clone()),
        _ => {
            let header = blocks.header().unwrap().unwrap();
            Layout::of_header(format, &header, mapping.clone()).0
        }
    };
    (layout, blocks)
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let constants = [
        "",
        "[constants]\nenvironment = \"Live\"\n\"formData.sub\" = \"s\"",
        "[constants]\nconnector = \"c1\"\n\"data.key\" = \"5\"\nauthExternalId = \"slot\"\n\"config.x\" = \"always\"",
        "ignore = [\"list\", \"data.list\"]\n[constants]\nenabled = \"maybe\"",
        "[constants]\n\"data.key\" = \"7\"",
        "[templates]\nauthName = \"{connector} of {externalUserId}\"",
    ];
    prop::sample::select(constants.to_vec())
        .prop_map(|text| Mapping::parse(text, Path::new("m.toml")).unwrap())
}

/// Which of some texts a field may have: mostly ones that are right.
const TEXTS: [(&str, &[&str]); 18] = [
    (
        "externalUserId",
        &["u1", "u2", "u3", "u4", "u\u{e4} \"q\"", "u6", ""],
    ),
    (
        "connector",
        &["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"],
    ),
    ("connectorVersion", &["1.0", "2.1", "1.0", "9", ""]),
    ("environment", &["Live", "", "", "Test", "env-1-Test"]),
    (
        "data.key",
        &["abc", "7", "", "ab", "a", "12", "x\"y", "abcdefg"],
    ),
    ("data.region", &["us", "", "eu", "true", "7", "zz"]),
    ("data.a.b", &["", "", "1.5", "x"]),
    ("data.list", &["", "", "[\"a\"]", "[\"a\",\"a\"]", "[1"]),
    ("formData.sub", &["s", "", "t\nu"]),
    ("solutionId", &["sol-1", "", "sol-2"]),
    ("authExternalId", &["slot", "", "slot-2"]),
    ("instanceName", &["", "", "mine"]),
    ("userName", &["", "Name, of \"one\"", "Other"]),
    ("authName", &["", "mine", "c0 u1"]),
    ("enabled", &["", "true", "FALSE", "false", "yes"]),
    ("config.x", &["", "", "1", "2"]),
    ("config.a", &["", "", "1", "2"]),
    ("hidden", &["", "true", "", "no"]),
];

fn csv() -> impl Strategy<Value = String> {
    let columns = prop::sample::subsequence((3..TEXTS.len()).collect::<Vec<_>>(), 0..14);
    let choices = prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), TEXTS.len()),
        0..30,
    );
    (columns, choices).prop_map(|(mut columns, rows)| {
        columns.splice(0..0, 0..3);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer
            .write_record(columns.iter().map(|column| TEXTS[*column].0))
            .unwrap();
        for row in rows {
            let cells = columns
                .iter()
                .map(|column| *row[*column].get(TEXTS[*column].1));
            writer.write_record(cells).unwrap();
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    })
}

/// A line: keys in one of few orders, some of them left out, values of which some are not text.
fn line() -> impl Strategy<Value = String> {
    let others = [
        "null",
        "true",
        "7",
        "\"\"",
        "[\"a\"]",
        "{}",
        "{\"b\":1.5}",
        "\"a\rb\"",
        "\"\\u00e4\\n\"",
        "\"tab\\t\"",
    ];
    let order = prop::sample::select(vec![0_usize, 0, 0, 5, 9]);
    let fields = prop::collection::vec((any::<prop::sample::Index>(), 0..100_u32), TEXTS.len());
    let odd = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..8_u32,
    );
    let space = prop::sample::select(vec!["", "", "", "", "", " "]);
    (order, fields, odd, space).prop_map(move |(order, fields, odd, space)| {
        let odd_at = odd.0.index(TEXTS.len());
        let mut top: Vec<(String, String)> = Vec::new();
        let mut objects: Vec<(&str, Vec<String>)> = Vec::new();
        for number in 0..TEXTS.len() {
            let at = (number + order) % TEXTS.len();
            let (name, texts) = TEXTS[at];
            let (choice, chance) = &fields[at];
            let mut value = Value::from(*choice.get(texts)).to_string();
            if at == odd_at && odd.2 < 2 {
                value = (*odd.1.get(&others)).to_owned();
            } else if name == "enabled" || name == "hidden" {
                value = value.trim_matches('"').to_ascii_lowercase();
                value = if value.is_empty() {
                    "null".to_owned()
                } else {
                    value
                };
                value = if value == "yes" || value == "no" {
                    format!("\"{value}\"")
                } else {
                    value
                };
            }
            if at > 2 && (value == "\"\"" || *chance < 15) {
                continue;
            }
            match name.split_once('.').filter(|_| *chance != 99) {
                Some((object, name)) => {
                    let member = format!("\"{name}\":{space}{value}");
                    match objects.iter_mut().find(|(known, _)| *known == object) {
                        Some((_, members)) => members.push(member),
                        None => {
                            top.push((object.to_owned(), String::new()));
                            objects.push((object, vec![member]));
                        }
                    }
                }
                None => top.push((name.to_owned(), value)),
            }
        }
        // now and then a key stands there twice
        if odd.2 == 7 {
            top.push(top[odd_at % top.len()].clone());
        }
        let members = top.into_iter().map(|(name, value)| {
            let object = objects
                .iter()
                .find(|(known, _)| *known == name && value.is_empty());
            let value = object.map_or(value, |(_, members)| format!("{{{}}}", members.join(",")));
            format!("\"{name}\":{value}")
        });
        format!(
            "{{{}}}",
            members.collect::<Vec<_>>().join(&format!(",{space}"))
        )
    })
}

fn json_lines() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\t\n"]);
    (prop::collection::vec(line(), 0..80), end).prop_map(|(lines, end)| lines.join(end))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn cells_and_rows_are_judged_alike(text in csv(), mapping in mapping()) {
        let catalog = catalog();
        prop_assert_eq!(
            by_the_pipeline(&catalog, Format::Csv, &mapping, &text),
            one_by_one(&catalog, Format::Csv, &mapping, &text)
        );
    }

    #[test]
    fn lines_of_a_known_shape_and_parsed_lines_are_judged_alike(text in json_lines(), mapping in mapping()) {
        let catalog = catalog();
        prop_assert_eq!(
            by_the_pipeline(&catalog, Format::Jsonl, &mapping, &text),
            one_by_one(&catalog, Format::Jsonl, &mapping, &text)
        );
    }
}

/// Blocks of half a MiB are worked on by several, each with what it has learnt so far.
#[test]
fn from_block_to_block_nothing_is_lost() {
    let mut runner = TestRunner::deterministic();
    let line = line();
    let mut draw = || line.new_tree(&mut runner).unwrap().current();
    let text: String = (0..9000).map(|_| draw() + "\n").collect();
    assert!(text.len() > 3 * 512 * 1024);
    let (catalog, mapping) = (catalog(), Mapping::default());
    let ours = by_the_pipeline(&catalog, Format::Jsonl, &mapping, &text);
    let theirs = one_by_one(&catalog, Format::Jsonl, &mapping, &text);
    let differs = ours.0.iter().zip(&theirs.0).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert!(ours == theirs);
    assert_ne!(ours.1.iter().flatten().count(), 0);
}

/// A pattern may take so many steps that its engine gives up: then that is what is said.
#[test]
fn a_pattern_that_is_given_up_is_not_one_that_does_not_match() {
    let schema =
        json!({"properties": {"key": {"pattern": "^(?:(a|aa)\\1?)+$"}, "other": {"maxLength": 1}}});
    let entry = json!({"connector": "c", "versions": ["1.0"], "authType": "token",
        "service": {"id": "s", "name": "s", "version": 1},
        "environments": [{"id": "e", "title": "Live", "credentials": schema, "userData": {}}]});
    let catalog = Catalog::of(vec![Entry::parse(&entry, Path::new("c.json")).unwrap()]).unwrap();
    let long = format!("{}b", "a".repeat(60));
    let text = format!(
        "externalUserId,connector,connectorVersion,data.key,data.other\n\
         1,c,1.0,b,\n2,c,1.0,{long},\n3,c,1.0,{long},ab\n4,c,1.0,b,\n5,c,1.0,aa,\n"
    );
    let ours = by_the_pipeline(&catalog, Format::Csv, &Mapping::default(), &text);
    assert_eq!(
        ours,
        one_by_one(&catalog, Format::Csv, &Mapping::default(), &text)
    );
    let codes = |row: usize| {
        let problems = ours.0[row].problems.iter();
        problems.map(|p| p.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(codes(0), ["pattern"]);
    assert_eq!(codes(1), ["schema"]);
    assert_eq!(codes(3), ["pattern"]);
    assert!(codes(4).is_empty());
}
