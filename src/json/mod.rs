//! The JSON of one row, in memory that every row uses again.
//!
//! A [`Tree`] holds all values of a row, whether cells of a CSV record or the object of a JSON Lines record,
//! as a flat list of nodes that borrow their text from the block they were read from. Nothing is allocated
//! for a row once the list has grown to the size of the largest one; only text that had to be unescaped is
//! copied. Schemas check a tree as it stands ([`instance`]), so that no `serde_json::Value` is built: building one
//! for each row takes as long as all other work on it.

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

/// A value of a [`Tree`]; means nothing in another one, or after the tree was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

struct Node<'a> {
    /// The key under which the value stands, where it stands in an object.
    name: Cow<'a, str>,
    kind: Kind<'a>,
    /// The next value of the same object or array; [`NONE`] for the last.
    next: u32,
}

/// A value. Objects and arrays are chains of nodes, so that they can grow in any order.
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Chain),
    Object(Chain),
}

/// What an object or array holds.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    first: u32,
    last: u32,
    length: u32,
}

const NONE: u32 = u32::MAX;

impl Chain {
    pub(crate) const EMPTY: Chain = Chain {
        first: NONE,
        last: NONE,
        length: 0,
    };
}

impl<'a> Tree<'a> {
    /// Forgets every value, and wipes the text that was copied. The memory stays.
    pub(crate) fn clear(&mut self) {
        for node in &mut self.nodes {
            if let Kind::Text(text) = &mut node.kind {
                wipe_text(text);
            }
        }
        self.nodes.clear();
    }

    /// Adds a value that stands by itself until it is [pushed](Tree::push) somewhere.
    pub(crate) fn add(&mut self, kind: Kind<'a>) -> NodeId {
        let at = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            name: Cow::Borrowed(""),
            kind,
            next: NONE,
        });
        NodeId(at)
    }

    pub(crate) fn object(&mut self) -> NodeId {
        self.add(Kind::Object(Chain::EMPTY))
    }

    pub(crate) fn text(&mut self, text: impl Into<Cow<'a, str>>) -> NodeId {
        self.add(Kind::Text(text.into()))
    }

    pub(crate) fn kind(&self, at: NodeId) -> &Kind<'a> {
        const NOTHING: &Kind<'_> = &Kind::Null;
        self.nodes.get(at.0 as usize).map_or(NOTHING, |n| &n.kind)
    }

    /// The key under which a value stands.
    pub(crate) fn name(&self, at: NodeId) -> &Cow<'a, str> {
        const NOTHING: &Cow<'_, str> = &Cow::Borrowed("");
        self.nodes.get(at.0 as usize).map_or(NOTHING, |n| &n.name)
    }

    pub(crate) fn is_null(&self, at: NodeId) -> bool {
        matches!(self.kind(at), Kind::Null)
    }

    pub(crate) fn is_object(&self, at: NodeId) -> bool {
        matches!(self.kind(at), Kind::Object(_))
    }

    pub(crate) fn as_text(&self, at: NodeId) -> Option<&Cow<'a, str>> {
        match self.kind(at) {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many values an object or array holds; 0 for anything else.
    pub(crate) fn len(&self, at: NodeId) -> usize {
        self.chain(at).length as usize
    }

    pub(crate) fn is_empty(&self, at: NodeId) -> bool {
        self.len(at) == 0
    }

    fn chain(&self, at: NodeId) -> Chain {
        match self.kind(at) {
            Kind::Array(chain) | Kind::Object(chain) => *chain,
            _ => Chain::EMPTY,
        }
    }

    /// The values of an object or array, in their order.
    pub(crate) fn children(&self, parent: NodeId) -> Children<'_, 'a> {
        Children {
            tree: self,
            next: self.first(parent),
        }
    }

    /// The first value of an object or array: with [`Tree::next`], a way along it while the tree changes.
    pub(crate) fn first(&self, parent: NodeId) -> Option<NodeId> {
        Some(NodeId(self.chain(parent).first)).filter(|at| at.0 != NONE)
    }

    /// The value behind this one in the same object or array.
    pub(crate) fn next(&self, before: NodeId) -> Option<NodeId> {
        let next = self.nodes.get(before.0 as usize)?.next;
        Some(NodeId(next)).filter(|at| at.0 != NONE)
    }

    /// The value under `name` in an object.
    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.children(parent).find(|at| self.name(*at) == name)
    }

    /// Where the value of a dotted path is: the object that holds it, and its key there. A key that has the whole path
    /// as its name comes first.
    pub(crate) fn find<'p>(&self, object: NodeId, path: &'p str) -> Option<(NodeId, &'p str)> {
        if self.child(object, path).is_some() {
            return Some((object, path));
        }
        let (first, rest) = path.split_once('.')?;
        self.find(self.child(object, first)?, rest)
    }

    /// Appends a value to an object or array, under `name`, which must not be taken. Where it stood before, nobody may
    /// look any more.
    pub(crate) fn push(&mut self, parent: NodeId, name: Cow<'a, str>, child: NodeId) {
        if let Some(node) = self.nodes.get_mut(child.0 as usize) {
            node.name = name;
            node.next = NONE;
        }
        let Some(Kind::Array(chain) | Kind::Object(chain)) =
            self.nodes.get_mut(parent.0 as usize).map(|n| &mut n.kind)
        else {
            return;
        };
        let before = std::mem::replace(&mut chain.last, child.0);
        chain.length += 1;
        if before == NONE {
            chain.first = child.0;
        } else if let Some(node) = self.nodes.get_mut(before as usize) {
            node.next = child.0;
        }
    }

    /// Takes the value under `name` out of an object; it stands by itself from then on.
    pub(crate) fn detach(&mut self, parent: NodeId, name: &str) -> Option<NodeId> {
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
    pub(crate) fn add_value(&mut self, value: &Value) -> NodeId {
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
    pub(crate) fn to_value(&self, at: NodeId) -> Value {
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

#[derive(Clone)]
pub(crate) struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    next: Option<NodeId>,
}

impl Iterator for Children<'_, '_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let at = self.next?;
        self.next = self.tree.next(at);
        Some(at)
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
