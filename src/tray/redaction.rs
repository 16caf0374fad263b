//! No secret of ours in what a server says.
//!
//! An error message may quote what the server was sent (`tray-api.md` 5.3), and a hostile one may quote what it was
//! sent by another call. So every message is searched, before anybody else sees it, for all secrets that this process
//! has in hand: the master token, the tokens of end users, and the credentials in flight. Credentials that are no
//! longer in flight are wiped; of the last ones a keyed digest is kept, which finds them in a message but is of no use
//! to whoever reads the memory.
//!
//! What is quoted whole is cut out. A message that holds a piece of a secret, or one in another spelling (base64,
//! hexadecimal, percent-encoded, escaped as in JSON), is withheld whole. Upper and lower case count as the same.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use hashbrown::HashSet;
use memchr::memmem;
use parking_lot::Mutex;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::operations::credentials;
use super::transport::{Call, Request};
use crate::secret::SecretValue;

/// The most of a foreign message that is ever shown, in characters.
const LONGEST_SHOWN: usize = 400;
/// The most of it that is looked at: the longest shown, and a secret that begins there and ends beyond.
const LONGEST_READ: usize = 2_000;
/// A shorter value of the call itself (`eu`, `1`) would blank out half of any message and tells nobody anything.
const SHORTEST_OWN: usize = 4;
/// The same for other calls' values, which are many.
const SHORTEST_OTHER: usize = 6;
/// Length of a piece of the call's own secrets that makes a message unfit to show.
const OWN_PIECE: usize = 8;
/// The same for other calls' secrets: their values may share a host or a region with this one's message.
const OTHER_PIECE: usize = 12;
/// How many credentials are remembered once they are no longer in flight.
const REMEMBERED: usize = 1 << 16;

const WITHHELD: &str = "[message withheld: it quotes credentials]";

/// The secrets that a process has in hand.
#[derive(Default)]
pub(super) struct Secrets {
    known: Mutex<Known>,
    key: RandomState,
}

#[derive(Default)]
struct Known {
    /// By address: a token that is used again replaces itself, and a dead one makes way.
    tokens: HashMap<usize, Weak<Zeroizing<String>>>,
    in_flight: HashMap<usize, Weak<SecretValue>>,
    past: Past,
}

/// Digests of credentials that were in flight.
#[derive(Default)]
struct Past {
    digests: HashSet<u64>,
    order: VecDeque<u64>,
    lengths: BTreeSet<usize>,
}

/// A call whose secrets are known for as long as this lives.
pub(super) struct InFlight<'s> {
    secrets: &'s Secrets,
    variables: Option<Arc<SecretValue>>,
}

impl Secrets {
    /// From now on the request's token is known while anybody has it, and its credentials while it is in flight.
    pub(super) fn enter(&self, request: &Request) -> InFlight<'_> {
        let mut known = self.known.lock();
        let token = request.token.shared();
        if known.tokens.len() == known.tokens.capacity() {
            known.tokens.retain(|_, token| token.strong_count() > 0);
        }
        known
            .tokens
            .insert(Arc::as_ptr(token).addr(), Arc::downgrade(token));
        let variables = match &request.call {
            Call::GraphQl { variables, .. } if credentials(variables).next().is_some() => {
                let address = Arc::as_ptr(variables).addr();
                known.in_flight.insert(address, Arc::downgrade(variables));
                Some(Arc::clone(variables))
            }
            _ => None,
        };
        InFlight {
            secrets: self,
            variables,
        }
    }

    /// A server's message on one line, shortened and without a secret; `own` is the request that it answers.
    pub(super) fn clean(&self, message: &str, own: Option<&Request>) -> String {
        let text: String = message.chars().map(printable).take(LONGEST_READ).collect();
        let known = self.known.lock();
        let live = Live::of(&known, own);
        let mut shown = self.cut_out(&text, &live, &known.past);
        let bytes = shown.to_ascii_lowercase().into_bytes();
        let in_other_words =
            || spellings(&shown).any(|bytes| self.quotes(&bytes, &live, &known.past));
        if live.has_piece_in(&bytes) || in_other_words() {
            shown.zeroize();
            return WITHHELD.to_owned();
        }
        if let Some((cut, _)) = shown.char_indices().nth(LONGEST_SHOWN) {
            shown.truncate(cut);
            shown.push('…');
        }
        shown
    }

    fn cut_out(&self, text: &str, live: &Live, past: &Past) -> String {
        let lower = text.to_ascii_lowercase();
        let mut secret = vec![false; text.len()];
        for found in live
            .found_in(lower.as_bytes())
            .chain(self.past_in(lower.as_bytes(), past))
        {
            secret[found].fill(true);
        }
        let mut shown = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            match (secret[at], at > 0 && secret[at - 1]) {
                (false, _) => shown.push(c),
                (true, false) => shown.push_str("[redacted]"),
                (true, true) => {}
            }
        }
        shown
    }

    fn quotes(&self, bytes: &[u8], live: &Live, past: &Past) -> bool {
        live.found_in(bytes).next().is_some()
            || live.has_piece_in(bytes)
            || self.past_in(bytes, past).next().is_some()
    }

    fn past_in<'a>(
        &'a self,
        text: &'a [u8],
        past: &'a Past,
    ) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        let windows = move |length: &'a usize| {
            let windows = text.windows(*length).enumerate();
            windows.filter_map(move |(at, window)| {
                let digest = self.key.hash_one(window);
                past.digests.contains(&digest).then_some(at..at + length)
            })
        };
        past.lengths.iter().flat_map(windows)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let Some(variables) = self.variables.take() else {
            return;
        };
        let mut known = self.secrets.known.lock();
        known.in_flight.remove(&Arc::as_ptr(&variables).addr());
        let past = &mut known.past;
        for secret in secrets_of(&variables, SHORTEST_OTHER) {
            let digest = self.secrets.key.hash_one(secret.as_bytes());
            past.lengths.insert(secret.len());
            if past.digests.insert(digest) {
                past.order.push_back(digest);
            }
        }
        while past.order.len() > REMEMBERED {
            if let Some(digest) = past.order.pop_front() {
                past.digests.remove(&digest);
            }
        }
    }
}

/// Secrets in hand, in lower case, each with the length from which a piece of it is too much.
struct Live(Vec<(Zeroizing<String>, usize)>);

impl Live {
    fn of(known: &Known, own: Option<&Request>) -> Live {
        let mut live = Vec::new();
        let tokens = known.tokens.values().filter_map(Weak::upgrade);
        live.extend(tokens.map(|token| (lowered(&token), OWN_PIECE)));
        for variables in known.in_flight.values().filter_map(Weak::upgrade) {
            let is_own = own.is_some_and(|own| match &own.call {
                Call::GraphQl { variables: own, .. } => Arc::ptr_eq(own, &variables),
                Call::Get { .. } => false,
            });
            let (shortest, piece) = if is_own {
                (SHORTEST_OWN, OWN_PIECE)
            } else {
                (SHORTEST_OTHER, OTHER_PIECE)
            };
            let secrets = secrets_of(&variables, shortest);
            live.extend(secrets.map(|secret| (secret, piece)));
        }
        Live(live)
    }

    fn found_in<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.0.iter().flat_map(|(secret, _)| {
            let places = memmem::find_iter(text, secret.as_bytes());
            places.map(|at| at..at + secret.len())
        })
    }

    fn has_piece_in(&self, text: &[u8]) -> bool {
        [OWN_PIECE, OTHER_PIECE].into_iter().any(|length| {
            let pieces: HashSet<&[u8]> = text.windows(length).collect();
            let secrets = self.0.iter().filter(|(_, piece)| *piece == length);
            secrets
                .flat_map(|(secret, _)| secret.as_bytes().windows(length))
                .any(|piece| pieces.contains(piece))
        })
    }
}

/// Every text and number of a call's credentials from a length on, and as it looks inside a JSON text that quotes it.
fn secrets_of(variables: &SecretValue, shortest: usize) -> impl Iterator<Item = Zeroizing<String>> {
    let mut found = Vec::new();
    for text in credentials(variables) {
        match serde_json::from_str(text).map(SecretValue) {
            Ok(value) => collect(&value.0, &mut found),
            Err(_) => found.push(lowered(text)),
        }
    }
    found
        .into_iter()
        .filter(move |secret| secret.len() >= shortest)
}

fn collect(value: &Value, found: &mut Vec<Zeroizing<String>>) {
    match value {
        Value::String(text) => {
            let quoted = Zeroizing::new(Value::from(text.as_str()).to_string());
            let quoted = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            if quoted != text {
                found.push(lowered(quoted));
            }
            found.push(lowered(text));
        }
        Value::Number(number) => found.push(Zeroizing::new(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// As a message that quotes it is searched.
fn lowered(secret: &str) -> Zeroizing<String> {
    let secret = secret.trim().chars().map(printable);
    Zeroizing::new(secret.map(|c| c.to_ascii_lowercase()).collect())
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// The text, and each part of it that may be base64 or hexadecimal, read as what it may stand for.
fn spellings(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let bytes = text.as_bytes();
    let mut read = vec![percent_decoded(bytes), unescaped(text)];
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    for run in bytes
        .split(|byte| !base64(byte))
        .filter(|run| run.len() >= 8)
    {
        read.extend((0..4).map(|skip| decoded(&run[skip..], 6, base64_digit)));
    }
    for run in bytes
        .split(|byte| !byte.is_ascii_hexdigit())
        .filter(|run| run.len() >= 8)
    {
        read.extend((0..2).map(|skip| decoded(&run[skip..], 4, hex_digit)));
    }
    read.into_iter().map(|mut bytes| {
        bytes.make_ascii_lowercase();
        bytes
    })
}

/// The bytes that digits of so many bits each stand for.
fn decoded(digits: &[u8], bits: u32, value: fn(u8) -> u32) -> Vec<u8> {
    let (mut out, mut pending, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        pending = pending << bits | value(*digit);
        held += bits;
        if held >= 8 {
            held -= 8;
            out.push((pending >> held) as u8);
        }
    }
    out
}

fn base64_digit(digit: u8) -> u32 {
    u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    })
}

fn hex_digit(digit: u8) -> u32 {
    char::from(digit).to_digit(16).unwrap_or(0)
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.extend(decoded(&[*high, *low], 4, hex_digit));
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    out
}

/// As JSON reads what follows a backslash; twice, since a quoted message may be quoted again.
fn unescaped(text: &str) -> Vec<u8> {
    let once = |text: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let escaped = &rest[at + 1..];
            let unicode = escaped.strip_prefix('u').and_then(|digits| digits.get(..4));
            let code = unicode.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            rest = match (code, escaped.chars().next()) {
                (Some(code), _) => {
                    out.push(char::from_u32(code).map_or(' ', printable));
                    &escaped[5..]
                }
                (None, Some('n' | 'r' | 't')) => {
                    out.push(' ');
                    &escaped[1..]
                }
                (None, Some(c)) => {
                    out.push(c);
                    &escaped[c.len_utf8()..]
                }
                (None, None) => "",
            };
        }
        out + rest
    };
    once(&once(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;
    use crate::tray::operations::{CREATE_USER_AUTHENTICATION, USERS};
    use serde_json::json;

    fn request(token: &SecretText, data: &Value) -> Request {
        let variables = json!({"input": {"name": "an auth", "data": data.to_string()}});
        Request {
            call: Call::GraphQl {
                operation: &CREATE_USER_AUTHENTICATION,
                variables: Arc::new(SecretValue(variables)),
            },
            token: token.clone(),
        }
    }

    fn token() -> SecretText {
        SecretText::new("Token-0a1b2c3d4e5f".to_owned())
    }

    #[test]
    fn what_is_quoted_is_cut_out_and_the_rest_is_shown() {
        let secrets = Secrets::default();
        let data =
            json!({"key": "hunter2\"quote", "n": 123_456, "short": "eu", "deep": [{"pw": "Pa55"}]});
        let request = request(&token(), &data);
        let _in_flight = secrets.enter(&request);
        let clean = |message: &str| secrets.clean(message, Some(&request));
        assert_eq!(
            clean("bad hunter2\"quote and 123456 in eu"),
            "bad [redacted] and [redacted] in eu"
        );
        assert_eq!(
            clean(r#"{"key":"hunter2\"quote"}"#),
            r#"{"key":"[redacted]"}"#
        );
        assert_eq!(
            clean("PA55 and HUNTER2\"QUOTE"),
            "[redacted] and [redacted]"
        );
        assert_eq!(clean("Bearer Token-0a1b2c3d4e5f!"), "Bearer [redacted]!");
        assert_eq!(clean("value hunter2\"quo... was refused"), WITHHELD);
        assert_eq!(
            clean("an auth has no such slot"),
            "an auth has no such slot"
        );
    }

    #[test]
    fn other_spellings_withhold_the_message() {
        let secrets = Secrets::default();
        let request = request(&token(), &json!({"key": "s3cr3t/value with spaces"}));
        let _in_flight = secrets.enter(&request);
        for message in [
            // base64, alone and inside of `user:…`, and in the alphabet for URLs
            "czNjcjN0L3ZhbHVlIHdpdGggc3BhY2Vz",
            "Basic dXNlcjpzM2NyM3QvdmFsdWUgd2l0aCBzcGFjZXM=",
            "VG9rZW4tMGExYjJjM2Q0ZTVm is no token",
            "7333637233742f76616c7565207769746820737061636573",
            "7333637233742F76616C756520776974682073706163 6573",
            "s3cr3t%2Fvalue%20with%20spaces",
            r"s3cr3t\/value with spaces",
            r"\u0073\u0033\u0063\u0072\u0033\u0074\u002fvalue with",
            r"s3cr3t\\\/value\\u0020with\\u0020spaces",
        ] {
            assert_eq!(
                secrets.clean(message, Some(&request)),
                WITHHELD,
                "{message}"
            );
        }
    }

    #[test]
    fn secrets_of_others_are_known_too() {
        let secrets = Secrets::default();
        let (master, user) = (SecretText::new("the-master-token".into()), token());
        let other = request(
            &user,
            &json!({"key": "somebody else's", "region": "eu-central-1"}),
        );
        let own = request(&master, &json!({"key": "mine-alone"}));
        let _own = secrets.enter(&own);
        let clean = |message: &str| secrets.clean(message, Some(&own));
        let in_flight = secrets.enter(&other);
        assert_eq!(clean("it is SOMEBODY else's"), "it is [redacted]");
        assert_eq!(clean("it is somebody else"), WITHHELD);
        assert_eq!(clean("no eu-central-2 here"), "no eu-central-2 here");
        assert_eq!(clean("the-master-token"), "[redacted]");
        // no longer in flight, and wiped
        drop((in_flight, other));
        assert_eq!(clean("it is Somebody else's"), "it is [redacted]");
        assert_eq!(clean("c29tZWJvZHkgZWxzZSdz"), WITHHELD);
        assert_eq!(clean("token-0a1b2c3d4e5f"), "[redacted]");
        drop(user);
        assert_eq!(clean("token-0a1b2c3d4e5f"), "token-0a1b2c3d4e5f");
        assert_eq!(secrets.known.lock().in_flight.len(), 1);
    }

    #[test]
    fn what_is_remembered_and_what_is_shown_is_bounded() {
        let secrets = Secrets::default();
        for n in 0..REMEMBERED + 10 {
            drop(secrets.enter(&request(&token(), &json!({"key": format!("key-{n:08}")}))));
        }
        let known = secrets.known.lock();
        assert_eq!(known.past.order.len(), REMEMBERED);
        assert_eq!(known.past.digests.len(), REMEMBERED);
        assert!(known.in_flight.is_empty() && known.tokens.len() < 100);
        drop(known);
        assert_eq!(secrets.clean("a\nb\x1b[31m", None), "a b [31m");
        let long = secrets.clean(&"x".repeat(1_000_000), None);
        assert_eq!(long.chars().count(), LONGEST_SHOWN + 1);
    }

    #[test]
    fn any_text_can_be_searched() {
        let secrets = Secrets::default();
        let request = Request {
            call: Call::GraphQl {
                operation: &USERS,
                variables: Arc::new(SecretValue(Value::Null)),
            },
            token: SecretText::new("ünïcode".into()),
        };
        let _in_flight = secrets.enter(&request);
        for text in [
            "",
            "%",
            "%4",
            "%zz\\",
            "\\u12",
            "\\ü",
            "äöüß",
            "a%ü",
            "\\u00zz",
            "ünïcode",
        ] {
            let shown = secrets.clean(text, Some(&request));
            assert_eq!(shown, text.replace("ünïcode", "[redacted]"));
        }
    }
}
