//! Any interleaving of an order's messages, with repeats and deaths at any
//! moment, ends in the same place. (Tests.)

use duet_core::order::Address;
use duet_core::store::{Browse, Key, Memory, Store};
use duet_core::testing::{HandClock, Stepwise, rehearse};
use duet_core::{Handled, OrderId, Vocabulary};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::adapters::{Booking, booking_key};
use crate::command::{
    CancelDelivery, Command, NoteClearance, NoteOrder, NotePayment, ScheduleDelivery,
};
use crate::domain::{Delivery, Status, carrier_key};
use crate::ports::{BookError, Carrier, Unavailable};
use crate::{Deliveries, SimulatedCarrier, key};

/// A budget that no schedule spends.
const PATIENT: u32 = 1_000;
const STREET: &str = "Canary Street 7";

type Simulated = SimulatedCarrier<Stepwise<Memory>, HandClock>;

/// A carrier that does what it is asked to and says so only now and then.
#[derive(Debug, Clone)]
struct Mumbling(Simulated, std::sync::Arc<std::sync::atomic::AtomicU32>);

impl Mumbling {
    fn hears(&self) -> Result<(), Unavailable> {
        let asked = self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if asked % 3 == 2 {
            Ok(())
        } else {
            Err(Unavailable("mumbles".into()))
        }
    }
}

impl Carrier for Mumbling {
    async fn book(&self, key: &str, ship_to: &Address) -> Result<String, BookError> {
        let answer = self.0.book(key, ship_to).await;
        self.hears()?;
        answer
    }

    async fn cancel(&self, key: &str) -> Result<(), Unavailable> {
        self.0.cancel(key).await?;
        self.hears()
    }
}

struct World {
    clock: HandClock,
    table: Memory,
    ledger: Memory,
}

impl World {
    fn new() -> Self {
        Self {
            clock: HandClock::default(),
            table: Memory::default(),
            ledger: Memory::default(),
        }
    }

    fn carrier(&self) -> Simulated {
        SimulatedCarrier::new(Stepwise(self.ledger.clone()), self.clock.clone())
    }

    fn shop<P: Carrier>(
        &self,
        carrier: P,
        awaits: bool,
    ) -> Deliveries<Stepwise<Memory>, HandClock, P> {
        Deliveries::new(
            Stepwise(self.table.clone()),
            self.clock.clone(),
            carrier,
            awaits,
        )
    }

    fn run(&self, commands: &[Command], budget: u32, schedule: &[u8]) -> Vec<Vec<Handled>> {
        let shop = self.shop(self.carrier(), true);
        rehearse(&shop, &self.clock, commands, budget, schedule).unwrap()
    }

    fn status(&self) -> Status {
        read::<Delivery>(&self.table, key(order())).unwrap().status
    }

    fn active(&self) -> bool {
        let booking = read::<Booking>(&self.ledger, booking_key(carrier_key(&order())));
        booking.is_some_and(|booking| booking.active())
    }

    fn assert_no_address_kept(&self) {
        for table in [&self.table, &self.ledger] {
            let kept = format!("{:?}", now(table.everything()).unwrap());
            assert!(!kept.contains(STREET), "{kept}");
        }
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn read<T: serde::de::DeserializeOwned>(table: &Memory, key: Key) -> Option<T> {
    now(table.load(&[key]))
        .unwrap()
        .remove(0)
        .map(|item| item.read().unwrap())
}

fn order() -> OrderId {
    "o-1".parse().unwrap()
}

fn to(postcode: &str) -> Address {
    Address {
        name: "N".into(),
        street: STREET.into(),
        city: "C".into(),
        postcode: postcode.into(),
        country: "SE".into(),
    }
}

fn notes(postcode: &str) -> Vec<Command> {
    vec![
        NoteOrder {
            order: order(),
            ship_to: to(postcode),
        }
        .into(),
        NotePayment { order: order() }.into(),
        NoteClearance { order: order() }.into(),
    ]
}

fn commands(joined: bool, postcode: &str) -> Vec<Command> {
    if joined {
        notes(postcode)
    } else {
        vec![
            ScheduleDelivery {
                order: order(),
                ship_to: to(postcode),
            }
            .into(),
        ]
    }
}

fn cancel() -> Command {
    CancelDelivery { order: order() }.into()
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
        facts.extend(outcomes[0].events.iter().map(|event| event.fact.name()));
    }
    facts.sort_unstable();
    facts
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(4),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn schedule() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_order_is_booked_once(schedule in schedule(), joined: bool, flaky: bool) {
        let world = World::new();
        let commands = commands(joined, if flaky { "77777" } else { "11122" });
        let outcomes = world.run(&commands, PATIENT, &schedule);
        prop_assert_eq!(facts(&outcomes), ["DeliveryScheduled"]);
        prop_assert_eq!(world.status(), Status::Scheduled { tracking: "sim-delivery-o-1".into() });
        prop_assert!(world.active());
        world.assert_no_address_kept();
    }

    #[test]
    fn nothing_is_booked_until_the_set_is_complete(schedule in schedule(), missing in 0_usize..3) {
        let world = World::new();
        let mut some = notes("11122");
        let last = some.remove(missing);
        let outcomes = world.run(&some, PATIENT, &schedule);
        prop_assert!(facts(&outcomes).is_empty());
        prop_assert!(!world.active());
        prop_assert_eq!(facts(&world.run(&[last], PATIENT, &schedule)), ["DeliveryScheduled"]);
    }

    #[test]
    fn an_address_not_served_fails(schedule in schedule(), joined: bool) {
        let world = World::new();
        let outcomes = world.run(&commands(joined, "00000"), PATIENT, &schedule);
        prop_assert_eq!(facts(&outcomes), ["DeliveryFailed"]);
        prop_assert!(!world.active());
        world.assert_no_address_kept();
    }

    #[test]
    fn silence_ends_in_giving_up_and_nothing_stays_booked(schedule in schedule(), joined: bool) {
        let world = World::new();
        let outcomes = world.run(&commands(joined, "99999"), 4, &schedule);
        prop_assert_eq!(facts(&outcomes), ["DeliveryFailed"]);
        prop_assert_eq!(facts(&world.run(&[cancel()], PATIENT, &schedule)), ["DeliveryCancelled"]);
        prop_assert_eq!((world.status(), world.active()), (Status::Cancelled, false));
    }

    #[test]
    fn a_rejection_at_any_time_leaves_nothing_on_its_way(
        schedule in schedule(),
        joined: bool,
        mumbling: bool,
        postcode in prop::sample::select(vec!["11122", "00000", "77777", "99999"]),
    ) {
        let world = World::new();
        let mut commands = commands(joined, postcode);
        commands.push(cancel());
        // A carrier that is silent is only ever settled by giving up, or by the rejection.
        let budget = if postcode == "99999" { 4 } else { PATIENT };
        let outcomes = if mumbling {
            let shop = world.shop(Mumbling(world.carrier(), Default::default()), true);
            rehearse(&shop, &world.clock, &commands, budget, &schedule).unwrap()
        } else {
            world.run(&commands, budget, &schedule)
        };
        let facts = facts(&outcomes);
        prop_assert_eq!(facts.iter().filter(|&&fact| fact == "DeliveryCancelled").count(), 1);
        prop_assert!(facts.len() <= 2, "at most one of scheduled and failed: {:?}", facts);
        prop_assert_eq!((world.status(), world.active()), (Status::Cancelled, false));
        world.assert_no_address_kept();
    }
}
