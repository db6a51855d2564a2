//! `duet contracts`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::shop::contracts;
use crate::shop::contracts::published::{Published, asyncapi, cloudevents, eventcatalog};
use crate::target;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::report::{Format, print};
use crate::terminal::{self, read};

/// `duet contracts`.
#[derive(Debug, Args)]
pub struct Contracts {
    /// Write nothing; fail if what is checked in is out of date.
    #[arg(long, conflicts_with = "form")]
    pub check: bool,
    /// Write nothing here, but tell the contracts in a form that others' tools read.
    #[arg(id = "form", long = "format", value_enum, value_name = "FORMAT")]
    pub form: Option<Form>,
    /// With cloudevents: events to convert, one a line as `duet events tail --output json` prints them; `-` is standard input [default: an example of each fact].
    #[arg(value_name = "EVENTS", requires = "form")]
    pub events: Option<PathBuf>,
    /// With eventcatalog: the folder to write, new or written by this command before.
    #[arg(long, value_name = "DIR", requires = "form")]
    pub out: Option<PathBuf>,
}

/// A form of the contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// An AsyncAPI 3.0 document: servers, channels, operations, messages.
    Asyncapi,
    /// Facts as CloudEvents 1.0, JSON, one a line.
    Cloudevents,
    /// A folder of EventCatalog.
    Eventcatalog,
}

/// Writes the contracts, checks them, or tells them in another form.
pub(super) fn run(args: &Contracts, format: Format) -> Outcome<Exit> {
    let Some(form) = args.form else {
        return print(&contracts::run(&target::root()?, args.check)?, format);
    };
    let only = |flag: &str, of: &str| {
        let why = format!("{flag} is of --format {of} only");
        Err(Problem::usage(why).hint(format!("leave it out, or choose --format {of}")))
    };
    match (form, &args.events, &args.out) {
        (Form::Asyncapi | Form::Eventcatalog, Some(_), _) => only("EVENTS", "cloudevents"),
        (Form::Asyncapi | Form::Cloudevents, _, Some(_)) => only("--out", "eventcatalog"),
        (Form::Eventcatalog, _, None) => {
            let why = Problem::usage("an EventCatalog is a folder: --out DIR is missing");
            Err(why.hint("duet contracts --format eventcatalog --out catalog"))
        }
        (Form::Asyncapi, ..) => {
            let document = asyncapi::document(&Published::built_in()?)?;
            let text = serde_json::to_string_pretty(&document).map_err(Problem::environment)?;
            terminal::line(&text)?;
            Ok(Exit::Done)
        }
        (Form::Cloudevents, None, _) => lines(cloudevents::examples(&Published::built_in()?)?),
        (Form::Cloudevents, Some(file), _) => {
            let origin = file.display().to_string();
            let events: Vec<Value> = read::all(&read::text(file)?, &origin)?;
            let converted = events.iter().enumerate().map(|(n, event)| {
                let unfit = |why| Problem::usage(format!("{origin}: event {}: {why}", n + 1));
                cloudevents::converted(event).map_err(unfit)
            });
            lines(converted.collect::<Outcome<Vec<_>>>()?)
        }
        (Form::Eventcatalog, _, Some(out)) => {
            print(&eventcatalog::write(&Published::built_in()?, out)?, format)
        }
    }
}

/// Prints events, one a line.
fn lines(events: Vec<Value>) -> Outcome<Exit> {
    for event in events {
        terminal::line(&event.to_string())?;
    }
    Ok(Exit::Done)
}
