//! `duet customer`.

use clap::Subcommand;
use duet_core::CustomerId;
use duet_customer::command::RegisterCustomer;

use crate::ops::customer;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::print;
use crate::world::World as _;

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
        /// Under which variant [default: the first that is deployed].
        #[arg(long, value_name = "NAME")]
        variant: Option<String>,
        /// Wait until the registration is decided.
        #[arg(long)]
        wait: bool,
        /// How long to wait, in seconds.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        within: u64,
    },
}

/// Registers a customer.
pub(super) async fn run(global: &Global, args: &Customer) -> Outcome<Exit> {
    let Customer::Register {
        id,
        name,
        email,
        country,
        variant,
        wait,
        within,
    } = args;
    let command = RegisterCustomer {
        customer: id.clone(),
        name: name.clone(),
        email: email.clone(),
        country: country.clone(),
    };
    command
        .check()
        .map_err(|wrong| Problem::usage(format!("{}: {}", wrong.path, wrong.problem)))?;
    let wait = wait.then_some(*within);
    on!(Target::new(global)?, world => {
        let variants = world.variants(variant.as_slice())?;
        print(&customer::register(world, variants[0], &command, wait).await?, global.output)
    })
}
