//! `duet catalog`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::ops::catalog;
use crate::shop::goods::goods;
use crate::target::Target;
use crate::target::open::{look_on, on};
use crate::terminal::exit::{Exit, Outcome};
use crate::terminal::global::Global;
use crate::terminal::report::print;

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

/// Seeds the catalogue, or shows it.
pub(super) async fn run(global: &Global, args: &Catalog) -> Outcome<Exit> {
    match args {
        Catalog::Seed { file } => {
            let goods = goods(file.as_deref())?;
            on!(Target::new(global)?, world => print(
                &catalog::seed(world, &goods).await?,
                global.output,
            ))
        }
        Catalog::Show => {
            look_on!(Target::new(global)?, world => print(&catalog::show(world).await?, global.output))
        }
    }
}
