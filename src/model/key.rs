//! Who a row is: keys that survive re-ordering, and digests by which rows are compared.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// A row's own identity, made of its identity fields: end user, service environment, authentication name,
/// solution, instance name and slot. The same row has the same key wherever it stands in whichever file,
/// and whatever its credentials are; nothing secret goes into it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u128);

/// The identity fields of a row, of which its [`Key`] is the digest. What a row does not have is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// `externalUserId`.
    pub external_user_id: &'a str,
    /// The service environment's id.
    pub environment_id: &'a str,
    /// The authentication's name.
    pub auth_name: &'a str,
    /// `solutionId`.
    pub solution_id: &'a str,
    /// The instance's name.
    pub instance_name: &'a str,
    /// The External ID of the auth slot.
    pub slot: &'a str,
}

impl Identity<'_> {
    /// The key of the row of this identity.
    pub fn key(self) -> Key {
        Key(digest(
            "row",
            &[
                self.external_user_id,
                self.environment_id,
                self.auth_name,
                self.solution_id,
                self.instance_name,
                self.slot,
            ],
        ))
    }
}

impl Key {
    /// Reads the form that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Key> {
        (text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(Key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A digest of some texts under a name for what they are. The same for the same texts in every version
/// of this tool: keys in results files depend on it.
pub fn digest(of: &str, parts: &[&str]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(&of).chain(parts) {
        // the length first, so that ("ab", "c") and ("a", "bc") differ
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// The digest by which an end user is known: of the `externalUserId` alone.
pub fn user_digest(external_user_id: &str) -> u128 {
    digest("user", &[external_user_id])
}

/// A map from digests, which are as good as random and need no further hashing.
pub type DigestMap<V> = HashMap<u128, V, BuildHasherDefault<DigestHasher>>;

/// Takes the low half of a digest as its hash.
#[derive(Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_parts_apart_and_never_change() {
        assert_ne!(digest("a", &["b", "c"]), digest("a", &["bc", ""]));
        assert_ne!(digest("a", &["b"]), digest("b", &["b"]));
        // a results file of an older version must still resume
        assert_eq!(
            Identity {
                external_user_id: "c-1",
                environment_id: "env",
                auth_name: "sqs c-1",
                ..Identity::default()
            }
            .key()
            .to_string(),
            "b013b7538c98304e878c7ede9953e445"
        );
    }

    #[test]
    fn keys_read_back() {
        let key = Key(7);
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        assert_eq!(Key::parse("7"), None);
    }
}
