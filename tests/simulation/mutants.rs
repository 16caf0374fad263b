//! Faults put into the tool on purpose: the audit is worth something only if it finds them.

use std::io;
use std::time::Duration;

use serde_json::json;
use tray_import::import::context::Settings;
use tray_import::model::State;
use tray_import::results::checksum::BatchTag;
use tray_import::results::journal::AppendFile;
use tray_import::results::line::read_line;
use tray_import::secret::{SecretText, SecretValue};
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};

use crate::world::MASTER;

/// One way to get it wrong; each breaks the invariant of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// 1: `sent` lines are never written.
    NoSent,
    /// 1: lines count as safe before they are.
    NoSync,
    /// 2: what a step has brought is never written.
    NoOutcome,
    /// 3: what is open is sent again without asking.
    BlindRetry,
    /// 3: what is open is asked about at once, and only once.
    NoSettle,
    /// 4: what end users have already is not seen.
    NoAdoption,
    /// 5: the engine throws dice of its own. What the world makes of a run is right all the same: only a
    /// second look at the same seed shows it.
    OwnDice,
    /// Authentications are created with the organisation's token.
    WrongToken,
}

/// How a mutation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// A thing is there twice, or in the wrong hands.
    Twice,
    /// The results are not what they should be.
    InResults,
    /// The same seed plays another way.
    Differently,
}

impl Mutation {
    pub(crate) const ALL: [Mutation; 8] = [
        Mutation::NoSent,
        Mutation::NoSync,
        Mutation::NoOutcome,
        Mutation::BlindRetry,
        Mutation::NoSettle,
        Mutation::NoAdoption,
        Mutation::OwnDice,
        Mutation::WrongToken,
    ];

    pub(crate) fn shows(self) -> Shows {
        match self {
            Mutation::NoOutcome => Shows::InResults,
            Mutation::OwnDice => Shows::Differently,
            _ => Shows::Twice,
        }
    }

    pub(crate) fn settings(self, settings: &mut Settings) {
        match self {
            Mutation::BlindRetry => settings.asks = 0,
            Mutation::NoSettle => (settings.settle, settings.asks) = (Duration::ZERO, 1),
            _ => {}
        }
    }
}

/// A results file that may lose what matters.
pub(crate) struct MutantFile<F> {
    file: F,
    mutation: Option<Mutation>,
}

impl<F> MutantFile<F> {
    pub(crate) fn new(file: F, mutation: Option<Mutation>) -> MutantFile<F> {
        MutantFile { file, mutation }
    }
}

impl<F: AppendFile> AppendFile for MutantFile<F> {
    fn batch(&self) -> BatchTag {
        self.file.batch()
    }

    async fn append(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        let lost: Option<fn(State) -> bool> = match self.mutation {
            Some(Mutation::NoSent) => Some(|state| state == State::Sent),
            Some(Mutation::NoOutcome) => Some(|state| state != State::Sent),
            _ => None,
        };
        if let Some(lost) = lost {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let is_lost = |line: &[u8]| {
                read_line(line.trim_ascii_end()).is_ok_and(|line| lost(line.progress.state))
            };
            bytes = lines
                .filter(|line| !is_lost(line))
                .collect::<Vec<_>>()
                .concat();
            if bytes.is_empty() {
                return Ok(());
            }
        }
        self.file.append(bytes).await
    }
}

/// A way to Tray that may mix up tokens, or show less than there is.
pub(crate) struct MutantTransport<T> {
    transport: T,
    mutation: Option<Mutation>,
}

impl<T> MutantTransport<T> {
    pub(crate) fn new(transport: T, mutation: Option<Mutation>) -> MutantTransport<T> {
        MutantTransport {
            transport,
            mutation,
        }
    }
}

impl<T: Transport> Transport for MutantTransport<T> {
    async fn send(&self, request: &Request) -> Result<Response, SendError> {
        match &request.call {
            Call::GraphQl {
                operation,
                variables,
            } if self.mutation == Some(Mutation::WrongToken)
                && operation.name == "createUserAuthentication" =>
            {
                let wrong = Request {
                    call: Call::GraphQl {
                        operation,
                        variables: SecretValue(variables.0.clone()).into(),
                    },
                    token: SecretText::new(MASTER.to_owned()),
                };
                self.transport.send(&wrong).await
            }
            Call::GraphQl { operation, .. }
                if self.mutation == Some(Mutation::NoAdoption) && operation.name == "viewer" =>
            {
                let mut response = self.transport.send(request).await?;
                if response.status == 200 {
                    let nothing = json!({"edges": [], "pageInfo": {"hasNextPage": false}});
                    let owns = json!({"authentications": nothing, "solutionInstances": nothing});
                    response.body = json!({"data": {"viewer": owns}}).to_string().into_bytes();
                }
                Ok(response)
            }
            _ => self.transport.send(request).await,
        }
    }
}
