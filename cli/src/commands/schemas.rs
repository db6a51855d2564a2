//! `duet schemas`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::ops::schemas::{bindings, check, discover, registry};
use crate::target::open::{For, Opened, left};
use crate::target::{self, Target};
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::report::print;
use crate::world::lab::Lab;

/// `duet schemas`.
#[derive(Debug, Subcommand)]
pub enum Schemas {
    /// Tell what a change of schemas breaks, and whose code: 1 if anything does, or may.
    #[command(
        after_help = "Example:\n  duet schemas check HEAD:infra/schemas infra/schemas\n  duet schemas check infra/schemas/released/0.1.0 infra/schemas --output json"
    )]
    Check(Check),
    /// Write a crate of types for schemas of events: strict about values, open for what is new.
    #[command(
        after_help = "Example:\n  duet schemas bindings --lang rust infra/schemas/events --within data --out shop\n  cargo test --manifest-path shop/Cargo.toml"
    )]
    Bindings(Bindings),
    /// Infer schemas from events, as EventBridge's discoverer does it: OpenAPI 3, without values.
    #[command(
        after_help = "Example:\n  duet events tail --within 5m --output json > events.jsonl\n  duet schemas discover --from events.jsonl\n  duet schemas discover --from events.jsonl --out seen"
    )]
    Discover(Discover),
    /// List the schemas in the registry of the lab's stack.
    #[command(after_help = "Example:\n  duet schemas list\n  duet schemas list --output json")]
    List,
    /// Write the schemas in the registry of the lab's stack as files, which `duet schemas check` reads.
    #[command(
        after_help = "Example:\n  duet schemas export --out registered\n  duet schemas check registered registered"
    )]
    Export(Export),
}

/// `duet schemas discover`.
#[derive(Debug, Args)]
pub struct Discover {
    /// Events as JSON, one a line or in a list, each with source, detail-type and detail; `-` is standard input.
    #[arg(long, value_name = "EVENTS")]
    pub from: PathBuf,
    /// Write each schema into a file of its name in this folder [default: print all].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `duet schemas export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder: new, empty, or written by this command before.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `duet schemas check`.
#[derive(Debug, Args)]
pub struct Check {
    /// What it was: a file, a folder, REV:path in git, or an export of EventBridge's schema registry.
    #[arg(value_name = "OLD")]
    pub old: String,
    /// What it is now.
    #[arg(value_name = "NEW")]
    pub new: String,
    /// A folder with a folder for each release [default: infra/schemas/released, for what lies in this checkout].
    #[arg(long, value_name = "DIR")]
    pub released: Option<PathBuf>,
    /// They are commands, wherever they lie: reader and writer are both strict.
    #[arg(long)]
    pub strict: bool,
}

/// `duet schemas bindings`.
#[derive(Debug, Args)]
pub struct Bindings {
    /// The schemas: a file, a folder, REV:path in git, or an export of EventBridge's schema registry.
    #[arg(value_name = "FOLDER|EXPORT")]
    pub schemas: String,
    /// The language.
    #[arg(long, value_enum)]
    pub lang: Language,
    /// The folder of the crate: new, empty, or written by this command before.
    #[arg(long, value_name = "CRATE")]
    pub out: PathBuf,
    /// The member of an envelope's `detail` that the schemas describe [default: `detail` itself].
    #[arg(long, value_name = "MEMBER")]
    pub within: Option<String>,
}

/// A language to write types in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust.
    Rust,
}

/// Does what was asked.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when something is not there, or is no
/// schema.
pub(super) async fn run(global: &Global, command: &Schemas) -> Outcome<Exit> {
    let format = global.output;
    match command {
        Schemas::List => registered(global, |world| print(&registry::list(world)?, format)).await,
        Schemas::Discover(args) => {
            let found = discover::discover(&args.from)?;
            match &args.out {
                Some(out) => print(&found.write(out)?, format),
                None => print(&found, format),
            }
        }
        Schemas::Export(args) => {
            let export = |world: &Lab| print(&registry::export(world, &args.out)?, format);
            registered(global, export).await
        }
        Schemas::Check(args) => {
            let released = args.released.clone().or_else(|| own_releases(&args.new));
            let changes = check::check(&args.old, &args.new, released.as_deref(), args.strict)?;
            print(&changes, format)
        }
        Schemas::Bindings(args) => match args.lang {
            Language::Rust => {
                let within = args.within.as_deref();
                print(&bindings::write(&args.schemas, &args.out, within)?, format)
            }
        },
    }
}

/// Does something with the registry of the lab's stack; no other is read.
async fn registered(global: &Global, act: impl FnOnce(&Lab) -> Outcome<Exit>) -> Outcome<Exit> {
    let why = match global.on {
        On::Lab => None,
        On::Local => Some((
            "the emulator has no schema registry",
            "leave out --on local: the lab has the same schemas",
        )),
        On::Aws => Some((
            "the schema registry is not read on AWS",
            "aws schemas list-schemas --registry-name duet-facts; aws schemas export-schema --registry-name duet-facts --schema-name duet.order@NewOrder --type JSONSchemaDraft4",
        )),
    };
    if let Some((why, instead)) = why {
        return Err(Problem::environment(why).hint(instead));
    }
    match Target::new(global)?.open(For::Looking).await? {
        Opened::Lab(lasting) => match act(&lasting.world) {
            Ok(exit) => left(Ok(exit), lasting.close()),
            nothing => nothing,
        },
        #[cfg(feature = "aws")]
        Opened::Aws(_) => Err(Problem::usage("the schema registry is not read there")),
    }
}

/// The checkout's own releases, if `place` lies in it.
fn own_releases(place: &str) -> Option<PathBuf> {
    let root = target::root().ok()?;
    let place = Path::new(place).canonicalize().ok()?;
    let folder = root.join("infra/schemas/released");
    (place.starts_with(root.canonicalize().ok()?) && folder.is_dir()).then_some(folder)
}
