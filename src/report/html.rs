//! Text in HTML that is well-formed XML as well. What a template is given as plain text it escapes by itself;
//! these types say what more is to be done.

use std::fmt;

use askama::filters::HtmlSafe;

/// Text from outside: nothing of it is markup, hides or turns what stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<T> HtmlSafe for Text<T> where Text<T>: fmt::Display {}

impl<T: AsRef<str>> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.as_ref().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(c)?,
                // what turns the direction of the text around it, and what XML does not have
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?;
                }
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Prose: as [`Text`], with flags and commands of the tool set as what is typed.
pub(super) struct Prose<T>(pub(super) T);

impl<T> HtmlSafe for Prose<T> where Prose<T>: fmt::Display {}

impl<T: AsRef<str>> fmt::Display for Prose<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.as_ref().split(' ').peekable();
        let mut first = true;
        while let Some(word) = words.next() {
            if !std::mem::take(&mut first) {
                f.write_str(" ")?;
            }
            let end = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let (plain, flag) = end.split_at(end.find("--").unwrap_or(end.len()));
            let behind = &word[end.len()..];
            if word == "tray-import"
                && let Some(command) = words.next_if(|next| next.chars().all(char::is_lowercase))
            {
                write!(f, "<code>{word} {command}</code>")?;
            } else if flag.len() > 2 && plain.chars().all(|c| !c.is_alphanumeric()) {
                let (plain, flag, behind) = (Text(plain), Text(flag), Text(behind));
                write!(f, "{plain}<code>{flag}</code>{behind}")?;
            } else {
                write!(f, "{}", Text(word))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_commands_are_set_as_what_is_typed() {
        for (prose, html) in [
            ("with --retry-failed.", "with <code>--retry-failed</code>."),
            ("(--limit), a -- b --", "(<code>--limit</code>), a -- b --"),
            (
                "Next: tray-import verify <x>",
                "Next: <code>tray-import verify</code> &lt;x&gt;",
            ),
        ] {
            assert_eq!(Prose(prose).to_string(), html);
        }
    }

    #[test]
    fn nothing_is_markup() {
        let text = "<b a=\"1\" c='2'>&amp;</b>\u{0}\u{1b}\u{202e}é";
        assert_eq!(
            Text(text).to_string(),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;\u{fffd}\u{fffd}\u{fffd}é"
        );
    }
}
