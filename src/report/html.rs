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
    fn nothing_is_markup() {
        let text = "<b a=\"1\" c='2'>&amp;</b>\u{0}\u{1b}\u{202e}é";
        assert_eq!(
            Text(text).to_string(),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;\u{fffd}\u{fffd}\u{fffd}é"
        );
    }
}
