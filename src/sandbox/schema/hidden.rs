//! Parts of the schema that a switch takes away.
//!
//! juniper's schemas are fixed when the program is compiled, so what is absent is kept from sight instead: a document
//! that names it is refused as if it failed validation, and introspection does not show it.

use juniper::{DefaultScalarValue, Definition, InputValue, ScalarValue, Selection, Value};

use super::super::behaviour::{Behaviour, Presence};
use super::outline::Outline;

/// The names that are absent.
#[derive(Debug, Default)]
pub struct Hidden(Vec<&'static str>);

impl Hidden {
    /// What these switches take away.
    pub fn new(behaviour: &Behaviour) -> Self {
        let mut names = Vec::new();
        if behaviour.auth_slots == Presence::Absent {
            names.extend(["authSlots", "AuthSlot"]);
        }
        if behaviour.test_user_field == Presence::Absent {
            names.push("isTestUser");
        }
        Self(names)
    }

    /// The first absent name that a document, or an input object in its variables, uses.
    pub fn named_in(
        &self,
        document: &[Definition<'_, DefaultScalarValue>],
        variables: Option<&InputValue>,
    ) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let in_document = document.iter().find_map(|definition| {
            self.in_selections(match definition {
                Definition::Operation(operation) => &operation.item.selection_set,
                Definition::Fragment(fragment) => &fragment.item.selection_set,
            })
        });
        // The variables' own names are the client's choice; only what is inside them counts.
        let variables = variables.and_then(InputValue::to_object_value);
        in_document.or_else(|| variables?.values().find_map(|value| self.in_value(value)))
    }

    /// Takes absent names out of the answers to introspection.
    pub fn erase(&self, outline: &Outline, data: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        let Some(data) = data.as_mut_object_value() else {
            return;
        };
        let asks = |name: &str| matches!(name, "__schema" | "__type");
        for field in outline.fields.iter().filter(|field| asks(&field.name)) {
            if let Some(value) = data.get_mut_field_value(&field.key) {
                self.erase_in(value);
            }
        }
    }

    fn erase_in(&self, value: &mut Value) {
        match value {
            Value::List(items) => {
                items.retain(|item| !self.is_about(item));
                items.iter_mut().for_each(|item| self.erase_in(item));
            }
            Value::Object(_) if self.is_about(value) => *value = Value::Null,
            Value::Object(object) => object
                .iter_mut()
                .for_each(|(_, value)| self.erase_in(value)),
            Value::Null | Value::Scalar(_) => {}
        }
    }

    /// Whether a part of an introspection carries an absent name, under whatever alias.
    fn is_about(&self, value: &Value) -> bool {
        let absent = |value: &Value| {
            let text = value.as_scalar().and_then(ScalarValue::try_as_str);
            text.is_some_and(|text| self.0.contains(&text))
        };
        let object = value.as_object_value();
        object.is_some_and(|object| object.iter().any(|(_, value)| absent(value)))
    }

    fn in_selections(&self, selections: &[Selection<'_, DefaultScalarValue>]) -> Option<String> {
        selections.iter().find_map(|selection| match selection {
            Selection::Field(field) => {
                let field = &field.item;
                let arguments = field
                    .arguments
                    .iter()
                    .flat_map(|arguments| &arguments.item.items);
                self.absent(field.name.item)
                    .or_else(|| {
                        arguments
                            .into_iter()
                            .find_map(|(_, value)| self.in_value(&value.item))
                    })
                    .or_else(|| self.in_selections(field.selection_set.as_deref()?))
            }
            Selection::InlineFragment(fragment) => self.in_selections(&fragment.item.selection_set),
            Selection::FragmentSpread(_) => None,
        })
    }

    fn in_value(&self, value: &InputValue) -> Option<String> {
        match value {
            InputValue::List(items) => items.iter().find_map(|item| self.in_value(&item.item)),
            InputValue::Object(fields) => (fields.iter()).find_map(|(name, value)| {
                self.absent(&name.item)
                    .or_else(|| self.in_value(&value.item))
            }),
            _ => None,
        }
    }

    fn absent(&self, name: &str) -> Option<String> {
        self.0.contains(&name).then(|| name.to_owned())
    }
}
