//! HTML that is well-formed XML as well, so that anything can check it.

use std::borrow::Cow;
use std::fmt;

/// Text in HTML: shown, whatever it is, and never markup.
pub struct Text<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(self.0.as_ref()))
    }
}

/// Prose: as [`Text`], with flags and commands of the tool set as what is typed.
pub struct Prose<T>(pub T);

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
                write!(
                    f,
                    "{}<code>{}</code>{}",
                    Text(plain),
                    Text(flag),
                    Text(behind)
                )?;
            } else {
                write!(f, "{}", Text(word))?;
            }
        }
        Ok(())
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && is_xml(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_xml(c) => out.push(c),
            // also what turns the direction of the text around it
            _ => out.push('\u{fffd}'),
        }
    }
    Cow::Owned(out)
}

/// What may stand in an XML document and does not hide or turn what stands beside it.
fn is_xml(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
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
