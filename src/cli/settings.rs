//! What the arguments mean: endpoints, token, catalog.

use std::path::{Path, PathBuf};

use super::args::{Calls, Region, Shared};
use super::exit::Failure;
use crate::catalog::Catalog;
use crate::input::mapping::Mapping;
use crate::results::replay::Replay;
use crate::secret::SecretText;
use crate::tray::client::{Client, Retries};
use crate::tray::http::{Endpoints, Http, parse_url};
use crate::tray::limiter::{Limiter, Pace};

/// Where the master token may come from, apart from `--master-token-file`.
pub const TOKEN_VARIABLE: &str = "TRAY_MASTER_TOKEN";

/// GraphQL endpoint and platform API of a region (`tray-api.md` 1.1).
fn of_region(region: Region) -> (&'static str, &'static str) {
    match region {
        Region::Us => ("https://tray.io/graphql", "https://api.tray.io"),
        Region::Eu => ("https://eu1.tray.io/graphql", "https://api.eu1.tray.io"),
        Region::Ap => ("https://ap1.tray.io/graphql", "https://api.ap1.tray.io"),
    }
}

/// The endpoints of the run. With an `--endpoint` and no `--api`, where the platform API is cannot be known.
///
/// # Errors
/// A URL that is none, or that would send secrets in the clear.
pub fn endpoints(shared: &Shared) -> Result<Endpoints, Failure> {
    let (graphql, api) = of_region(shared.region);
    let parse = |flag: &str, text: &str| {
        parse_url(text).map_err(|error| Failure::usage(format!("{flag}: {error}")))
    };
    let api = match (&shared.api, &shared.endpoint) {
        (Some(api), _) => Some(api.as_str()),
        (None, None) => Some(api),
        (None, Some(_)) => None,
    };
    let api = api
        .map(|text| {
            let mut url = parse("--api", text)?;
            if !url.path().ends_with('/') {
                // else joining a path would replace the last part of the base
                url.set_path(&format!("{}/", url.path()));
            }
            Ok::<_, Failure>(url)
        })
        .transpose()?;
    Ok(Endpoints {
        graphql: parse("--endpoint", shared.endpoint.as_deref().unwrap_or(graphql))?,
        api,
    })
}

/// The master token, if there is one.
///
/// # Errors
/// A file that cannot be read, or a token that is empty or no token.
pub fn master_token(shared: &Shared) -> Result<Option<SecretText>, Failure> {
    let (text, source) = if let Some(path) = &shared.master_token_file {
        let text = crate::files::read_text(path).map_err(|error| unreadable_token(path, &error))?;
        (text, path.display().to_string())
    } else {
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::usage(format!("{TOKEN_VARIABLE} is not text")));
            }
        }
    };
    let text = zeroize::Zeroizing::new(text);
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("{source} holds no master token")));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage(format!(
            "{source} holds something that is no token: a token is one word of ASCII"
        )));
    }
    Ok(Some(SecretText::new(token.to_owned())))
}

/// A name that looks like a token rather than a file is not shown: somebody may have typed the token itself.
fn unreadable_token(path: &Path, error: &std::io::Error) -> Failure {
    let name = path.to_string_lossy();
    if error.kind() == std::io::ErrorKind::NotFound && !name.contains(['/', '.']) {
        return Failure::usage("--master-token-file names no file that exists")
            .hint("it takes the name of a file that holds the token, never the token itself; so does master-token-file in tray-import.toml");
    }
    Failure::usage(format!("the master token: {error}"))
}

/// A client that calls these endpoints at the asked pace.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client(endpoints: &Endpoints, calls: &Calls) -> Result<Client<Http>, Failure> {
    let http = Http::new(endpoints.clone(), calls.timeout)
        .map_err(|error| Failure::internal(format!("cannot set up TLS: {error}")))?;
    let pace = Pace {
        rate: calls.rate.0,
        burst: calls.burst,
    };
    Ok(Client::new(
        http,
        Limiter::new(pace),
        calls.concurrency as usize,
        Retries::default(),
        fastrand::Rng::new(),
    ))
}

/// Names what is damaged in a results file that is to be worked on: lines that are not what was written, a torn end.
pub fn warn_of_damage(path: &Path, replay: &Replay) {
    let path = path.display();
    for damaged in &replay.damaged {
        let about = damaged
            .row
            .map_or_else(String::new, |row| format!(", about row {row},"));
        tracing::warn!(
            "line {} of {path}{about} is not what was written: its checksum does not match; it is left out, and what it was about is looked up in Tray",
            damaged.line
        );
    }
    if replay.torn > 0 {
        tracing::warn!(
            "the last line of {path} was torn ({} bytes); it is dropped, and what it was about is looked up in Tray",
            replay.torn
        );
    }
}

/// The catalog's directory: as given, else `catalog` beside the input, else in the working directory.
pub fn catalog_directory(shared: &Shared, input: Option<&Path>) -> PathBuf {
    if let Some(directory) = &shared.catalog {
        return directory.clone();
    }
    let beside = input
        .and_then(Path::parent)
        .map(|directory| directory.join("catalog"));
    match beside {
        Some(directory) if directory.is_dir() => directory,
        _ => PathBuf::from("catalog"),
    }
}

/// Reads the catalog.
///
/// # Errors
/// Names the file and the key that is wrong.
pub fn catalog(shared: &Shared, input: Option<&Path>) -> Result<Catalog, Failure> {
    let directory = catalog_directory(shared, input);
    Catalog::load(&directory).map_err(|error| {
        let failure = Failure::usage(error);
        if shared.catalog.is_none() && !directory.is_dir() {
            failure
                .hint("a catalog is a directory of credential schemas; name it with --catalog DIR")
        } else {
            failure
        }
    })
}

/// Reads the mapping file, if one is named.
///
/// # Errors
/// Names the file and the key that is wrong.
pub fn mapping(shared: &Shared) -> Result<Mapping, Failure> {
    match &shared.mapping {
        Some(path) => Mapping::load(path).map_err(Failure::usage),
        None => Ok(Mapping::default()),
    }
}
