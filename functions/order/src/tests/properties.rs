//! What holds in any interleaving, with repeats and deaths on the way.

use super::*;

/// Everything that may decide an order, by number.
fn decisive(n: u8) -> Command {
    match n {
        0 => confirm(),
        1 => reject(Reason::StockUnavailable, Some("OutOfStock")),
        2 => reject(Reason::PaymentDeclined, None),
        3 => reject(Reason::ReviewTimedOut, None),
        4 => expire(),
        5 => extend(),
        6 => park(&[]),
        _ => place().into(),
    }
}

/// What may come after a rejection, by number.
fn compensating(n: usize) -> Command {
    match n {
        0 => undone(&[Part::Stock]),
        1 => undone(&[Part::Payment]),
        2 => undone(&[Part::Delivery]),
        3 => park(&[owed(Part::Payment, Some(2_500))]),
        4 => park(&[]),
        5 => expire_compensation(),
        _ => reject(Reason::PaymentDeclined, None),
    }
}

/// Messages after a rejection: each of the three compensations at least once,
/// with repeats and trouble in between, in any order.
fn after_a_rejection() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..7, 0..12)
        .prop_map(|more| [vec![0, 1, 2], more].concat())
        .prop_shuffle()
}

fn config(seed: u64) -> Config {
    Config {
        cases: 300,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(config(4))]

    /// Whatever comes, in any order, at any time and with repeats: the decision
    /// is made once and final, and one fact at most tells it.
    #[test]
    fn the_decision_is_made_once(
        messages in prop::collection::vec((0_u8..8, 0_i64..400), 1..24),
    ) {
        block_on(async {
            let world = placed().await;
            let (mut fate, mut now, mut told) = (Fate::Undecided, 0, BTreeMap::new());
            for (n, pause) in messages {
                now += pause;
                world.turn_to(now);
                let handled = world.tell(decisive(n)).await;
                // Facts have stable ids: a repeat tells the same fact again.
                told.extend(handled.events.iter().map(|e| (e.metadata.id.clone(), e.fact.name())));
                let order = world.order().await;
                if fate == Fate::Undecided {
                    fate = order.fate;
                } else {
                    assert_eq!(order.fate, fate, "the decision is final");
                }
            }
            let decisions: Vec<_> = told
                .into_values()
                .filter(|name| matches!(*name, "OrderConfirmed" | "OrderRejected"))
                .collect();
            let expected: &[&str] = match fate {
                Fate::Confirmed => &["OrderConfirmed"],
                // Nobody is there to compensate: the order is parked at once.
                Fate::Undecided | Fate::Rejected { reason: Reason::Abandoned, .. } => &[],
                Fate::Rejected { .. } => &["OrderRejected"],
            };
            assert_eq!(decisions, expected);
        });
    }

    /// Once every part is undone the order is whole: nothing is owed, whatever
    /// went wrong on the way, and nothing that comes later changes that.
    #[test]
    fn a_compensated_order_is_whole(messages in after_a_rejection()) {
        block_on(async {
            let world = placed().await;
            let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
            let mut missing = vec![0, 1, 2];
            for n in messages {
                let _ = world.tell(compensating(n)).await;
                missing.retain(|part| *part != n);
                let order = world.order().await;
                let whole = order.compensation == Compensation::Done;
                assert_eq!(whole, missing.is_empty(), "{order:?}");
                assert!(!whole || order.pending.is_empty());
                let owed = order.owed.iter().all(|owed| {
                    owed.part == Part::Notice || order.pending.contains(&owed.part)
                });
                assert!(owed, "what is undone is not owed: {order:?}");
            }
        });
    }

    /// A refund that failed stays owed, to the cent, until the money went back.
    #[test]
    fn money_is_owed_until_it_went_back(messages in after_a_rejection()) {
        block_on(async {
            let world = placed().await;
            let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
            let (mut failed, mut refunded) = (false, false);
            for n in messages {
                let _ = world.tell(compensating(n)).await;
                refunded |= n == 1;
                failed |= n == 3 && !refunded;
                let order = world.order().await;
                let debt = owed(Part::Payment, Some(2_500));
                assert_eq!(order.owed.contains(&debt), failed && !refunded, "{order:?}");
            }
        });
    }

    /// Confirmation, rejections and the deadline at once, killed and redelivered
    /// at any point: one decides, and one fact tells it.
    #[test]
    fn of_decisions_at_once_one_stands(schedule in prop::collection::vec(any::<u8>(), 0..200)) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Orders::new(Stepwise(table), clock.clone(), PATIENCE, true);
        let _ = rehearse(&service, &clock, &[place().into()], 9, &[]).unwrap();
        let commands: Vec<_> = (0..6).map(decisive).collect();
        let told = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let facts: BTreeMap<_, _> = told
            .iter()
            .flatten()
            .flat_map(|handled| &handled.events)
            .map(|event| (&event.metadata.id, event.fact.name()))
            .collect();
        prop_assert_eq!(facts.len(), 1, "{:?}", facts);
    }

    /// Compensations and their troubles at once, killed and redelivered at any
    /// point: the order ends whole.
    #[test]
    fn compensations_at_once_make_the_order_whole(
        schedule in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Orders::new(Stepwise(table.clone()), clock.clone(), PATIENCE, true);
        let start = [place().into(), reject(Reason::DeliveryFailed, None)];
        let _ = rehearse(&service, &clock, &start, 9, &[]).unwrap();
        let commands: Vec<_> = (0..7).map(compensating).collect();
        let _ = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let order = block_on(World { service, table, clock: Arc::default() }.order());
        prop_assert_eq!(order.compensation, Compensation::Done);
        let told = order.owed.iter().all(|owed| owed.part == Part::Notice);
        prop_assert!(told && order.pending.is_empty());
    }

    /// A repeat that misses its record beside the order it changed is answered
    /// like any other repeat.
    #[test]
    fn a_torn_read_is_taken_for_nothing_else(
        numbers in prop::collection::vec((0_u8..8, 0_usize..7, any::<bool>()), 0..20),
    ) {
        let commands = numbers.iter().map(|(decisive_, later, decides)| match decides {
            true => decisive(*decisive_),
            false => compensating(*later),
        });
        let commands: Vec<_> = std::iter::once(place().into()).chain(commands).collect();
        let clock = HandClock::default();
        let whole = Orders::new(Memory::default(), clock.clone(), PATIENCE, true);
        let torn = Orders::new(Torn::new(Memory::default()), clock.clone(), PATIENCE, true);
        prop_assert_eq!(
            in_turn(&torn, &clock, commands.clone()),
            in_turn(&whole, &clock, commands)
        );
    }
}
