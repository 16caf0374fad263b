//! `sandbox`: an emulation of Tray's API on loopback.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{SandboxArgs, Shared};
use super::exit::{Exit, Failure};
use super::printer::Printer;
use super::rehearsal::{self, MASTER_TOKEN};
use super::settings;
use crate::sandbox::{self, Behaviour, Faults, Limit, Setup};
use crate::secret::SecretText;

/// Runs the command until it is interrupted.
///
/// # Errors
/// A catalog, switch or address that cannot be used.
pub fn run(args: &SandboxArgs, shared: &Shared, printer: &Printer) -> Result<Exit, Failure> {
    let catalog = settings::catalog(shared, None)?;
    let solutions = rehearsal::solutions(args.solutions.as_deref(), shared, None)?;
    if solutions.is_none() {
        printer.note("There is no solutions.json beside the catalog: the sandbox has no solutions (--solutions FILE names one).");
    }
    let given = settings::master_token(shared)?;
    let is_default = given.is_none();
    let token = given.unwrap_or_else(|| SecretText::new(MASTER_TOKEN.to_owned()));
    let platform = rehearsal::platform(&catalog, solutions.unwrap_or_default());
    let mut setup = Setup::new(token.expose(), platform);
    setup.listen = args.listen;
    setup.behaviour = behaviour(&args.assume)?;
    setup.faults = faults(args)?;
    setup.limit = args.rate.0.map(|rate| Limit {
        per_second: rate,
        burst: args.burst,
        per_minute: None,
    });
    setup.latency = args.latency;
    setup.seed = args.seed;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    runtime.block_on(async {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let running = sandbox::start(setup).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => Failure::usage(error),
            _ => Failure::internal(format!("cannot listen on {}: {error}", args.listen)),
        })?;
        let (endpoint, api) = (running.graphql_url(), running.url());
        if printer.is_json() {
            printer.object(&json!({
                "command": "sandbox", "endpoint": endpoint, "api": api,
                "state": format!("{api}/admin/state"),
            }));
        } else {
            let token = if is_default {
                MASTER_TOKEN
            } else {
                "(the one given)"
            };
            printer.result(&format!(
                "--endpoint {endpoint}\n--api {api}\nmaster token: {token}\nwhat it holds: {api}/admin/state"
            ));
        }
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        running.stop().await;
        Ok(Exit::Done)
    })
}

fn behaviour(assumptions: &[String]) -> Result<Behaviour, Failure> {
    let mut behaviour = Behaviour::default();
    for text in assumptions {
        let (name, value) = pair("--assume", text)?;
        behaviour
            .set(name, value)
            .map_err(|message| Failure::usage(format!("--assume {text}: {message}")))?;
    }
    Ok(behaviour)
}

fn faults(args: &SandboxArgs) -> Result<Faults, Failure> {
    let mut faults = Faults::uniform(args.fault_rate);
    for text in &args.fault {
        let (name, value) = pair("--fault", text)?;
        let share = match value.strip_suffix('%') {
            Some(percent) => percent
                .parse::<f64>()
                .map(|p| (p / 100.0).to_string())
                .unwrap_or_default(),
            None => value.to_owned(),
        };
        faults
            .set(name, &share)
            .map_err(|message| Failure::usage(format!("--fault {text}: {message}")))?;
    }
    Ok(faults)
}

fn pair<'t>(flag: &str, text: &'t str) -> Result<(&'t str, &'t str), Failure> {
    text.split_once('=')
        .ok_or_else(|| Failure::usage(format!("{flag} {text}: must be NAME=VALUE")))
}
