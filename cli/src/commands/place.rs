//! `duet place`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args;
use duet_core::order::{Address, Line};
use duet_core::{CustomerId, Money, OrderId, Sku};
use duet_order::command::PlaceOrder;
use serde_json::json;

use super::choose::{self, Variants};
use crate::ops::faulty::Faulty;
use crate::ops::{demo, place};
use crate::shop::scenario::Scenario;
use crate::shop::variant::Variant;
use crate::target::Target;
use crate::target::open::on;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::read;
use crate::terminal::report::{Format, print};
use crate::world::World;

/// `duet place`.
#[derive(Debug, Args)]
pub struct Place {
    /// Orders as JSON: one, a list, or one per line; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lines", "id", "customer", "total", "currency", "token", "name", "street", "city", "postcode", "country", "scenario"])]
    pub file: Option<PathBuf>,
    /// The order of a scenario, under fresh names.
    #[arg(long, value_name = "NAME", value_parser = choose::scenarios(), conflicts_with_all = ["lines", "id", "customer", "total", "currency", "token", "name", "street", "city", "postcode", "country", "wait"])]
    pub scenario: Option<&'static Scenario>,
    /// Under which variants [default: the first that is deployed].
    #[command(flatten)]
    pub variants: Variants,
    /// Under every variant that is deployed; ids get the variant's name appended.
    #[arg(long, conflicts_with = "names")]
    pub all_variants: bool,
    /// The order's id [default: a fresh one].
    #[arg(long, value_name = "ID")]
    pub id: Option<OrderId>,
    /// The customer's id [default: a fresh one].
    #[arg(long, value_name = "ID")]
    pub customer: Option<CustomerId>,
    /// What to order; may be repeated [default: kettle=1].
    #[arg(long = "line", value_name = "SKU=QUANTITY", value_parser = line)]
    pub lines: Vec<(Sku, NonZeroU32)>,
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
    /// Wait until the orders are decided and no compensation is pending. A variant whose
    /// entry answers prints the answer without it.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub within: u64,
}

/// Places what the command line says.
pub(super) async fn run(global: &Global, args: &Place) -> Outcome<Exit> {
    // What can be refused without asking anybody is refused first.
    let from_file = args.file.as_deref().map(orders_of).transpose()?;
    on!(Target::new(global)?, world => place_orders(world, args, from_file, global.output).await)
}

/// Places what the command line and the file in it say.
async fn place_orders<W: Faulty>(
    world: &W,
    args: &Place,
    from_file: Option<Vec<PlaceOrder>>,
    format: Format,
) -> Outcome<Exit> {
    let mut variants = world.variants(&args.variants.names)?;
    if args.variants.names.is_empty() && !args.all_variants {
        variants.truncate(1);
    }
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
        &place::all(world, orders, args.wait, args.within).await?,
        format,
    )
}

/// The orders in a file, each checked.
fn orders_of(path: &Path) -> Outcome<Vec<PlaceOrder>> {
    let orders: Vec<PlaceOrder> = read::all(&read::text(path)?, &path.display().to_string())?;
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
async fn by_flags<W: World>(world: &W, args: &Place) -> Outcome<PlaceOrder> {
    let fresh = format!("{:x}", world.now().as_millisecond());
    let lines = match args.lines.as_slice() {
        [] => vec![("kettle".parse().map_err(Problem::usage)?, NonZeroU32::MIN)],
        some => some.to_vec(),
    };
    let total = match (args.total, &args.currency) {
        (Some(amount), Some(currency)) => read::typed::<Money>(
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
async fn place_scenario<W: Faulty>(
    world: &W,
    args: &Place,
    scenario: &'static Scenario,
    variants: &[&'static Variant],
    format: Format,
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

fn line(text: &str) -> Result<(Sku, NonZeroU32), String> {
    let (sku, quantity) = text
        .split_once('=')
        .ok_or("write SKU=QUANTITY, such as kettle=2")?;
    let sku = sku.parse().map_err(|e| format!("{sku}: {e}"))?;
    let quantity = quantity
        .parse()
        .map_err(|e| format!("quantity {quantity}: {e}"))?;
    Ok((sku, quantity))
}
