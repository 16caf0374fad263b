//! Faults put into the tool on purpose: the audit is worth something only if it finds them.

use std::io;
use std::time::Duration;

use tray_import::import::engine::Settings;
use tray_import::model::State;
use tray_import::results::checksum::BatchTag;
use tray_import::results::journal::AppendFile;
use tray_import::results::line::read_line;
use tray_import::secret::{SecretText, SecretValue};
use tray_import::tray::transport::{Call, Request, Response, SendError, Transport};

use crate::world::MASTER;

/// One way to get it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// `sent` lines are never written.
    NoSent,
    /// Lines count as safe before they are.
    NoSync,
    /// What is open is sent again without asking.
    BlindRetry,
    /// What is open is asked about at once, and only once.
    NoSettle,
    /// Authentications are created with the organisation's token.
    WrongToken,
}

impl Mutation {
    pub(crate) const ALL: [Mutation; 5] = [
        Mutation::NoSent,
        Mutation::NoSync,
        Mutation::BlindRetry,
        Mutation::NoSettle,
        Mutation::WrongToken,
    ];

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
        if self.mutation == Some(Mutation::NoSent) {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let is_sent = |line: &[u8]| {
                read_line(line.trim_ascii_end())
                    .is_ok_and(|line| line.progress.state == State::Sent)
            };
            bytes = lines
                .filter(|line| !is_sent(line))
                .collect::<Vec<_>>()
                .concat();
            if bytes.is_empty() {
                return Ok(());
            }
        }
        self.file.append(bytes).await
    }
}

/// A way to Tray that may mix up tokens.
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
            _ => self.transport.send(request).await,
        }
    }
}
