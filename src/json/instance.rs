//! A [`Tree`] as the schema library sees it: checked where it stands, without a copy.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp, unique};
use serde_json::{Number, Value};

use super::{Children, Kind, Place, Tree};
use crate::secret::SecretValue;

/// The representation by which validators are built: `jsonschema::options_for::<RowJson>()`.
#[derive(Debug)]
pub struct RowJson;

/// A value of a row, or (for `propertyNames`) one of its keys.
#[derive(Clone)]
pub enum Instance<'t> {
    /// A value.
    Value(&'t Tree<'t>, Place),
    /// A key.
    Name(&'t str),
}

impl Json for RowJson {
    type Node<'t> = Instance<'t>;
    type PreparedKey = String;
    type StringBuffer = String;

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(
        buffer: &mut String,
        string: &str,
        f: impl FnOnce(Instance<'_>) -> T,
    ) -> T {
        buffer.clear();
        buffer.push_str(string);
        f(Instance::Name(buffer))
    }
}

impl<'t> Instance<'t> {
    fn text(&self) -> Option<&'t str> {
        match *self {
            Instance::Value(tree, at) => tree.as_text(at).map(Cow::as_ref),
            Instance::Name(name) => Some(name),
        }
    }

    fn number(&self) -> Option<&'t Number> {
        match *self {
            Instance::Value(tree, at) => match tree.kind(at) {
                Kind::Number(number) => Some(number),
                _ => None,
            },
            Instance::Name(_) => None,
        }
    }
}

impl<'t> Node<'t, RowJson> for Instance<'t> {
    type Object = Members<'t>;
    type Array = Items<'t>;
    type Number = &'t Number;

    fn as_object(&self) -> Option<Members<'t>> {
        match *self {
            Instance::Value(tree, at) if tree.is_object(at) => Some(Members { tree, at }),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Items<'t>> {
        match *self {
            Instance::Value(tree, at) if matches!(tree.kind(at), Kind::Array(_)) => {
                Some(Items { tree, at })
            }
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'t, str>> {
        self.text().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'t Number> {
        self.number()
    }

    fn as_boolean(&self) -> Option<bool> {
        match *self {
            Instance::Value(tree, at) => match tree.kind(at) {
                Kind::Bool(flag) => Some(*flag),
                _ => None,
            },
            Instance::Name(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    fn is_string(&self) -> bool {
        self.text().is_some()
    }

    fn json_type(&self) -> JsonType {
        match *self {
            Instance::Name(_) => JsonType::String,
            Instance::Value(tree, at) => match tree.kind(at) {
                Kind::Null => JsonType::Null,
                Kind::Bool(_) => JsonType::Boolean,
                Kind::Number(_) => JsonType::Number,
                Kind::Text(_) => JsonType::String,
                Kind::Array(_) => JsonType::Array,
                Kind::Object(_) => JsonType::Object,
            },
        }
    }

    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let text = self.text()?;
        // a character takes one to four bytes: most lengths are decided without counting
        let bytes = text.len() as u64;
        let fewest = bytes.div_ceil(4);
        if bytes < min || fewest > max {
            return Some(false);
        }
        if min <= fewest && bytes <= max {
            return Some(true);
        }
        let length = match text.is_ascii() {
            true => bytes,
            false => text.chars().count() as u64,
        };
        Some((min..=max).contains(&length))
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.text(), self.number(), expected) {
            (Some(text), _, Value::String(expected)) => text == expected,
            (Some(_), _, _) => false,
            (_, Some(number), _) => cmp::equal(&Value::Number(number.clone()), expected),
            _ => cmp::equal(&self.copy().0, expected),
        }
    }

    /// Asked for to be carried along by an error, which would be a copy of credentials that nobody would wipe. So an
    /// error carries what holds them and nothing in it: the library looks for the place in question there.
    fn to_value(&self) -> Cow<'t, Value> {
        Cow::Owned(match *self {
            Instance::Value(tree, at) => outline(tree, at),
            Instance::Name(_) => Value::Null,
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match *self {
            Instance::Value(tree, at) => {
                let address = std::ptr::from_ref(tree).addr();
                Some(NodeIdentity::tagged(address, at.0))
            }
            Instance::Name(name) => {
                let address = std::ptr::from_ref(name).addr();
                Some(NodeIdentity::tagged(address, u32::MAX))
            }
        }
    }
}

/// The objects and arrays of a value, with `null` for everything in them that is neither.
fn outline(tree: &Tree<'_>, at: Place) -> Value {
    match tree.kind(at) {
        Kind::Array(_) => tree.children(at).map(|at| outline(tree, at)).collect(),
        Kind::Object(_) => {
            let member = |at| (tree.name(at).to_string(), outline(tree, at));
            Value::Object(tree.children(at).map(member).collect())
        }
        _ => Value::Null,
    }
}

impl Instance<'_> {
    fn copy(&self) -> SecretValue {
        SecretValue(match *self {
            Instance::Value(tree, at) => tree.to_value(at),
            Instance::Name(name) => Value::from(name),
        })
    }
}

/// An object.
pub struct Members<'t> {
    tree: &'t Tree<'t>,
    at: Place,
}

impl<'t> Object<'t, RowJson> for Members<'t> {
    type Node = Instance<'t>;
    type MemberName = &'t str;
    type MembersIter = MembersIter<'t>;

    fn len(&self) -> usize {
        self.tree.len(self.at)
    }

    fn get(&self, key: &String) -> Option<Instance<'t>> {
        let found = self.tree.child(self.at, key)?;
        Some(Instance::Value(self.tree, found))
    }

    fn members(&self) -> MembersIter<'t> {
        MembersIter(self.tree, self.tree.children(self.at))
    }
}

/// The keys and values of an object.
pub struct MembersIter<'t>(&'t Tree<'t>, Children<'t, 't>);

impl<'t> Iterator for MembersIter<'t> {
    type Item = (&'t str, Instance<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.1.next()?;
        Some((self.0.name(at), Instance::Value(self.0, at)))
    }
}

/// An array.
pub struct Items<'t> {
    tree: &'t Tree<'t>,
    at: Place,
}

impl<'t> Array<'t, RowJson> for Items<'t> {
    type Node = Instance<'t>;
    type ElementsIter = ItemsIter<'t>;

    fn len(&self) -> usize {
        self.tree.len(self.at)
    }

    fn elements(&self) -> ItemsIter<'t> {
        ItemsIter(self.tree, self.tree.children(self.at))
    }

    fn is_unique(&self) -> bool {
        let mut copy = Instance::Value(self.tree, self.at).copy();
        copy.0
            .as_array_mut()
            .is_none_or(|items| unique::is_unique(items))
    }
}

/// The values of an array.
pub struct ItemsIter<'t>(&'t Tree<'t>, Children<'t, 't>);

impl<'t> Iterator for ItemsIter<'t> {
    type Item = Instance<'t>;

    fn next(&mut self) -> Option<Instance<'t>> {
        self.1.next().map(|at| Instance::Value(self.0, at))
    }
}
