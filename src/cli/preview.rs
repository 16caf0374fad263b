//! `import --dry-run`: what would be created, how many calls it takes, how long that lasts.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::batch::Index;
use crate::batch::plan::{Plan, Todo};
use crate::model::{Progress, Step, user_digest};
use crate::report::summary::{duration, thousands};
use crate::results::rows::PriorRows;
use crate::secret::SecretText;
use crate::tray::client::{Client, Failed};
use crate::tray::operations::{self as ops, ListedUser, PAGE, USERS};
use crate::tray::paginate::paginate;
use crate::tray::transport::Transport;

/// What a run would do.
#[derive(Debug, Default)]
pub struct Preview {
    users_new: u64,
    users_existing: u64,
    /// Whether Tray was asked who exists.
    asked: bool,
    authentications: u64,
    instances: u64,
    enabled: u64,
    /// End users whose belongings are looked at first.
    looked_up: u64,
    pages: u64,
    test_users: bool,
}

/// Lists who exists in Tray: the numbers of the batch's end users, and how many pages it took.
///
/// # Errors
/// When Tray gives no answer.
pub async fn existing_users<T: Transport>(
    client: &Client<T>,
    master: &SecretText,
    index: &Index,
) -> Result<(HashSet<u32>, u64), Failed> {
    let mut existing = HashSet::new();
    let mut pages = paginate::<ListedUser>(&["users"]);
    while pages.more() {
        let variables = ops::users(None, pages.after());
        let (data, attempts) = client.call(&USERS, variables, master).await?;
        let page = pages.receive(&data);
        for user in page.map_err(|trouble| Failed { trouble, attempts })? {
            if let Some(id) = user.external_user_id {
                existing.extend(index.users.number(user_digest(&id)));
            }
        }
    }
    Ok((existing, pages.count() as u64))
}

impl Preview {
    /// What `plan` comes to; `existing` where Tray was asked.
    pub fn of(
        index: &Index,
        plan: &Plan,
        prior: &PriorRows,
        existing: Option<(HashSet<u32>, u64)>,
        until: Option<Step>,
        test_users: bool,
    ) -> Preview {
        let mut preview = Preview {
            asked: existing.is_some(),
            test_users,
            ..Preview::default()
        };
        let (existing, pages) = existing.unwrap_or_default();
        preview.pages = pages;
        let reaches = |step: Step| until.is_none_or(|until| until >= step);
        let (mut users, mut groups) = (HashSet::new(), HashSet::new());
        let mut known = HashSet::new();
        for (row, todo) in index.rows.iter().zip(&plan.todo) {
            let progress = prior.get(&row.key());
            if progress.is_some_and(|p| p.user_id.is_some()) {
                known.insert(row.user);
            }
            if *todo != Todo::Work {
                continue;
            }
            users.insert(row.user);
            let has = |id: fn(&Progress) -> bool| progress.is_some_and(id);
            if reaches(Step::Authentication) && !has(|p| p.authentication_id.is_some()) {
                preview.authentications += 1;
            }
            if let Some(number) = row.group() {
                let group = index.groups[number as usize];
                if reaches(Step::Instance)
                    && index.blocked_by(number).is_none()
                    && groups.insert(number)
                {
                    preview.instances += u64::from(!has(|p| p.instance_id.is_some()));
                    preview.enabled += u64::from(group.enabled() && reaches(Step::Enable));
                }
            }
        }
        for user in users {
            if existing.contains(&user) || known.contains(&user) {
                preview.users_existing += 1;
                preview.looked_up += u64::from(reaches(Step::Authentication));
            } else {
                preview.users_new += 1;
            }
        }
        preview
    }

    fn calls(&self) -> Vec<(&'static str, u64)> {
        let authorized = if self.authentications + self.instances + self.enabled == 0 {
            0
        } else {
            self.users_new + self.users_existing
        };
        // unasked, at least one page of the listing
        let users = self.pages.max(u64::from(self.users_new > 0));
        vec![
            ("users", users),
            ("createExternalUser", self.users_new),
            ("authorize", authorized),
            ("viewer", self.looked_up),
            ("createUserAuthentication", self.authentications),
            ("createSolutionInstance", self.instances),
            ("updateSolutionInstance", self.enabled),
        ]
    }

    fn total(&self) -> u64 {
        self.calls().iter().map(|(_, count)| count).sum()
    }

    fn billed(&self) -> u64 {
        if self.test_users { 0 } else { self.users_new }
    }

    /// How long the calls take at this rate.
    fn time(&self, rate: Option<f64>) -> Option<Duration> {
        rate.map(|rate| Duration::from_secs_f64(self.total() as f64 / rate))
    }

    /// The plan for `--json`.
    pub fn to_json(&self, rate: Option<f64>) -> Value {
        let calls: serde_json::Map<String, Value> = self
            .calls()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect();
        json!({
            "users": {"new": self.users_new, "existing": self.users_existing,
                "billed": self.billed(), "test": self.users_new - self.billed(), "asked": self.asked},
            "authentications": self.authentications,
            "instances": self.instances,
            "enabled": self.enabled,
            "calls": calls,
            "callsTotal": self.total(),
            "seconds": self.time(rate).map(|time| time.as_secs_f64().ceil()),
        })
    }

    /// The plan for people.
    pub fn to_text(&self, rate: Option<f64>) -> String {
        let mut lines = vec!["This would be created:".to_owned(), String::new()];
        let mut line = |count: u64, what: String| {
            lines.push(format!("  {:>9}  {what}", thousands(count)));
        };
        let billed = if self.test_users {
            "test users: not billed"
        } else {
            "Tray bills end users who own instances or authentications"
        };
        line(self.users_new, format!("end users ({billed})"));
        if self.users_existing > 0 {
            line(
                self.users_existing,
                "end users exist already and are adopted".to_owned(),
            );
        }
        let at_most = if self.users_existing > 0 {
            " at most: what the existing end users own already is adopted"
        } else {
            ""
        };
        line(self.authentications, format!("authentications{at_most}"));
        line(self.instances, "solution instances".to_owned());
        line(self.enabled, "of them enabled".to_owned());
        lines.push(String::new());
        lines.push("By these calls:".to_owned());
        lines.push(String::new());
        for (name, count) in self.calls().into_iter().filter(|(_, count)| *count > 0) {
            lines.push(format!("  {:>9}  {name}", thousands(count)));
        }
        let total = thousands(self.total());
        lines.push(match (rate, self.time(rate)) {
            (Some(rate), Some(time)) => {
                format!(
                    "  {total:>9}  in all: {} at {rate} a second",
                    duration(time)
                )
            }
            _ => format!("  {total:>9}  in all, as fast as Tray answers"),
        });
        if !self.asked {
            lines.push(String::new());
            lines.push(format!(
                "Tray was not asked (no master token): end users who exist already are counted as new, and listing them takes a call for each {PAGE}."
            ));
        }
        lines.join("\n")
    }
}
