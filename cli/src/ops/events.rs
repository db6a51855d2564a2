//! The bus: heard, spoken to, waited for. How a target's bus is heard is the
//! target's business ([`crate::world::port::bus`]).

use duet_pattern::Pattern;
use serde::Serialize;
use serde_json::Value;

use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::{Format, Report};
use crate::terminal::{self, inline, read};
use crate::world::port::bus::{BusTools, Event, Listen};

/// Every event, as a pattern.
pub const ALL: &str = r#"{"source":[{"prefix":""}]}"#;

/// The longest a tap is open, in seconds.
const LONGEST: i64 = 3600;

/// An event was put on the bus.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The bus's id for it.
    pub id: String,
}

/// Puts the event in `file` on the shop's bus.
///
/// # Errors
/// [`Problem`] when the file holds no event, there is no bus on this stack, or
/// the target does not answer.
pub async fn send<W: BusTools>(world: &W, file: &std::path::Path) -> Outcome<Sent> {
    let origin = file.display().to_string();
    let text = read::text(file)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| Problem::usage(format!("{origin} is no JSON: {e}")))?;
    let event: Event = read::typed(value, &origin)?;
    let id = world.put_event(&event).await?;
    Ok(Sent { id })
}

/// Prints what is heard within `within` seconds; with `first`, until the first event.
///
/// # Errors
/// [`Problem`] when the pattern is none, there is no bus on this stack, or the
/// target does not answer.
pub async fn listen<W: BusTools>(
    world: &W,
    pattern: &str,
    within: i64,
    first: bool,
    format: Format,
) -> Outcome<Exit> {
    if within > LONGEST {
        return Err(Problem::usage("--within is at most 1h"));
    }
    let pattern = match pattern.strip_prefix('@') {
        Some(file) => read::text(std::path::Path::new(file))?,
        None => pattern.to_owned(),
    };
    Pattern::parse(&pattern).map_err(|e| Problem::usage(format!("--pattern: {e}")))?;
    let listen = Listen {
        pattern: &pattern,
        within,
        first,
    };
    let mut tell = |event: &Value| {
        terminal::line(&match format {
            Format::Json => event.to_string(),
            _ => summary(event),
        })
    };
    match (world.listen(listen, &mut tell).await?, first) {
        (false, true) => Err(Problem::failed(format!(
            "no such event came within {within} s"
        ))),
        _ => Ok(Exit::Done),
    }
}

/// An event in one line, without its data.
fn summary(event: &Value) -> String {
    let word = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or("-");
    let word = |path: &str| inline(word(path));
    format!(
        "{}  {:<18}  {:<20}  {}",
        word("/time"),
        word("/source"),
        word("/detail-type"),
        word("/detail/metadata/subject")
    )
}

impl Report for Sent {
    fn text(&self) -> String {
        format!("sent {}", self.id)
    }
}
