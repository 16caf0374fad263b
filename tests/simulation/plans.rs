//! How each run of the tool goes: drawn anew for every one of them.

use fastrand::Rng;
use tray_import::batch::plan::Options;
use tray_import::import::context::Settings;
use tray_import::import::tally::MaxFailures;
use tray_import::model::Step;
use tray_import::tray::client::Retries;
use tray_import::tray::limiter::Pace;

use crate::driver::Player;

/// How one run of the tool goes.
pub(crate) struct RunPlan {
    pub(crate) number: u32,
    pub(crate) crash_in: Option<u64>,
    pub(crate) stop_in: Option<u64>,
    pub(crate) options: Options,
    pub(crate) settings: Settings,
    pub(crate) concurrency: usize,
    pub(crate) retries: Retries,
    pub(crate) pace: Pace,
    pub(crate) client_seed: u64,
}

impl Player<'_> {
    pub(crate) fn disturbed(&mut self, number: u32) -> RunPlan {
        let (settings, pace) = (self.settings(), self.pace());
        let rng = &mut self.rng;
        let soon = |rng: &mut Rng| {
            let scale = rng.u32(1..10);
            rng.u64(1..=1 << scale)
        };
        let (mut crash_in, mut stop_in) = (None, None);
        match rng.u8(0..10) {
            0..6 => crash_in = Some(soon(rng)),
            6..8 => stop_in = Some(soon(rng)),
            _ => {}
        }
        if rng.u8(0..12) == 0 {
            self.sim.world().disk.room = Some(rng.usize(0..8000));
        }
        let until = [
            None,
            None,
            None,
            Some(Step::User),
            Some(Step::Authentication),
            Some(Step::Instance),
        ][rng.usize(..6)];
        let limit = (rng.u8(0..6) == 0).then(|| rng.u64(1..6));
        self.sim.world().tray.rates = self.scenario.rates.clone();
        RunPlan {
            number,
            crash_in,
            stop_in,
            options: Options {
                retry_failed: rng.bool(),
                limit,
                until,
            },
            settings: Settings {
                rows_in_flight: rng.usize(1..=32),
                sends: rng.u32(1..=5),
                until,
                ..settings
            },
            concurrency: rng.usize(1..=16),
            retries: Retries {
                attempts: rng.u32(1..=6),
                ..Retries::default()
            },
            pace,
            client_seed: rng.u64(..),
        }
    }

    pub(crate) fn undisturbed(&mut self, number: u32) -> RunPlan {
        let rows_in_flight = self.rng.usize(1..=32);
        RunPlan {
            number,
            crash_in: None,
            stop_in: None,
            options: Options {
                retry_failed: true,
                limit: None,
                until: None,
            },
            settings: Settings {
                rows_in_flight,
                ..self.settings()
            },
            concurrency: self.rng.usize(1..=16),
            retries: Retries::default(),
            pace: self.pace(),
            client_seed: self.rng.u64(..),
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings {
            settle: self.scenario.settle,
            asks: self.scenario.asks,
            enable_delay: self.scenario.enable_delay,
            test_users: self.scenario.test_users,
            max_failures: MaxFailures::Percent(100.0),
            ..Settings::default()
        };
        if let Some(mutation) = self.mutation {
            mutation.settings(&mut settings);
        }
        settings
    }

    fn pace(&self) -> Pace {
        Pace {
            rate: self.scenario.rate,
            burst: self.scenario.burst,
        }
    }
}
