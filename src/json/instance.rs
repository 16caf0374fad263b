//! A [`Tree`] as the schema library sees it: checked where it stands, without a copy.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp, unique};
use serde_json::{Number, Value};

use super::{Children, Kind, NodeId, Tree};
use crate::secret::SecretValue;

/// The representation by which validators are built: `jsonschema::options_for::<RowJson>()`.
#[derive(Debug)]
pub struct RowJson;

/// A value of a row, or (for `propertyNames`) one of its keys.
#[derive(Clone)]
pub enum Instance<'t> {
    /// A value.
    Value(&'t Tree<'t>, NodeId),
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
    fn kind(&self) -> Option<&'t Kind<'t>> {
        match *self {
            Instance::Value(tree, at) => Some(tree.kind(at)),
            Instance::Name(_) => None,
        }
    }

    fn text(&self) -> Option<&'t str> {
        match (self, self.kind()) {
            (Instance::Name(name), _) => Some(name),
            (_, Some(Kind::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// What it holds, where it is an object (or, for `array`, an array).
    fn members(&self, array: bool) -> Option<Members<'t>> {
        match (self, self.kind()?) {
            (Instance::Value(tree, at), Kind::Array(_)) if array => Some(Members { tree, at: *at }),
            (Instance::Value(tree, at), Kind::Object(_)) if !array => {
                Some(Members { tree, at: *at })
            }
            _ => None,
        }
    }

    fn copy(&self) -> SecretValue {
        SecretValue(match *self {
            Instance::Value(tree, at) => tree.to_value(at),
            Instance::Name(name) => Value::from(name),
        })
    }
}

impl<'t> Node<'t, RowJson> for Instance<'t> {
    type Object = Members<'t>;
    type Array = Members<'t>;
    type Number = &'t Number;

    fn as_object(&self) -> Option<Members<'t>> {
        self.members(false)
    }

    fn as_array(&self) -> Option<Members<'t>> {
        self.members(true)
    }

    fn as_string(&self) -> Option<Cow<'t, str>> {
        self.text().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'t Number> {
        match self.kind()? {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self.kind()? {
            Kind::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.kind(), Some(Kind::Null))
    }

    fn is_string(&self) -> bool {
        self.text().is_some()
    }

    fn json_type(&self) -> JsonType {
        match self.kind() {
            Some(Kind::Null) => JsonType::Null,
            Some(Kind::Bool(_)) => JsonType::Boolean,
            Some(Kind::Number(_)) => JsonType::Number,
            Some(Kind::Text(_)) | None => JsonType::String,
            Some(Kind::Array(_)) => JsonType::Array,
            Some(Kind::Object(_)) => JsonType::Object,
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
        Some(
            (min <= fewest && bytes <= max) || {
                let length = text.chars().count() as u64;
                (min..=max).contains(&length)
            },
        )
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.text(), expected) {
            (Some(text), Value::String(expected)) => text == expected,
            (Some(_), _) => false,
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
fn outline(tree: &Tree<'_>, at: NodeId) -> Value {
    match tree.kind(at) {
        Kind::Array(_) => tree.children(at).map(|at| outline(tree, at)).collect(),
        Kind::Object(_) => {
            let member = |at| (tree.name(at).to_string(), outline(tree, at));
            Value::Object(tree.children(at).map(member).collect())
        }
        _ => Value::Null,
    }
}

/// What an object or array of a row holds.
pub struct Members<'t> {
    tree: &'t Tree<'t>,
    at: NodeId,
}

impl<'t> Object<'t, RowJson> for Members<'t> {
    type Node = Instance<'t>;
    type MemberName = &'t str;
    type MembersIter = Named<'t>;

    fn len(&self) -> usize {
        self.tree.len(self.at)
    }

    fn get(&self, key: &String) -> Option<Instance<'t>> {
        let found = self.tree.child(self.at, key)?;
        Some(Instance::Value(self.tree, found))
    }

    fn members(&self) -> Named<'t> {
        Named(Unnamed(self.tree, self.tree.children(self.at)))
    }
}

impl<'t> Array<'t, RowJson> for Members<'t> {
    type Node = Instance<'t>;
    type ElementsIter = Unnamed<'t>;

    fn len(&self) -> usize {
        self.tree.len(self.at)
    }

    fn elements(&self) -> Unnamed<'t> {
        Unnamed(self.tree, self.tree.children(self.at))
    }

    fn is_unique(&self) -> bool {
        let mut copy = Instance::Value(self.tree, self.at).copy();
        let items = copy.0.as_array_mut();
        items.is_none_or(|items| unique::is_unique(items))
    }
}

/// The values of an array.
pub struct Unnamed<'t>(&'t Tree<'t>, Children<'t, 't>);

impl<'t> Iterator for Unnamed<'t> {
    type Item = Instance<'t>;

    fn next(&mut self) -> Option<Instance<'t>> {
        self.1.next().map(|at| Instance::Value(self.0, at))
    }
}

/// The keys and values of an object.
pub struct Named<'t>(Unnamed<'t>);

impl<'t> Iterator for Named<'t> {
    type Item = (&'t str, Instance<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let Unnamed(tree, children) = &mut self.0;
        let at = children.next()?;
        Some((tree.name(at), Instance::Value(tree, at)))
    }
}
