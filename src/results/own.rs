//! A reader for just the lines that this tool writes.
//!
//! It knows their keys, the order of these, and the spelling of their values, and says nothing at all of a line that
//! is anything else: that line is for the parser of [`super::line`], which alone decides what is broken and what
//! unknown keys mean. Where this one does answer, it answers what that one would, in a tenth of the time.

use std::borrow::Cow;

use memchr::memchr;

use crate::model::hex;
use crate::model::{Id, Key, Progress, ROLLED_BACK, RowError, State, Step, Steps};

/// A line of a row. Every byte of it has been looked at, but nothing has been made of its texts yet.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) row: u64,
    pub(super) key: Key,
    external_user_id: &'a [u8],
    state: State,
    step: Option<Step>,
    user_id: Option<&'a [u8]>,
    authentication_id: Option<&'a [u8]>,
    instance_id: Option<&'a [u8]>,
    enabled: Option<bool>,
    created: Steps,
    adopted: Steps,
    lost: Steps,
    attempts: u32,
    error: Option<OwnError<'a>>,
    why: Option<&'a [u8]>,
}

#[derive(Debug)]
struct OwnError<'a> {
    code: &'a [u8],
    message: &'a [u8],
    step: Step,
    retryable: bool,
}

/// Reads a line as this tool writes it; `None` where it is not quite that, which is no verdict on it.
pub(super) fn read(line: &[u8]) -> Option<Own<'_>> {
    let mut rest = Rest(line);
    let own = rest.progress()?;
    rest.told()?;
    (rest.0 == b"}").then_some(own)
}

/// Where the first of eight bytes stands that cannot be in a text of ASCII without escapes: a quote, a backslash, a
/// control character, or a byte beyond ASCII. The lowest bit that is set is the highest of that byte.
fn unusual(eight: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_le_bytes(eight);
    // what is less than the byte in question borrows, from itself and then perhaps from the bytes behind it
    let less_than = |text: u64, byte: u64| text.wrapping_sub(byte * ONES) & !text;
    let quote = less_than(text ^ (u64::from(b'"') * ONES), 1);
    let backslash = less_than(text ^ (u64::from(b'\\') * ONES), 1);
    let control = less_than(text, u64::from(b' '));
    (quote | backslash | control | text) & (0x80 * ONES)
}

impl<'a> Own<'a> {
    /// Whether the line takes back what earlier ones said.
    pub(super) fn takes_back(&self) -> bool {
        !self.lost.is_empty() || self.why == Some(ROLLED_BACK.as_bytes())
    }

    /// The customer's id of the end user.
    pub(super) fn external_user_id(&self) -> &'a str {
        text(self.external_user_id)
    }

    /// What the line says is known of its row.
    pub(super) fn progress(&self) -> Progress {
        let id = |id: Option<&[u8]>| id.map(id_of);
        Progress {
            state: self.state,
            step: self.step,
            user_id: id(self.user_id),
            authentication_id: id(self.authentication_id),
            instance_id: id(self.instance_id),
            enabled: self.enabled,
            created: self.created,
            adopted: self.adopted,
            lost: self.lost,
            attempts: self.attempts,
            error: self.error.as_ref().map(|error| {
                Box::new(RowError {
                    code: Cow::Owned(text(error.code).to_owned()),
                    message: text(error.message).to_owned(),
                    step: error.step,
                    retryable: error.retryable,
                })
            }),
            why: self.why.map(|why| text(why).into()),
        }
    }
}

/// A text, which was found to be UTF-8 when it was read.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn id_of(bytes: &[u8]) -> Id {
    let uuid = bytes.as_array().and_then(hex::uuid);
    uuid.map_or_else(|| Id::new(text(bytes)), Id::Uuid)
}

/// What is left of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// What [`super::line::write_line`] writes, but for the brace at its end.
    fn progress(&mut self) -> Option<Own<'a>> {
        self.expect(br#"{"type":"row","row":"#)?;
        let row = self.number()?;
        self.expect(br#","key":""#)?;
        let (digits, rest) = self.0.split_first_chunk::<32>()?;
        let key = Key(hex::thirty_two(digits)?);
        self.0 = rest;
        self.expect(br#"","externalUserId":""#)?;
        let external_user_id = self.text()?;
        self.expect(br#","state":""#)?;
        let state = self.state()?;
        let step = match self.take(br#","step":""#) {
            true => Some(self.step()?),
            false => None,
        };
        let user_id = self.id(br#","userId":""#)?;
        let authentication_id = self.id(br#","authenticationId":""#)?;
        let instance_id = self.id(br#","instanceId":""#)?;
        let enabled = match self.take(br#","enabled":"#) {
            true => Some(self.flag()?),
            false => None,
        };
        self.expect(br#","created":["#)?;
        let created = self.steps()?;
        let adopted = match self.take(br#","adopted":["#) {
            true => self.steps()?,
            false => Steps::default(),
        };
        let lost = match self.take(br#","lost":["#) {
            true => self.steps()?,
            false => Steps::default(),
        };
        self.expect(br#","attempts":"#)?;
        let attempts = u32::try_from(self.number()?).ok()?;
        let error = match self.take(br#","error":{"code":""#) {
            true => Some(self.error()?),
            false => None,
        };
        let why = match self.take(br#","why":""#) {
            true => Some(self.text()?),
            false => None,
        };
        self.expect(br#","at":""#)?;
        // nobody asks when: see the other parser
        self.text()?;
        Some(Own {
            row,
            key,
            external_user_id,
            state,
            step,
            user_id,
            authentication_id,
            instance_id,
            enabled,
            created,
            adopted,
            lost,
            attempts,
            error,
            why,
        })
    }

    /// What is told besides, see [`super::facts::Told`]: passed over.
    fn told(&mut self) -> Option<()> {
        if self.take(br#","connector":""#) {
            self.text()?;
            self.expect(br#","connectorVersion":""#)?;
            self.text()?;
        }
        if self.take(br#","authName":""#) {
            self.text()?;
            self.expect(br#","environmentId":""#)?;
            self.text()?;
            self.take(br#","hidden":true"#);
        }
        if self.take(br#","solutionId":""#) {
            self.text()?;
            self.expect(br#","instanceName":""#)?;
            self.text()?;
            self.expect(br#","authExternalId":""#)?;
            self.text()?;
            if self.take(br#","configChecks":{"key":""#) {
                self.text()?;
                self.expect(br#","slots":{"#)?;
                self.checks()?;
            }
        }
        Some(())
    }

    /// Config slots with their checks; what was opened for them is closed.
    fn checks(&mut self) -> Option<()> {
        loop {
            self.expect(b"\"")?;
            self.text()?;
            self.expect(b":\"")?;
            self.text()?;
            if !self.take(b",") {
                return self.expect(b"}}");
            }
        }
    }

    fn error(&mut self) -> Option<OwnError<'a>> {
        let code = self.text()?;
        self.expect(br#","message":""#)?;
        let message = self.text()?;
        self.expect(br#","step":""#)?;
        let step = self.step()?;
        self.expect(br#","retryable":"#)?;
        let retryable = self.flag()?;
        self.expect(b"}")?;
        Some(OwnError {
            code,
            message,
            step,
            retryable,
        })
    }

    /// Goes past these bytes, if they are next.
    #[inline(always)]
    fn take<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        match self.0.split_first_chunk::<N>() {
            Some((next, rest)) if next == bytes => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.take(bytes).then_some(())
    }

    /// A text without escapes, and the quote at its end.
    #[inline(always)]
    fn text(&mut self) -> Option<&'a [u8]> {
        let (eights, last) = self.0.as_chunks::<8>();
        for (at, eight) in eights.iter().enumerate() {
            let unusual = unusual(*eight);
            if unusual != 0 {
                return self.text_from(8 * at + unusual.trailing_zeros() as usize / 8);
            }
        }
        // as if control characters followed
        let mut eight = [0; 8];
        eight[..last.len()].copy_from_slice(last);
        let usual = unusual(eight).trailing_zeros() as usize / 8;
        self.text_from(8 * eights.len() + usual)
    }

    /// [`Rest::text`], of which so many bytes are usual ones.
    #[inline(always)]
    fn text_from(&mut self, usual: usize) -> Option<&'a [u8]> {
        match self.0.split_at(usual) {
            (text, [b'"', rest @ ..]) => {
                self.0 = rest;
                Some(text)
            }
            _ => self.unusual_text(),
        }
    }

    /// [`Rest::text`], looked at byte by byte.
    #[cold]
    fn unusual_text(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'"', self.0)?;
        let (text, rest) = (&self.0[..end], &self.0[end + 1..]);
        let banned = |byte: &u8| *byte < b' ' || *byte == b'\\';
        let stands_for_itself = !text.iter().any(banned) && std::str::from_utf8(text).is_ok();
        self.0 = rest;
        stands_for_itself.then_some(text)
    }

    /// The id behind this key, where it is next.
    #[inline(always)]
    fn id<const N: usize>(&mut self, key: &[u8; N]) -> Option<Option<&'a [u8]>> {
        if !self.take(key) {
            return Some(None);
        }
        // nearly all are as long as a UUID, and need no search for their end
        if let Some((text, [b'"', rest @ ..])) = self.0.split_first_chunk::<36>() {
            let unusual = |byte: u8| !(b' '..=0x7f).contains(&byte) || matches!(byte, b'"' | b'\\');
            // without a branch, so that many bytes are looked at in one step
            if text
                .iter()
                .fold(0, |any, byte| any | u8::from(unusual(*byte)))
                == 0
            {
                self.0 = rest;
                return Some(Some(text));
            }
        }
        self.text().map(Some)
    }

    /// A number as JSON spells it.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.count();
        let (digits, rest) = self.0.split_at(length);
        // nineteen digits always fit
        if length == 0 || length > 19 || (digits[0] == b'0' && length > 1) {
            return None;
        }
        self.0 = rest;
        let add = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
        Some(digits.iter().fold(0, add))
    }

    fn flag(&mut self) -> Option<bool> {
        if self.take(b"true") {
            return Some(true);
        }
        self.take(b"false").then_some(false)
    }

    fn state(&mut self) -> Option<State> {
        Some(match () {
            () if self.take(b"partial\"") => State::Partial,
            () if self.take(b"sent\"") => State::Sent,
            () if self.take(b"done\"") => State::Done,
            () if self.take(b"failed\"") => State::Failed,
            () if self.take(b"held\"") => State::Held,
            () => return None,
        })
    }

    fn step(&mut self) -> Option<Step> {
        Some(match () {
            () if self.take(b"user\"") => Step::User,
            () if self.take(b"authentication\"") => Step::Authentication,
            () if self.take(b"instance\"") => Step::Instance,
            () if self.take(b"enable\"") => Step::Enable,
            () => return None,
        })
    }

    /// Steps, and the bracket at their end.
    fn steps(&mut self) -> Option<Steps> {
        let mut steps = Steps::default();
        if self.take(b"]") {
            return Some(steps);
        }
        loop {
            self.expect(b"\"")?;
            steps.add(self.step()?);
            if !self.take(b",") {
                return self.expect(b"]").map(|()| steps);
            }
        }
    }
}

#[cfg(test)]
mod tests;
