//! A row is checked by the schema library where it stands, without a `serde_json::Value` of its own. What is
//! found must be what the library finds in a freshly built value: error for error, in the same order.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, ValidationError};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tray_import::json::Tree;
use tray_import::json::instance::{Instance, RowJson};
use tray_import::json::parse::{parse, parse_copy};

const NAMES: [&str; 5] = ["a", "b", "a.b", "ä~/", "d"];

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-3..12_i64).prop_map(|n| json!(n)),
        Just(json!(1.5)),
        Just(json!(2.0)),
        Just(json!(u64::MAX)),
        Just(json!(-1e-7)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        "[a-cä\"\\\\\u{1f600}]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let names = prop::sample::select(NAMES.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..5).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect())
            }),
        ]
    })
}

/// A schema of every keyword that a catalog entry may use, `$ref`s that go round in a circle among them.
fn schema() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ]);
    let small = 0..4_u64;
    let leaf = prop_oneof![
        types.clone().prop_map(|name| json!({"type": name})),
        prop::collection::vec(types, 1..3).prop_map(|mut names| {
            names.sort_unstable();
            names.dedup();
            json!({"type": names})
        }),
        prop::collection::vec(value(), 1..4).prop_map(|list| json!({"enum": list})),
        value().prop_map(|constant| json!({"const": constant})),
        small
            .clone()
            .prop_map(|n| json!({"minLength": n, "maxLength": n + 1})),
        small
            .clone()
            .prop_map(|n| json!({"minItems": n, "maxItems": n})),
        small
            .clone()
            .prop_map(|n| json!({"minProperties": n, "maxProperties": n + 1})),
        small
            .clone()
            .prop_map(|n| json!({"minimum": n, "exclusiveMaximum": 9})),
        small.prop_map(|n| json!({"exclusiveMinimum": n, "maximum": 10, "multipleOf": 2})),
        Just(json!({"pattern": "^[ab]+$"})),
        Just(json!({"pattern": "^(?!a)"})),
        Just(json!({"uniqueItems": true})),
        Just(json!({"required": ["a", "ä~/"]})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/definitions/round"})),
        Just(json!(false)),
        Just(json!({})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::select(NAMES.to_vec());
        let members = prop::collection::vec((names, inner.clone()), 0..4).prop_map(|members| {
            let members = members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            Value::Object(members.collect::<Map<_, _>>())
        });
        prop_oneof![
            (members.clone(), inner.clone())
                .prop_map(|(p, a)| json!({"properties": p, "additionalProperties": a})),
            (members.clone(), any::<bool>()).prop_map(
                |(p, a)| json!({"type": "object", "properties": p, "additionalProperties": a})
            ),
            inner
                .clone()
                .prop_map(|s| json!({"patternProperties": {"^a": s}})),
            inner.clone().prop_map(|s| json!({"propertyNames": s})),
            inner.clone().prop_map(|s| json!({"items": s})),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({"items": [a], "additionalItems": b})),
            inner.clone().prop_map(|s| json!({"contains": s})),
            inner.clone().prop_map(|s| json!({"not": s})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"allOf": list})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"anyOf": list})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"oneOf": list})),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(i, t, e)| json!({"if": i, "then": t, "else": e})),
        ]
    })
}

/// Where each error is, in the instance and in the schema, and what kind it is of. The instance that an error
/// carries along is left out: with us it carries none, so that credentials are not copied.
fn found<'e>(errors: impl Iterator<Item = ValidationError<'e>>) -> Vec<String> {
    errors.map(|error| told(&error)).collect()
}

fn told(error: &ValidationError<'_>) -> String {
    let (at, by) = (error.instance_path(), error.schema_path());
    let branches = |context: &[Vec<ValidationError<'_>>]| {
        let told = |errors: &Vec<ValidationError<'_>>| errors.iter().map(told).collect::<Vec<_>>();
        format!("{:?}", context.iter().map(told).collect::<Vec<_>>())
    };
    let kind = match error.kind() {
        Kind::AnyOf { context }
        | Kind::OneOfNotValid { context }
        | Kind::OneOfMultipleValid { context } => branches(context),
        Kind::PropertyNames { error } => told(error),
        other => format!("{other:?}"),
    };
    format!("{at} {by} {} {kind}", error.kind().keyword())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_row_where_it_stands_and_a_fresh_value_have_the_same_errors(mut schema in schema(), value in value()) {
        if let Some(map) = schema.as_object_mut() {
            map.insert("definitions".into(), json!({
                "round": {"allOf": [{"$ref": "#/definitions/round"}, {"minLength": 1}]},
            }));
        }
        let theirs = jsonschema::options().with_draft(Draft::Draft7).build(&schema).unwrap();
        let ours = jsonschema::options_for::<RowJson>().with_draft(Draft::Draft7).build(&schema).unwrap();
        let text = value.to_string();
        let (mut borrowed, mut copied) = (Tree::default(), Tree::default());
        let at = parse(&mut borrowed, &text).unwrap();
        let again = parse_copy(&mut copied, &text).unwrap();
        let expected = found(theirs.iter_errors(&value));
        for (tree, at) in [(&borrowed, at), (&copied, again)] {
            let instance = Instance::Value(tree, at);
            prop_assert_eq!(found(ours.iter_errors(instance.clone())), expected.clone());
            prop_assert_eq!(ours.is_valid(instance), expected.is_empty());
        }
    }
}
