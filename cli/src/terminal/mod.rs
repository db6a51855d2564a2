//! The one place that anything is said from: data on standard output, all else
//! on standard error. Notes, events, definitions and arguments are other
//! people's text; what of it would steer a terminal, or turn its reading order,
//! is shown and not obeyed.
//!
//! An escape is written as in JSON, `\u001b`. No control character stands in a
//! JSON document outside a string, but for white space, so a document that goes
//! through here stays the same document.

pub mod colour;
pub mod consent;
pub mod exit;
pub mod global;
pub mod interrupt;
pub mod junit;
pub mod progress;
pub mod read;
pub mod report;
pub mod screen;
pub mod table;
pub mod times;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Format;

/// What is said once it is known to be true, see [`hold`].
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// From here on nothing is written to standard output until [`release`]: what a
/// command did is told when it is kept, and not before.
pub fn hold() {
    *held() = Some(Vec::new());
}

/// Writes what was held; with `is_true` false, it is forgotten.
///
/// # Errors
/// When standard output cannot be written, other than because its reader left.
pub fn release(is_true: bool) -> Outcome<()> {
    match held().take() {
        Some(text) if is_true && !text.is_empty() => write(&text),
        _ => Ok(()),
    }
}

fn held() -> MutexGuard<'static, Option<Vec<u8>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says one piece of data on standard output, with a newline.
///
/// # Errors
/// When standard output cannot be written, other than because its reader left.
pub fn line(text: &str) -> Outcome<()> {
    let text = format!("{}\n", colour::escapes(harmless(text), colour::is_on()));
    pass_on(text.as_bytes())
}

/// Says data on standard output that is no text, as it is.
///
/// # Errors
/// When standard output is a terminal, see [`no_terminal`], or cannot be written.
pub fn bytes(data: &[u8]) -> Outcome<()> {
    no_terminal()?;
    pass_on(data)
}

/// Refuses a terminal where what is to be said is no text.
///
/// # Errors
/// When standard output is a terminal.
pub fn no_terminal() -> Outcome<()> {
    if std::io::stdout().is_terminal() {
        return Err(Problem::usage(
            "this output is binary, and standard output is a terminal",
        ));
    }
    Ok(())
}

fn pass_on(data: &[u8]) -> Outcome<()> {
    match &mut *held() {
        Some(all) => {
            all.extend_from_slice(data);
            Ok(())
        }
        None => write(data),
    }
}

fn write(data: &[u8]) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Problem::environment(
            format!("standard output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Whether standard output and standard error are terminals.
#[must_use]
pub fn terminals() -> [bool; 2] {
    [
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ]
}

/// Whether the whole terminal is one screen now, see [`screen`].
static IS_SCREEN: AtomicBool = AtomicBool::new(false);

/// Whether the whole terminal is one screen now.
fn is_screen() -> bool {
    IS_SCREEN.load(Ordering::Relaxed)
}

/// Says something on standard error, with a newline. That nobody listens there
/// is no reason to stop. While the terminal is one screen nothing is said: it would
/// stand in the middle of it.
pub fn tell(text: &str) {
    if is_screen() {
        return;
    }
    let text = colour::escapes(harmless(text), colour::is_on_for_errors());
    progress::aside(|| drop(writeln!(std::io::stderr().lock(), "{text}")));
}

/// Says why a command could not do its work: for people, or as one line of JSON.
pub fn refuse(problem: &Problem, format: Format) {
    match format {
        Format::Json => tell(&serde_json::to_string(problem).unwrap_or_default()),
        _ => {
            let text = problem.to_string();
            tell(&match text.strip_prefix("error:") {
                Some(rest) => format!("{}{rest}", colour::paint(colour::Tone::Bad, "error:")),
                None => text,
            });
        }
    }
}

/// Says why the command line was not taken, or gives the help that was asked for.
/// A refusal quotes what was written, so it goes without clap's colours, which
/// could not be told from somebody's. Help quotes nobody: what the environment
/// sets is not shown in it; it has clap's colours unless it is to be `plain`.
pub fn answer(said: &clap::Error, as_json: bool, plain: bool) {
    match (said.use_stderr(), as_json) {
        (true, false) => tell(said.to_string().trim_end()),
        (true, true) => {
            let text = said.to_string();
            let (message, hint) = text.split_once("\n\n").unwrap_or((&text, ""));
            let message = message.trim_start_matches("error: ").trim();
            let hint = hint.trim().lines().next().unwrap_or_default();
            let hint = hint.strip_prefix("tip: ").unwrap_or("see --help");
            refuse(&Problem::usage(message).hint(hint), Format::Json);
        }
        (false, _) if plain => drop(write(said.to_string().as_bytes())),
        (false, _) => drop(said.print()),
    }
}

/// `text` with what would steer a terminal made visible. Newlines and tabs stay.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    escaped(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

/// `text` for one place of a line, such as a cell of a table: newlines and tabs
/// are made visible too, so that nobody's text makes lines of its own.
#[must_use]
pub fn inline(text: &str) -> Cow<'_, str> {
    escaped(text, |c| steers(c) || colour::is_mark(c))
}

fn escaped(text: &str, is_escaped: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_escaped(c) => safe.push_str("\\n"),
            '\t' if is_escaped(c) => safe.push_str("\\t"),
            _ if is_escaped(c) => {
                // Writing to a String does not fail. All of them have four digits.
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal obeys `c` instead of showing it: C0, DEL and C1 (ECMA-48),
/// and the characters that turn the direction of text (Unicode UAX #9, "explicit
/// directional embeddings, overrides and isolates", and the implicit marks).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [char; 16] = [
        '\u{0}', '\u{7}', '\u{8}', '\r', '\u{1b}', '\u{7f}', '\u{80}', '\u{9b}', '\u{61c}',
        '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2068}', '\u{2069}',
    ];

    #[test]
    fn what_steers_a_terminal_is_shown_and_layout_stays() {
        for c in HOSTILE {
            let text = format!("a{c}b\n\tc");
            let expected = format!("a\\u{:04x}b\n\tc", u32::from(c));
            assert_eq!(harmless(&text), expected);
            assert_eq!(
                inline(&text),
                expected.replace('\n', "\\n").replace('\t', "\\t")
            );
        }
        let plain = "Åsa Öberg, 東京, שלום, 🫖\n\tnext";
        assert!(matches!(harmless(plain), Cow::Borrowed(same) if same == plain));
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let all: String = HOSTILE.iter().collect();
        let document = serde_json::json!({ "note": all, "backslash": "\\u001b", &all: ["\n"] });
        for text in [
            document.to_string(),
            serde_json::to_string_pretty(&document).unwrap(),
        ] {
            let said = harmless(&text);
            assert!(!said.chars().any(|c| HOSTILE.contains(&c)), "{said}");
            let read: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert_eq!(read, document);
        }
    }
}
