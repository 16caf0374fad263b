//! One seed, one scenario: the customers, what Tray has of them already, how Tray behaves where nobody
//! knows, and how the tool is asked to go.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tray_import::sandbox::behaviour::{
    ConfigReadForm, CriteriaMatch, ThrottleForm, UnauthorizedForm, UpdateValues,
};
use tray_import::sandbox::limit::Limit;
use tray_import::sandbox::{
    AuthSlot, Behaviour, ConfigSlot, Connector, Environment, Platform, Service, Solution,
};

use crate::faults::{Fault, Rates};
use crate::rows::{self, SimRow};

/// The organisation's token; one more text that must never be written down.
pub(crate) const MASTER: &str = "canary-master-token-5f1c";
/// Solutions have one, two and three auth slots.
pub(crate) const SOLUTIONS: [(&str, usize); 3] =
    [("solution-1", 1), ("solution-2", 2), ("solution-3", 3)];
/// Services and their environments.
pub(crate) const SERVICES: [(&str, [&str; 2]); 2] = [
    ("service-a", ["env-a1", "env-a2"]),
    ("service-b", ["env-b1", "env-b2"]),
];
/// The config slots of every solution.
pub(crate) const CONFIG: [&str; 3] = ["cfg_email", "cfg_limit", "cfg_map"];

/// A whole scenario, before anything has happened.
pub(crate) struct Scenario {
    pub(crate) rows: Vec<SimRow>,
    /// In which some of the rows' things are there before the batch.
    pub(crate) existing: Existing,
    pub(crate) behaviour: Behaviour,
    pub(crate) limit: Option<Limit>,
    pub(crate) rates: Rates,
    pub(crate) settle: Duration,
    pub(crate) asks: u32,
    pub(crate) enable_delay: Duration,
    pub(crate) test_users: bool,
    /// Calls a second and burst.
    pub(crate) rate: Option<f64>,
    pub(crate) burst: u32,
    /// Runs before the last, undisturbed one.
    pub(crate) disturbed_runs: u32,
}

/// How much of the batch Tray has already: chances in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Existing {
    pub(crate) users: u8,
    pub(crate) authentications: u8,
    pub(crate) instances: u8,
    /// Of what exists, how much exists twice, or in each other's way.
    pub(crate) awkward: u8,
    /// End users that are none of the batch's.
    pub(crate) strangers: usize,
}

impl Scenario {
    pub(crate) fn draw(rng: &mut Rng) -> Scenario {
        let settle = Duration::from_millis(rng.u64(300..3000));
        let asks = rng.u32(2..=4);
        let transit = rng.u64(1..=300);
        // A commit, or its showing, later than the last question is beyond what any tool can know: the
        // scenarios stay within what settling covers, which is what the documentation promises.
        let waits = settle * ((1 << asks) - 1);
        let covered = waits.saturating_sub(Duration::from_millis(2 * transit + 50));
        let read_lag = match rng.u8(0..4) {
            0 => part(rng, covered.min(Duration::from_secs(5))),
            _ => Duration::ZERO,
        };
        let late_by = part(rng, (covered - read_lag).min(Duration::from_secs(20)));
        let enable_delay = Duration::from_millis(rng.u64(0..3000));
        let behaviour = behaviour(rng, read_lag, enable_delay);
        let existing = existing(rng);
        let rows = rows::draw(rng);
        Scenario {
            existing,
            rates: rates(rng, transit, late_by),
            limit: (rng.u8(0..5) == 0).then(|| Limit {
                per_second: rng.u32(3..30).into(),
                burst: rng.u32(1..20),
                per_minute: None,
            }),
            behaviour,
            rows,
            settle,
            asks,
            enable_delay,
            test_users: rng.u8(0..4) == 0,
            rate: [None, Some(25.0), Some(25.0), Some(6.0)][rng.usize(..4)],
            burst: rng.u32(1..=10),
            disturbed_runs: rng.u32(0..=5),
        }
    }

    /// How long it takes until everything that was under way has happened and shows.
    pub(crate) fn calm(&self) -> Duration {
        self.behaviour.read_lag
            + self.rates.late_by
            + Duration::from_millis(2 * self.rates.transit)
            + self.behaviour.enable_needs_delay.unwrap_or_default()
            + Duration::from_secs(1)
    }
}

fn part(rng: &mut Rng, of: Duration) -> Duration {
    let most = u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.u64(0..=most))
}

fn existing(rng: &mut Rng) -> Existing {
    let strangers = rng.usize(0..6);
    if rng.u8(0..3) > 0 {
        return Existing {
            strangers,
            ..Existing::default()
        };
    }
    Existing {
        users: rng.u8(20..=100),
        authentications: rng.u8(0..=100),
        instances: rng.u8(0..=100),
        awkward: if rng.bool() { rng.u8(0..20) } else { 0 },
        strangers,
    }
}

fn rates(rng: &mut Rng, transit: u64, late_by: Duration) -> Rates {
    let kinds = match rng.u8(0..3) {
        // one kind alone, and often
        0 => vec![Fault::ALL[rng.usize(..Fault::ALL.len())]],
        _ => Fault::ALL.to_vec(),
    };
    Rates {
        share: [0.0, 0.03, 0.1, 0.1, 0.3][rng.usize(..5)],
        kinds,
        transit,
        hang: Duration::from_millis(rng.u64(1000..40_000)),
        late_by,
    }
}

/// Every switch under which the tool has to be right.
fn behaviour(rng: &mut Rng, read_lag: Duration, enable_delay: Duration) -> Behaviour {
    let max_page_size = [1, 2, 3, 5, 100, 100][rng.usize(..6)];
    Behaviour {
        unique_external_ids: rng.bool(),
        criteria_match: [
            CriteriaMatch::Exact,
            CriteriaMatch::Prefix,
            CriteriaMatch::CaseInsensitive,
        ][rng.usize(..3)],
        throttle_form: [
            ThrottleForm::Graphql200,
            ThrottleForm::Http429,
            ThrottleForm::Mixed,
        ][rng.usize(..3)],
        retry_after: (rng.u8(0..3) == 0).then(|| rng.u64(0..4)),
        error_echoes_input: rng.bool(),
        hidden_listed: rng.u8(0..3) > 0,
        authentications_listed: (rng.u8(0..20) == 0).then(|| rng.usize(1..6)),
        config_read_form: [ConfigReadForm::Raw, ConfigReadForm::Json][rng.usize(..2)],
        update_values: [UpdateValues::Merge, UpdateValues::Replace][rng.usize(..2)],
        authorize_invalidates_earlier: rng.bool(),
        user_token_uses: (rng.u8(0..3) == 0).then(|| rng.u64(1..8)),
        unauthorized_form: [
            UnauthorizedForm::Http401,
            UnauthorizedForm::Http403,
            UnauthorizedForm::Graphql,
        ][rng.usize(..3)],
        master_sees_instances: rng.bool(),
        // what is refused needs no audit
        master_create_authentication: true,
        enable_needs_delay: rng.bool().then(|| part(rng, enable_delay)),
        read_lag,
        max_page_size,
        default_page_size: max_page_size.min(20),
        names_unique: rng.u8(0..4) == 0,
        ..Behaviour::default()
    }
}

/// What Tray has on offer.
pub(crate) fn platform() -> Platform {
    let mut platform = Platform::default();
    for (service, environments) in SERVICES {
        platform.connectors.push(Connector {
            name: service.to_owned(),
            version: "1.0".to_owned(),
            service: Service {
                id: service.to_owned(),
                name: service.to_owned(),
                version: 1,
            },
        });
        let environments = environments.map(|id| Environment {
            id: id.to_owned(),
            title: id.to_owned(),
            authentication_type: "token".to_owned(),
            credentials_schema: json!({}),
            user_data_schema: json!({}),
            scopes: Vec::new(),
        });
        let environments = environments.into_iter().collect();
        platform
            .environments
            .insert(service.to_owned(), environments);
    }
    platform.solutions = (SOLUTIONS.iter())
        .map(|(id, slots)| Solution {
            id: (*id).to_owned(),
            title: (*id).to_owned(),
            auth_slots: (1..=*slots)
                .map(|slot| AuthSlot {
                    external_id: format!("auth_{slot}"),
                    title: String::new(),
                })
                .collect(),
            config_slots: CONFIG
                .iter()
                .map(|slot| ConfigSlot {
                    external_id: (*slot).to_owned(),
                    title: String::new(),
                    default_value: json!(null),
                })
                .collect(),
        })
        .collect();
    platform
}
