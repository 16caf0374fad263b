//! What the commands begin with that work on a batch after its import: its results, its Tray, its token.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::args::{Calls, Shared};
use super::exit::Failure;
use super::rehearsal::ENDPOINT;
use super::{interrupt, settings};
use crate::results::file::{self, FileError, Held, ResultsFile};
use crate::results::header::Header;
use crate::results::replay::Replay;
use crate::results::users::{EndUser, end_users};
use crate::secret::SecretText;
use crate::stop::Stop;
use crate::tray::client::Client;
use crate::tray::http::{Endpoints, Http};
use crate::tray::session::Organisation;

/// A batch as its results have it.
pub struct Batch {
    /// The results file's first line.
    pub header: Header,
    /// Its end users with their rows.
    pub users: Vec<EndUser>,
    /// The file, locked, where it is to be written.
    pub file: Option<ResultsFile>,
}

/// Where the batch is, and with what right it is asked about.
pub struct Access {
    endpoints: Endpoints,
    master: Option<SecretText>,
}

impl Access {
    /// Reads endpoints and, if there is one, the master token; makes no call.
    ///
    /// # Errors
    /// A token or an endpoint that is none.
    pub fn of(shared: &Shared) -> Result<Access, Failure> {
        Ok(Access {
            endpoints: settings::endpoints(shared)?,
            master: settings::master_token(shared)?,
        })
    }

    /// The master token.
    ///
    /// # Errors
    /// There is none.
    pub fn master(&self) -> Result<&SecretText, Failure> {
        self.master.as_ref().ok_or_else(|| {
            Failure::usage("there is no master token")
                .hint("set TRAY_MASTER_TOKEN, or name a file with --master-token-file")
        })
    }

    /// Opens a batch of this Tray: `to_write` with the file locked and its torn end cut off, else as it is.
    ///
    /// # Errors
    /// A results file that cannot be read, is in use, or is of another endpoint.
    pub fn open(&self, path: &Path, to_write: bool) -> Result<Batch, Failure> {
        let endpoint = self.endpoints.graphql.as_str();
        let (file, replay) = if to_write {
            // not created where there is none, unlike an import's
            match ResultsFile::open(path, endpoint).map_err(unusable)? {
                Some((file, replay)) => {
                    settings::warn_of_damage(path, &replay);
                    (Some(file), replay)
                }
                None => {
                    let missing = format!("there is no results file {}", path.display());
                    return Err(Failure::internal(missing));
                }
            }
        } else {
            let replay = file::read_of(path, endpoint).map_err(unusable)?;
            settings::warn_of_damage(path, &replay);
            (None, replay)
        };
        Batch::of(path, file, replay)
    }

    /// Opens a batch of this Tray to look at, with the file as it is: nobody writes it as long as what is
    /// returned with the batch lives.
    ///
    /// # Errors
    /// As [`Access::open`].
    pub fn hold(&self, path: &Path) -> Result<(Batch, Held), Failure> {
        let endpoint = self.endpoints.graphql.as_str();
        let (held, replay) = file::hold(path, endpoint).map_err(unusable)?;
        settings::warn_of_damage(path, &replay);
        Ok((Batch::of(path, None, replay)?, held))
    }

    /// What calls are made with. From here on the first Ctrl-C asks the run to stop.
    ///
    /// # Errors
    /// There is no master token, or TLS cannot be set up.
    pub fn organisation(&self, calls: &Calls) -> Result<Organisation<Http>, Failure> {
        let master = self.master()?.clone();
        let client: Client<Http> = settings::client(&self.endpoints, calls)?;
        let stop = Arc::new(Stop::default());
        interrupt::hand_to(&stop);
        Ok(Organisation::new(Arc::new(client), master, stop))
    }
}

/// A runtime of the process's own for a command's calls.
///
/// # Errors
/// When the system refuses one.
pub fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)
}

impl Batch {
    fn of(path: &Path, file: Option<ResultsFile>, mut replay: Replay) -> Result<Batch, Failure> {
        let Some(header) = replay.header.take() else {
            return Err(Failure::internal(format!(
                "{} is empty: no run has got as far as writing to it",
                path.display()
            )));
        };
        let users = end_users(&replay).map_err(|error| {
            Failure::internal(format!("the results file {}: {error}", path.display()))
        })?;
        Ok(Batch {
            header,
            users,
            file,
        })
    }
}

fn unusable(error: FileError) -> Failure {
    let rehearsed = matches!(&error, FileError::Endpoint { theirs, .. } if theirs == ENDPOINT);
    let failure = Failure::from(error);
    if rehearsed {
        failure.hint("these are of a rehearsal (import --sandbox): its sandbox is gone with all that it held")
    } else {
        failure
    }
}
