//! Colour, where somebody asks for it or a terminal shows it.
//!
//! Colours go through text as noncharacters of Unicode (U+FDD0 and following, which
//! the standard leaves to a program's own use), and become escapes where the text
//! is written. So no escape of somebody else's ever passes for one of ours.

use std::borrow::Cow;
use std::sync::OnceLock;

use clap::ValueEnum;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always, also into a file.
    Always,
    /// Never.
    Never,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Decided otherwise than hoped, by the business.
    Declined,
    /// Somebody has to look at it.
    Bad,
    /// Under way.
    Moving,
    /// A heading.
    Heading,
}

/// The mark that ends a colour.
const RESET: char = '\u{fdd0}';

/// Each mark, and the escape it becomes (SGR, ECMA-48 8.3.117).
const MARKS: [(char, &str); 6] = [
    (RESET, "\u{1b}[0m"),
    ('\u{fdd1}', "\u{1b}[32m"),
    ('\u{fdd2}', "\u{1b}[33m"),
    ('\u{fdd3}', "\u{1b}[1;31m"),
    ('\u{fdd4}', "\u{1b}[36m"),
    ('\u{fdd5}', "\u{1b}[1m"),
];

static OUT: OnceLock<bool> = OnceLock::new();
static ERR: OnceLock<bool> = OnceLock::new();

/// Settles when colour is used, once for the process.
pub fn settle(when: When) {
    // https://no-color.org: set and not empty.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_on = |shows: bool| match when {
        When::Always => true,
        When::Never => false,
        When::Auto => shows && !refused && !dumb,
    };
    let [out, err] = super::terminals();
    // Whoever lays tables out looks at NO_COLOR, too; what is asked for goes first.
    ratatui::crossterm::style::force_color_output(is_on(out));
    OUT.get_or_init(|| is_on(out));
    ERR.get_or_init(|| is_on(err));
}

/// Whether standard output has colours.
pub(crate) fn is_on() -> bool {
    OUT.get().copied().unwrap_or(false)
}

/// Whether standard error has colours.
pub(crate) fn is_on_for_errors() -> bool {
    ERR.get().copied().unwrap_or(false)
}

/// `text` in the colour of `tone`, line by line.
#[must_use]
pub fn paint(tone: Tone, text: &str) -> String {
    let mark = match tone {
        Tone::Good => '\u{fdd1}',
        Tone::Declined => '\u{fdd2}',
        Tone::Bad => '\u{fdd3}',
        Tone::Moving => '\u{fdd4}',
        Tone::Heading => '\u{fdd5}',
    };
    let lines = text.split('\n').map(|line| match line.trim().is_empty() {
        true => line.to_owned(),
        false => format!("{mark}{line}{RESET}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What the word for a state says, if it is one that has a colour.
#[must_use]
pub fn tone(state: &str) -> Option<Tone> {
    const BAD: [&str; 13] = [
        "owes",
        "Attention",
        "BROKEN",
        "FAILED",
        "Dead",
        "Blocked",
        "Abandoned",
        "TIMED_OUT",
        "ABORTED",
        "invalid",
        "transient",
        "panic",
        "✗",
    ];
    let begins = |some: &[&str]| some.iter().any(|word| state.starts_with(word));
    if BAD.iter().any(|word| state.contains(word)) {
        return Some(Tone::Bad);
    }
    if begins(&["Rejected", "Cancelled", "declined"]) {
        return Some(Tone::Declined);
    }
    if begins(&[
        "Confirmed",
        "Active",
        "ok",
        "SUCCEEDED",
        "ENABLED",
        "match",
        "yes",
        "✓",
    ]) {
        return Some(Tone::Good);
    }
    if begins(&["Undecided", "Open", "RUNNING", "Pending", "submitted"]) {
        return Some(Tone::Moving);
    }
    None
}

/// `text`, laid out as a table with colours, with marks for the escapes that stand
/// in it. The cells of a table hold none of their own, see [`super::inline`].
pub(crate) fn marked(text: &str) -> String {
    const STYLES: [(&str, char); 7] = [
        ("\u{1b}[38;5;2m", '\u{fdd1}'),
        ("\u{1b}[38;5;3m", '\u{fdd2}'),
        ("\u{1b}[38;5;1m", '\u{fdd3}'),
        ("\u{1b}[38;5;6m", '\u{fdd4}'),
        ("\u{1b}[1m", '\u{fdd5}'),
        ("\u{1b}[39m", RESET),
        ("\u{1b}[0m", RESET),
    ];
    let mut text = text.to_owned();
    for (escape, mark) in STYLES {
        text = text.replace(escape, mark.encode_utf8(&mut [0; 4]));
    }
    let lines = text.lines().map(|line| {
        // Blanks that fill a cell up to its column's width.
        let cut = line.trim_end_matches([' ', RESET]);
        match line[cut.len()..].contains(RESET) {
            true => format!("{cut}{RESET}"),
            false => cut.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `c` stands for a colour on the way to a terminal.
pub(crate) fn is_mark(c: char) -> bool {
    MARKS.iter().any(|(mark, _)| *mark == c)
}

/// `text` with its marks become escapes, or gone.
pub(crate) fn escapes(text: Cow<'_, str>, is_on: bool) -> Cow<'_, str> {
    if !text.contains(is_mark) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match MARKS.iter().find(|(mark, _)| *mark == c) {
            Some((_, escape)) if is_on => out.push_str(escape),
            Some(_) => {}
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_escapes_or_nothing() {
        let painted = paint(Tone::Good, "ok\n\nfine");
        assert_eq!(
            escapes(painted.clone().into(), true),
            "\u{1b}[32mok\u{1b}[0m\n\n\u{1b}[32mfine\u{1b}[0m"
        );
        assert_eq!(escapes(painted.into(), false), "ok\n\nfine");
    }

    #[test]
    fn states_have_the_colour_of_what_is_to_be_done() {
        for (state, expected) in [
            ("Confirmed", Some(Tone::Good)),
            ("Confirmed, owes shipment", Some(Tone::Bad)),
            ("Rejected(PaymentDeclined)", Some(Tone::Declined)),
            (
                "Rejected(DeliveryFailed, NotServed), owes payment",
                Some(Tone::Bad),
            ),
            ("Undecided", Some(Tone::Moving)),
            ("kettle", None),
        ] {
            assert_eq!(tone(state), expected, "{state}");
        }
    }
}
