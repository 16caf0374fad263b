//! Text that must never be shown, and the removal of such text from what others wrote.
//!
//! [`SecretText`] has no `Display`, no `Serialize` and a `Debug` that shows nothing, and it is wiped
//! when dropped. [`Redactor`] cleans the messages of a server that may echo what it was sent
//! (`tray-api.md` 5.3).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// Text that cannot be printed or serialised by accident and is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<Zeroizing<String>>);

impl SecretText {
    /// Takes the text over; the caller's copy, if there is one, is the caller's to wipe.
    pub fn new(text: String) -> SecretText {
        SecretText(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What all clones share, for whoever must know how long anybody has it.
    pub(crate) fn shared(&self) -> &Arc<Zeroizing<String>> {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Overwrites every string inside a JSON value, keys included, before it is dropped.
pub fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Overwrites a text where it is a copy; what is borrowed is its owner's to wipe.
pub fn wipe_text(text: &mut Cow<'_, str>) {
    if let Cow::Owned(text) = text {
        text.zeroize();
    }
}

/// A JSON value that is wiped on drop.
pub struct SecretValue(pub Value);

impl Drop for SecretValue {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Replaces what a row or a token holds in text that came from outside.
///
/// Exact copies become `[redacted]`, also where JSON escaped them. A message that still holds a piece of
/// eight or more characters of a secret (a server may cut or re-wrap what it echoes) is withheld whole.
#[derive(Default, Clone)]
pub struct Redactor {
    /// Longest first, so that no secret is broken up by a shorter one inside it.
    secrets: Vec<Zeroizing<String>>,
}

/// A shorter value (`eu`, `1`) would blank out half of any message and tells nobody anything.
const SHORTEST_SECRET: usize = 4;
/// The length from which a fragment of a secret makes a message unfit to show.
const FRAGMENT: usize = 8;
/// The most of a foreign message that is ever shown.
const LONGEST_MESSAGE: usize = 400;

impl Redactor {
    /// A redactor that knows every string and number inside `values`.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a Value>) -> Redactor {
        let mut redactor = Redactor::default();
        for value in values {
            redactor.learn(value);
        }
        redactor.settle();
        redactor
    }

    /// Adds one secret text, such as a token.
    pub fn add(&mut self, secret: &str) {
        self.push(secret);
        self.settle();
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.push(text);
                // as it looks inside a JSON text that quotes it
                let quoted = Zeroizing::new(Value::from(text.as_str()).to_string());
                let inner = quoted.trim_matches('"');
                if inner != text {
                    self.push(inner);
                }
            }
            Value::Number(number) => self.push(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(map) => map.values().for_each(|item| self.learn(item)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn push(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= SHORTEST_SECRET {
            self.secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    fn settle(&mut self) {
        self.secrets
            .sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.secrets.dedup();
    }

    /// `message` on one line, shortened, and without any known secret.
    pub fn clean(&self, message: &str) -> String {
        let mut text = self.redact(message);
        if let Some((cut, _)) = text.char_indices().nth(LONGEST_MESSAGE) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    /// `message` on one line and without any known secret, in full: for whoever knows further secrets, which a
    /// shortened message might hold half of.
    pub fn redact(&self, message: &str) -> String {
        let mut text: String = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "[redacted]");
            }
        }
        if self.secrets.iter().any(|secret| shares(&text, secret)) {
            text.zeroize();
            return "[message withheld: it quotes credentials]".to_owned();
        }
        text
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Whether `text` holds any run of [`FRAGMENT`] bytes of `secret`.
fn shares(text: &str, secret: &str) -> bool {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    secret.len() >= FRAGMENT
        && secret
            .windows(FRAGMENT)
            .any(|piece| memchr::memmem::find(text, piece).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_cut_out_also_when_escaped_or_broken_up() {
        let redactor =
            Redactor::new(&[json!({"key": "hunter2\"quote", "n": 123456, "short": "eu"})]);
        assert_eq!(
            redactor.clean("bad hunter2\"quote and 123456 in eu"),
            "bad [redacted] and [redacted] in eu"
        );
        assert_eq!(
            redactor.clean(r#"{"key":"hunter2\"quote"}"#),
            r#"{"key":"[redacted]"}"#
        );
        assert_eq!(
            redactor.clean("value hunter2\"quo... was refused"),
            "[message withheld: it quotes credentials]"
        );
    }

    #[test]
    fn a_message_stays_on_one_line_and_is_bounded() {
        let redactor = Redactor::default();
        assert_eq!(redactor.clean("a\nb\x1b[31m"), "a b [31m");
        assert!(redactor.clean(&"x".repeat(10_000)).chars().count() <= LONGEST_MESSAGE + 1);
    }

    #[test]
    fn debug_shows_nothing() {
        let text = SecretText::new("CANARY".into());
        assert_eq!(format!("{text:?}"), "[secret]");
        assert!(!format!("{:?}", Redactor::new(&[json!("CANARY")])).contains("CANARY"));
    }
}
