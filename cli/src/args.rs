//! The command line. Help, completions and the man page all come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use duet_core::{CustomerId, OrderId, Sku};
use duet_lab::{Fault, FaultRule};

use crate::drill::Drill;
use crate::exit::{Outcome, Problem};
use crate::report::Format;
use crate::scenario::{self, Scenario};
use crate::timeline::Form;
use crate::variant::{self, Variant};

/// One order-processing system, two coordination styles: run it, place orders
/// under either, break it, and compare.
#[derive(Debug, Parser)]
#[command(
    name = "duet",
    version,
    after_help = "Exit codes: 0 done; 1 a check failed or the business declined; 2 wrong usage or input; 3 AWS or the environment got in the way."
)]
pub struct Cli {
    /// Settings every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Where the system runs.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "DUET_ON",
        hide_env_values = true,
        default_value = "lab"
    )]
    pub on: On,
    /// The name of the stack.
    #[arg(
        long,
        global = true,
        env = "DUET_STACK",
        hide_env_values = true,
        default_value = "duet",
        value_name = "NAME"
    )]
    pub stack: String,
    /// How to print what was found.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// The directory for what lasts of the lab, and the emulator's state and logs [default: .duet in the project].
    #[arg(
        long,
        global = true,
        env = "DUET_STATE",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
    /// Ask this AWS-compatible endpoint, for every service: with --on local in place of starting an emulator [env: AWS_ENDPOINT_URL], with --on aws in place of AWS's own.
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    pub endpoint: Option<String>,
}

impl Global {
    /// Refuses an endpoint where there is nothing to ask.
    ///
    /// # Errors
    /// [`Problem`] naming the remedy.
    pub fn check(&self) -> Outcome<()> {
        if self.on == On::Lab && self.endpoint.is_some() {
            return Err(Problem::usage(
                "--endpoint is of no use to the lab, which runs in this process",
            )
            .hint("add --on local or --on aws, or leave out --endpoint"));
        }
        Ok(())
    }
}

/// Where the system runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// In this process, on virtual time; what was done lasts in a file from command to command.
    Lab,
    /// On an AWS emulator on this machine; `duet up` prepares and starts it.
    Local,
    /// On AWS, by the ordinary configuration chain.
    Aws,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prepare and start what the system runs on, build, deploy and seed it. The lab needs it only for parameters.
    #[command(after_help = "Example: duet up --on local")]
    Up(Up),
    /// Stop the emulator; with --delete, set the lab aside, or delete the stack on AWS.
    #[command(after_help = "Example: duet down --delete")]
    Down(Down),
    /// Tell what is running and deployed.
    #[command(after_help = "Example: duet status --output json")]
    Status,
    /// Run every scenario under every variant and compare.
    #[command(after_help = with_faults("Example: duet demo --scenario happy --scenario card-declined"))]
    Demo(Demo),
    /// Run many seeded worlds in the embedded lab, with faults, and check that the system bears them.
    #[command(after_help = with_faults("Example: duet simulate --seeds 100 --fault all"))]
    Simulate(Simulate),
    /// Measure how fast something is on this machine.
    #[command(subcommand)]
    Bench(Bench),
    /// Place orders.
    #[command(after_help = "Example: duet place --id o-1 --customer c-1 --line kettle=1 --wait")]
    Place(Box<Place>),
    /// Register customers.
    #[command(subcommand)]
    Customer(Customer),
    /// Seed or show the catalogue.
    #[command(subcommand)]
    Catalog(Catalog),
    /// Show an order: its state in every service and ledger, and the way it went.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet show o-1 --timeline"
    )]
    Show {
        /// Which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// As one tree of cause and effect across services, with what is still missing.
        #[arg(long)]
        timeline: bool,
        /// How to print the timeline [default: as --output says].
        #[arg(long, value_enum, requires = "timeline")]
        format: Option<Form>,
    },
    /// Follow an order live until it ends.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1\n  duet watch o-1"
    )]
    Watch {
        /// Which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// Give up after this many seconds.
        #[arg(long, default_value_t = 300, value_name = "SECONDS")]
        within: u64,
    },
    /// Reviews that wait for a person: list, show, decide.
    #[command(subcommand)]
    Review(Review),
    /// Retry what a parked order lacks, and nothing else. Safe to run twice.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet repair o-1"
    )]
    Repair {
        /// Which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// How long one step may take, in seconds.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        within: u64,
    },
    /// Remove what the shop keeps of a person about an order that has ended, and
    /// say what is out of its reach and until when.
    #[command(
        after_help = "Example:\n  duet place --id o-1 --customer c-1 --line kettle=1 --wait\n  duet forget o-1"
    )]
    Forget {
        /// Which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// How long that may take, in seconds.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        within: u64,
    },
    /// Lists, dead letters, redrive, rules, definitions.
    #[command(flatten)]
    Operator(crate::operator::Operator),
    /// Write the JSON Schemas and the event table from the code, or check them.
    #[command(after_help = "Example: duet contracts --check")]
    Contracts {
        /// Write nothing; fail if what is checked in is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Print a completion script.
    #[command(after_help = "Example: duet completions bash > duet.bash")]
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(after_help = "Example: duet man > duet.1")]
    Man,
}

/// `example`, and the kinds of faults below it.
fn with_faults(example: &str) -> String {
    let kinds = Fault::ALL.iter().map(|kind| {
        let (name, about, rate) = (kind.name(), kind.about(), kind.rate() * 100.0);
        format!("  {name:<22}{about} ({rate:.0} % of {})", kind.touches())
    });
    let kinds: Vec<String> = kinds.collect();
    format!(
        "{example}\n\nFaults, and how often each strikes unless told otherwise:\n{}",
        kinds.join("\n")
    )
}

/// `duet up`.
#[derive(Debug, Clone, Default, Args)]
pub struct Up {
    /// A stack parameter, such as Fraud=listening; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
    /// Deploy to AWS. Without it `--on aws` only looks.
    #[arg(long)]
    pub deploy: bool,
    /// Go on though failed executions cannot be redriven afterwards, without being asked: for scripts.
    #[arg(long)]
    pub yes: bool,
    /// End the emulator when the process PID does: for test runs.
    #[arg(long, value_name = "PID", hide = true)]
    pub until_exit_of: Option<u32>,
}

/// `duet down`.
#[derive(Debug, Args)]
pub struct Down {
    /// Set the lab aside, kept as a copy, or delete the stack on AWS. Without it both stay.
    #[arg(long)]
    pub delete: bool,
    /// Delete the stack on AWS without being asked for its name: for scripts.
    #[arg(long, requires = "delete")]
    pub yes: bool,
}

/// Which variants.
#[derive(Debug, Clone, Args)]
pub struct Variants {
    /// A variant; may be repeated.
    #[arg(long = "variant", value_name = "NAME", value_parser = variant::named)]
    pub variants: Vec<&'static Variant>,
}

/// `duet demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Only this scenario; may be repeated.
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenario::named)]
    pub scenarios: Vec<&'static Scenario>,
    /// Only this variant; may be repeated [default: all that are deployed].
    #[command(flatten)]
    pub variants: Variants,
    /// Run a drill in place of the scenarios.
    #[arg(long, value_enum, value_name = "DRILL", conflicts_with = "scenarios")]
    pub drill: Option<Drill>,
    /// Place this many copies of each scenario's order at once [default: 1], or so many in each part of a drill [default: 200].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub orders: Option<u32>,
    /// How long one scenario may take, or a drill may go without progress, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub within: u64,
    /// What goes wrong; on the lab only.
    #[command(flatten)]
    pub faults: Faults,
    /// What decides where faults strike and what happens first; on the lab only [default: 1].
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

impl Demo {
    /// Refuses what only the lab can do.
    ///
    /// # Errors
    /// [`Problem`] naming the flag and the remedy.
    pub fn only_on_the_lab(&self, on: On) -> Outcome<()> {
        let flag = match (self.faults.rules().as_slice(), self.seed) {
            ([], None) => return Ok(()),
            ([], Some(_)) => "--seed",
            _ => "--fault",
        };
        if on == On::Lab {
            return Ok(());
        }
        Err(Problem::usage(format!(
            "{flag} is for the lab only: nothing else here can be made to go wrong from a seed"
        ))
        .hint("add --on lab"))
    }
}

/// `duet simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many seeds; each is a world of its own under each variant [default: 100, or with --planted at most 30 for each mistake and variant].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub from: u64,
    /// Only this seed: what happened there happens again.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "from"])]
    pub seed: Option<u64>,
    /// Only this variant; may be repeated [default: all].
    #[command(flatten)]
    pub variants: Variants,
    /// Only this scenario; may be repeated [default: all, mixed].
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenario::named)]
    pub scenarios: Vec<&'static Scenario>,
    /// Orders in one world.
    #[arg(long, default_value_t = 10, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub orders: u32,
    /// Plant mistakes, one at a time, and see whether the same checks find them under each variant where they can show; every fault strikes unless --fault says otherwise.
    #[arg(long, conflicts_with = "seed")]
    pub planted: bool,
    /// Change the state machines and what is deployed in one place at a time, and list what the checks do not notice; as --planted does, in 20 seeds of each variant.
    #[arg(long, conflicts_with_all = ["seed", "planted"])]
    pub mutants: bool,
    /// What goes wrong.
    #[command(flatten)]
    pub faults: Faults,
}

/// `duet bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// The embedded lab, on one core: states, patterns, whole happy orders, and what growth costs.
    #[command(after_help = "Example: duet bench lab --orders 10000 --output json")]
    Lab {
        /// So many orders in one world are compared with a thousand.
        #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        orders: u32,
        /// Only this variant; may be repeated [default: all].
        #[command(flatten)]
        variants: Variants,
    },
    /// What patience is worth, in the embedded lab: the orders lost while a service is out for less, and to a third party silent for longer.
    #[command(after_help = "Example: duet bench patience --orders 500 --points 200")]
    Patience {
        /// So many orders for each service, and each way and time in which it is out.
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        orders: u32,
        /// So many orders for each time, or rate, for which a third party is silent.
        #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        points: u32,
        /// Only this variant; may be repeated [default: all].
        #[command(flatten)]
        variants: Variants,
    },
}

/// What goes wrong.
#[derive(Debug, Clone, Args)]
pub struct Faults {
    /// A kind of fault, where, and how often; may be repeated. `all` is every kind at its usual rate; an outage may have a length, as in outage@payment:30s. The kinds are listed below.
    #[arg(long = "fault", value_name = "KIND[@SERVICE|STEP][:Ns][:RATE]", value_parser = faults)]
    faults: Vec<Vec<FaultRule>>,
}

impl Faults {
    /// Every rule that was given.
    #[must_use]
    pub fn rules(&self) -> Vec<FaultRule> {
        self.faults.concat()
    }
}

/// `duet place`.
#[derive(Debug, Args)]
pub struct Place {
    /// Orders as JSON: one, a list, or one per line; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lines", "id", "customer", "total", "scenario"])]
    pub file: Option<PathBuf>,
    /// The order of a scenario, under fresh names.
    #[arg(long, value_name = "NAME", value_parser = scenario::named, conflicts_with_all = ["lines", "id", "customer", "total"])]
    pub scenario: Option<&'static Scenario>,
    /// Under which variants [default: the first that is deployed].
    #[command(flatten)]
    pub variants: Variants,
    /// Under every variant that is deployed; ids get the variant's name appended.
    #[arg(long, conflicts_with = "variants")]
    pub all_variants: bool,
    /// The order's id [default: a fresh one].
    #[arg(long, value_name = "ID")]
    pub id: Option<OrderId>,
    /// The customer's id [default: a fresh one].
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// What to order; may be repeated [default: kettle=1].
    #[arg(long = "line", value_name = "SKU=QUANTITY", value_parser = line)]
    pub lines: Vec<(Sku, std::num::NonZeroU32)>,
    /// The total shown to the buyer, in minor units [default: by the catalogue].
    #[arg(long, value_name = "AMOUNT", requires = "currency")]
    pub total: Option<i64>,
    /// The total's ISO 4217 currency.
    #[arg(long, value_name = "CODE", requires = "total")]
    pub currency: Option<String>,
    /// The payment provider's token: tok_visa, tok_declined, tok_flaky, tok_down, `tok_silent_<n>s`, `tok_refund_fails_<n>`, `tok_refund_silent_<n>s`.
    #[arg(long, default_value = "tok_visa")]
    pub token: String,
    /// The addressee.
    #[arg(long, default_value = "Ada Example")]
    pub name: String,
    /// Street and number.
    #[arg(long, default_value = "Storgatan 1")]
    pub street: String,
    /// Town.
    #[arg(long, default_value = "Uppsala")]
    pub city: String,
    /// Postcode; 00000 is not served.
    #[arg(long, default_value = "75310")]
    pub postcode: String,
    /// ISO 3166-1 alpha-2 country.
    #[arg(long, default_value = "SE")]
    pub country: String,
    /// Wait until the orders are decided and no compensation is pending.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub within: u64,
}

/// `duet customer`.
#[derive(Debug, Subcommand)]
pub enum Customer {
    /// Register a customer.
    #[command(
        after_help = "Example:\n  duet customer register --id c-1 --name 'Ada Example' --email ada@example.org --country SE --wait"
    )]
    Register {
        /// The customer's id.
        #[arg(long, value_name = "ID")]
        id: CustomerId,
        /// The customer's name.
        #[arg(long)]
        name: String,
        /// The customer's e-mail address.
        #[arg(long)]
        email: String,
        /// ISO 3166-1 alpha-2 country of residence.
        #[arg(long)]
        country: String,
        /// Under which variant.
        #[arg(long, value_name = "NAME", value_parser = variant::named, default_value = variant::ALL[0].name)]
        variant: &'static Variant,
        /// Wait until the registration is decided.
        #[arg(long)]
        wait: bool,
        /// How long to wait, in seconds.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        within: u64,
    },
}

/// `duet review`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// List the reviews that wait, the most urgent first.
    #[command(after_help = "Example: duet review list")]
    List {
        /// Those that ended, too.
        #[arg(long)]
        all: bool,
    },
    /// Show one review: score, reasons, time left, how it ended.
    #[command(
        after_help = "Example:\n  duet place --id r-1 --customer c-2 --line espresso-machine=20\n  duet review show r-1"
    )]
    Show {
        /// Of which order.
        #[arg(value_name = "ORDER")]
        order: OrderId,
    },
    /// Decide that the order is what it seems.
    #[command(
        after_help = "Example:\n  duet place --id r-1 --customer c-2 --line espresso-machine=20\n  duet review approve r-1 --note 'called the customer'"
    )]
    Approve(Decision),
    /// Decide that it is fraud.
    #[command(
        after_help = "Example:\n  duet place --id r-2 --customer c-3 --line espresso-machine=20\n  duet review reject r-2 --note 'stolen card'"
    )]
    Reject(Decision),
}

/// A person's decision.
#[derive(Debug, Args)]
pub struct Decision {
    /// On which order.
    #[arg(value_name = "ORDER")]
    pub order: OrderId,
    /// Who decided, or why; at most 1000 characters.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// How long to wait until it takes effect, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub within: u64,
}

/// `duet catalog`.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Put goods into the catalogue; what is there already keeps its stock.
    #[command(after_help = "Example: duet catalog seed")]
    Seed {
        /// Goods as JSON [default: the built-in catalogue].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show every SKU with its price and counters.
    #[command(after_help = "Example: duet catalog show")]
    Show,
}

/// An endpoint's URL.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let url = text.parse::<ureq::http::Uri>().ok();
    let is_one = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
    });
    match is_one {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("write a URL such as http://127.0.0.1:4566".to_owned()),
    }
}

fn faults(text: &str) -> Result<Vec<FaultRule>, String> {
    match text {
        "all" => Ok(FaultRule::all()),
        one => one.parse().map(|rule| vec![rule]),
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if valid {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("a parameter's name is alphanumeric".to_owned())
    }
}

fn line(text: &str) -> Result<(Sku, std::num::NonZeroU32), String> {
    let (sku, quantity) = text
        .split_once('=')
        .ok_or("write SKU=QUANTITY, such as kettle=2")?;
    let sku = sku.parse().map_err(|e| format!("{sku}: {e}"))?;
    let quantity = quantity
        .parse()
        .map_err(|e| format!("quantity {quantity}: {e}"))?;
    Ok((sku, quantity))
}
