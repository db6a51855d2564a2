//! `duet asl test`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use duet_asl::MachineType;

use super::super::choose::parameter;
use crate::ops::single_state::{self, Asked, Level};
use crate::ops::suites::{self, Ran, Told};
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::{Format, print};

/// What stands below the help.
pub(super) const EXAMPLES: &str = "Example:
  duet asl test tests/asl/order.test.yaml --require 90
  duet asl test tests/asl/order.test.yaml --case declined --path mermaid
  echo '{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}' | duet asl test - --state-name A --input '{\"a\":1}' --inspection-level DEBUG";

/// How often a watched file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// `duet asl test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Test files, YAML or JSON: each names its definition. With --state-name: the definition.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only the cases whose names contain this.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,
    /// Exit code 1 when less of the definition is reached, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "case")]
    pub require: Option<f64>,
    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Draw the way that each case took.
    #[arg(long, value_name = "FORM", value_enum)]
    pub path: Option<Picture>,
    /// Run again whenever a test file or its definition changes, until interrupted.
    #[arg(long)]
    pub watch: bool,
    /// Test this state alone, as the API's TestState does; the answer is the API's.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["case", "require", "junit", "path", "watch"])]
    pub state_name: Option<String>,
    /// The state's input.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        requires = "state_name",
        default_value = "{}"
    )]
    pub input: String,
    /// What its work comes to: result (JSON text, or the value), or errorOutput.
    #[arg(long, value_name = "JSON|@FILE", requires = "state_name")]
    pub mock: Option<String>,
    /// How much is shown.
    #[arg(long, value_enum, requires = "state_name", default_value_t = Inspection::Info, ignore_case = true)]
    pub inspection_level: Inspection,
    /// retrierRetryCount, errorCausedByState, mapIterationFailureCount, mapItemReaderData.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        requires = "state_name",
        default_value = "{}"
    )]
    pub state_configuration: String,
    /// Laid over the context object, member by member.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        requires = "state_name",
        default_value = "{}"
    )]
    pub context: String,
    /// The variables it sees.
    #[arg(
        long,
        value_name = "JSON|@FILE",
        requires = "state_name",
        default_value = "{}"
    )]
    pub variables: String,
    /// What stands for a ${NAME} of the definition; may be repeated.
    #[arg(long = "substitution", value_name = "NAME=VALUE", requires = "state_name", value_parser = parameter)]
    pub substitutions: Vec<(String, String)>,
    /// The kind of workflow.
    #[arg(
        long = "type",
        value_name = "KIND",
        requires = "state_name",
        default_value = "standard"
    )]
    pub kind: MachineType,
    /// Decides jitter, UUIDs, tokens and random numbers.
    #[arg(long, value_name = "N", requires = "state_name", default_value_t = 0)]
    pub seed: u64,
}

/// How much is shown, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Inspection {
    /// The output or the error, and the next state.
    #[value(name = "INFO")]
    Info,
    /// What was made of its data on the way, too.
    #[value(name = "DEBUG")]
    Debug,
    /// The HTTP request and response, too.
    #[value(name = "TRACE")]
    Trace,
}

/// How a way is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// A Mermaid state diagram.
    Mermaid,
}

/// A percentage.
fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.0..=100.0).contains(&n) => Ok(n),
        _ => Err("a number from 0 to 100".to_owned()),
    }
}

/// Runs the tests: 1 if a case fails or too little is covered.
///
/// # Errors
/// [`Problem`] when a file cannot be read, or does not fit its definition.
pub(super) fn run(args: &Test, format: Format) -> Outcome<Exit> {
    if let Some(state) = &args.state_name {
        return one_state(args, state, format);
    }
    if !args.watch {
        return once(args, format).1;
    }
    loop {
        let (sources, outcome) = once(args, format);
        if let Err(problem) = outcome {
            terminal::refuse(&problem, format);
        }
        let before = stamps(&sources);
        terminal::tell("watching; Ctrl-C ends it");
        while stamps(&sources) == before {
            std::thread::sleep(LOOK);
        }
    }
}

/// Tests one state: 0 when it succeeds, 1 when it fails, handled or not.
fn one_state(args: &Test, state: &str, format: Format) -> Outcome<Exit> {
    let [file] = args.files.as_slice() else {
        return Err(Problem::usage("--state-name takes one definition"));
    };
    let values = args.substitutions.iter();
    let values = values.map(|(name, value)| (name.clone(), value.clone().into()));
    let machine = suites::compiled(file, &read::text(file)?, args.kind, &values.collect())?;
    let asked = Asked {
        state,
        input: read::json("--input", &args.input)?,
        context: read::json("--context", &args.context)?,
        variables: read::json("--variables", &args.variables)?,
        mock: match &args.mock {
            Some(text) => Some(read::json("--mock", text)?),
            None => None,
        },
        configuration: read::json("--state-configuration", &args.state_configuration)?,
        level: match args.inspection_level {
            Inspection::Info => Level::Info,
            Inspection::Debug => Level::Debug,
            Inspection::Trace => Level::Trace,
        },
        seed: args.seed,
    };
    print(&single_state::of(&Arc::new(machine), file, asked)?, format)
}

/// Runs all once; gives the files that it came from, too.
fn once(args: &Test, format: Format) -> (Vec<PathBuf>, Outcome<Exit>) {
    let mut sources = args.files.clone();
    let outcome = all(args, &mut sources).and_then(|ran| {
        if let Some(path) = &args.junit {
            let xml = suites::junit(&ran, args.require);
            std::fs::write(path, xml).map_err(|e| {
                Problem::environment(format!("{} cannot be written: {e}", path.display()))
            })?;
        }
        print(&Told::new(&ran, args.require, args.path.is_some()), format)
    });
    (sources, outcome)
}

fn all(args: &Test, sources: &mut Vec<PathBuf>) -> Outcome<Vec<Ran>> {
    let mut ran = Vec::new();
    for file in &args.files {
        let loaded = suites::load(file)?;
        sources.extend(loaded.sources.iter().cloned());
        ran.push(loaded.run(args.case.as_deref())?);
    }
    if let (Some(part), true) = (&args.case, ran.iter().all(|it| it.cases.is_empty())) {
        return Err(Problem::usage(format!("no case's name contains '{part}'")));
    }
    Ok(ran)
}

/// When each file was written last, and how long it is.
fn stamps(files: &[PathBuf]) -> BTreeMap<&Path, Option<(SystemTime, u64)>> {
    let stamp = |file: &Path| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files
        .iter()
        .map(|file| (file.as_path(), stamp(file)))
        .collect()
}
