//! Running, checking and testing state machine definitions, any and not only ours.

pub mod test;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use duet_asl::{
    ExecutionOptions, Finding, MachineType, MockConfig, Objects, RunOptions, RunReport, Severity,
    StateMachine, Status, Surroundings,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::choose::parameter;
use crate::ops::machines;
use crate::ops::objects::Folder;
use crate::ops::suites;
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
    /// Check a definition as Step Functions does, or those that a template deploys.
    #[command(
        after_help = "Example: echo '{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}' | duet asl validate -\n  duet asl validate --template template.yaml --resource OrderMachine"
    )]
    Validate(Validate),
    /// Test definitions: cases with mocks and expectations, and what they cover; or one state alone.
    #[command(
        after_help = test::EXAMPLES
    )]
    Test(Box<test::Test>),
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
    /// A folder with the objects that a distributed Map reads and writes: DIR/BUCKET/KEY.
    #[arg(long, value_name = "DIR")]
    pub objects: Option<PathBuf>,
    /// A machine that tasks start and wait for (startExecution.sync), by its name; may be repeated.
    #[arg(long = "machine", value_name = "NAME=FILE", value_parser = parameter)]
    pub machines: Vec<(String, String)>,
    /// Print the events too; of the child executions of distributed Maps, too.
    #[arg(long)]
    pub history: bool,
    /// Decides jitter, UUIDs, tokens and random numbers.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// `duet asl validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// The definition; `-` is standard input. `${Name}` stands for what deployment puts in.
    #[arg(value_name = "FILE", required_unless_present = "template")]
    pub file: Option<PathBuf>,
    /// The kind of workflow [default: standard].
    #[arg(long = "type", value_enum)]
    pub kind: Option<Kind>,
    /// A template in place of a definition: its state machines are checked, those of nested stacks too, with what it puts in.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "kind"])]
    pub template: Option<PathBuf>,
    /// Only this state machine of the template, by its logical id.
    #[arg(long, value_name = "NAME", requires = "template")]
    pub resource: Option<String>,
    /// A parameter of the template, such as Fraud=off; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", requires = "template", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
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
        Asl::Test(args) => test::run(args, format),
        Asl::Validate(args) => {
            let checked = match (&args.file, &args.template) {
                (Some(file), _) => {
                    let kind = args.kind.unwrap_or(Kind::Standard);
                    Findings {
                        findings: findings(&read::text(file)?, kind.into()),
                        machines: Vec::new(),
                    }
                }
                (None, template) => deployed(template.as_deref(), args)?,
            };
            print(&checked, format)
        }
    }
}

/// Checks the state machines of a template.
fn deployed(template: Option<&Path>, args: &Validate) -> Outcome<Findings> {
    let template = template.unwrap_or(Path::new("template.yaml"));
    let parameters = args.parameters.iter().cloned().collect();
    let mut all = machines::of(template, &parameters)?;
    let names: Vec<String> = all.iter().map(|it| it.place.clone()).collect();
    if let Some(wanted) = &args.resource {
        all.retain(|it| it.place == *wanted || it.place.ends_with(&format!("/{wanted}")));
    }
    if all.is_empty() {
        let wanted = args.resource.as_deref().unwrap_or("at all");
        let problem = Problem::usage(format!("the template deploys no state machine {wanted}"));
        return Err(match names.as_slice() {
            [] => problem,
            some => problem.hint(format!("it deploys {}", some.join(", "))),
        });
    }
    let mut checked = Findings::default();
    for machine in all {
        checked
            .findings
            .extend(duet_asl::validate_as(&machine.definition, machine.kind));
        checked.machines.push(machine.place);
    }
    Ok(checked)
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

/// The folder of objects, and the machines that may be started.
fn surroundings(args: &Run) -> Outcome<Surroundings> {
    let objects: Option<Arc<dyn Objects>> = match &args.objects {
        Some(folder) if folder.is_dir() => Some(Arc::new(Folder::written(folder))),
        Some(folder) => {
            let what = format!("--objects {}: there is no such folder", folder.display());
            return Err(Problem::usage(what).hint("make one, with a folder in it for each bucket"));
        }
        None => None,
    };
    let mut machines = BTreeMap::new();
    for (name, file) in &args.machines {
        let file = Path::new(file);
        let text = read::text(file)?;
        let machine = suites::compiled(file, &text, MachineType::Standard, &BTreeMap::new())?;
        machines.insert(name.clone(), Arc::new(machine));
    }
    let around = Surroundings::default().with_objects(objects);
    Ok(around.with_machines(machines))
}

fn run_definition(args: &Run) -> Outcome<Exit> {
    let definition = read::text(&args.file)?;
    let input = read::json("--input", &args.input)?;
    let context: Option<Map<String, Value>> = match &args.context {
        None => None,
        Some(text) => match read::json("--context", text)? {
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
        around: surroundings(args)?,
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

/// What is wrong with a definition, or with those of a template.
#[derive(Debug, Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
    /// The state machines of the template, by their places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    machines: Vec<String>,
}

impl Report for Findings {
    fn text(&self) -> String {
        if self.findings.is_empty() {
            return match self.machines.as_slice() {
                [] => "valid".to_owned(),
                some => format!("valid: {}", some.join(", ")),
            };
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
