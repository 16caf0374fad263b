//! The sandbox's schema against Tray's: every type, field, argument and nullability.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

use std::collections::BTreeSet;

use graphql_parser::schema::{Definition, Field, InputValue, TypeDefinition, parse_schema};

/// A schema as a set of facts, each a line.
fn facts(sdl: &str) -> BTreeSet<String> {
    let document = parse_schema::<String>(sdl).unwrap();
    let mut facts = BTreeSet::new();
    for definition in document.definitions {
        let Definition::TypeDefinition(definition) = definition else {
            continue;
        };
        match definition {
            TypeDefinition::Scalar(scalar) => {
                facts.insert(format!("scalar {}", scalar.name));
            }
            TypeDefinition::Object(object) => {
                for interface in object.implements_interfaces {
                    facts.insert(format!("{} implements {interface}", object.name));
                }
                facts.extend(
                    object
                        .fields
                        .iter()
                        .map(|field| of_field(&object.name, field)),
                );
            }
            TypeDefinition::Interface(interface) => {
                facts.extend(
                    (interface.fields.iter()).map(|field| of_field(&interface.name, field)),
                );
            }
            TypeDefinition::InputObject(input) => {
                facts.extend(
                    (input.fields.iter())
                        .map(|field| format!("{}.{}", input.name, of_input(field))),
                );
            }
            TypeDefinition::Enum(_) | TypeDefinition::Union(_) => panic!("Tray's schema has none"),
        }
    }
    facts
}

fn of_field(name: &str, field: &Field<'_, String>) -> String {
    let mut arguments: Vec<_> = field.arguments.iter().map(of_input).collect();
    arguments.sort();
    format!(
        "{name}.{}({}): {}",
        field.name,
        arguments.join(", "),
        field.field_type
    )
}

fn of_input(value: &InputValue<'_, String>) -> String {
    format!("{}: {}", value.name, value.value_type)
}

#[test]
fn the_schema_is_trays() {
    let tray = facts(include_str!("tray.graphql"));
    let sandbox = facts(&tray_import::sandbox::sdl());
    let missing: Vec<_> = tray.difference(&sandbox).collect();
    assert!(missing.is_empty(), "{missing:#?}");

    let extras: Vec<_> = sandbox.difference(&tray).map(String::as_str).collect();
    let documented = [
        "AuthSlot.externalId(): String",
        "AuthSlot.title(): String",
        "CreateExternalUserInput.isTestUser: Boolean",
        "ExternalUser.isTestUser(): Boolean",
        "Mutation.updateExternalUser(input: UpdateExternalUserInput!): UpdateExternalUserPayload!",
        "Solution.authSlots(): [AuthSlot]",
        "UpdateExternalUserInput.clientMutationId: String",
        "UpdateExternalUserInput.externalUserId: String",
        "UpdateExternalUserInput.isTestUser: Boolean",
        "UpdateExternalUserInput.name: String",
        "UpdateExternalUserInput.userId: ID!",
        "UpdateExternalUserPayload.clientMutationId(): String",
        "UpdateExternalUserPayload.user(): ExternalUser!",
        "UserSearchCriteria.isTestUser: Boolean",
    ];
    assert_eq!(extras, documented);
}
