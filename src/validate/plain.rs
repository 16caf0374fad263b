//! Rows out of which nothing has to be put together: checked as the cells that they are.
//!
//! Most rows of most files are plain: each cell is one text of one field. Such a row is valid where the cells that
//! its connector version asks for are filled, those that it does not know are empty, and each text is what the
//! schema says of its field; which columns these are is looked up once for a connector version. Where one text is not,
//! the schema library says what is wrong with it. Every other row is left to [`super::check`].

use super::check::{Checked, Entries};
use super::convert::Part;
use super::wanted::{Source, Wanted, wanted};
use crate::input::fields::{Field, Target, Texts};
use crate::input::layout::Layout;
use crate::input::records::Cells;
use crate::input::row::parse_bool;
use crate::input::shapes::Shapes;
use crate::issue::Problem;

/// The columns of a file, and what they mean for each connector version.
pub struct Plain<'c> {
    texts: Vec<(Source<'c>, Field)>,
    /// Fields of `data` and `formData`, by their paths.
    parts: Vec<(Source<'c>, Part, String)>,
    config: Vec<(Source<'c>, String)>,
    /// What makes a row that fills it another than a plain one.
    odd: Vec<Source<'c>>,
    /// Whether text becomes what the schema names for its field.
    converts: bool,
    /// Whether no row of the file is plain.
    none: bool,
    /// By the numbers of their entries.
    plans: Vec<Option<Plan<'c>>>,
}

/// What the columns mean for one connector version and environment.
struct Plan<'c> {
    /// Absent where the schema says more than what fields there are.
    fields: Option<Vec<Wanted<'c>>>,
    odd: Vec<Source<'c>>,
    /// Whether a row was plain and valid by it.
    used: bool,
}

impl<'c> Plan<'c> {
    fn new(parts: &[(Source<'c>, Part, String)], converts: bool, checked: Checked<'c>) -> Plan<'c> {
        let mut odd = Vec::new();
        let fields = wanted(parts, converts, checked, &mut odd);
        let used = false;
        Plan { fields, odd, used }
    }
}

/// What is found of a row.
pub enum Plainly<'c> {
    /// It is plain, and valid by itself.
    Valid(PlainRow<'c>),
    /// It is plain but for one text that the schema does not take, or does not find: what is wrong stands at this
    /// place of the list.
    Invalid(u32),
    /// That is not told here.
    Untold,
}

/// A plain row that is valid by itself.
pub struct PlainRow<'c> {
    /// Where it belongs.
    pub checked: Checked<'c>,
    /// Whether the instance is to be enabled.
    pub enabled: bool,
    /// Whether it has form fields.
    pub form_data: bool,
    /// Whether it is the first one of its connector version and environment.
    pub first: bool,
}

/// The plain fields of a row.
pub struct Named<'r>([&'r str; Field::ALL.len()]);

impl<'r> Named<'r> {
    /// The text of a field; empty where there is none.
    pub fn of(&self, field: Field) -> &'r str {
        self.0[field as usize]
    }
}

impl Texts for Named<'_> {
    fn text(&self, field: Field) -> Option<&str> {
        Some(self.of(field)).filter(|text| !text.is_empty())
    }
}

impl<'c> Plain<'c> {
    /// For the records of a CSV.
    pub fn of_columns(layout: &'c Layout) -> Plain<'c> {
        Plain::new(layout, layout.columns.iter().cloned(), true)
    }

    /// For lines of JSON of these shapes.
    pub fn of_keys(layout: &'c Layout, shapes: &Shapes) -> Plain<'c> {
        Plain::new(layout, shapes.targets(), false)
    }

    fn new(
        layout: &'c Layout,
        targets: impl Iterator<Item = Option<Target>>,
        converts: bool,
    ) -> Plain<'c> {
        let mut plain = Plain {
            texts: Vec::new(),
            parts: Vec::new(),
            config: Vec::new(),
            odd: Vec::new(),
            converts,
            // what a template makes depends on other columns
            none: !layout.mapping.templates.is_empty(),
            plans: Vec::new(),
        };
        let mut constants: Vec<_> = layout.mapping.constants.iter().collect();
        for (column, target) in targets.enumerate() {
            let Some(target) = target else {
                continue;
            };
            let constant = constants.iter().position(|(known, _)| *known == target);
            let constant = constant.map_or("", |at| constants.remove(at).1.as_str());
            let column = Some(column);
            plain.add(target, Source { column, constant });
        }
        for (target, constant) in constants {
            let column = None;
            plain.add(target.clone(), Source { column, constant });
        }
        plain.config.sort_by(|(_, a), (_, b)| a.cmp(b));
        plain
    }

    fn add(&mut self, target: Target, source: Source<'c>) {
        match target {
            // nothing depends on them before they are sent
            Target::Field(Field::Scopes) => {}
            Target::Field(field) => self.texts.push((source, field)),
            Target::Data(path) if !path.is_empty() => self.parts.push((source, Part::Data, path)),
            Target::FormData(path) if !path.is_empty() => {
                self.parts.push((source, Part::FormData, path));
            }
            Target::Config(slot) => self.config.push((source, slot)),
            Target::Data(_) | Target::FormData(_) | Target::ConfigJson(_) => self.odd.push(source),
        }
    }

    /// The plain fields of a row.
    pub fn names<'r>(&self, cells: Cells<'r, '_>) -> Named<'r>
    where
        'c: 'r,
    {
        let mut texts = [""; Field::ALL.len()];
        for (source, field) in &self.texts {
            texts[*field as usize] = source.text(cells);
        }
        Named(texts)
    }

    /// What is found of a row with these plain fields; what is wrong with it is in `problems` afterwards, or has been
    /// there before.
    pub fn check(
        &mut self,
        entries: &mut Entries<'c>,
        names: &Named<'_>,
        cells: Cells<'_, '_>,
        problems: &mut Vec<Vec<Problem>>,
    ) -> Plainly<'c> {
        let found = self.found(entries, names, cells, problems);
        found.unwrap_or(Plainly::Untold)
    }

    #[inline]
    fn found(
        &mut self,
        entries: &mut Entries<'c>,
        names: &Named<'_>,
        cells: Cells<'_, '_>,
        problems: &mut Vec<Vec<Problem>>,
    ) -> Option<Plainly<'c>> {
        if self.none || self.odd.iter().any(|odd| !odd.text(cells).is_empty()) {
            return None;
        }
        let flag = |field| match names.of(field) {
            "" => Some(true),
            text => parse_bool(text),
        };
        flag(Field::Hidden)?;
        let enabled = flag(Field::Enabled)?;
        let is_there = |field| !names.of(field).is_empty();
        let placed = is_there(Field::SolutionId);
        let stray = || {
            let config = self.config.iter();
            is_there(Field::InstanceName)
                || config
                    .map(|(source, _)| source)
                    .any(|s| !s.text(cells).is_empty())
        };
        let always = [
            Field::ExternalUserId,
            Field::Connector,
            Field::ConnectorVersion,
        ];
        if !always.into_iter().all(is_there)
            || is_there(Field::AuthExternalId) != placed
            || (!placed && stray())
        {
            return None;
        }
        let named = [
            Field::Connector,
            Field::ConnectorVersion,
            Field::Environment,
        ];
        let (number, checked) = entries.find(named.map(|field| names.of(field))).ok()?;
        let number = number?;
        if self.plans.len() <= number {
            self.plans.resize_with(number + 1, || None);
        }
        let plan = self.plans[number]
            .get_or_insert_with(|| Plan::new(&self.parts, self.converts, checked));
        if plan.odd.iter().any(|odd| !odd.text(cells).is_empty()) {
            return None;
        }
        let (mut form_data, mut wrong) = (false, None);
        let fields = plan.fields.as_mut()?;
        for (number, wanted) in fields.iter().enumerate() {
            let text = wanted.source.text(cells);
            form_data |= wanted.part == Part::FormData && !text.is_empty();
            let fine = match text {
                "" => !wanted.required,
                text => wanted.allows(text),
            };
            // of two, the schema library decides which comes first
            if !fine && wrong.replace((number, text)).is_some() {
                return None;
            }
        }
        if let Some((number, text)) = wrong {
            return fields[number].wrong(text, problems).map(Plainly::Invalid);
        }
        Some(Plainly::Valid(PlainRow {
            first: !std::mem::replace(&mut plan.used, true),
            checked,
            enabled,
            form_data,
        }))
    }

    /// The config slots that a row fills, with their texts, by their External IDs.
    pub fn config<'r>(&'r self, cells: Cells<'r, '_>) -> impl Iterator<Item = (&'r str, &'r str)> {
        let texts = self
            .config
            .iter()
            .map(move |(source, slot)| (slot.as_str(), source.text(cells)));
        texts.filter(|(_, text)| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::entry::Entry;
    use crate::input::blocks::Blocks;
    use crate::input::mapping::Mapping;
    use crate::input::open::Format;
    use crate::input::records::{At, Taker, take_records};
    use crate::input::row::Row;
    use serde_json::json;
    use std::path::Path;

    /// What is told of each row here, in a word.
    struct Told<'c> {
        plain: Plain<'c>,
        entries: Entries<'c>,
        problems: Vec<Vec<Problem>>,
        told: Vec<String>,
    }

    impl<'c> Taker<'c> for Told<'c> {
        fn keys(&mut self, _: &Shapes) {}

        fn cells(&mut self, _: &At, cells: Cells<'_, 'c>) -> bool {
            let names = self.plain.names(cells);
            let found = self
                .plain
                .check(&mut self.entries, &names, cells, &mut self.problems);
            self.told.push(match found {
                Plainly::Valid(row) => format!("valid {}", row.checked.environment.title),
                Plainly::Invalid(at) => {
                    let problems = self.problems[at as usize].iter();
                    let told = problems.map(|p| format!("{} {}", p.field, p.code));
                    told.collect::<Vec<_>>().join(", ")
                }
                Plainly::Untold => "untold".to_owned(),
            });
            true
        }

        fn row(&mut self, _: At, _: Option<&mut Row<'c>>, _: Vec<Problem>) {}
    }

    #[test]
    fn of_plain_rows_it_is_told_what_they_are() {
        let schema = json!({"required": ["key"], "additionalProperties": false, "properties": {
            "key": {"type": "string", "minLength": 3, "pattern": "^a"}, "port": {"type": "integer"}}});
        let entry = json!({"connector": "c", "versions": ["1.0"], "authType": "token",
            "service": {"id": "s", "name": "s", "version": 1},
            "environments": [{"id": "e", "title": "Live", "credentials": schema, "userData": {}}]});
        let entry = Entry::parse(&entry, Path::new("c.json")).unwrap();
        let catalog = Catalog::of(vec![entry]).unwrap();
        let text = "externalUserId,connector,connectorVersion,data.key,data.port,data.other\n\
            1,c,1.0,abc,,\n2,c,1.0,abc,7,\n3,c,1.0,,,\n4,c,1.0,bb,,\n5,c,1.0,bb,,\n6,c,1.0,abc,x,\n\
            7,c,1.0,b,x,\n8,c,1.0,abc,,x\n9,c,2.0,abc,,\n,c,1.0,abc,,\n";
        let mut blocks = Blocks::new(text.as_bytes(), Format::Csv);
        let header = blocks.header().unwrap().unwrap();
        let layout = Layout::of_header(Format::Csv, &header, Mapping::default()).0;
        let block = blocks.next_block().unwrap().unwrap();
        let mut told = Told {
            plain: Plain::of_columns(&layout),
            entries: Entries::new(&catalog),
            problems: Vec::new(),
            told: Vec::new(),
        };
        take_records(&block, &layout, None, &mut told);
        let short = "data.key too_short, data.key pattern";
        let expected = [
            "valid Live",
            "valid Live",
            "data.key missing_field",
            short,
            short,
            "untold",
            "untold",
            "untold",
            "untold",
            "untold",
        ];
        assert_eq!(told.told, expected);
        // rows with the same wrong with them share it
        assert_eq!(told.problems.len(), 2);
    }
}
