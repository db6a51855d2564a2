//! The drill in the lab, small, and what it must not take for granted.

use std::collections::BTreeMap;

use duet_lab::Config;

use super::*;
use crate::shop::parameters::LITTLE_PATIENCE;
use crate::shop::variant;
use crate::terminal::report::Report;
use crate::world::lab::definitions;

fn lab(seed: u64) -> Lab {
    let parameters = [LITTLE_PATIENCE, ("ReviewSeconds", "3600"), (FRAUD, "off")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let parameters: BTreeMap<_, _> = parameters.map(owned).into();
    let config = Config {
        seed,
        keep_succeeded: true,
        ..Config::default()
    };
    Lab::new(&definitions(&parameters).unwrap(), config).unwrap()
}

fn choice() -> Choice {
    Choice {
        variants: Vec::new(),
        orders: 10,
        within: 120,
    }
}

#[tokio::test]
async fn a_shop_that_is_turned_on_and_off_loses_nothing() {
    for seed in 1..=3 {
        let drill = run(&lab(seed), &choice()).await.unwrap();
        assert_eq!(drill.exit(), Exit::Done, "seed {seed}: {}", drill.text());
        assert_eq!(drill.parts.len(), STAGES.len() * variant::ALL.len());
        assert!(drill.refused);
        for part in &drill.parts {
            assert!(part.orders >= 10 && part.customers > 0, "{part:?}");
            assert_eq!(part.reviews > 0, part.name == "on", "{part:?}");
            assert_eq!((part.lost, part.parked, part.timed_out), (0, 0, 0));
        }
    }
}

/// A shop that is turned by a deploy by hand: without a wait, refusing nothing.
struct ByHand(Lab);

impl Turned for ByHand {
    type World = Lab;

    async fn world(&self) -> Outcome<Lab> {
        Ok(self.0.clone())
    }

    async fn turn(&self, to: Fraud) -> Outcome<()> {
        let parameters = BTreeMap::from([
            ("ReviewSeconds".to_owned(), "3600".to_owned()),
            (FRAUD.to_owned(), to.to_string()),
        ]);
        let update = self.0.update(&parameters)?;
        let left = update.settled.duration_since(self.0.now()).as_millis();
        self.0.pause(u64::try_from(left).unwrap_or(0)).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_shop_that_refuses_nothing_is_found_out() {
    let problem = run(&ByHand(lab(1)), &choice()).await.unwrap_err();
    assert_eq!(problem.exit, Exit::Failed);
    assert!(
        problem.to_string().contains("while reviews were open"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_order_that_does_not_end_well_is_lost() {
    let world = lab(1);
    let choice = Choice {
        variants: Vec::new(),
        orders: 2,
        within: 120,
    };
    let mut stage = Stage::new(&world, "s", "off", &choice).await.unwrap();
    stage.rest(&world).await.unwrap();
    for batch in &mut stage.batches {
        let id = format!("s-declined-{}", batch.variant.name);
        let mut order = crate::ops::drill::order(&id, &batch.sku).unwrap();
        order.payment_token = "tok_declined".to_owned();
        crate::ops::place::submit(&world, batch.variant, &order)
            .await
            .unwrap();
        batch.orders.push(order.order);
        batch.orders.push("s-never-placed".parse().unwrap());
        batch.customers.push("s-nobody".to_owned());
    }
    let parts = stage.measure(&world, 120).await.unwrap();
    assert_eq!(parts.len(), variant::ALL.len());
    for part in parts {
        assert_eq!((part.orders, part.lost, part.ok), (4, 3, false), "{part:?}");
        assert_eq!((part.parked, part.timed_out), (0, 0));
        let wrong = part.wrong.join("; ");
        for why in [
            "Rejected(PaymentDeclined)",
            "s-never-placed: not known",
            "s-nobody",
        ] {
            assert!(wrong.contains(why), "{wrong}");
        }
    }
}
