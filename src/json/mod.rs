//! The JSON of one row, in memory that every row uses again.
//!
//! A [`Tree`] holds all values of a row, whether cells of a CSV record or the object of a JSON Lines record,
//! as a flat list of nodes that borrow their text from the block they were read from. Nothing is allocated
//! for a row once the list has grown to the size of the largest one; only text that had to be unescaped is
//! copied. Schemas check a tree as it stands ([`instance`]), so that no `serde_json::Value` is built.

pub mod instance;
pub mod parse;

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::secret::wipe_text;

/// The values of one row. Several may stand side by side: `data`, `formData`, each config slot's.
#[derive(Default)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

/// A value's place in its [`Tree`]; means nothing in another one, or after [`Tree::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

struct Node<'a> {
    /// The key under which the value stands, where it stands in an object.
    name: Cow<'a, str>,
    kind: Kind<'a>,
    /// The next value of the same object or array; [`NONE`] for the last.
    next: u32,
}

/// A value. Objects and arrays are chains of nodes, so that they can grow in any order.
pub enum Kind<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Chain),
    /// An object.
    Object(Chain),
}

/// What an object or array holds.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    first: u32,
    last: u32,
    length: u32,
}

const NONE: u32 = u32::MAX;

impl Chain {
    /// Nothing.
    pub const EMPTY: Chain = Chain {
        first: NONE,
        last: NONE,
        length: 0,
    };

    /// How many values there are.
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.length == 0
    }
}

impl<'a> Tree<'a> {
    /// Forgets every value, and wipes the text that was copied. The room stays.
    pub fn clear(&mut self) {
        for node in &mut self.nodes {
            if let Kind::Text(text) = &mut node.kind {
                wipe_text(text);
            }
        }
        self.nodes.clear();
    }

    /// Adds a value that stands by itself until it is [pushed](Tree::push) somewhere.
    pub fn add(&mut self, kind: Kind<'a>) -> Place {
        let at = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            name: Cow::Borrowed(""),
            kind,
            next: NONE,
        });
        Place(at)
    }

    /// Adds an object with nothing in it.
    pub fn object(&mut self) -> Place {
        self.add(Kind::Object(Chain::EMPTY))
    }

    /// Adds a string.
    pub fn text(&mut self, text: impl Into<Cow<'a, str>>) -> Place {
        self.add(Kind::Text(text.into()))
    }

    /// What stands at a place.
    pub fn kind(&self, at: Place) -> &Kind<'a> {
        const NOTHING: &Kind<'_> = &Kind::Null;
        self.nodes.get(at.0 as usize).map_or(NOTHING, |n| &n.kind)
    }

    /// The key under which a value stands.
    pub fn name(&self, at: Place) -> &Cow<'a, str> {
        const NOTHING: &Cow<'_, str> = &Cow::Borrowed("");
        self.nodes.get(at.0 as usize).map_or(NOTHING, |n| &n.name)
    }

    /// Whether it is `null`.
    pub fn is_null(&self, at: Place) -> bool {
        matches!(self.kind(at), Kind::Null)
    }

    /// Whether it is an object.
    pub fn is_object(&self, at: Place) -> bool {
        matches!(self.kind(at), Kind::Object(_))
    }

    /// Its text, where it is a string.
    pub fn as_text(&self, at: Place) -> Option<&Cow<'a, str>> {
        match self.kind(at) {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many values an object or array holds; 0 for anything else.
    pub fn len(&self, at: Place) -> usize {
        self.chain(at).len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self, at: Place) -> bool {
        self.chain(at).is_empty()
    }

    fn chain(&self, at: Place) -> Chain {
        match self.kind(at) {
            Kind::Array(chain) | Kind::Object(chain) => *chain,
            _ => Chain::EMPTY,
        }
    }

    /// The values of an object or array, in their order.
    pub fn children(&self, parent: Place) -> Children<'_, 'a> {
        Children {
            tree: self,
            next: self.chain(parent).first,
        }
    }

    /// The first value of an object or array: with [`Tree::next`], a walk during which the tree may change.
    pub fn first(&self, parent: Place) -> Option<Place> {
        self.there(self.chain(parent).first)
    }

    /// The value behind this one in the same object or array.
    pub fn next(&self, before: Place) -> Option<Place> {
        self.there(self.nodes.get(before.0 as usize)?.next)
    }

    fn there(&self, at: u32) -> Option<Place> {
        (at != NONE).then_some(Place(at))
    }

    /// The value under `name` in an object.
    pub fn child(&self, parent: Place, name: &str) -> Option<Place> {
        let mut next = self.chain(parent).first;
        while let Some(node) = self.nodes.get(next as usize) {
            if node.name == name {
                return Some(Place(next));
            }
            next = node.next;
        }
        None
    }

    /// Appends a value to an object or array, under `name`, which must not be taken. Where it stood before, nobody may
    /// look any more.
    pub fn push(&mut self, parent: Place, name: Cow<'a, str>, child: Place) {
        if let Some(node) = self.nodes.get_mut(child.0 as usize) {
            node.name = name;
            node.next = NONE;
        }
        let Some(Kind::Array(chain) | Kind::Object(chain)) =
            self.nodes.get_mut(parent.0 as usize).map(|n| &mut n.kind)
        else {
            return;
        };
        let before = chain.last;
        chain.last = child.0;
        chain.length += 1;
        if before == NONE {
            chain.first = child.0;
        } else if let Some(node) = self.nodes.get_mut(before as usize) {
            node.next = child.0;
        }
    }

    /// Takes the value under `name` out of an object; it stands by itself from then on.
    pub fn detach(&mut self, parent: Place, name: &str) -> Option<Place> {
        let child = self.child(parent, name)?;
        let before = self.children(parent).take_while(|at| *at != child).last();
        let next = std::mem::replace(&mut self.nodes.get_mut(child.0 as usize)?.next, NONE);
        if let Some(before) = before {
            self.nodes.get_mut(before.0 as usize)?.next = next;
        }
        if let Kind::Array(chain) | Kind::Object(chain) =
            &mut self.nodes.get_mut(parent.0 as usize)?.kind
        {
            chain.length -= 1;
            if before.is_none() {
                chain.first = next;
            }
            if next == NONE {
                chain.last = before.map_or(NONE, |at| at.0);
            }
        }
        Some(child)
    }

    /// Adds a copy of a value.
    pub fn add_value(&mut self, value: &Value) -> Place {
        match value {
            Value::Null => self.add(Kind::Null),
            Value::Bool(flag) => self.add(Kind::Bool(*flag)),
            Value::Number(number) => self.add(Kind::Number(number.clone())),
            Value::String(text) => self.text(text.clone()),
            Value::Array(items) => {
                let array = self.add(Kind::Array(Chain::EMPTY));
                for item in items {
                    let item = self.add_value(item);
                    self.push(array, Cow::Borrowed(""), item);
                }
                array
            }
            Value::Object(members) => {
                let object = self.object();
                for (name, member) in members {
                    let member = self.add_value(member);
                    self.push(object, Cow::Owned(name.clone()), member);
                }
                object
            }
        }
    }

    /// A copy as a `serde_json` value. Credentials in it are the caller's to wipe.
    pub fn to_value(&self, at: Place) -> Value {
        match self.kind(at) {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone().into_owned()),
            Kind::Array(_) => self.children(at).map(|at| self.to_value(at)).collect(),
            Kind::Object(_) => {
                let member = |at| (self.name(at).to_string(), self.to_value(at));
                Value::Object(self.children(at).map(member).collect::<Map<_, _>>())
            }
        }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The values of an object or array.
#[derive(Clone)]
pub struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    next: u32,
}

impl Iterator for Children<'_, '_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        let node = self.tree.nodes.get(self.next as usize)?;
        Some(Place(std::mem::replace(&mut self.next, node.next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_taken_out_from_anywhere() {
        for (taken, left) in [("a", "bc"), ("b", "ac"), ("c", "ab")] {
            let mut tree = Tree::default();
            let object = tree.object();
            for name in ["a", "b", "c"] {
                let value = tree.text(name);
                tree.push(object, Cow::Borrowed(name), value);
            }
            let value = tree.detach(object, taken).unwrap();
            assert_eq!(tree.to_value(value), json!(taken));
            assert_eq!(tree.detach(object, taken), None);
            let more = tree.add(Kind::Bool(true));
            tree.push(object, Cow::Borrowed("d"), more);
            let names: String = tree
                .children(object)
                .map(|at| tree.name(at).as_ref())
                .collect();
            assert_eq!(names, format!("{left}d"));
            assert_eq!(tree.len(object), 3);
        }
        let mut tree = Tree::default();
        let object = tree.object();
        let only = tree.text("x");
        tree.push(object, Cow::Borrowed("only"), only);
        tree.detach(object, "only");
        assert!(tree.is_empty(object));
        let again = tree.text("y");
        tree.push(object, Cow::Borrowed("again"), again);
        assert_eq!(tree.to_value(object), json!({"again": "y"}));
    }
}
