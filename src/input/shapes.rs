//! The shapes that the lines of a JSON Lines file have.
//!
//! Whoever writes such a file writes the same keys in the same order again and again. So what stands between two
//! values is learnt from lines that have been parsed, and a later line is read by comparing: known text, a value,
//! known text, to its end. A line that brings anything else (a key or an order not seen yet, an array, a number,
//! objects within `data`) is parsed like any other. Lines are learnt from only after the parser has found nothing
//! wrong with them, and two values are never taken for the same key: a line that is read here is one that the parser
//! reads, and to the same fields. What has been learnt goes from block to block with whoever works on one, so that
//! which lines are parsed is not the same in every run; what is found must be.

use std::borrow::Cow;

use memchr::memchr2;
use zeroize::Zeroize;

use super::cut::forget;
use super::fields::{Field, Target};
use super::mapping::Mapping;
use crate::secret::wipe_text;

/// What has been learnt.
#[derive(Debug, Default)]
pub struct Shapes {
    keys: Vec<Key>,
    /// What may follow each key's value, and what a line may begin with.
    after: Vec<Vec<Way>>,
    start: Vec<Way>,
    /// Whether there is nothing more to learn: because there was too much.
    full: bool,
}

/// A key, by where it stands.
#[derive(Debug)]
struct Key {
    /// The object it stands in; `None` for the line's own.
    object: Option<String>,
    name: String,
    takes: Takes,
}

/// What may stand under a key for the line to be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// An object.
    Object,
    /// Text, or nothing.
    Text,
    /// Text that is not empty: what empty text means here is for others to say.
    FullText,
    /// A flag.
    Flag,
    /// Anything: it is passed over.
    Any,
    /// Nothing.
    Nothing,
}

/// How a line goes on.
#[derive(Debug)]
struct Way {
    text: Box<str>,
    /// The keys in the text, the objects' among them: a bit each.
    keys: u64,
    /// The key whose value follows; `None` where the line ends.
    to: Option<usize>,
}

/// So many keys can be told apart by the bits of a number.
const MOST_KEYS: usize = 64;
/// So many ways may lead on from one key. A file with more is one whose keys come in any order.
const MOST_WAYS: usize = 16;
/// So many bytes of text between two values are kept.
const MOST_TEXT: usize = 1024;

impl Shapes {
    /// What the value of each key fills: the columns of [`Shapes::read`].
    pub fn targets(&self) -> impl Iterator<Item = Option<Target>> {
        self.keys.iter().map(|key| match key.takes {
            Takes::Object | Takes::Any | Takes::Nothing => None,
            Takes::Text | Takes::FullText | Takes::Flag => key.target(),
        })
    }

    /// Reads a line of a known shape, in which no byte may be a control character: the text of each key's value, and
    /// empty text where there is none. Otherwise false, and nothing that `cells` holds then means anything.
    pub fn read<'b>(&self, line: &'b str, cells: &mut Vec<Cow<'b, str>>) -> bool {
        forget(cells);
        cells.resize(self.keys.len(), Cow::Borrowed(""));
        let (mut ways, mut at, mut seen) = (&self.start, 0, 0);
        loop {
            let rest = &line[at..];
            let Some(way) = ways.iter().find(|way| way.leads(rest)) else {
                return false;
            };
            if seen & way.keys != 0 {
                return false;
            }
            seen |= way.keys;
            at += way.text.len();
            let Some(to) = way.to else {
                return true;
            };
            let Some((value, length)) = self.keys[to].value(&line[at..]) else {
                return false;
            };
            cells[to] = value;
            at += length;
            ways = &self.after[to];
        }
    }

    /// Learns from a line that the parser has read. Whether there are new keys.
    pub fn learn(&mut self, line: &str, mapping: &Mapping) -> bool {
        let known = self.keys.len();
        // fields from elsewhere, or out of several: nothing to be told of a key by itself
        self.full |= !mapping.columns.is_empty() || !mapping.templates.is_empty();
        if !self.full {
            let mut learner = Learner {
                shapes: self,
                mapping,
                line,
                at: 0,
                from: None,
                text: 0,
                keys: 0,
            };
            // what stands there cannot be read: it was not learnt to its end
            let _ = learner.object(None);
        }
        self.keys.len() > known
    }

    fn key(&mut self, object: Option<&str>, name: &str, mapping: &Mapping) -> Option<usize> {
        let known = self
            .keys
            .iter()
            .position(|key| key.object.as_deref() == object && key.name == name);
        if known.is_some() {
            return known;
        }
        if self.keys.len() == MOST_KEYS {
            self.full = true;
            return None;
        }
        let mut key = Key {
            object: object.map(str::to_owned),
            name: name.to_owned(),
            takes: Takes::Nothing,
        };
        key.takes = key.taken(mapping);
        self.keys.push(key);
        self.after.push(Vec::new());
        Some(self.keys.len() - 1)
    }

    fn add(&mut self, from: Option<usize>, way: Way) {
        let ways = match from {
            Some(key) => &mut self.after[key],
            None => &mut self.start,
        };
        let known = ways
            .iter()
            .any(|known| known.text == way.text && known.to == way.to);
        if !known && ways.len() == MOST_WAYS {
            self.full = true;
        } else if !known {
            ways.push(way);
        }
    }
}

impl Way {
    #[inline]
    fn leads(&self, rest: &str) -> bool {
        match self.to {
            Some(_) => rest.starts_with(&*self.text),
            None => *rest == *self.text,
        }
    }
}

impl Key {
    fn target(&self) -> Option<Target> {
        match self.object.as_deref() {
            None => Target::parse(&self.name),
            Some("data") => Some(Target::Data(self.name.clone())),
            Some("formData") => Some(Target::FormData(self.name.clone())),
            Some("config") => Some(Target::Config(self.name.clone())),
            Some(_) => None,
        }
    }

    fn taken(&self, mapping: &Mapping) -> Takes {
        let top = self.object.as_deref().unwrap_or(&self.name);
        if mapping.ignores(top) {
            return Takes::Any;
        }
        match (&self.object, self.target()) {
            (None, Some(Target::Field(Field::Hidden | Field::Enabled))) => Takes::Flag,
            (None, Some(Target::Field(_))) => Takes::Text,
            (None, _) if matches!(top, "data" | "formData" | "config") => Takes::Object,
            // by its path, a part of an object that may come whole as well
            (None, _) => Takes::Nothing,
            // no name at all would be the object itself
            (Some(_), Some(_)) if !self.name.is_empty() => Takes::FullText,
            (Some(_), _) => Takes::Nothing,
        }
    }

    /// The value at the beginning of `rest`, and how long it is there.
    fn value<'b>(&self, rest: &'b str) -> Option<(Cow<'b, str>, usize)> {
        if let Some(inside) = rest.strip_prefix('"') {
            let text = match self.takes {
                Takes::Text | Takes::FullText | Takes::Any => text(inside)?,
                Takes::Object | Takes::Flag | Takes::Nothing => return None,
            };
            let refused = self.takes == Takes::FullText && text.0.is_empty();
            return (!refused).then_some(text);
        }
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| rest.starts_with(word))?;
        let value = match (self.takes, word) {
            (Takes::Text | Takes::Flag | Takes::Any, "null") => "",
            (Takes::Flag, word) => word,
            (Takes::Any, _) => "",
            _ => return None,
        };
        Some((Cow::Borrowed(value), word.len()))
    }
}

/// The text that begins behind an opening quote, and how long it is there, with both quotes.
#[inline]
fn text(inside: &str) -> Option<(Cow<'_, str>, usize)> {
    let bytes = inside.as_bytes();
    let end = memchr2(b'"', b'\\', bytes)?;
    if bytes[end] == b'"' {
        return Some((Cow::Borrowed(&inside[..end]), end + 2));
    }
    let mut end = end;
    while bytes[end] != b'"' {
        // a backslash takes the next byte along
        end += 2;
        end += memchr2(b'"', b'\\', bytes.get(end..)?)?;
    }
    // no quote stands before the text for a parser to begin at, so that it gets one
    let mut quoted = String::with_capacity(end + 2);
    quoted.push('"');
    quoted.push_str(&inside[..=end]);
    let text = serde_json::from_str::<String>(&quoted);
    quoted.zeroize();
    Some((Cow::Owned(text.ok()?), end + 2))
}

/// Walks along a line that is known to be JSON.
struct Learner<'s, 'l> {
    shapes: &'s mut Shapes,
    mapping: &'l Mapping,
    line: &'l str,
    at: usize,
    /// The key whose value was passed last.
    from: Option<usize>,
    /// Where that value ended, and the keys that came since.
    text: usize,
    keys: u64,
}

impl<'l> Learner<'_, 'l> {
    /// `None` as soon as something comes that is not learnt.
    fn object(&mut self, inside: Option<&str>) -> Option<()> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            return self.close(inside);
        }
        loop {
            let name = self.name()?;
            self.expect(b':')?;
            let key = self.shapes.key(inside, name, self.mapping)?;
            self.keys |= 1 << key;
            match (self.peek()?, inside) {
                (b'{', None) if self.shapes.keys[key].takes == Takes::Object => {
                    self.object(Some(name))?;
                }
                (b'{' | b'[', _) => return None,
                _ => self.scalar(key)?,
            }
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.close(inside),
            }
        }
    }

    fn close(&mut self, inside: Option<&str>) -> Option<()> {
        self.expect(b'}')?;
        if inside.is_none() {
            let end = self.line.len();
            self.way(None, end);
        }
        Some(())
    }

    fn scalar(&mut self, key: usize) -> Option<()> {
        self.way(Some(key), self.at);
        let rest = &self.line[self.at..];
        let length = match rest.strip_prefix('"') {
            Some(inside) => {
                let (mut text, length) = text(inside)?;
                wipe_text(&mut text);
                length
            }
            None => rest
                .find(|c: char| c == ',' || c == '}' || c.is_ascii_whitespace())
                .unwrap_or(rest.len()),
        };
        self.at += length;
        (self.from, self.text, self.keys) = (Some(key), self.at, 0);
        Some(())
    }

    fn way(&mut self, to: Option<usize>, end: usize) {
        if end - self.text > MOST_TEXT {
            return;
        }
        let way = Way {
            text: self.line[self.text..end].into(),
            keys: self.keys,
            to,
        };
        self.shapes.add(self.from, way);
    }

    /// A key, where it is written without escapes.
    fn name(&mut self) -> Option<&'l str> {
        self.expect(b'"')?;
        let (line, start) = (self.line, self.at);
        let length = memchr2(b'"', b'\\', &line.as_bytes()[start..])?;
        self.at = start + length;
        self.expect(b'"')?;
        Some(&line[start..start + length])
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.line.as_bytes();
        while bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(lines: &[&str]) -> Shapes {
        let mut shapes = Shapes::default();
        for line in lines {
            shapes.learn(line, &Mapping::default());
        }
        shapes
    }

    fn read(shapes: &Shapes, line: &str) -> Option<Vec<String>> {
        let mut cells = Vec::new();
        shapes.read(line, &mut cells).then(|| {
            let named = shapes.targets().zip(&cells);
            let told = named.filter_map(|(target, cell)| Some((target?.name(), cell)));
            told.filter(|(_, cell)| !cell.is_empty())
                .map(|(name, cell)| format!("{name}={cell}"))
                .collect()
        })
    }

    #[test]
    fn what_was_seen_is_read_without_parsing() {
        let first = r#"{"externalUserId":"a","data":{"key":"x","b.c":"y"},"enabled":true}"#;
        let second = r#"{"externalUserId":"b","userName":"n","data":{"key":"z"}}"#;
        let shapes = learnt(&[first, second]);
        let all = [
            "externalUserId=a",
            "data.key=x",
            "data.b.c=y",
            "enabled=true",
        ];
        assert_eq!(read(&shapes, first).unwrap(), all);
        // neither line had this shape: both together do
        let both = r#"{"externalUserId":"c \"q\" \u00e4","userName":null,"data":{"key":"x","b.c":"y"},"enabled":false}"#;
        let all = [
            "externalUserId=c \"q\" ä",
            "data.key=x",
            "data.b.c=y",
            "enabled=false",
        ];
        assert_eq!(read(&shapes, both).unwrap(), all);
    }

    #[test]
    fn what_the_parser_would_see_otherwise_is_left_to_it() {
        let shapes = learnt(&[
            r#"{"externalUserId":"a","userName":"n","data":{"key":"x"}}"#,
            r#"{"userName":"n","externalUserId":"a","data":{}}"#,
            r#"{"data":{"key":"x"},"userName":"n"}"#,
        ]);
        let known = r#"{"userName":"n","externalUserId":"a","data":{}}"#;
        assert!(read(&shapes, known).is_some());
        for (from, to) in [
            (r#""n""#, "7"),
            (r#""n""#, "[\"n\"]"),
            (r#""n""#, "{}"),
            (r#""n""#, r#""n\""#),
            (r#""n""#, r#""\ud800""#),
            (r#""n""#, "nul"),
            ("{}", "null"),
            ("{}", r#"{"key":""}"#),
            ("{}", r#"{"key":null}"#),
            ("{}}", "{}} "),
            ("{}}", "{}"),
            (",", " ,"),
        ] {
            let line = known.replacen(from, to, 1);
            assert_eq!(read(&shapes, &line), None, "{line}");
        }
        for line in [
            // all of it known, but for what comes twice: a key, an object
            r#"{"externalUserId":"a","userName":"n","externalUserId":"a","data":{}}"#,
            r#"{"data":{"key":"x"},"userName":"n","externalUserId":"a","data":{}}"#,
            "{}",
            "",
        ] {
            assert_eq!(read(&shapes, line), None, "{line}");
        }
    }

    #[test]
    fn a_file_without_an_order_is_given_up() {
        let mut shapes = Shapes::default();
        for number in 0..100 {
            let line = format!(r#"{{"externalUserId":"a","key-{number}":"x"}}"#);
            shapes.learn(&line, &Mapping::default());
        }
        assert!(shapes.full);
        assert!(shapes.keys.len() <= MOST_KEYS && shapes.after[0].len() <= MOST_WAYS);
    }
}
