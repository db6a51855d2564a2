//! Any interleaving of orders that want the same stock, with repeats and
//! deaths at any moment, ends with every piece accounted for. (Tests.)

use duet_core::order::Line;
use duet_core::store::{Memory, Store};
use duet_core::testing::{HandClock, Stepwise, Torn, in_turn, rehearse};
use duet_core::{Handled, Money, OrderId, Sku, Vocabulary};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::command::{Command, ReleaseStock, ReserveStock, ShipStock};
use crate::domain::{Reservation, Status, Stock};
use crate::{Inventory, reservation_key, restock, seed, stock_key};

const ORDERS: usize = 3;
const EACH: u32 = 2;

struct World {
    clock: HandClock,
    table: Memory,
    shop: Inventory<Stepwise<Memory>, HandClock>,
}

impl World {
    /// A shop with `tea` of one SKU and plenty of another.
    fn new(tea: u32) -> Self {
        let (clock, table) = (HandClock::default(), Memory::default());
        now(table.commit(vec![
            seed(sku("tea"), euros(100), tea),
            seed(sku("cup"), euros(50), 100),
        ]))
        .unwrap();
        let shop = Inventory::new(Stepwise(table.clone()), clock.clone());
        Self { clock, table, shop }
    }

    fn run(&self, commands: &[Command], schedule: &[u8]) -> Vec<Vec<Handled>> {
        rehearse(&self.shop, &self.clock, commands, 1_000, schedule).unwrap()
    }

    /// Available, reserved and shipped, once they are known to be all there is.
    fn stock(&self, name: &str) -> (i64, i64, i64) {
        let item = now(self.table.load(&[stock_key(&sku(name))]))
            .unwrap()
            .remove(0)
            .unwrap();
        let stock: Stock = item.read().unwrap();
        assert_eq!(
            stock.initial,
            stock.available + stock.reserved + stock.shipped
        );
        (stock.available, stock.reserved, stock.shipped)
    }

    fn status(&self, n: usize) -> Status {
        let item = now(self.table.load(&[reservation_key(order(n))]))
            .unwrap()
            .remove(0)
            .unwrap();
        item.read::<Reservation>().unwrap().status
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

fn order(n: usize) -> OrderId {
    format!("o-{n}").parse().unwrap()
}

fn euros(amount: i64) -> Money {
    serde_json::from_value(serde_json::json!({"amount": amount, "currency": "EUR"})).unwrap()
}

fn reserve(n: usize) -> Command {
    let line = |name, quantity: u32| Line {
        sku: sku(name),
        quantity: quantity.try_into().unwrap(),
    };
    let lines = vec![line("tea", EACH), line("cup", 1)];
    ReserveStock {
        order: order(n),
        lines,
        total: euros(250),
    }
    .into()
}

fn release(n: usize) -> Command {
    ReleaseStock { order: order(n) }.into()
}

fn ship(n: usize) -> Command {
    ShipStock { order: order(n) }.into()
}

fn all(command: fn(usize) -> Command) -> Vec<Command> {
    (0..ORDERS).map(command).collect()
}

/// How often each command announced `fact`; every repeat of it did the same.
fn count(outcomes: &[Vec<Handled>], fact: &str) -> usize {
    for outcomes in outcomes {
        for later in outcomes {
            assert_eq!(
                (&later.answer, &later.events),
                (&outcomes[0].answer, &outcomes[0].events)
            );
        }
    }
    let facts = outcomes.iter().flat_map(|outcomes| &outcomes[0].events);
    facts.filter(|event| event.fact.name() == fact).count()
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(3),
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
    fn what_there_is_goes_to_as_many_orders_as_it_serves(schedule in schedule(), tea in 0_u32..8) {
        let world = World::new(tea);
        let outcomes = world.run(&all(reserve), &schedule);
        let served = (tea / EACH).min(3) as usize;
        prop_assert_eq!(count(&outcomes, "StockReserved"), served);
        prop_assert_eq!(count(&outcomes, "StockUnavailable"), ORDERS - served);
        let reserved = i64::from(EACH) * served as i64;
        prop_assert_eq!(world.stock("tea"), (i64::from(tea) - reserved, reserved, 0));
        prop_assert_eq!(world.stock("cup"), (100 - served as i64, served as i64, 0));
    }

    #[test]
    fn nothing_stays_reserved_for_a_rejected_order(schedule in schedule(), tea in 0_u32..8) {
        let world = World::new(tea);
        // The rejections come at any time: before, amid or after the orders.
        let outcomes = world.run(&[all(reserve), all(release)].concat(), &schedule);
        prop_assert_eq!(count(&outcomes, "StockReleased"), ORDERS);
        prop_assert_eq!(world.stock("tea"), (i64::from(tea), 0, 0));
        prop_assert_eq!(world.stock("cup"), (100, 0, 0));
        for n in 0..ORDERS {
            prop_assert_eq!(world.status(n), Status::Released);
        }
    }

    #[test]
    fn a_torn_read_is_taken_for_nothing_else(numbers in vec((0_usize..3, 0_usize..ORDERS), 0..20)) {
        let commands: Vec<_> =
            numbers.into_iter().map(|(what, n)| [reserve, release, ship][what](n)).collect();
        let clock = HandClock::default();
        let whole = Memory::default();
        let torn = Torn::new(Memory::default());
        let stock = || vec![seed(sku("tea"), euros(100), 2 * EACH), seed(sku("cup"), euros(50), 100)];
        now(whole.commit(stock())).unwrap();
        now(torn.commit(stock())).unwrap();
        prop_assert_eq!(
            in_turn(&Inventory::new(torn, clock.clone()), &clock, commands.clone()),
            in_turn(&Inventory::new(whole, clock.clone()), &clock, commands)
        );
    }

    #[test]
    fn every_order_has_its_own_end(schedule in schedule()) {
        let world = World::new(2 * EACH);
        let early = [reserve(0), reserve(1), release(1), release(2), reserve(2)];
        let _ = world.run(&early, &schedule);
        let status = world.status(0);
        // Three orders want what serves two: the one that is kept may be refused.
        if status == Status::Reserved {
            let outcomes = world.run(&[ship(0)], &schedule);
            prop_assert_eq!(count(&outcomes, "StockShipped"), 1);
            prop_assert_eq!(world.stock("tea"), (i64::from(EACH), 0, i64::from(EACH)));
        } else {
            prop_assert_eq!(status, Status::Refused);
            prop_assert_eq!(world.stock("tea"), (i64::from(2 * EACH), 0, 0));
        }
    }
}

#[test]
fn seeding_again_never_resets_stock() {
    let world = World::new(5);
    let _ = world.run(&[reserve(0)], &[]);
    assert!(now(world.table.commit(vec![seed(sku("tea"), euros(1), 99)])).is_err());
    assert_eq!(world.stock("tea"), (3, 2, 0));
    now(world.table.commit(vec![restock(&sku("tea"), 4)])).unwrap();
    assert_eq!(world.stock("tea"), (7, 2, 0));
}
