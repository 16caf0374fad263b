//! Where the fields of a row came from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::input::fields::Target;
use crate::input::layout::Layout;
use crate::input::open::Format;
use crate::json::parse::parse_value;
use crate::secret::SecretValue;

const MAPPING: &str = "the mapping's";

/// The origin of each field of one row, by the field's name.
#[derive(Debug, Default)]
pub(super) struct Origins {
    filled: BTreeMap<String, String>,
    /// Columns and keys that should fill a field and are empty.
    empty: BTreeMap<String, String>,
    /// Columns and keys that hold something and fill nothing.
    pub unused: Vec<String>,
}

impl Origins {
    /// Looks at the row as it stands in the file.
    pub(super) fn of(layout: &Layout, raw: &[u8]) -> Origins {
        let mut origins = Origins::default();
        match layout.format {
            Format::Csv | Format::Tsv => origins.cells(layout, raw),
            Format::Jsonl => origins.keys(layout, raw),
        }
        for (target, _) in &layout.mapping.constants {
            origins.fall_back(target, format!("{MAPPING} constant"));
        }
        for (target, template) in &layout.mapping.templates {
            let names: Vec<String> = template.columns().map(|name| format!("{name:?}")).collect();
            origins.fall_back(
                target,
                format!("{MAPPING} template of {}", names.join(", ")),
            );
        }
        origins
    }

    /// Where a field came from: `data.proxy.port` from its own column, or from that of `data.proxy` or `data`.
    pub(super) fn find(&self, field: &str) -> Option<&str> {
        let mut name = field;
        loop {
            if let Some(origin) = self.filled.get(name) {
                return Some(origin);
            }
            name = name.rsplit_once('.')?.0;
        }
    }

    /// Whether a column or key of the row itself holds something for the field.
    pub(super) fn is_cell(&self, field: &str) -> bool {
        self.filled
            .get(field)
            .is_some_and(|origin| !origin.starts_with(MAPPING))
    }

    /// The column or key that should have filled a field.
    pub(super) fn empty(&self, field: &str) -> Option<&str> {
        self.empty.get(field).map(String::as_str)
    }

    fn note(&mut self, target: &Target, origin: String, filled: bool) {
        let map = if filled {
            &mut self.filled
        } else {
            &mut self.empty
        };
        map.insert(target.name(), origin);
    }

    fn fall_back(&mut self, target: &Target, origin: String) {
        self.filled.entry(target.name()).or_insert(origin);
    }

    fn cells(&mut self, layout: &Layout, raw: &[u8]) {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(layout.delimiter.unwrap_or(b','))
            .from_reader(raw);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).unwrap_or(false) {
            return;
        }
        for (at, name) in layout.header.iter().enumerate() {
            let filled = record.get(at).is_some_and(|cell| !cell.is_empty());
            match layout.columns.get(at) {
                Some(Some(target)) => self.note(target, format!("column {name:?}"), filled),
                _ if filled => self.unused.push(name.clone()),
                _ => {}
            }
        }
    }

    fn keys(&mut self, layout: &Layout, raw: &[u8]) {
        let Ok(value) = parse_value(raw) else {
            return;
        };
        let value = SecretValue(value);
        let Some(map) = value.0.as_object() else {
            return;
        };
        for (path, target) in &layout.renames {
            if let Some(value) = lookup(map, path) {
                self.note(target, format!("key {path:?}"), !is_empty(value));
            }
        }
        for (key, value) in map {
            let slots = value.as_object().filter(|_| key == "config");
            for (slot, value) in slots.into_iter().flatten() {
                let target = Target::Config(slot.clone());
                self.note(
                    &target,
                    format!("key {:?}", format!("config.{slot}")),
                    !is_empty(value),
                );
            }
            let renamed = layout.renames.contains_key(key);
            match Target::parse(key) {
                _ if renamed || slots.is_some() => {}
                Some(target) => self.note(&target, format!("key {key:?}"), !is_empty(value)),
                // an object that the mapping takes parts from is used
                None if layout
                    .renames
                    .keys()
                    .any(|path| path.starts_with(&format!("{key}."))) => {}
                None if !is_empty(value) => self.unused.push(key.clone()),
                None => {}
            }
        }
    }
}

fn lookup<'m>(map: &'m Map<String, Value>, path: &str) -> Option<&'m Value> {
    if let Some(value) = map.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    lookup(map.get(first)?.as_object()?, rest)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}
