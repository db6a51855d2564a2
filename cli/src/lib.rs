//! The `duet` command: drives, inspects and compares the order system.
//!
//! Commands are written against a [`world::World`]; where that world is (an
//! emulator on this machine, or AWS) is [`stack`]'s business. Every command
//! returns a [`report::Report`], printed as text or JSON.

pub mod args;
pub mod asl;
pub mod catalog;
pub mod consent;
pub mod contracts;
pub mod customer;
pub mod demo;
pub mod dlq;
pub mod drill;
pub mod events;
pub mod exit;
pub mod forget;
pub mod input;
pub mod invariants;
pub mod local;
pub mod logs;
pub mod message;
pub mod opened;
pub mod operator;
pub mod orders;
pub mod place;
pub mod redrive;
pub mod removal;
pub mod repair;
pub mod replay;
pub mod report;
pub mod review;
pub mod rollout;
pub mod rules;
pub mod scenario;
pub mod show;
pub mod stack;
pub mod terminal;
pub mod timeline;
pub mod variant;
pub mod view;
pub mod world;

use std::collections::BTreeMap;

use clap::CommandFactory;
use duet_core::order::{Address, Line};
use duet_core::{CustomerId, Money, OrderId};
use duet_customer::command::RegisterCustomer;
use duet_fraud::command::Verdict;
use duet_order::command::PlaceOrder;
use serde_json::json;

use crate::args::{Catalog, Cli, Command, Customer, On};
use crate::drill::Drill;
use crate::exit::{Exit, Outcome, Problem};
use crate::opened::on;
use crate::report::print;
use crate::stack::Place;
use crate::variant::Variant;
use crate::world::World;
use crate::world::operate::Operate;
use crate::world::replaying::Replayable;

/// Does what the command line says.
///
/// # Errors
/// [`Problem`] with the exit code, what was wrong, and what to do.
pub async fn run(cli: Cli) -> Outcome<Exit> {
    cli.global.check()?;
    let format = cli.global.output;
    let place = || Place::new(&cli.global);
    match &cli.command {
        Command::Up(up) => print(&place()?.up(up).await?, format),
        Command::Down(down) => print(&place()?.down(down).await?, format),
        Command::Status => print(&place()?.status().await?, format),
        Command::Demo(demo) => {
            demo.only_on_the_lab(cli.global.on)?;
            match (demo.drill, cli.global.on) {
                (Some(drill), _) => run_drill(&cli.global, drill, demo).await,
                (None, On::Lab) => run_demo(&lab(demo, 30, &[])?, demo, format).await,
                (None, On::Local) => run_demo(&place()?.up_as_it_is().await?, demo, format).await,
                (None, On::Aws) => on!(place()?, world => run_demo(world, demo, format).await),
            }
        }
        Command::Simulate(args) if args.planted => print(&planted(args)?, format),
        Command::Simulate(args) if args.mutants => print(&mutants(args)?, format),
        Command::Simulate(args) => print(&simulate(args)?, format),
        Command::Bench(args::Bench::Lab { orders, variants }) => {
            let definitions = world::lab::definitions(&BTreeMap::new())?;
            let variants = of_all(&variants.variants);
            print(
                &world::lab::bench::run(&definitions, &variants, *orders)?,
                format,
            )
        }
        Command::Bench(args::Bench::Patience {
            orders,
            points,
            variants,
        }) => {
            let definitions = world::lab::definitions(&BTreeMap::new())?;
            let variants = of_all(&variants.variants);
            let sizes = (*orders, *points);
            let bench =
                world::lab::bench::patience::run(&definitions, &variants, sizes, threads())?;
            print(&bench, format)
        }
        Command::Place(args) => {
            // What can be refused without asking anybody is refused first.
            let from_file = args.file.as_deref().map(orders_of).transpose()?;
            on!(place()?, world => place_orders(world, args, from_file, format).await)
        }
        Command::Customer(Customer::Register {
            id,
            name,
            email,
            country,
            variant,
            wait,
            within,
        }) => {
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
            on!(place()?, world => print(
                &customer::register(world, variant, &command, wait).await?,
                format,
            ))
        }
        Command::Catalog(Catalog::Seed { file }) => {
            let entries = catalog::entries(file.as_deref())?;
            on!(place()?, world => print(&catalog::seed(world, &entries).await?, format))
        }
        Command::Catalog(Catalog::Show) => {
            on!(place()?, world => print(&catalog::show(world).await?, format))
        }
        Command::Show {
            order,
            timeline: true,
            format: form,
        } => {
            on!(place()?, world => {
                let timeline = timeline::read(world, order.as_str()).await?;
                timeline::print(&timeline, form.unwrap_or(format.into()))
            })
        }
        Command::Show { order, .. } => {
            on!(place()?, world => print(&show::show(world, order.as_str()).await?, format))
        }
        Command::Watch { order, within } => {
            on!(place()?, world => show::watch(world, order.as_str(), *within, format).await)
        }
        Command::Review(args::Review::List { all }) => {
            on!(place()?, world => print(&review::list(world, *all).await?, format))
        }
        Command::Review(args::Review::Show { order }) => {
            on!(place()?, world => print(&review::show(world, order).await?, format))
        }
        Command::Review(args::Review::Approve(decision)) => {
            on!(place()?, world => print(&decide(world, decision, Verdict::Approve).await?, format))
        }
        Command::Review(args::Review::Reject(decision)) => {
            on!(place()?, world => print(&decide(world, decision, Verdict::Reject).await?, format))
        }
        Command::Repair { order, within } => {
            on!(place()?, world => print(&repair::repair(world, order, *within).await?, format))
        }
        Command::Forget { order, within } => {
            on!(place()?, world => print(&forget::forget(world, order, *within).await?, format))
        }
        Command::Operator(operator) => operator::run(&cli.global, operator).await,
        Command::Contracts { check } => print(&contracts::run(&stack::root()?, *check)?, format),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "duet", &mut script);
            terminal::line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(Exit::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(Problem::environment)?;
            terminal::line(String::from_utf8_lossy(&page).trim_end())?;
            Ok(Exit::Done)
        }
    }
}

/// Places what the command line and the file in it say.
async fn place_orders<W: World>(
    world: &W,
    args: &args::Place,
    from_file: Option<Vec<PlaceOrder>>,
    format: report::Format,
) -> Outcome<Exit> {
    let variants = match (args.all_variants, args.variants.variants.as_slice()) {
        (true, _) => chosen(world, &[]),
        (false, []) => chosen(world, &[]).into_iter().take(1).collect(),
        (false, some) => some.to_vec(),
    };
    let orders = match (from_file, args.scenario) {
        (Some(orders), _) => orders,
        (None, Some(scenario)) => {
            return place_scenario(world, args, scenario, &variants, format).await;
        }
        (None, None) => vec![by_flags(world, args).await?],
    };
    let orders = under(orders, &variants)?;
    for (_, order) in &orders {
        place::check(order)?;
    }
    print(
        &place::all(world, orders, args.wait.then_some(args.within)).await?,
        format,
    )
}

/// Brings a person's decision.
async fn decide<W: World>(
    world: &W,
    decision: &args::Decision,
    verdict: Verdict,
) -> Outcome<review::Decided> {
    let note = decision.note.as_deref();
    review::decide(world, &decision.order, verdict, note, decision.within).await
}

/// A fresh world in this process, with little patience, `review_seconds` to decide
/// a review, `more` parameters, and going wrong in it what `demo` says.
fn lab(demo: &args::Demo, review_seconds: u32, more: &[(&str, &str)]) -> Outcome<world::lab::Lab> {
    let review_seconds = review_seconds.to_string();
    let parameters = [stack::LITTLE_PATIENCE, ("ReviewSeconds", &review_seconds)];
    let all = parameters.iter().chain(more);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let definitions = world::lab::definitions(&all.collect())?;
    let config = duet_lab::Config {
        seed: demo.seed.unwrap_or(1),
        faults: demo.faults.rules(),
        keep_succeeded: true,
        ..duet_lab::Config::default()
    };
    world::lab::Lab::new(&definitions, config)
}

/// Runs many worlds in this process.
fn simulate(args: &args::Simulate) -> Outcome<world::lab::simulate::SimulationReport> {
    let definitions = world::lab::simulate::definitions(&BTreeMap::new())?;
    world::lab::simulate::run(&definitions, &worlds(args, 100))
}

/// Looks for planted mistakes in many worlds in this process.
fn planted(args: &args::Simulate) -> Outcome<world::lab::planted::PlantedReport> {
    let mut options = worlds(args, world::lab::planted::SEEDS);
    if options.faults.is_empty() {
        options.faults = duet_lab::FaultRule::all();
    }
    world::lab::planted::run(duet_lab::Plant::ALL, &options, &BTreeMap::new())
}

/// Looks for changes of what is deployed that nobody notices.
fn mutants(args: &args::Simulate) -> Outcome<world::lab::mutants::MutantsReport> {
    let mut options = worlds(args, world::lab::mutants::SEEDS);
    if options.faults.is_empty() {
        options.faults = duet_lab::FaultRule::all();
    }
    world::lab::mutants::run(&options)
}

/// The worlds that the command line asks for, of so many seeds unless it says.
fn worlds(args: &args::Simulate, seeds: u64) -> world::lab::simulate::Options {
    let seeds = args.seeds.unwrap_or(seeds);
    let (from, seeds) = args.seed.map_or((args.from, seeds), |seed| (seed, 1));
    world::lab::simulate::Options {
        seeds,
        from,
        variants: of_all(&args.variants.variants),
        orders: args.orders as usize,
        faults: args.faults.rules(),
        scenarios: args.scenarios.clone(),
        threads: threads(),
    }
}

/// How many worlds run side by side.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The variants asked for, or all there are.
fn of_all(asked: &[&'static Variant]) -> Vec<&'static Variant> {
    match asked {
        [] => variant::ALL.iter().collect(),
        some => some.to_vec(),
    }
}

/// Runs what the command line chose of the demo.
async fn run_demo<W: World>(world: &W, demo: &args::Demo, format: report::Format) -> Outcome<Exit> {
    let choice = choice(world, demo)?;
    print(&demo::run(world, &choice).await?, format)
}

/// Which scenarios, under which variants, how often.
fn choice<W: World>(world: &W, demo: &args::Demo) -> Outcome<demo::Choice> {
    let scenarios = match demo.scenarios.as_slice() {
        [] => scenario::ALL.iter().collect(),
        some => some.to_vec(),
    };
    let choice = demo::Choice {
        scenarios,
        variants: chosen(world, &demo.variants.variants),
        copies: demo.orders.unwrap_or(1) as usize,
        within: demo.within,
        faults: !demo.faults.rules().is_empty(),
    };
    choice.fit(world, !demo.scenarios.is_empty())
}

/// Runs a drill where the command line says.
async fn run_drill(global: &args::Global, drill: Drill, demo: &args::Demo) -> Outcome<Exit> {
    let format = global.output;
    let place = || Place::new(global);
    // What breaks on AWS breaks for everybody.
    let breakable = || {
        let place = place()?;
        place.may_break().map(|()| place)
    };
    let reviews = drill.review_seconds();
    let quick = drill::outage::TASK_TIMEOUT;
    match (drill, global.on) {
        (Drill::Outage, On::Lab) => outage(&lab(demo, reviews, &[quick])?, demo, format).await,
        (Drill::Outage, On::Local) => outage(&place()?.up_for_outage().await?, demo, format).await,
        (Drill::Outage, On::Aws) => {
            on!(breakable()?, world => outage(world, demo, format).await)
        }
        (Drill::Replay, On::Lab) => replay(&lab(demo, reviews, &[quick])?, demo, format).await,
        (Drill::Replay, On::Local) => replay(&place()?.up_as_it_is().await?, demo, format).await,
        (Drill::Replay, On::Aws) => {
            on!(breakable()?, world => replay(world, demo, format).await)
        }
        (Drill::Rollout, On::Lab) => {
            let off = (rollout::FRAUD, "off");
            turn(&lab(demo, reviews, &[off])?, demo, format).await
        }
        (Drill::Rollout, On::Local) => turn(&place()?.for_rollout(), demo, format).await,
        (Drill::Rollout, On::Aws) => turn(&breakable()?.for_rollout(), demo, format).await,
    }
}

async fn outage<W: Operate>(world: &W, demo: &args::Demo, format: report::Format) -> Outcome<Exit> {
    let choice = drill::outage::Choice {
        variants: chosen(world, &demo.variants.variants),
        orders: drilled(demo),
        within: demo.within,
    };
    print(&drill::outage::run(world, &choice).await?, format)
}

async fn replay<W: Replayable>(
    world: &W,
    demo: &args::Demo,
    format: report::Format,
) -> Outcome<Exit> {
    let choice = choice(world, demo)?;
    print(&drill::replay::run(world, &choice).await?, format)
}

async fn turn<T: drill::rollout::Turned>(
    shop: &T,
    demo: &args::Demo,
    format: report::Format,
) -> Outcome<Exit> {
    let choice = drill::rollout::Choice {
        variants: demo.variants.variants.clone(),
        orders: drilled(demo),
        within: demo.within,
    };
    print(&drill::rollout::run(shop, &choice).await?, format)
}

/// How many orders a part of a drill has.
fn drilled(demo: &args::Demo) -> usize {
    demo.orders.map_or(drill::PLACED, |orders| orders as usize)
}

/// The variants asked for, or all that are deployed.
pub(crate) fn chosen<W: World>(world: &W, asked: &[&'static Variant]) -> Vec<&'static Variant> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let there = &world.deployment().variants;
    variant::ALL
        .iter()
        .filter(|variant| there.contains(&variant.name))
        .collect()
}

/// The orders in a file, each checked.
fn orders_of(path: &std::path::Path) -> Outcome<Vec<PlaceOrder>> {
    let orders: Vec<PlaceOrder> = input::all(&input::read(path)?, &path.display().to_string())?;
    orders.iter().try_for_each(place::check)?;
    Ok(orders)
}

/// Each order under each variant; with several variants, each gets ids of its
/// own, for no two variants may share one.
fn under(
    orders: Vec<PlaceOrder>,
    variants: &[&'static Variant],
) -> Outcome<Vec<(&'static Variant, PlaceOrder)>> {
    let pairs = orders
        .iter()
        .flat_map(|order| variants.iter().map(move |variant| (*variant, order)));
    pairs
        .map(|(variant, order)| {
            let mut order = order.clone();
            if variants.len() > 1 {
                let id = format!("{}-{}", order.order, variant.name);
                order.order = OrderId::try_from(id.clone())
                    .map_err(|why| Problem::usage(format!("order {id}: order: {why}")))?;
            }
            Ok((variant, order))
        })
        .collect()
}

/// The order that the flags describe.
async fn by_flags<W: World>(world: &W, args: &args::Place) -> Outcome<PlaceOrder> {
    let fresh = format!("{:x}", world.now().as_millisecond());
    let lines = match args.lines.as_slice() {
        [] => vec![(
            "kettle".parse().map_err(Problem::usage)?,
            std::num::NonZeroU32::MIN,
        )],
        some => some.to_vec(),
    };
    let total = match (args.total, &args.currency) {
        (Some(amount), Some(currency)) => input::typed::<Money>(
            json!({ "amount": amount, "currency": currency }),
            "--total, --currency",
        )?,
        _ => {
            let lines: Vec<_> = lines
                .iter()
                .map(|(sku, quantity)| (sku.clone(), quantity.get()))
                .collect();
            place::total(world, &lines).await?
        }
    };
    let order = match &args.id {
        Some(id) => id.clone(),
        None => OrderId::try_from(format!("o-{fresh}")).map_err(Problem::usage)?,
    };
    let customer = match &args.customer {
        Some(id) => id.clone(),
        None => CustomerId::try_from(format!("guest-{fresh}")).map_err(Problem::usage)?,
    };
    Ok(PlaceOrder {
        order,
        customer,
        lines: lines
            .into_iter()
            .map(|(sku, quantity)| Line { sku, quantity })
            .collect(),
        total,
        payment_token: args.token.clone(),
        ship_to: Address {
            name: args.name.clone(),
            street: args.street.clone(),
            city: args.city.clone(),
            postcode: args.postcode.clone(),
            country: args.country.clone(),
        },
    })
}

/// Runs a scenario's plan as the demo does, without comparing.
async fn place_scenario<W: World>(
    world: &W,
    args: &args::Place,
    scenario: &'static scenario::Scenario,
    variants: &[&'static Variant],
    format: report::Format,
) -> Outcome<Exit> {
    let choice = demo::Choice {
        scenarios: vec![scenario],
        variants: variants.to_vec(),
        copies: 1,
        within: args.within,
        faults: false,
    };
    print(&demo::run(world, &choice.fit(world, true)?).await?, format)
}
