//! A table of objects in order of creation, and pages of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::objects::{Authentication, Instance, User};
use super::refusal::Refusal;

/// What a table needs to know of its objects.
pub(super) trait Object {
    fn id(&self) -> &str;
    /// What they are looked up by apart from their id.
    fn key(&self) -> &str;
    fn created_at(&self) -> Duration;
}

impl Object for User {
    fn id(&self) -> &str {
        &self.id
    }
    fn key(&self) -> &str {
        &self.external_user_id
    }
    fn created_at(&self) -> Duration {
        self.created_at
    }
}

impl Object for Authentication {
    fn id(&self) -> &str {
        &self.id
    }
    /// The owner; the organisation's own account has no id.
    fn key(&self) -> &str {
        self.owner.as_deref().unwrap_or_default()
    }
    fn created_at(&self) -> Duration {
        self.created_at
    }
}

impl Object for Instance {
    fn id(&self) -> &str {
        &self.id
    }
    fn key(&self) -> &str {
        &self.owner
    }
    fn created_at(&self) -> Duration {
        self.created_at
    }
}

/// The paging arguments of a connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Paging {
    /// At most so many from the front.
    pub first: Option<i32>,
    /// Behind this cursor.
    pub after: Option<String>,
    /// At most so many from the back.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
}

impl Paging {
    /// The first page of this size.
    pub fn first(size: i32) -> Self {
        Self {
            first: Some(size),
            ..Self::default()
        }
    }

    /// The page behind `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }
}

/// Page size where none is asked for, and the largest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub default: usize,
    pub max: usize,
}

/// One page of a listing.
#[derive(Debug)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<Arc<T>>,
    /// Whether more follow.
    pub has_next: bool,
    /// Whether more precede.
    pub has_previous: bool,
}

/// The cursor of the object with this id. Clients must not look inside.
pub fn cursor(id: &str) -> String {
    format!("c.{id}")
}

/// Objects in order of creation. A removed one leaves its place empty, so that positions and cursors stay.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: Vec<Option<Arc<T>>>,
    by_id: HashMap<String, usize>,
    by_key: HashMap<String, Vec<usize>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<T: Object + Clone> Table<T> {
    pub fn insert(&mut self, object: T) {
        let position = self.rows.len();
        self.by_id.insert(object.id().to_owned(), position);
        self.by_key
            .entry(object.key().to_owned())
            .or_default()
            .push(position);
        self.rows.push(Some(Arc::new(object)));
    }

    pub fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.rows[*self.by_id.get(id)?].as_ref()
    }

    /// Changes an object; its key may change too.
    pub fn update(&mut self, id: &str, change: impl FnOnce(&mut T)) -> Option<Arc<T>> {
        let position = *self.by_id.get(id)?;
        let row = self.rows[position].as_mut()?;
        let before = row.key().to_owned();
        change(Arc::make_mut(row));
        let row = Arc::clone(row);
        if row.key() != before {
            if let Some(positions) = self.by_key.get_mut(&before) {
                positions.retain(|&other| other != position);
            }
            let positions = self.by_key.entry(row.key().to_owned()).or_default();
            let place = positions.partition_point(|&other| other < position);
            positions.insert(place, position);
        }
        Some(row)
    }

    pub fn remove(&mut self, id: &str) -> Option<Arc<T>> {
        let removed = self.rows[*self.by_id.get(id)?].take()?;
        if let Some(positions) = self.by_key.get_mut(removed.key()) {
            positions.retain(|position| self.rows[*position].is_some());
        }
        Some(removed)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        self.rows.iter().flatten()
    }

    /// The objects with this key.
    pub fn with_key(&self, key: &str) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        let positions = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        positions
            .iter()
            .filter_map(|&position| self.rows[position].as_ref())
    }

    /// A page of the objects that are `wanted`, out of those with `key`, or of all.
    pub fn page(
        &self,
        key: Option<&str>,
        wanted: impl Fn(&T) -> bool,
        paging: &Paging,
        sizes: Sizes,
    ) -> Result<Page<T>, Refusal> {
        let from = match &paging.after {
            Some(cursor) => self.position(cursor)? + 1,
            None => 0,
        };
        let to = match &paging.before {
            Some(cursor) => self.position(cursor)?,
            None => self.rows.len(),
        };
        let backwards = paging.last.is_some() && paging.first.is_none();
        let size = match paging.first.or(paging.last) {
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|&size| size > 0)
                .ok_or(Refusal::Paging)?,
            None => sizes.default,
        };
        let size = size.min(sizes.max);

        let positions: Box<dyn DoubleEndedIterator<Item = usize>> = match key {
            Some(key) => {
                let positions = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
                let start = positions.partition_point(|&position| position < from);
                let end = positions
                    .partition_point(|&position| position < to)
                    .max(start);
                Box::new(positions[start..end].iter().copied())
            }
            None => Box::new(from..to),
        };
        let matching = |position: usize| {
            self.rows[position]
                .as_ref()
                .filter(|row| wanted(row))
                .cloned()
        };
        // One more than fits tells whether there are more.
        let mut items: Vec<_> = match backwards {
            false => positions.filter_map(matching).take(size + 1).collect(),
            true => positions
                .rev()
                .filter_map(matching)
                .take(size + 1)
                .collect(),
        };
        let more = items.len() > size;
        items.truncate(size);
        if backwards {
            items.reverse();
        }
        Ok(Page {
            items,
            has_next: if backwards {
                paging.before.is_some()
            } else {
                more
            },
            has_previous: if backwards {
                more
            } else {
                paging.after.is_some()
            },
        })
    }

    fn position(&self, cursor: &str) -> Result<usize, Refusal> {
        let id = cursor.strip_prefix("c.").ok_or(Refusal::Paging)?;
        self.by_id.get(id).copied().ok_or(Refusal::Paging)
    }
}
