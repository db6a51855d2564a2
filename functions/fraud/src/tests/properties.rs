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

/// How many of `cleared` the fullest hour has that `placed` is in; all are at
/// whole ten minutes, so these are the hours that differ.
fn fullest(cleared: &[i64], placed: i64) -> usize {
    let hours = (0..6).map(|n| {
        let begin = placed - n * 600;
        let within = |at: &&i64| (0..3_600).contains(&(**at - begin));
        cleared.iter().filter(within).count()
    });
    hours.max().unwrap_or(0)
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
    /// trips on exactly those with enough cleared ones in the hour before them.
    #[test]
    fn velocity_trips_on_the_nth(
        gaps in prop::collection::vec((0_i64..2_400, 1_usize..3), 1..30),
    ) {
        block_on(async {
            let world = world();
            let (mut now, mut cleared) = (0, Vec::new());
            for (n, (gap, repeats)) in gaps.into_iter().enumerate() {
                now += gap;
                let nth = 1 + cleared.iter().filter(|then| now - **then < 3_600).count();
                for _ in 0..repeats {
                    let handled = world.tell(order(&format!("o-{n}"), 1_000, now)).await;
                    let refused = facts(&handled) == ["FraudConfirmed"];
                    assert_eq!(refused, nth >= VELOCITY, "order {n} is number {nth}");
                }
                if nth < VELOCITY {
                    cleared.push(now);
                }
            }
        });
    }

    /// Orders in any order of arrival, ties among their times, some for a person
    /// who approves them sooner or later: no hour has more that no person
    /// cleared than the rule lets, and one is refused only for a full hour.
    #[test]
    fn velocity_is_symmetric(
        arrivals in prop::collection::vec((0_i64..18, 0_u8..4), 1..30),
        approvals in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        block_on(async {
            let world = world();
            let _ = world.tell(customer("c-1", "ada@example.com")).await;
            // Orders by when they were placed: cleared without a person, and at all.
            let (mut alone, mut cleared, mut open) = (Vec::new(), Vec::new(), Vec::new());
            let mut approvals = approvals.into_iter();
            for (n, (tick, kind)) in arrivals.into_iter().enumerate() {
                let (id, placed) = (format!("o-{n}"), tick * 600);
                let full = fullest(&cleared, placed);
                // Large, and to another country than theirs: a person's.
                let screened = ScreenOrder {
                    country: if kind == 0 { "DE".into() } else { "SE".into() },
                    ..order(&id, if kind == 0 { 500_000 } else { 1_000 }, placed)
                };
                let handled = world.tell(screened).await;
                match facts(&handled)[..] {
                    ["NoFraudDetected"] => {
                        alone.push(placed);
                        cleared.push(placed);
                    }
                    ["PossibleFraud"] => open.push((id, placed)),
                    ref other => {
                        assert_eq!(other, &["FraudConfirmed"]);
                        assert!(full >= VELOCITY - 1, "{id}: refused in an hour with {full}");
                    }
                }
                if n % 2 == 1 && !open.is_empty() && let Some(which) = approvals.next() {
                    let (id, placed) = open.swap_remove(which.index(open.len()));
                    let _ = world.tell(decide(&id, Verdict::Approve)).await;
                    cleared.push(placed);
                }
            }
            for &begin in &alone {
                let count = alone.iter().filter(|at| (0..3_600).contains(&(*at - begin))).count();
                assert!(count < VELOCITY, "{count} in the hour from {begin}: {alone:?}");
            }
        });
    }

    /// Orders in any order of arrival, with repeats: each that was cleared is
    /// remembered once.
    #[test]
    fn history_never_counts_twice(
        arrivals in prop::collection::vec((0_usize..12, 0_i64..60), 1..40),
    ) {
        block_on(async {
            let world = world();
            let mut placed = BTreeMap::new();
            let mut expected = BTreeSet::new();
            for (n, minute) in arrivals {
                let minute = *placed.entry(n).or_insert(minute);
                let handled = world.tell(order(&format!("o-{n}"), 1_000, minute * 60)).await;
                if facts(&handled) == ["NoFraudDetected"] {
                    expected.insert(format!("o-{n}"));
                }
            }
            let history: History = world.read(history_key("c-1")).await.unwrap();
            let kept: BTreeSet<_> = history.orders.iter().map(|o| o.order.to_string()).collect();
            assert_eq!(history.orders.len(), kept.len(), "each order once");
            assert_eq!(kept, expected);
        });
    }

    /// Orders of one customer delivered at once, killed and redelivered at any
    /// point, placed at one moment or within the hour: none misses another, and
    /// none is counted twice.
    #[test]
    fn orders_at_once_do_not_miss_each_other(
        times in prop::collection::vec(0_i64..3_600, 6),
        tied in any::<bool>(),
        schedule in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Frauds::new(Stepwise(table), clock.clone(), REVIEW_SECONDS, true);
        let placed = |n: usize| if tied { 0 } else { times[n] };
        let commands: Vec<_> =
            (0..6).map(|n| Command::from(order(&format!("o-{n}"), 1_000, placed(n)))).collect();
        let told = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let first: Vec<_> = told.iter().map(|outcomes| facts(&outcomes[0])).collect();
        let refused = first.iter().filter(|facts| **facts == ["FraudConfirmed"]).count();
        prop_assert_eq!(refused, commands.len() + 1 - VELOCITY);
        for outcomes in told {
            prop_assert!(outcomes.iter().all(|handled| handled.events == outcomes[0].events));
        }
    }

    /// An approval and screenings of the customer's other orders, at once: the
    /// approved one counts for those screened after it, and no hour has too many.
    #[test]
    fn an_approval_at_once_with_screenings_is_counted(
        schedule in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let world = World {
            service: Frauds::new(table.clone(), clock.clone(), REVIEW_SECONDS, true),
            table: table.clone(),
            clock: Arc::default(),
        };
        block_on(world.ask_from(doubtful("o-0"), None, "rehearsal")).unwrap().repeat.then(|| panic!());
        let service = Frauds::new(Stepwise(table), clock.clone(), REVIEW_SECONDS, true);
        let mut commands = vec![Command::from(decide("o-0", Verdict::Approve))];
        commands.extend((1..6).map(|n| Command::from(order(&format!("o-{n}"), 1_000, 0))));
        let told = rehearse(&service, &clock, &commands, 99, &schedule).unwrap();
        let cleared = told.iter().filter(|told| facts(&told[0]) == ["NoFraudDetected"]).count();
        prop_assert!((VELOCITY - 1..=VELOCITY).contains(&cleared), "{cleared}");
        let history: History = block_on(world.read(history_key("c-1"))).unwrap();
        prop_assert_eq!(history.orders.len(), cleared, "the approved one is among them");
    }

    /// A rejection and the screening of its order, at once: the review ends
    /// closed, and says nothing beyond what it said when it was opened.
    #[test]
    fn a_rejection_always_ends_the_review(
        schedule in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let (table, clock) = (Memory::default(), HandClock::default());
        let service = Frauds::new(Stepwise(table.clone()), clock.clone(), REVIEW_SECONDS, true);
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
        let whole = Frauds::new(Memory::default(), clock.clone(), REVIEW_SECONDS, true);
        let torn = Frauds::new(Torn::new(Memory::default()), clock.clone(), REVIEW_SECONDS, true);
        prop_assert_eq!(in_turn(&torn, &clock, messages()), in_turn(&whole, &clock, messages()));
    }
}
