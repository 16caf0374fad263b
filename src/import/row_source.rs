//! Where the rows come from: pass two over the input.
//!
//! The file is read again, in order, a block at a time; a row's credentials exist in memory only from here
//! until its authentication exists. A file that is not the one that was validated stops the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::row::{Placement, WorkRow};
use crate::batch::Index;
use crate::batch::plan::{Plan, Todo};
use crate::catalog::Catalog;
use crate::input::blocks::Blocks;
use crate::input::fields::Field;
use crate::input::layout::Layout;
use crate::input::open::{Fingerprint, Format, open};
use crate::input::records::{At, for_each_row};
use crate::input::row::Row;
use crate::issue::Problem;
use crate::json::NodeId;
use crate::secret::{SecretText, SecretValue};
use crate::validate::check::{self, Checked, RowChecker};

/// What a row source delivers, in file order.
#[derive(Debug)]
pub enum Item {
    /// A row that has work.
    Work(Box<WorkRow>),
    /// A row without work in this run, whose instance has: where it stands in the index.
    Pass(usize),
    /// The input cannot be read on, or is not what was validated.
    Broken(String),
}

/// Where the rows come from and what is wanted of them.
pub struct RowSource {
    /// The input.
    pub path: PathBuf,
    /// Its format, where the user named it.
    pub format: Option<Format>,
    /// The file as pass one saw it.
    pub fingerprint: Fingerprint,
    /// What its columns mean.
    pub layout: Arc<Layout>,
    /// The catalog.
    pub catalog: Arc<Catalog>,
    /// The rows of pass one.
    pub index: Arc<Index>,
    /// What is to be done with them.
    pub plan: Arc<Plan>,
}

impl RowSource {
    /// Reads the input on a thread of its own and delivers its rows. Ends early when nobody listens any more.
    pub fn start(self, ahead: usize) -> mpsc::Receiver<Item> {
        let (sender, receiver) = mpsc::channel(ahead.max(1));
        std::thread::spawn(move || {
            if let Err(Some(broken)) = deliver(&self, &sender) {
                let _ = sender.blocking_send(Item::Broken(broken));
            }
        });
        receiver
    }
}

/// `Err(None)`: nobody listens any more.
fn deliver(source: &RowSource, sender: &mpsc::Sender<Item>) -> Result<(), Option<String>> {
    let changed = |what: &str| {
        Some(format!(
            "{} changed while it was being imported ({what}); nothing was sent for the rows from there on. Run the same command again to validate it anew and go on",
            source.path.display()
        ))
    };
    let unreadable = |error: std::io::Error| Some(format!("cannot read the input: {error}"));
    let opened = open(&source.path, source.format).map_err(|error| Some(error.to_string()))?;
    let mut blocks = Blocks::new(opened.reader, opened.format);
    source.layout.skip_head(&mut blocks).map_err(unreadable)?;
    let mut left = source.plan.work;
    let (mut row, mut next) = (0_u32, 0_usize);
    let mut checker = RowChecker::new(&source.catalog);
    while left > 0 {
        if !same_file(&source.path, &source.fingerprint) {
            return Err(changed("its length or modification time is another"));
        }
        let Some(block) = blocks.next_block().map_err(unreadable)? else {
            return Err(changed("it is shorter"));
        };
        let mut outcome = Ok(());
        for_each_row(&block, &source.layout, |at, parsed, problems| {
            row += 1;
            let known = next < source.index.rows.len() && source.index.number(next) == row;
            if outcome.is_err() || !known {
                return;
            }
            let index = next;
            next += 1;
            let item = match source.plan.todo[index] {
                Todo::Work => {
                    left -= 1;
                    match prepare(source, &mut checker, index, &at, parsed, problems) {
                        Some(row) => Item::Work(Box::new(row)),
                        None => {
                            outcome = Err(changed(&format!("row {row} is another")));
                            return;
                        }
                    }
                }
                _ if passes(source, index) => Item::Pass(index),
                _ => return,
            };
            if sender.blocking_send(item).is_err() {
                outcome = Err(None);
            }
        });
        outcome?;
    }
    // rows behind the last one with work may belong to instances that have
    for index in next..source.index.rows.len() {
        if passes(source, index) && sender.blocking_send(Item::Pass(index)).is_err() {
            return Err(None);
        }
    }
    Ok(())
}

fn passes(source: &RowSource, index: usize) -> bool {
    let group = source.index.rows[index].group();
    group.is_some_and(|group| source.plan.groups_at_work[group as usize])
}

fn same_file(path: &Path, fingerprint: &Fingerprint) -> bool {
    Fingerprint::of(path).is_ok_and(|now| now == *fingerprint)
}

/// The row once more, checked once more: `None` where it is not the row that pass one saw.
fn prepare(
    source: &RowSource,
    checker: &mut RowChecker<'_>,
    index: usize,
    at: &At,
    row: Option<&mut Row<'_>>,
    mut problems: Vec<Problem>,
) -> Option<WorkRow> {
    let known = &source.index.rows[index];
    let row = row.filter(|_| problems.is_empty())?;
    let Checked { entry, environment } = checker.check(row, &mut problems)?;
    if check::key(row, environment) != known.key() {
        return None;
    }
    let own = |field| row.text(field).map(str::to_owned);
    let placement = own(Field::SolutionId).map(|solution_id| Placement {
        solution_id,
        instance_name: row.instance_name().to_owned(),
        slot: own(Field::AuthExternalId).unwrap_or_default(),
        config: row
            .config
            .iter()
            .map(|(slot, value)| (slot.to_string(), row.tree.to_value(*value).to_string()))
            .collect(),
    });
    Some(WorkRow {
        index,
        row: u64::from(source.index.number(index)),
        line: at.line,
        key: known.key(),
        external_user_id: own(Field::ExternalUserId)?,
        user_name: row.user_name().to_owned(),
        connector: own(Field::Connector)?,
        connector_version: own(Field::ConnectorVersion)?,
        auth_name: row.auth_name().into_owned(),
        service_id: entry.service.id.clone(),
        environment_id: environment.id.clone(),
        data: json_text(row, row.data.whole).unwrap_or_else(|| SecretText::new("{}".to_owned())),
        form_data: row
            .form_data
            .whole
            .filter(|form| !row.tree.is_empty(*form))
            .and_then(|form| json_text(row, Some(form))),
        scopes: row.scopes.iter().map(|scope| scope.to_string()).collect(),
        hidden: row.hidden.unwrap_or(false),
        placement,
    })
}

fn json_text(row: &Row<'_>, object: Option<NodeId>) -> Option<SecretText> {
    let value = SecretValue(row.tree.to_value(object?));
    Some(SecretText::new(value.0.to_string()))
}
