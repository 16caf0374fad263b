//! The customers' rows, and how they reach the engine.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::json;
use tokio::sync::mpsc;
use tray_import::batch::plan::{Plan, Todo};
use tray_import::batch::{Index, IndexBuilder};
use tray_import::import::row::{Placement, WorkRow};
use tray_import::import::row_source::Item;
use tray_import::model::{Key, digest, user_digest};
use tray_import::secret::SecretText;
use tray_import::validate::duplicates::Duplicates;
use tray_import::validate::fingerprints::RowFingerprint;
use tray_import::validate::pipeline::CheckedRow;

use crate::world::{CONFIG, SERVICES, SOLUTIONS};

/// One row of the input.
#[derive(Clone)]
pub(crate) struct SimRow {
    pub(crate) external_user_id: String,
    pub(crate) user_name: String,
    pub(crate) auth_name: String,
    pub(crate) service_id: String,
    pub(crate) environment_id: String,
    pub(crate) data: String,
    pub(crate) form_data: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) hidden: bool,
    pub(crate) enabled: bool,
    pub(crate) placement: Option<Placement>,
    /// Tray refuses its authentication: the environment is another service's.
    pub(crate) refused: bool,
    /// The run from which on the row is in the input, and valid.
    pub(crate) from_run: u32,
    /// Whether it is in the input before that, and invalid.
    pub(crate) invalid_before: bool,
}

impl SimRow {
    pub(crate) fn key(&self) -> Key {
        let place = self.placement.as_ref();
        let place = place.map_or([""; 3], |p| [&p.solution_id, &p.instance_name, &p.slot]);
        Key(digest(
            "row",
            &[
                &self.external_user_id,
                &self.environment_id,
                &self.auth_name,
                place[0],
                place[1],
                place[2],
            ],
        ))
    }

    /// End user, solution and instance name: what makes a group.
    pub(crate) fn group(&self) -> Option<(String, String, String)> {
        let place = self.placement.as_ref()?;
        Some((
            self.external_user_id.clone(),
            place.solution_id.clone(),
            place.instance_name.clone(),
        ))
    }

    /// What tells the row from the others. All rows that are drawn can stand beside each other.
    fn fingerprint(&self) -> RowFingerprint {
        let key = self.key().0;
        RowFingerprint {
            user: 0,
            authentication: key as u32,
            instance: self
                .group()
                .map(|(user, solution, name)| digest("group", &[&user, &solution, &name]) as u32),
            slot: key as u32,
            user_name: 0,
            enabled: self.enabled,
            alike: None,
            decimal: false,
        }
    }

    fn work(&self, index: usize, row: u64) -> WorkRow {
        WorkRow {
            index,
            row,
            line: row,
            key: self.key(),
            external_user_id: self.external_user_id.clone(),
            user_name: self.user_name.clone(),
            connector: "sqs".to_owned(),
            connector_version: "2.1".to_owned(),
            auth_name: self.auth_name.clone(),
            service_id: self.service_id.clone(),
            environment_id: self.environment_id.clone(),
            data: SecretText::new(self.data.clone()),
            form_data: self.form_data.clone().map(SecretText::new),
            scopes: self.scopes.clone(),
            hidden: self.hidden,
            placement: self.placement.clone(),
        }
    }
}

/// Ids that a sloppy comparison takes for each other.
const USERS: [&str; 9] = [
    "c-1", "c-10", "C-1", "c-11", "c-2", "C-2", "c-20", "c-", "d-1",
];

/// Draws the rows of a batch.
pub(crate) fn draw(rng: &mut Rng) -> Vec<SimRow> {
    let wanted = match rng.u8(0..4) {
        0 => rng.usize(1..=3),
        1 | 2 => rng.usize(2..=9),
        _ => rng.usize(8..=25),
    };
    let users = rng.usize(1..=USERS.len());
    let hides = rng.u8(0..3) == 0;
    let grows = rng.u8(0..4) == 0;
    let troubled = rng.u8(0..5) == 0;
    let mut rows: Vec<SimRow> = Vec::new();
    while rows.len() < wanted {
        let user = USERS[rng.usize(..users)];
        let number = rows.len();
        if rng.u8(0..4) == 0 {
            rows.push(draw_row(rng, user, number));
        } else {
            let (solution, slots) = SOLUTIONS[rng.usize(..SOLUTIONS.len())];
            let name = format!("instance {}", rng.u8(0..3));
            let same = |row: &SimRow| {
                row.group() == Some((user.to_owned(), solution.to_owned(), name.clone()))
            };
            if rows.iter().any(same) {
                continue;
            }
            draw_group(rng, &mut rows, user, solution, slots, &name, troubled);
        }
    }
    for row in &mut rows {
        row.hidden = hides && rng.u8(0..3) == 0;
        if grows && rng.u8(0..4) == 0 {
            row.from_run = rng.u32(1..4);
            row.invalid_before = rng.bool();
        }
        if troubled && rng.u8(0..8) == 0 {
            row.refused = true;
            row.service_id = other_service(&row.service_id).to_owned();
        }
    }
    rng.shuffle(&mut rows);
    rows
}

fn draw_group(
    rng: &mut Rng,
    rows: &mut Vec<SimRow>,
    user: &str,
    solution: &str,
    slots: usize,
    name: &str,
    troubled: bool,
) {
    let enabled = rng.u8(0..5) > 0;
    // a slot that stays empty: Tray will not enable the instance
    let filled = if troubled && slots > 1 && rng.u8(0..6) == 0 {
        slots - 1
    } else {
        slots
    };
    let values = [json!("a@b.c"), json!(rng.u16(..)), json!({"k": [1, "x"]})];
    for slot in 1..=filled {
        let mut row = draw_row(rng, user, rows.len());
        let mut config = Vec::new();
        for (name, value) in CONFIG.iter().zip(&values) {
            if rng.u8(0..3) == 0 {
                config.push(((*name).to_owned(), value.to_string()));
            }
        }
        row.enabled = enabled;
        row.placement = Some(Placement {
            solution_id: solution.to_owned(),
            instance_name: name.to_owned(),
            slot: format!("auth_{slot}"),
            config,
        });
        rows.push(row);
    }
}

fn draw_row(rng: &mut Rng, user: &str, number: usize) -> SimRow {
    let (service, environments) = SERVICES[rng.usize(..SERVICES.len())];
    let secret = format!("canary-{number}-{:016x}", rng.u64(..));
    SimRow {
        external_user_id: user.to_owned(),
        user_name: format!("Customer {user}"),
        auth_name: format!("auth {number}"),
        service_id: service.to_owned(),
        environment_id: environments[rng.usize(..2)].to_owned(),
        data: json!({"key": secret, "region": "eu"}).to_string(),
        form_data: rng
            .bool()
            .then(|| json!({"form": format!("{secret}-form")}).to_string()),
        scopes: (0..rng.usize(0..3)).map(|n| format!("scope-{n}")).collect(),
        hidden: false,
        enabled: true,
        placement: None,
        refused: false,
        from_run: 0,
        invalid_before: false,
    }
}

fn other_service(service: &str) -> &'static str {
    let other = SERVICES.iter().find(|(id, _)| *id != service);
    other.map_or("", |(id, _)| id)
}

/// An input file: which rows, in which order.
pub(crate) struct Input<'s> {
    /// The valid rows in file order, with their numbers.
    pub(crate) rows: Vec<(u64, &'s SimRow)>,
    pub(crate) index: Index,
}

impl<'s> Input<'s> {
    /// The file as it is at this run; its order is drawn anew.
    pub(crate) fn at_run(rows: &'s [SimRow], run: u32, rng: &mut Rng) -> Input<'s> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if rng.u8(0..4) == 0 {
            rng.shuffle(&mut order);
        }
        let mut builder = IndexBuilder::default();
        let mut duplicates = Duplicates::new(true);
        let mut valid = Vec::new();
        let mut number = 0;
        for row in order.into_iter().map(|at| &rows[at]) {
            let is_valid = run >= row.from_run;
            if !is_valid && !row.invalid_before {
                continue;
            }
            number += 1;
            let (user, fingerprint) = (user_digest(&row.external_user_id), row.fingerprint());
            let mut identity = None;
            if is_valid {
                let user = duplicates.number_user(user);
                duplicates.add(user, &fingerprint, &[]);
                identity = Some((row.key(), user));
            } else {
                let instance = fingerprint.instance.map(|instance| (user, instance));
                duplicates.add_invalid(number as u32, instance);
            }
            builder.add(&CheckedRow {
                row: number,
                line: number,
                raw: b"",
                valid: is_valid,
                problems: &[],
                identity,
            });
            if is_valid {
                valid.push((number, row));
            }
        }
        Input {
            rows: valid,
            index: builder.finish(duplicates.compare(|_| "", false)).0,
        }
    }

    /// What the row source would deliver, all at once: no thread, so that every run is the same.
    pub(crate) fn items(&self, plan: &Plan) -> mpsc::Receiver<Item> {
        let (sender, receiver) = mpsc::channel(self.rows.len().max(1));
        for (at, (number, row)) in self.rows.iter().enumerate() {
            let group = self.index.rows[at].group();
            let item = match plan.todo[at] {
                Todo::Work => Item::Work(Box::new(row.work(at, *number))),
                _ if group.is_some_and(|group| plan.groups_at_work[group as usize]) => {
                    Item::Pass(at)
                }
                _ => continue,
            };
            sender.try_send(item).expect("there is room for every row");
        }
        receiver
    }
}

/// The rows of each group.
pub(crate) fn groups(rows: &[SimRow]) -> BTreeMap<(String, String, String), Vec<&SimRow>> {
    let mut groups: BTreeMap<_, Vec<&SimRow>> = BTreeMap::new();
    for row in rows {
        if let Some(group) = row.group() {
            groups.entry(group).or_default().push(row);
        }
    }
    groups
}
