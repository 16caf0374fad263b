//! An emulation of Tray's API over HTTP, to rehearse migrations against and to test with.
//!
//! Nothing here talks to Tray. What is known of the API is fixed: names, nullability, which token may do what, the
//! rules of slots, the bodies of errors. What nobody outside knows is a switch of [`Behaviour`]; what goes wrong
//! between two machines is a kind of [`Faults`]. Both, like every id, follow from one seed.
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | Tray itself, in memory: pure, and of use without the rest |
//! | [`behaviour`] | the switches |
//! | [`faults`], [`limit`] | what happens to requests before the model sees them, or after |
//! | `platform` | connectors, service environments and solutions on offer |
//! | `graphql` | GraphQL over the model, by Tray's schema (`tray.graphql`) |
//! | `gateway` | one request from its bytes to its answer: token, limit, execution, faults |
//! | `server`, `admin` | connections and routes; what tests and people may look at |
//!
//! The server listens on loopback only, and shows no token and no credential to anyone. Which request meets which
//! fault follows from the order of arrival, so a run over HTTP repeats itself as far as its client sends in the same
//! order; the model alone repeats itself exactly.
//!
//! ```
//! use tray_import::sandbox::{self, FaultKind, Faults, Platform, Setup};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let mut setup = Setup::new("master-token", Platform::default());
//! setup.faults = Faults::scripted([("createExternalUser", 3, FaultKind::DropAfter)]);
//! let sandbox = sandbox::start(setup).await?;
//! println!("serving {}", sandbox.graphql_url());
//! assert_eq!(sandbox.counters().calls("createExternalUser"), 0);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod answer;
pub mod behaviour;
mod counters;
pub mod faults;
mod gateway;
mod graphql;
pub mod limit;
pub mod model;
mod platform;
mod server;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use behaviour::Behaviour;
pub use counters::Counters;
pub use faults::{FaultKind, Faults};
pub use graphql::sdl;
pub use limit::Limit;
pub use model::{CredentialCheck, Model};
pub use platform::{AuthSlot, ConfigSlot, Connector, Environment, Platform, Service, Solution};

/// What to emulate.
#[derive(Clone)]
pub struct Setup {
    /// Where to listen: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The master token.
    pub master_token: String,
    /// Connectors, service environments and solutions.
    pub platform: Platform,
    /// The answers to open questions.
    pub behaviour: Behaviour,
    /// What `validate_credentials` calls.
    pub credential_check: Option<CredentialCheck>,
    /// What goes wrong.
    pub faults: Faults,
    /// The rate limit, or none.
    pub limit: Option<Limit>,
    /// How long every answer takes.
    pub latency: Duration,
    /// What ids, tokens and faults follow from.
    pub seed: u64,
}

impl Setup {
    /// A Tray on a free port, without faults, limit or latency.
    pub fn new(master_token: impl Into<String>, platform: Platform) -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            master_token: master_token.into(),
            platform,
            behaviour: Behaviour::default(),
            credential_check: None,
            faults: Faults::default(),
            limit: None,
            latency: Duration::ZERO,
            seed: 0,
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("listen", &self.listen)
            .field("behaviour", &self.behaviour)
            .field("faults", &self.faults)
            .field("limit", &self.limit)
            .field("latency", &self.latency)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Starts the emulation inside the present tokio runtime.
///
/// # Errors
///
/// An address that is not loopback, or that cannot be listened on.
pub async fn start(setup: Setup) -> io::Result<Running> {
    if !setup.listen.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the sandbox listens on loopback addresses only, not on {}",
                setup.listen.ip()
            ),
        ));
    }
    let listener = TcpListener::bind(setup.listen).await?;
    let addr = listener.local_addr()?;
    let gateway = Arc::new(gateway::Gateway::new(setup)?);
    let task = tokio::spawn(server::serve(listener, Arc::clone(&gateway)));
    Ok(Running {
        addr,
        gateway,
        task,
    })
}

/// A running emulation. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    gateway: Arc<gateway::Gateway>,
    task: JoinHandle<()>,
}

impl Running {
    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base of the platform API: what `--api` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The GraphQL endpoint: what `--endpoint` takes.
    pub fn graphql_url(&self) -> String {
        format!("http://{}/graphql", self.addr)
    }

    /// The emulated Tray, to seed and to audit. Do not hold its lock across an await.
    pub fn model(&self) -> Arc<Mutex<Model>> {
        Arc::clone(&self.gateway.model)
    }

    /// The model's present time: what its methods take as `now`.
    pub fn now(&self) -> Duration {
        self.gateway.now()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.gateway.counters().clone()
    }

    /// Waits until every late commit under way has happened.
    pub async fn settled(&self) {
        self.gateway.settled().await;
    }

    /// Closes every connection and the listener. Late commits under way still happen.
    pub async fn stop(mut self) {
        self.task.abort();
        // The only possible error is the cancellation just asked for.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
