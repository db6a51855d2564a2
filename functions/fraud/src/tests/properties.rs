//! What holds in any interleaving, with repeats and deaths on the way.

use super::*;

/// One message of the property tests, by number.
fn message(n: u8) -> Command {
    match n {
        0 => doubtful("o-1").into(),
        1 => decide("o-1", Verdict::Approve).into(),
        2 => decide("o-1", Verdict::Reject).into(),
        3 => close("o-1", Cause::TimedOut).into(),
        4 => close("o-1", Cause::OrderRejected).into(),
        _ => open("o-1").into(),
    }
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
    #![proptest_config(config(2))]

    /// Any messages about one review, in any order and with repeats: it ends
    /// once, and one fact at most tells how.
    #[test]
    fn a_review_ends_once(messages in prop::collection::vec(0_u8..6, 1..24)) {
        block_on(async {
            let world = world();
            let (mut ended, mut told) = (None, BTreeMap::new());
            for n in messages {
                // Facts have stable ids: a repeat tells the same fact again.
                if let Ok(handled) = world.ask(message(n)).await {
                    let about = handled.events.into_iter().map(|e| (e.metadata.id, e.fact));
                    told.extend(about.filter(|(_, fact)| fact.name() != "PossibleFraud"));
                }
                let status = world.status("o-1").await;
                if ended.is_some() {
                    assert_eq!(status, ended, "the end is final");
                } else if status != Some(Status::Open) {
                    ended = status;
                }
            }
            let names: Vec<_> = told.values().map(Vocabulary::name).collect();
            let expected: &[&str] = match ended {
                Some(Status::Approved) => &["NoFraudDetected"],
                Some(Status::Rejected) => &["FraudConfirmed"],
                Some(Status::TimedOut) => &["ReviewTimedOut"],
                _ => &[],
            };
            assert_eq!(names, expected);
        });
    }

    /// Orders that arrive in order time, each any number of times: the rule
    /// trips on exactly those with enough others in the hour before them.
    #[test]
    fn velocity_trips_on_the_nth(
        gaps in prop::collection::vec((0_i64..2_400, 1_usize..3), 1..30),
    ) {
        block_on(async {
            let world = world();
            let mut times: Vec<i64> = Vec::new();
            for (n, (gap, repeats)) in gaps.into_iter().enumerate() {
                let now = times.last().unwrap_or(&0) + gap;
                times.push(now);
                let nth = times.iter().filter(|t| now - **t < 3_600).count();
                for _ in 0..repeats {
                    let handled = world.tell(order(&format!("o-{n}"), 1_000, now)).await;
                    let refused = facts(&handled) == ["FraudConfirmed"];
                    assert_eq!(refused, nth >= VELOCITY, "order {n} is number {nth}");
                }
            }
        });
    }

    /// Orders in any order of arrival, with repeats: each is remembered once,
    /// and none of the last day is forgotten.
    #[test]
    fn history_never_counts_twice(
        arrivals in prop::collection::vec((0_usize..12, 0_i64..60), 1..40),
    ) {
        block_on(async {
            let world = world();
            let mut placed = BTreeMap::new();
            for (n, minute) in arrivals {
                let minute = *placed.entry(n).or_insert(minute);
                let _ = world.tell(order(&format!("o-{n}"), 1_000, minute * 60)).await;
            }
            let history: History = world.read(history_key("c-1")).await.unwrap();
            let kept: BTreeSet<_> = history.orders.iter().map(|o| o.order.to_string()).collect();
            let expected: BTreeSet<_> = placed.keys().map(|n| format!("o-{n}")).collect();
            assert_eq!(history.orders.len(), kept.len(), "each order once");
            assert_eq!(kept, expected);
        });
    }

    /// Orders of one customer delivered at once, killed and redelivered at any
    /// point: none misses another, none is counted twice.
    #[test]
    fn orders_at_once_do_not_miss_each_other(
        schedule in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Frauds::new(Stepwise(table), clock.clone(), REVIEW_SECONDS);
        let commands: Vec<_> =
            (0..6).map(|n| Command::from(order(&format!("o-{n}"), 1_000, 0))).collect();
        let told = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let first: Vec<_> = told.iter().map(|outcomes| facts(&outcomes[0])).collect();
        let refused = first.iter().filter(|facts| **facts == ["FraudConfirmed"]).count();
        prop_assert_eq!(refused, commands.len() + 1 - VELOCITY);
        for outcomes in told {
            prop_assert!(outcomes.iter().all(|handled| handled.events == outcomes[0].events));
        }
    }

    /// A rejection and the screening of its order, at once: the review ends
    /// closed, and says nothing beyond what it said when it was opened.
    #[test]
    fn a_rejection_always_ends_the_review(
        schedule in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Frauds::new(Stepwise(table.clone()), clock.clone(), REVIEW_SECONDS);
        let commands =
            [Command::from(doubtful("o-1")), close("o-1", Cause::OrderRejected).into()];
        let told = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let silent = told[0][0].events.is_empty();
        prop_assert!(silent || facts(&told[0][0]) == ["PossibleFraud"]);
        prop_assert!(told[0].iter().all(|handled| handled.events.is_empty() == silent));
        prop_assert!(told[1].iter().all(|handled| handled.events.is_empty()));
        let world = World { service, table, clock: Arc::default() };
        prop_assert_eq!(block_on(world.status("o-1")), Some(Status::Closed));
    }

    /// A repeat that misses its record beside the review it changed is answered
    /// like any other repeat.
    #[test]
    fn a_torn_read_is_taken_for_nothing_else(messages in prop::collection::vec(0_u8..6, 1..24)) {
        let clock = HandClock::default();
        let messages = || messages.iter().map(|n| message(*n));
        let whole = Frauds::new(Memory::default(), clock.clone(), REVIEW_SECONDS);
        let torn = Frauds::new(Torn::new(Memory::default()), clock.clone(), REVIEW_SECONDS);
        prop_assert_eq!(in_turn(&torn, &clock, messages()), in_turn(&whole, &clock, messages()));
    }
}
