//! What is left to do: a pure function of the input's rows, the results so far, and the options.

use rayon::prelude::*;

use super::Index;
use crate::model::{Key, Standing, State, Step};

/// What a run does with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Nothing: it is as far as this run would bring it, or has failed and is not to be tried again.
    Nothing,
    /// It has steps to do.
    Work,
    /// It has steps to do, but not in this run (`--limit`).
    Later,
}

/// The options that decide it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Try failed rows again.
    pub retry_failed: bool,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Stop every row after this step.
    pub until: Option<Step>,
}

/// What this run has to do.
#[derive(Debug, Default)]
pub struct Plan {
    /// For each row of the index.
    pub todo: Vec<Todo>,
    /// For each group: whether a row of it has work.
    pub groups_at_work: Vec<bool>,
    /// For each user: how many rows have work.
    pub work_of_user: Vec<u32>,
    /// How many rows have work.
    pub work: u64,
    /// How many rows the results have in each state, by the state's place in [`State::ALL`].
    pub states: [u64; 5],
}

/// Decides for every row. `known`: what the results know of a row.
pub fn plan(
    index: &Index,
    known: impl Fn(Key) -> Option<Standing> + Sync,
    options: Options,
) -> Plan {
    let mut plan = Plan {
        todo: Vec::with_capacity(index.rows.len()),
        groups_at_work: vec![false; index.groups.len()],
        work_of_user: vec![0; index.users.len()],
        work: 0,
        states: [0; 5],
    };
    // each row is looked up but once, and on all cores: it is memory that is waited for
    let standings: Vec<Option<Standing>> =
        index.rows.par_iter().map(|row| known(row.key())).collect();
    for known in standings.iter().flatten() {
        plan.states[known.state as usize] += 1;
    }
    let mut counted = 0;
    let mut blocked = vec![false; index.groups.len()];
    for group in index.blocked.keys() {
        blocked[*group as usize] = true;
    }
    if !options.retry_failed {
        for (row, known) in index.rows.iter().zip(&standings) {
            let failed = known.is_some_and(|known| known.state == State::Failed);
            if let (Some(group), true) = (row.group(), failed) {
                blocked[group as usize] = true;
            }
        }
    }
    for (row, known) in index.rows.iter().zip(standings) {
        let group = row.group().map(|g| g as usize);
        let held_back = group.is_some_and(|g| blocked[g]);
        let enabled = group.is_some_and(|g| index.groups[g].enabled());
        let has_work = match known {
            None => true,
            Some(known) => has_work(known, held_back, enabled, options),
        };
        // a row that only waits for the others of its instance does not count: else a small limit would
        // pick it run after run and never come to the others
        let waits = group.is_some_and(|g| index.groups[g].size() > 1)
            && known
                .is_some_and(|p| p.state == State::Partial && p.step == Some(Step::Authentication));
        let todo = match (has_work, options.limit) {
            (false, _) => Todo::Nothing,
            (true, Some(limit)) if !waits && counted >= limit => Todo::Later,
            (true, _) => Todo::Work,
        };
        counted += u64::from(todo == Todo::Work && !waits);
        if todo == Todo::Work {
            plan.work += 1;
            plan.work_of_user[row.user as usize] += 1;
            if let Some(group) = group {
                plan.groups_at_work[group] = true;
            }
        }
        plan.todo.push(todo);
    }
    plan
}

fn has_work(known: Standing, held_back: bool, enabled: bool, options: Options) -> bool {
    let as_far_as_asked = options.until.is_some_and(|until| known.step >= Some(until));
    match known.state {
        State::Sent => true,
        State::Partial => !as_far_as_asked,
        // done while the input said `enabled: false`, which it says no more
        State::Done => {
            known.enabled == Some(false)
                && enabled
                && options.until.is_none_or(|until| until == Step::Enable)
        }
        State::Failed => options.retry_failed,
        State::Held => !held_back && !as_far_as_asked,
    }
}
