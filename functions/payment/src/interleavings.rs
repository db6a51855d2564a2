//! Any interleaving of an order's messages, with repeats and deaths at any
//! moment, ends in the same place. (Tests.)

use duet_core::store::{Browse, Memory, Store};
use duet_core::testing::{HandClock, Stepwise, Torn, context, in_turn, rehearse};
use duet_core::{Failure, Handled, Money, OrderId, Request, Service};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::adapters::{Charge, charge_key};
use crate::command::{CapturePayment, Command, NoteOrder, NoteReservation, RefundPayment};
use crate::domain::{Payment, Status, provider_key};
use crate::{Payments, SimulatedProvider, key};

const TOTAL: i64 = 500;
/// A budget that no schedule spends.
const PATIENT: u32 = 1_000;

type Shop = Payments<Stepwise<Memory>, HandClock, SimulatedProvider<Stepwise<Memory>, HandClock>>;

struct World {
    clock: HandClock,
    table: Memory,
    ledger: Memory,
    shop: Shop,
}

impl World {
    fn new() -> Self {
        let (clock, table, ledger) = (HandClock::default(), Memory::default(), Memory::default());
        let provider = SimulatedProvider::new(Stepwise(ledger.clone()), clock.clone());
        let shop = Payments::new(Stepwise(table.clone()), clock.clone(), provider);
        Self {
            clock,
            table,
            ledger,
            shop,
        }
    }

    fn run(&self, commands: &[Command], budget: u32, schedule: &[u8]) -> Vec<Vec<Handled>> {
        rehearse(&self.shop, &self.clock, commands, budget, schedule).unwrap()
    }

    fn status(&self) -> Status {
        read::<Payment>(&self.table, key(order())).unwrap().status
    }

    fn charge(&self) -> Charge {
        read(&self.ledger, charge_key(provider_key(&order()))).unwrap_or(Charge::NEW)
    }

    fn assert_no_token_kept(&self) {
        for table in [&self.table, &self.ledger] {
            let kept = format!("{:?}", now(table.everything()).unwrap());
            assert!(!kept.contains("tok_"), "{kept}");
        }
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn read<T: serde::de::DeserializeOwned>(table: &Memory, key: duet_core::store::Key) -> Option<T> {
    now(table.load(&[key]))
        .unwrap()
        .remove(0)
        .map(|item| item.read().unwrap())
}

fn order() -> OrderId {
    "o-1".parse().unwrap()
}

fn euros(amount: i64) -> Money {
    serde_json::from_value(serde_json::json!({"amount": amount, "currency": "EUR"})).unwrap()
}

fn notes(token: &str) -> Vec<Command> {
    vec![
        NoteOrder {
            order: order(),
            total: euros(TOTAL),
            payment_token: token.into(),
        }
        .into(),
        NoteReservation { order: order() }.into(),
    ]
}

fn at_once(token: &str) -> Vec<Command> {
    vec![
        CapturePayment {
            order: order(),
            amount: euros(TOTAL),
            payment_token: token.into(),
        }
        .into(),
    ]
}

fn refund(attempt: u32) -> Command {
    RefundPayment {
        order: order(),
        total: euros(TOTAL),
        attempt,
    }
    .into()
}

/// The facts that commands announced, after checking that each repeat of a
/// command announced and answered the same.
fn facts(outcomes: &[Vec<Handled>]) -> Vec<&'static str> {
    let mut facts = Vec::new();
    for outcomes in outcomes {
        for later in outcomes {
            assert_eq!(
                (&later.answer, &later.events),
                (&outcomes[0].answer, &outcomes[0].events)
            );
        }
        facts.extend(
            outcomes[0]
                .events
                .iter()
                .map(|event| duet_core::Vocabulary::name(&event.fact)),
        );
    }
    facts.sort_unstable();
    facts
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn schedule() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..160)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_order_is_charged_once(schedule in schedule(), joined: bool, flaky: bool) {
        let token = if flaky { "tok_flaky" } else { "tok_ok" };
        let world = World::new();
        let commands = if joined { notes(token) } else { at_once(token) };
        let outcomes = world.run(&commands, PATIENT, &schedule);
        prop_assert_eq!(facts(&outcomes), ["PaymentCaptured"]);
        prop_assert_eq!(world.status(), Status::Captured { amount: euros(TOTAL) });
        prop_assert_eq!((world.charge().captured, world.charge().refunded), (TOTAL, 0));
        world.assert_no_token_kept();
    }

    #[test]
    fn a_torn_read_is_taken_for_nothing_else(numbers in vec(0_usize..5, 1..16), declines: bool) {
        let token = if declines { "tok_declined" } else { "tok_ok" };
        let known = [notes(token), at_once(token), vec![refund(1), refund(2)]].concat();
        let commands = || numbers.iter().map(|n| known[*n].clone());
        let clock = HandClock::default();
        let provider = || SimulatedProvider::new(Memory::default(), clock.clone());
        let whole = Payments::new(Memory::default(), clock.clone(), provider());
        let torn = Payments::new(Torn::new(Memory::default()), clock.clone(), provider());
        prop_assert_eq!(in_turn(&torn, &clock, commands()), in_turn(&whole, &clock, commands()));
    }

    #[test]
    fn a_declined_card_is_never_charged(schedule in schedule(), joined: bool) {
        let world = World::new();
        let commands = if joined { notes("tok_declined") } else { at_once("tok_declined") };
        let outcomes = world.run(&commands, PATIENT, &schedule);
        prop_assert_eq!(facts(&outcomes), ["PaymentDeclined"]);
        prop_assert_eq!((world.status(), world.charge().captured), (Status::Declined, 0));
        world.assert_no_token_kept();
    }

    #[test]
    fn silence_ends_in_giving_up_and_nothing_stays_charged(schedule in schedule(), joined: bool) {
        let world = World::new();
        let commands = if joined { notes("tok_down") } else { at_once("tok_down") };
        let outcomes = world.run(&commands, 4, &schedule);
        prop_assert_eq!(facts(&outcomes), ["PaymentUnavailable"]);
        prop_assert_eq!(world.status(), Status::Unavailable);
        let lost = world.charge().captured;
        let outcomes = world.run(&[refund(0)], PATIENT, &schedule);
        prop_assert_eq!(facts(&outcomes), ["PaymentRefunded"]);
        prop_assert_eq!(world.status(), Status::Refunded { amount: euros(lost) });
        prop_assert_eq!(world.charge().net(), 0);
    }

    #[test]
    fn a_rejection_at_any_time_leaves_nothing_charged(
        schedule in schedule(),
        joined: bool,
        token in prop::sample::select(vec![
            "tok_ok", "tok_declined", "tok_flaky", "tok_down", "tok_refund_fails_2",
        ]),
    ) {
        let world = World::new();
        let mut commands = if joined { notes(token) } else { at_once(token) };
        commands.push(refund(0));
        // A card that is down is only ever settled by giving up, or by the rejection.
        let budget = if token == "tok_down" { 4 } else { PATIENT };
        let outcomes = world.run(&commands, budget, &schedule);
        let facts = facts(&outcomes);
        prop_assert_eq!(facts.iter().filter(|&&fact| fact == "PaymentRefunded").count(), 1);
        prop_assert!(facts.len() <= 2, "at most one of captured, declined, unavailable: {:?}", facts);
        let charge = world.charge();
        prop_assert_eq!(world.status(), Status::Refunded { amount: euros(charge.refunded) });
        prop_assert_eq!(charge.net(), 0);
        if facts.contains(&"PaymentCaptured") {
            prop_assert_eq!(charge.refunded, TOTAL);
        }
        world.assert_no_token_kept();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..config() })]

    #[test]
    fn what_could_not_be_given_back_is_owed_until_an_operator_retries(schedule in schedule(), joined: bool) {
        let world = World::new();
        let token = "tok_refund_fails_170";
        let commands = if joined { notes(token) } else { at_once(token) };
        let _ = world.run(&commands, PATIENT, &schedule);
        let outcomes = world.run(&[refund(0)], 4, &schedule);
        prop_assert_eq!(facts(&outcomes), ["RefundFailed"]);
        prop_assert_eq!(world.status(), Status::RefundFailed { amount: euros(TOTAL) });
        prop_assert_eq!(world.charge().net(), TOTAL);
        // The provider comes back once it has been asked often enough.
        let mut attempt = 1;
        while world.charge().net() > 0 && attempt < 400 {
            let part = schedule.len().min(24);
            let _ = world.run(&[refund(attempt)], 4, &schedule[..part]);
            attempt += 1;
        }
        prop_assert_eq!(world.status(), Status::Refunded { amount: euros(TOTAL) });
        let last = world.run(&[refund(attempt)], 4, &[]);
        prop_assert_eq!(facts(&last), ["PaymentRefunded"]);
        prop_assert_eq!((world.charge().captured, world.charge().refunded), (TOTAL, TOTAL));
    }
}

fn tell(world: &World, command: Command) -> Result<Handled, Failure> {
    let context = context("m-1", world.clock.now(), false);
    now(world.shop.handle(Request { command, context }))
}

#[test]
fn a_capture_with_other_data_is_refused() {
    let world = World::new();
    let _ = tell(&world, at_once("tok_ok").remove(0)).unwrap();
    let other = tell(&world, at_once("tok_visa").remove(0));
    assert!(matches!(other, Err(Failure::Invalid(_))));
}
