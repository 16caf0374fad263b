//! What can be wrong with a row: the vocabulary shared by [`crate::input`] and [`crate::validate`].
//!
//! An [`Issue`] says where (row, line, field), which kind (a stable [`Code`]) and what to do. A message
//! never quotes a value of the input, since any value may be a credential; names of fields and what a
//! schema allows are not secret and are shown.

use std::borrow::Cow;
use std::fmt;

/// The kind of an issue. Its text form is part of the contract: scripts match on it. In the order of the
/// documentation.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Code {
    /// The file or the row is not UTF-8.
    Encoding,
    /// The compressed stream is broken or cut short.
    Compression,
    /// The row contains a NUL byte.
    NulByte,
    /// The row has more or fewer cells than the header.
    RaggedRow,
    /// A quote opens and never closes.
    UnclosedQuote,
    /// A quoted cell swallows whole rows: every line of it would be one itself.
    SwallowedRows,
    /// Text stands before or behind the quotes of a cell, or a line end in the middle of a line.
    StrayQuote,
    /// The row is longer than [`crate::input::MAX_RECORD`].
    FieldTooLong,
    /// A line, or a cell that must hold JSON, is not JSON of the right shape.
    BadJson,
    /// A JSON object names the same key twice.
    DuplicateKey,
    /// The header names the same column twice, or two columns fill one field.
    DuplicateColumn,
    /// A column, key or credential field that nothing knows.
    UnknownField,
    /// A row that repeats the header, as where files were joined.
    RepeatedHeader,
    /// A required field is absent or empty.
    MissingField,
    /// An id, a name or a required credential that is white space alone.
    BlankValue,
    /// What a database, a spreadsheet or a page writes in place of a value: `NULL`, `#REF!`, `********`.
    PlaceholderValue,
    /// A long number that a spreadsheet has rounded: `1.23457E+17`.
    RoundedNumber,
    /// An id with a control character in it, or a name or required credential with one other than line break and tab.
    ControlCharacter,
    /// One field is given in two ways, for example as a column of its own and inside `data`.
    ConflictingField,
    /// A value of the wrong type, or text that cannot become the type that the schema names.
    WrongType,
    /// The catalog has no such connector.
    UnknownConnector,
    /// The catalog has the connector, but not this version.
    UnknownVersion,
    /// The catalog entry has no such service environment.
    UnknownEnvironment,
    /// The catalog entry has several service environments and the row names none.
    EnvironmentNeeded,
    /// Credentials of a third-party OAuth service cannot be imported.
    ThirdPartyOauth,
    /// Credentials of this kind (for example OAuth 1) cannot be imported.
    UnsupportedAuthType,
    /// A field that only makes sense with a `solutionId`.
    NoSolution,
    /// The schema lists the allowed values and this is none of them.
    NotInList,
    /// The value does not match the schema's pattern.
    Pattern,
    /// Fewer characters, items or keys than the schema asks for.
    TooShort,
    /// More characters, items or keys than the schema allows.
    TooLong,
    /// A number outside what the schema allows.
    OutOfRange,
    /// Any other keyword of the schema that the value fails.
    Schema,
    /// The same end user, service environment and `authName` as an earlier row.
    DuplicateAuthentication,
    /// The same slot of the same solution instance as an earlier row.
    DuplicateSlot,
    /// Rows of one end user give it different names: perhaps two customers with one id.
    ConflictingUserName,
    /// Rows of one solution instance give one config slot two values.
    ConflictingConfig,
    /// Rows of one solution instance disagree on `enabled`.
    ConflictingEnabled,
    /// A warning: a cell of many lines, of which one looks like a row.
    MultilineCell,
    /// A warning: white space or an invisible character around an id, a name or a credential.
    SurroundingSpace,
    /// A warning: two `externalUserId`s that differ in what people do not see.
    SimilarId,
    /// A warning: an `externalUserId` that ends in `.0` beside others that do not.
    DecimalId,
    /// A warning: curly quotes in a credential.
    CurlyQuote,
    /// A warning: a line break or tab in a name or a credential.
    LineBreak,
    /// A warning: a PEM key with `\n` written out.
    EscapedLineBreak,
}

/// Whether an issue makes its row invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but with `--deny-warnings`.
    Warning,
}

impl Code {
    /// The stable text of the code, as reports and `--json` print it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it makes its row invalid.
    pub fn severity(self) -> Severity {
        match self {
            Code::MultilineCell
            | Code::SurroundingSpace
            | Code::SimilarId
            | Code::DecimalId
            | Code::CurlyQuote
            | Code::LineBreak
            | Code::EscapedLineBreak => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// One thing wrong with one row, without the row's position (the row's holder knows that).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field by the contract's name (`externalUserId`, `data.access_key`); empty for the whole row.
    pub field: Cow<'static, str>,
    /// The kind.
    pub code: Code,
    /// What is wrong and what to do; shows no value of the input.
    pub message: String,
}

impl Problem {
    /// Whether it leaves its row valid, unless warnings are denied.
    pub(crate) fn is_warning(&self) -> bool {
        self.code.severity() == Severity::Warning
    }

    /// A problem of one field.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        code: Code,
        message: impl Into<String>,
    ) -> Problem {
        Problem {
            field: field.into(),
            code,
            message: message.into(),
        }
    }
}

/// A [`Problem`] at its place in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue<'p> {
    /// The data row, counted from 1; 0 for the header or the file as a whole.
    pub row: u64,
    /// The physical line on which the row starts, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: Cow<'p, Problem>,
    /// The customer's own name of the column, where it is not the field's.
    pub column: Option<&'p str>,
}

impl Issue<'_> {
    /// The issue, with a problem of its own.
    pub fn to_static(&self) -> Issue<'static> {
        Issue {
            row: self.row,
            line: self.line,
            problem: Cow::Owned(Problem::clone(&self.problem)),
            column: None,
        }
    }
}

impl fmt::Display for Issue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.row == 0 {
            write!(f, "line {}", self.line)?;
        } else {
            write!(f, "row {} (line {})", self.row, self.line)?;
        }
        if !self.problem.field.is_empty() {
            write!(f, ", {}", self.problem.field)?;
            if let Some(column) = self.column {
                write!(f, " (column {column:?})")?;
            }
        }
        let warning = if self.problem.is_warning() {
            "warning: "
        } else {
            ""
        };
        let Problem { message, code, .. } = &*self.problem;
        write!(f, ": {warning}{message} [{code}]")
    }
}

/// The candidate nearest to `name`, if one is near enough to be what was meant.
///
/// Differences of case, spaces, `-` and `_` count for nothing, so that `External User-ID` finds
/// `externalUserId`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| {
        s.chars()
            .filter(|c| !matches!(c, ' ' | '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let wanted = fold(name);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &fold(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(name.len()) / 3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_printed_in_snake_case() {
        assert_eq!(Code::NulByte.as_str(), "nul_byte");
        assert_eq!(Code::ThirdPartyOauth.to_string(), "third_party_oauth");
    }

    #[test]
    fn nearest_sees_through_case_and_separators() {
        let names = ["externalUserId", "userName", "authName"];
        assert_eq!(nearest("External User-ID", names), Some("externalUserId"));
        assert_eq!(nearest("usrName", names), Some("userName"));
        assert_eq!(nearest("colour", names), None);
    }
}
