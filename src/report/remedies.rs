//! What is behind each code of a failed row, and what to do: a sentence each. `docs/troubleshooting.md` says more.

use crate::model::code;

/// Cause and remedy of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remedy {
    pub(crate) cause: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// The cause and remedy of a code; none for a code of another version of this tool.
pub(crate) fn of(code: &str) -> Option<Remedy> {
    let (cause, remedy) = match code {
        code::REFUSED => (
            "Tray read the call and said no; its words follow.",
            "Correct these rows in the input, then run the import again with --retry-failed. If very many rows are refused with the same words, ask Tray's support and quote them.",
        ),
        code::UNAUTHORIZED => (
            "A token that had just been made for the end user was refused; the end user may have been removed during the run.",
            "Look the end users up in Tray, then run the import again with --retry-failed.",
        ),
        code::NO_ANSWER => (
            "The network or Tray was down for longer than the tool's patience with one row. Nothing was created by the call.",
            "When Tray answers again, run the import again with --retry-failed. After throttling, lower --rate: something else of your organisation uses up Tray's limit.",
        ),
        code::AMBIGUOUS => (
            "Tray has two of what should be one, and the tool does not choose: the wrong choice cuts off a working integration.",
            "Find out in Tray which one is in use and remove the other, then run the import again with --retry-failed.",
        ),
        code::UNSETTLED => (
            "A call left, no usable answer came back, and Tray could not be asked in a way that tells what became of it.",
            "Run the import again with --retry-failed: it asks before it sends. For hidden authentications, look into the end user's account in Tray first.",
        ),
        code::LISTING_TRUNCATED => (
            "The end user owns so many authentications that Tray's list of them is cut short.",
            "In Tray, create the authentication by hand or remove ones that are no longer used, then run the import again with --retry-failed.",
        ),
        code::INSTANCE_CONFLICT => (
            "The end user has an instance of this name that is set up differently, or ours was removed or renamed by hand.",
            "Decide which one counts: remove the old one in Tray, or give the row another instanceName; then run the import again with --retry-failed.",
        ),
        code::NOT_ENABLED => (
            "Tray took the call to enable the instance, and then reported it as disabled: usually a slot has no value.",
            "Open the instance in Tray and see what it asks for, then run the import again with --retry-failed.",
        ),
        _ => return None,
    };
    Some(Remedy { cause, remedy })
}

/// Cause and remedy of held rows.
pub(crate) const HELD: Remedy = Remedy {
    cause: "An instance is made only when every one of its authentications exists. These rows are fine; another row of the same instance is invalid or failed.",
    remedy: "Fix the rows that are named, then run the import again (with --retry-failed if they failed). The blocked rows need nothing themselves.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_remedy() {
        for code in code::ALL {
            let found = of(code).unwrap_or_else(|| panic!("{code} has no remedy"));
            assert!(
                found.cause.ends_with('.') && found.remedy.ends_with('.'),
                "{code}"
            );
        }
        assert_eq!(of("of_tomorrow"), None);
    }
}
