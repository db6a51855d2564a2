//! Steps and waits of a rollout, and what stops one, in the lab.

mod worlds;

use std::io::IsTerminal as _;
use std::sync::Mutex;

use duet_core::OrderId;
use duet_fraud::command::Verdict;
use duet_lab::{Config, Update, bundled};
use serde_json::json;

use super::*;
use crate::ops::{catalog, customer, place, review};
use crate::shop::scenario;
use crate::shop::services::TableOf;
use crate::shop::variant::{self, Description, Variant};
use crate::terminal::exit::Exit;
use crate::world::World;
use crate::world::lab::Lab;

fn given(parameters: &[(&str, &str)]) -> Parameters {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(owned).collect()
}

/// A lab, with every update that was asked of it, and when.
struct Watched {
    lab: Lab,
    asked: Mutex<Vec<(Timestamp, Fraud)>>,
}

impl Watched {
    fn new(parameters: &[(&str, &str)], faults: &[&str]) -> Self {
        let definitions = crate::world::lab::definitions(&given(parameters)).unwrap();
        let config = Config {
            seed: 5,
            faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
            keep_succeeded: true,
            ..Config::default()
        };
        Self {
            lab: Lab::new(&definitions, config).unwrap(),
            asked: Mutex::default(),
        }
    }

    async fn to(&self, parameters: &[(&str, &str)], yes: bool) -> Outcome<Vec<Update>> {
        roll_out(self, ("duet", &bundled()), &given(parameters), yes).await
    }

    /// The states it was brought to, and how many seconds after the last update.
    fn steps(&self) -> Vec<(i64, Fraud)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.dedup_by_key(|(_, to)| *to);
        let from = asked.first().map_or(Timestamp::MIN, |(at, _)| *at);
        let seconds = |at: Timestamp| at.duration_since(from).as_secs();
        asked.iter().map(|(at, to)| (seconds(*at), *to)).collect()
    }

    async fn order(&self, of: &str, variant: &'static Variant, stem: &str) -> OrderId {
        let stem = format!("{stem}-{}", variant.name);
        let patience = self.lab.deployment().patience_seconds;
        let plan = scenario::named(of).unwrap().plan(&stem, 1, patience);
        catalog::seed(&self.lab, &plan.goods).await.unwrap();
        let order = &plan.waves[0][0];
        place::submit(&self.lab, variant, order).await.unwrap();
        order.order.clone()
    }

    async fn confirmed(&self, order: &OrderId) -> bool {
        let there = place::find(&self.lab, order.as_str()).await.unwrap();
        there.is_some_and(|order| place::word(&order.standing()) == "Confirmed")
    }
}

impl Shop for Watched {
    type World = Lab;
    type Done = Update;
    const KEEPS: bool = Lab::KEEPS;

    async fn there(&self) -> Outcome<Option<There>> {
        self.lab.there().await
    }

    async fn world(&self) -> Outcome<Lab> {
        Ok(self.lab.clone())
    }

    async fn update(&self, parameters: &Parameters) -> Outcome<Update> {
        let to = Fraud::of(|name| parameters.get(name).cloned()).unwrap_or(Fraud::On);
        self.asked.lock().unwrap().push((self.lab.now(), to));
        Shop::update(&self.lab, parameters).await
    }
}

fn since_the_last(shop: &Watched, updates: &[Update]) -> i64 {
    let asked = shop.asked.lock().unwrap();
    let (at, _) = asked.last().unwrap();
    let before = &updates[updates.len() - 2];
    at.duration_since(before.complete).as_secs()
}

/// `Fraud` as it says, in a shop without the variants whose filters take their time to
/// hold.
fn unfiltered(fraud: &str) -> [(&str, &str); 3] {
    let [topics, fifo] = UNFILTERED;
    [("Fraud", fraud), topics, fifo]
}

const UNFILTERED: [(&str, &str); 2] = [("WithTopics", "false"), ("WithFifo", "false")];

#[tokio::test]
async fn a_jump_goes_through_listening_with_a_wait() {
    for (from, to) in [("off", "on"), ("on", "off")] {
        let shop = Watched::new(&unfiltered(from), &[]);
        let updates = shop.to(&unfiltered(to), false).await.unwrap();
        let states: Vec<Fraud> = shop.steps().into_iter().map(|(_, to)| to).collect();
        let to = Fraud::of(|_| Some(to.to_owned())).unwrap();
        assert_eq!(states, [Fraud::Listening, to]);
        assert_eq!(updates.len(), 2);
        // A minute from when the last instance of before is gone: five at most.
        assert!((60..=360).contains(&since_the_last(&shop, &updates)));
        assert_eq!(shop.lab.deployment().fraud, to);
    }
}

#[tokio::test]
async fn one_that_was_stopped_goes_on_where_it_was() {
    let shop = Watched::new(&unfiltered("off"), &[]);
    shop.to(&unfiltered("listening"), false).await.unwrap();
    let since = shop.lab.there().await.unwrap().unwrap().since;
    let left = since.duration_since(shop.lab.now()).as_millis();
    shop.lab.pause(left.max(0) as u64 + 45_000).await;
    let called = shop.lab.now();
    shop.to(&unfiltered("on"), false).await.unwrap();
    // 45 of the 60 seconds had passed.
    let (asked, _) = *shop.asked.lock().unwrap().last().unwrap();
    assert_eq!(asked.duration_since(called).as_secs(), 15);
    // Long after the last update nobody waits.
    shop.lab.pause(3_600_000).await;
    let called = shop.lab.now();
    shop.to(&unfiltered("listening"), false).await.unwrap();
    let (asked, _) = *shop.asked.lock().unwrap().last().unwrap();
    assert_eq!(asked, called);
}

#[test]
fn how_long_it_listens_is_read_from_what_is_deployed() {
    let files = bundled();
    let plain = read(&files, "duet", &given(&UNFILTERED)).unwrap();
    assert_eq!(listening_for(&plain), 60);
    let filtered = read(&files, "duet", &Parameters::new()).unwrap();
    assert_eq!(listening_for(&filtered), 900);
    let emulated = read(&files, "duet", &given(&[("Emulated", "true")])).unwrap();
    assert_eq!(listening_for(&emulated), 0);
}

#[tokio::test]
async fn what_is_still_needed_is_not_taken_out() {
    let shop = Watched::new(&[], &[]);
    let mut orders = Vec::new();
    for variant in variant::ALL.iter() {
        orders.push(shop.order("review-approve", variant, "r").await);
    }
    shop.lab.pause(60_000).await;
    let refused = shop.to(&[("Fraud", "off")], false).await.unwrap_err();
    // The first step was made, the second not.
    assert_eq!(refused.exit, Exit::Failed);
    assert_eq!(shop.steps().len(), 1);
    assert_eq!(shop.lab.deployment().fraud, Fraud::Listening);
    let said = refused.to_string();
    let all = orders.len();
    for part in [
        "fraud detection cannot be taken out".to_owned(),
        "1 executions running on duet-order: ".to_owned(),
        format!("{all} undecided orders that wait for fraud's word: "),
        format!("{all} open reviews: "),
        orders[0].to_string(),
        "goes on where it was".to_owned(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    for order in &orders {
        review::decide(&shop.lab, order, Verdict::Approve, None, 60)
            .await
            .unwrap();
    }
    shop.lab.pause(60_000).await;
    shop.to(&[("Fraud", "off")], false).await.unwrap();
    assert_eq!(shop.lab.deployment().fraud, Fraud::Off);
    for order in &orders {
        assert!(shop.confirmed(order).await, "{order}");
    }
}

/// The parameters that leave out `variant`, tried one by one.
fn without(variant: &Variant) -> Parameters {
    let all = read(&bundled(), "duet", &Parameters::new()).unwrap();
    let offers = |definitions: &Definitions| {
        let all = Description::all(&definitions.outputs).unwrap();
        all.iter().any(|one| one.variant == *variant)
    };
    let on = all.values.iter().filter(|(_, value)| *value == "true");
    let mut each = on.map(|(name, _)| given(&[(name, "false")]));
    let leaves_out = |parameters: &Parameters| {
        read(&bundled(), "duet", parameters).is_ok_and(|definitions| !offers(&definitions))
    };
    each.find(leaves_out).expect("a parameter")
}

#[tokio::test]
async fn a_variant_is_not_taken_out_while_one_of_its_orders_is_not_whole() {
    for variant in variant::ALL.iter() {
        let shop = Watched::new(&[], &[]);
        let parameters = without(variant);
        let go = async || {
            let files = bundled();
            roll_out(&shop, ("duet", &files), &parameters, false).await
        };
        // Others are of no concern.
        for other in variant::ALL.iter().filter(|other| *other != variant) {
            shop.order("review-approve", other, "o").await;
        }
        let open = shop.order("review-approve", variant, "u").await;
        shop.lab.pause(60_000).await;
        let said = go().await.unwrap_err().to_string();
        let name = variant.name;
        assert!(
            said.contains(&format!("{name} cannot be taken out")),
            "{said}"
        );
        let row = format!("1 undecided orders under {name}: {open}");
        assert!(said.contains(&row), "{said}");
        review::decide(&shop.lab, &open, Verdict::Approve, None, 60)
            .await
            .unwrap();
        let owed = shop.order("refund-fails", variant, "f").await;
        shop.lab.pause(90 * 60_000).await;
        let said = go().await.unwrap_err().to_string();
        let row = format!("1 orders under {name} of which something is owed: {owed}");
        assert!(said.contains(&row), "{said}");
        assert!(shop.asked.lock().unwrap().is_empty());
        crate::ops::repair::repair(&shop.lab, &owed, 600)
            .await
            .unwrap();
        shop.lab.pause(60_000).await;
        go().await.unwrap();
        assert!(!shop.lab.deployment().variants.contains(&name));
    }
}

#[tokio::test]
async fn dead_letters_and_messages_that_would_go_are_named() {
    let shop = Watched::new(&[("Fraud", "listening")], &[]);
    let queue = &format!("duet-{}-commands", TableOf::Fraud.name());
    shop.lab
        .with(|lab| lab.send_text(queue, "{", "nobody"))
        .unwrap();
    shop.lab.pause(60_000).await;
    let said = shop.to(&[("Fraud", "off")], false).await.unwrap_err();
    let row = format!("1 messages in queues that go: {queue}-dlq");
    assert!(said.to_string().contains(&row), "{said}");
}

#[tokio::test]
async fn failed_executions_that_could_be_redriven_are_named_and_asked_about() {
    let shop = Watched::new(&[], &["store-fault@NotifyActivated:1"]);
    let register = serde_json::from_value(json!({
        "customer": "ada", "name": "Ada", "email": "ada@example.org", "country": "SE",
    }));
    let variant = variant::ALL.iter().find(|it| it.keeps_executions).unwrap();
    customer::register(&shop.lab, variant, &register.unwrap(), None)
        .await
        .unwrap();
    shop.lab.pause(60 * 60_000).await;
    shop.to(&[("Fraud", "listening")], false).await.unwrap();
    let before = read(&bundled(), "duet", &given(&[("Fraud", "listening")])).unwrap();
    let after = read(&bundled(), "duet", &given(&[("Fraud", "off")])).unwrap();
    let going = Going::between(&before, &after);
    let (lost, told) = going.lost(&shop.lab).await.unwrap();
    assert!(told, "the lab knows");
    let row = lost.iter().map(ToString::to_string).collect::<String>();
    assert_eq!(row, "1 failed executions on duet-customer: ada");
    if !std::io::stdin().is_terminal() {
        let refused = shop.to(&[("Fraud", "off")], false).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.to_string().contains("--yes"), "{refused}");
        assert_eq!(shop.lab.deployment().fraud, Fraud::Listening);
    }
    shop.to(&[("Fraud", "off")], true).await.unwrap();
    assert_eq!(shop.lab.deployment().fraud, Fraud::Off);
}
