//! Running and checking state machine definitions, any and not only ours.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use duet_asl::{
    ExecutionOptions, Finding, MachineType, MockConfig, RunOptions, RunReport, Severity,
    StateMachine, Status,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::read;
use crate::terminal::report::{Format, Report, print};

/// `duet asl`.
#[derive(Debug, Subcommand)]
pub enum Asl {
    /// Run a definition to its end on virtual time: 0 succeeded, 1 failed, 2 invalid.
    #[command(
        after_help = "Example: echo '{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}' | duet asl run - --input '{\"a\":1}'"
    )]
    Run(Box<Run>),
    /// Check a definition as Step Functions does; `${Name}` stands for what deployment puts in.
    #[command(
        after_help = "Example: echo '{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}' | duet asl validate -"
    )]
    Validate {
        /// The definition; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The kind of workflow.
        #[arg(long = "type", value_enum, default_value_t = Kind::Standard)]
        kind: Kind,
    },
}

/// `duet asl run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The definition; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The input.
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    pub input: String,
    /// Laid over the context object, member by member.
    #[arg(long, value_name = "JSON|@FILE")]
    pub context: Option<String>,
    /// The kind of workflow.
    #[arg(long = "type", value_enum, default_value_t = Kind::Standard)]
    pub kind: Kind,
    /// Task results, in the format of Step Functions Local's MockConfigFile.
    #[arg(long, value_name = "FILE", requires = "test_case")]
    pub mock_config: Option<PathBuf>,
    /// Which of its test cases: CASE, or MACHINE#CASE.
    #[arg(long, value_name = "NAME", requires = "mock_config")]
    pub test_case: Option<String>,
    /// A Lambda task without a mock returns its payload.
    #[arg(long)]
    pub task_echo: bool,
    /// Print the events too.
    #[arg(long)]
    pub history: bool,
    /// Decides jitter, UUIDs, tokens and random numbers.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// The kind of workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// At most a year, exactly once.
    Standard,
    /// At most five minutes, at least once.
    Express,
}

impl From<Kind> for MachineType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Standard => Self::Standard,
            Kind::Express => Self::Express,
        }
    }
}

/// Does what was asked.
///
/// # Errors
/// [`Problem`] when a file cannot be read or is not what it should be, or a
/// task has no answer.
pub(super) fn run(command: &Asl, format: Format) -> Outcome<Exit> {
    match command {
        Asl::Run(args) => run_definition(args),
        Asl::Validate { file, kind } => {
            let findings = findings(&read::text(file)?, (*kind).into());
            print(&Findings { findings }, format)
        }
    }
}

/// What is wrong with `definition`, as it will be once something is put in for
/// the `${Name}` that stand in it: whether that is a name or, in an expression, a
/// number, `1` is one.
#[must_use]
pub fn findings(definition: &str, kind: MachineType) -> Vec<Finding> {
    match duet_asl::substitute(definition, |_| Some("1".to_owned())) {
        Ok(filled) => duet_asl::validate_as(&filled, kind),
        Err(_) => duet_asl::validate_as(definition, kind),
    }
}

/// Text, or what is in the file it names with `@`, as JSON.
fn json(what: &str, text: &str) -> Outcome<Value> {
    let text = match text.strip_prefix('@') {
        Some(file) => read::text(Path::new(file))?,
        None => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|e| Problem::usage(format!("{what} is no JSON: {e}")))
}

fn run_definition(args: &Run) -> Outcome<Exit> {
    let definition = read::text(&args.file)?;
    let input = json("--input", &args.input)?;
    let context: Option<Map<String, Value>> = match &args.context {
        None => None,
        Some(text) => match json("--context", text)? {
            Value::Object(members) => Some(members),
            _ => return Err(Problem::usage("--context is a JSON object")),
        },
    };
    let mocks = match (&args.mock_config, &args.test_case) {
        (Some(file), Some(case)) => {
            let config = MockConfig::parse(&read::text(file)?)
                .map_err(|e| Problem::usage(format!("{}: {e}", file.display())))?;
            let (machine, case) = match case.split_once('#') {
                Some((machine, case)) => (Some(machine), case),
                None => (None, case.as_str()),
            };
            Some(config.case(machine, case).map_err(Problem::usage)?)
        }
        _ => None,
    };
    let findings = duet_asl::validate_as(&definition, args.kind.into());
    if findings.iter().any(|one| one.severity == Severity::Error) {
        let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
        return Err(
            Problem::usage(format!("{}: {}", args.file.display(), texts.join("\n")))
                .hint("`duet asl validate --output json` gives the findings as data"),
        );
    }
    let machine = StateMachine::parse_as(&definition, args.kind.into())
        .map_err(|_| Problem::usage(format!("{} is not valid", args.file.display())))?;
    let options = RunOptions {
        execution: ExecutionOptions {
            seed: args.seed,
            history: args.history,
            context,
            ..ExecutionOptions::default()
        },
        mocks,
        task_echo: args.task_echo,
        ..RunOptions::default()
    };
    let report: RunReport =
        duet_asl::run(&Arc::new(machine), input, options).map_err(Problem::usage)?;
    // One JSON document in either format: that is what people pipe onwards.
    terminal::line(&serde_json::to_string_pretty(&report).map_err(Problem::environment)?)?;
    Ok(if report.status == Status::Succeeded {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What is wrong with a definition.
#[derive(Debug, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Report for Findings {
    fn text(&self) -> String {
        if self.findings.is_empty() {
            return "valid".to_owned();
        }
        let texts: Vec<_> = self.findings.iter().map(ToString::to_string).collect();
        texts.join("\n")
    }

    fn exit(&self) -> Exit {
        if self
            .findings
            .iter()
            .any(|one| one.severity == Severity::Error)
        {
            Exit::Usage
        } else {
            Exit::Done
        }
    }
}
