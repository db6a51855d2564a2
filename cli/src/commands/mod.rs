//! What the terminal asks: one file a verb, with its arguments, what it does with
//! them, and what it prints. Help, completions and the man page come from here.
//!
//! No command uses another: what two of them need lies in [`crate::ops`].

pub mod asl;
pub mod bench;
pub mod catalog;
pub mod check;
pub mod choose;
pub mod compare;
pub(crate) mod complete;
pub mod contracts;
pub mod customer;
pub mod demo;
pub mod dlq;
pub mod events;
pub mod forget;
pub mod lab;
pub mod logs;
pub mod orders;
pub mod place;
pub mod redrive;
pub mod repair;
pub mod replay;
pub mod review;
pub mod rules;
pub mod schemas;
pub mod show;
pub mod simulate;
pub mod top;
pub mod trouble;
pub mod up;

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};

use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::Format;

/// One order-processing system, two coordination styles: run it, place orders
/// under either, break it, and compare.
#[derive(Debug, Parser)]
#[command(
    name = "duet",
    version,
    after_help = "Exit codes: 0 done; 1 a check failed or the business declined; 2 wrong usage or input; 3 AWS or the environment got in the way; 130 interrupted."
)]
pub struct Cli {
    /// Settings every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prepare and start what the system runs on, build, deploy and seed it. The lab needs it only for parameters.
    #[command(after_help = "Example: duet up --on local")]
    Up(up::Up),
    /// Stop the emulator; with --delete, set the lab aside, or delete the stack on AWS.
    #[command(after_help = "Example: duet down --delete")]
    Down(up::Down),
    /// Tell what is running and deployed.
    #[command(after_help = "Example: duet status --output json")]
    Status,
    /// The labs that last: list them, use one, drop one.
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Run every scenario under every variant and compare.
    #[command(after_help = choose::with_faults("Example:\n  duet demo --scenario happy --scenario card-declined\n  duet demo --output junit > demo.xml"))]
    Demo(demo::Demo),
    /// Run many seeded worlds in the embedded lab, with faults, and check that the system bears them.
    #[command(after_help = choose::with_faults("Example: duet simulate --seeds 100 --fault all"))]
    Simulate(simulate::Simulate),
    /// Compare the variants: time, money, failure, coupling.
    #[command(
        after_help = choose::with_faults("Example:\n  duet compare\n  duet compare --scenario card-declined --fault silent@payment:0.3 --output json")
    )]
    Compare(compare::Compare),
    /// Measure how fast something is on this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Place orders.
    #[command(after_help = "Example: duet place --id o-1 --customer c-1 --line kettle=1 --wait")]
    Place(Box<place::Place>),
    /// Register customers.
    #[command(subcommand)]
    Customer(customer::Customer),
    /// Seed or show the catalogue.
    #[command(subcommand)]
    Catalog(catalog::Catalog),
    /// Show an order: its state in every service and ledger, and the way it went.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet show o-1 --timeline\n  duet show o-1 --output perfetto > o-1.pftrace\n  duet place --id o-2 --customer c-1 --line kettle=1 --wait\n  duet show o-1 --against o-2"
    )]
    Show(show::Show),
    /// Follow an order live until it ends.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1\n  duet watch o-1"
    )]
    Watch(show::Watch),
    /// Reviews that wait for a person: list, show, decide.
    #[command(subcommand)]
    Review(review::Review),
    /// Break a service, or let faults strike, to practise on: until `duet mend`.
    #[command(
        after_help = choose::with_faults("Example:\n  duet break payment\n  duet place --wait\n  duet mend")
    )]
    Break(trouble::Break),
    /// Mend what was broken on purpose.
    #[command(after_help = "Example: duet mend payment")]
    Mend(trouble::Mend),
    /// Retry what a parked order lacks, and nothing else. Safe to run twice.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet repair o-1"
    )]
    Repair(repair::Repair),
    /// Remove what the shop keeps of a person about an order that has ended, and
    /// say what is out of its reach and until when.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet forget o-1"
    )]
    Forget(forget::Forget),
    /// List orders: how each stands, how old it is, what it waits for.
    #[command(after_help = "Example: duet orders --attention --since 1h")]
    Orders(orders::Orders),
    /// Watch a whole target: orders by state, what waits longest, queues, executions, reviews, dead letters.
    #[command(after_help = "Example: duet top --once")]
    Top(top::Top),
    /// Dead letters: not delivered, not processed, and failed executions.
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// Take failed executions up again where they failed, if that does no harm.
    #[command(after_help = "Example: duet redrive --failed-since 1h --dry-run")]
    Redrive(redrive::Redrive),
    /// Gather what every service logged about an order, in order of time.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet logs o-1 --since 1h"
    )]
    Logs(logs::Logs),
    /// Say again what was said on the bus: consumers recognise it, and do only what they lack.
    #[command(
        after_help = "Example: duet replay --from 2h --to 1h --rule payment-NewOrder --dry-run"
    )]
    Replay(replay::Replay),
    /// The bus, seen live: tail, send, expect.
    #[command(subcommand)]
    Events(events::Events),
    /// Event patterns and the deployed rules.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Run and check state machine definitions: any, not only ours.
    #[command(subcommand)]
    Asl(asl::Asl),
    /// Check a template against the mistakes that are known to bite: any, of SAM or CloudFormation.
    #[command(
        after_help = "Example:\n  duet check\n  duet check --template template.yaml --parameter Fraud=off --output json"
    )]
    Check(check::Check),
    /// Write the JSON Schemas and the event table from the code, or check them; or tell the contracts as AsyncAPI, CloudEvents or EventCatalog.
    #[command(
        after_help = "Example:\n  duet contracts --check\n  duet contracts --format asyncapi > shop.asyncapi.json\n  duet contracts --format cloudevents\n  duet contracts --format eventcatalog --out catalog"
    )]
    Contracts(contracts::Contracts),
    /// Schemas of events and commands, any: what a change of them breaks, types for them, and EventBridge's registry.
    #[command(subcommand)]
    Schemas(schemas::Schemas),
    /// Print a completion script: it knows scenarios, variants, faults, SKUs and the orders placed last.
    #[command(after_help = "Example: duet completions bash > duet.bash")]
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of duet or of one command, or write all of them.
    #[command(
        after_help = "Example:\n  duet man dlq list > duet-dlq-list.1\n  duet man --dir man1"
    )]
    Man {
        /// Of which command [default: of duet itself].
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
        /// Write the page of every command into this directory.
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        dir: Option<PathBuf>,
    },
}

/// Does what the command line says.
///
/// # Errors
/// [`Problem`] with the exit code, what was wrong, and what to do.
pub async fn run(cli: Cli) -> Outcome<Exit> {
    let global = &cli.global;
    let format = global.output;
    global.check()?;
    takes(&cli.command, format)?;
    match &cli.command {
        Command::Up(args) => up::up(global, args).await,
        Command::Down(args) => up::down(global, args).await,
        Command::Status => up::status(global).await,
        Command::Lab(args) => lab::run(global, args),
        Command::Demo(args) => demo::run(global, args).await,
        Command::Simulate(args) => simulate::run(args, format),
        Command::Compare(args) => compare::run(global, args).await,
        Command::Bench(args) => bench::run(args, format),
        Command::Place(args) => place::run(global, args).await,
        Command::Customer(args) => customer::run(global, args).await,
        Command::Catalog(args) => catalog::run(global, args).await,
        Command::Show(args) => show::run(global, args).await,
        Command::Watch(args) => show::watch(global, args).await,
        Command::Review(args) => review::run(global, args).await,
        Command::Break(args) => trouble::cause(global, args).await,
        Command::Mend(args) => trouble::mend(global, args).await,
        Command::Repair(args) => repair::run(global, args).await,
        Command::Forget(args) => forget::run(global, args).await,
        Command::Orders(args) => orders::run(global, args).await,
        Command::Top(args) => top::run(global, args).await,
        Command::Dlq(args) => dlq::run(global, args).await,
        Command::Redrive(args) => redrive::run(global, args).await,
        Command::Logs(args) => logs::run(global, args).await,
        Command::Replay(args) => replay::run(global, args).await,
        Command::Events(args) => events::run(global, args).await,
        Command::Rules(args) => rules::run(global, args).await,
        Command::Asl(args) => asl::run(args, format),
        Command::Check(args) => check::run(args, format),
        Command::Contracts(args) => contracts::run(args, format),
        Command::Schemas(args) => schemas::run(global, args).await,
        Command::Completions { shell } => {
            terminal::line(complete::script(*shell)?.trim_end())?;
            Ok(Exit::Done)
        }
        Command::Man { command, dir } => man(command, dir.as_deref()),
    }
}

/// Refuses an output that `command` has not.
fn takes(command: &Command, format: Format) -> Outcome<()> {
    let (of, there) = match command {
        Command::Demo(_) => ("duet demo", &demo::OUTPUTS[..]),
        Command::Compare(_) => ("duet compare", &compare::OUTPUTS[..]),
        Command::Show(_) => ("duet show", &show::OUTPUTS[..]),
        _ => ("this command", &Format::COMMON[..]),
    };
    if there.contains(&format) {
        return Ok(());
    }
    let words: Vec<String> = there.iter().map(|format| format.word()).collect();
    let whose = match format {
        Format::Md => "; Markdown is of duet compare",
        Format::Junit => "; JUnit XML is of duet demo",
        _ => "; pictures and traces are of duet show",
    };
    Err(Problem::usage(format!(
        "{of} cannot print --output {}{whose}",
        format.word()
    ))
    .hint(format!("choose one of: {}", words.join(", "))))
}

/// The manual page of `command`, printed, or all pages written into `dir`.
fn man(command: &[String], dir: Option<&Path>) -> Outcome<Exit> {
    if let Some(dir) = dir {
        let trouble = |e| Problem::environment(format!("{}: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(trouble)?;
        clap_mangen::generate_to(Cli::command(), dir).map_err(trouble)?;
        return Ok(Exit::Done);
    }
    // Builds the names of commands below commands, such as `duet-dlq-list`.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut of = &root;
    for word in command {
        of = of
            .find_subcommand(word)
            .ok_or_else(|| Problem::usage(format!("{} has no command {word}", of.get_name())))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(of.clone())
        .render(&mut page)
        .map_err(Problem::environment)?;
    terminal::line(String::from_utf8_lossy(&page).trim_end())?;
    Ok(Exit::Done)
}
