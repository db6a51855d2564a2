//! `duet schemas`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::ops::schemas::{bindings, check};
use crate::target;
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::report::{Format, print};

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
pub(super) fn run(command: &Schemas, format: Format) -> Outcome<Exit> {
    match command {
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

/// The checkout's own releases, if `place` lies in it.
fn own_releases(place: &str) -> Option<PathBuf> {
    let root = target::root().ok()?;
    let place = Path::new(place).canonicalize().ok()?;
    let folder = root.join("infra/schemas/released");
    (place.starts_with(root.canonicalize().ok()?) && folder.is_dir()).then_some(folder)
}
