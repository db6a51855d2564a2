//! Publishing: as many facts in a call as the carrier takes, every one's own
//! result read, and only what was refused sent again.

use std::future::Future;

use duet_core::Failure;

/// What a carrier takes in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of all of them together, and so of each.
    pub bytes: usize,
    /// Whether what is handed over first comes first, so that nothing may go before
    /// something that was refused.
    pub in_order: bool,
}

/// PutEvents (Amazon EventBridge quotas: ten entries; 1 MB since 2026-01-29).
pub const EVENTBRIDGE: Limits = Limits {
    entries: 10,
    bytes: 1_048_576,
    in_order: false,
};

/// PublishBatch (Amazon SNS quotas: ten entries, 256 KB of all of them together).
pub const SNS: Limits = Limits {
    entries: 10,
    bytes: 262_144,
    in_order: false,
};

/// Publish to a FIFO topic, one entry a call: of a batch, some may be taken and one
/// before them refused, and their order would be lost (SNS API, PublishBatch).
pub const SNS_FIFO: Limits = Limits {
    entries: 1,
    bytes: 262_144,
    in_order: true,
};

/// How often what was refused for the moment is sent, the first time included.
const ROUNDS: u32 = 3;

/// A fact as a carrier takes it, and its size as the carrier counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel<E> {
    /// The entry.
    pub entry: E,
    /// Its bytes.
    pub bytes: usize,
}

/// Hands `entries` to a carrier by `call`, which takes at most `limits` and
/// gives one result per entry, in order. What is refused for the moment is sent
/// again, up to three times in all, as long as `pause` (told the round, from 0)
/// says that there is time. In order, what comes after something that was refused is
/// held back with it.
///
/// # Errors
/// The failure that weighs most, once everything else was taken: an entry that
/// never will be before one that somebody has to make way for, before one that
/// may be later; or that of a whole call, at once.
pub async fn carry<E, C, P>(
    limits: Limits,
    entries: Vec<Parcel<E>>,
    call: impl Fn(Vec<E>) -> C + Send + Sync,
    pause: impl Fn(u32) -> P + Send + Sync,
) -> Result<(), Failure>
where
    E: Clone + Send + Sync,
    C: Future<Output = Result<Vec<Result<(), Failure>>, Failure>> + Send,
    P: Future<Output = bool> + Send,
{
    let mut worst = None;
    let (mut open, large): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.bytes <= limits.bytes);
    if let Some(Parcel { bytes, .. }) = large.first() {
        let most = limits.bytes;
        let why = format!("a fact of {bytes} bytes, where the carrier takes {most}");
        worst = Some(Failure::invalid(why));
        if limits.in_order {
            return worst.map_or(Ok(()), Err);
        }
    }
    let mut round = 0;
    loop {
        let mut refused = Vec::new();
        for part in parts(limits, std::mem::take(&mut open)) {
            if limits.in_order && (worst.is_some() || !refused.is_empty()) {
                let held = || Failure::transient("what comes before it was refused");
                refused.extend(part.into_iter().map(|entry| (entry, held())));
                continue;
            }
            let entries = part.iter().map(|parcel| parcel.entry.clone()).collect();
            let mut results = call(entries).await?.into_iter();
            for entry in part {
                let missing = || {
                    Err(Failure::transient(
                        "the carrier gave no result for an entry",
                    ))
                };
                match results.next().unwrap_or_else(missing) {
                    Ok(()) => {}
                    Err(failure @ Failure::Transient(_)) => refused.push((entry, failure)),
                    Err(failure) => worst = Some(graver(worst, failure)),
                }
            }
        }
        let blocked = limits.in_order && worst.is_some();
        let again = round + 1 < ROUNDS && !refused.is_empty() && !blocked && pause(round).await;
        if !again {
            let mut failures = refused.into_iter().map(|(_, failure)| failure);
            let worst = worst.or_else(|| failures.next());
            return worst.map_or(Ok(()), Err);
        }
        open = refused.into_iter().map(|(entry, _)| entry).collect();
        round += 1;
    }
}

fn graver(worst: Option<Failure>, failure: Failure) -> Failure {
    match worst {
        Some(worst @ Failure::Invalid(_)) => worst,
        Some(worst) if !matches!(failure, Failure::Invalid(_)) => worst,
        _ => failure,
    }
}

/// `entries` in their order, in parts that each fit into a call.
fn parts<E>(limits: Limits, entries: Vec<Parcel<E>>) -> Vec<Vec<Parcel<E>>> {
    let mut parts: Vec<Vec<Parcel<E>>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.bytes;
        match parts.last_mut() {
            Some(part) if part.len() < limits.entries && bytes <= limits.bytes => part.push(entry),
            _ => {
                bytes = entry.bytes;
                parts.push(vec![entry]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    type Results = Vec<Result<(), Failure>>;

    /// A carrier that refuses each entry as often as its number says: with a
    /// failure for the moment or, from 100 on, of the kind that stays.
    #[derive(Default)]
    struct Moody {
        calls: Mutex<Vec<Vec<u32>>>,
        asked: Mutex<BTreeMap<u32, u32>>,
    }

    impl Moody {
        fn take(&self, entries: Vec<u32>) -> Results {
            let results = entries.iter().map(|&entry| {
                let mut asked = self.asked.lock().unwrap();
                let times = asked.entry(entry).or_default();
                *times += 1;
                match entry {
                    100 => Err(Failure::misconfigured("denied")),
                    101 => Err(Failure::invalid("malformed")),
                    refusals if *times <= refusals => Err(Failure::transient("throttled")),
                    _ => Ok(()),
                }
            });
            let results = results.collect();
            self.calls.lock().unwrap().push(entries);
            results
        }

        async fn carry(&self, limits: Limits, entries: &[(u32, usize)]) -> Result<(), Failure> {
            let entries = entries
                .iter()
                .map(|&(entry, bytes)| Parcel { entry, bytes });
            let call = |entries| async { Ok(self.take(entries)) };
            carry(limits, entries.collect(), call, |_| async { true }).await
        }

        fn calls(&self) -> Vec<Vec<u32>> {
            self.calls.lock().unwrap().clone()
        }
    }

    const FEW: Limits = Limits {
        entries: 3,
        bytes: 100,
        in_order: false,
    };
    const IN_ORDER: Limits = Limits {
        entries: 1,
        bytes: 100,
        in_order: true,
    };

    #[tokio::test]
    async fn a_call_has_no_more_entries_and_bytes_than_the_carrier_takes() {
        let carrier = Moody::default();
        carrier.carry(FEW, &[(0, 1); 7]).await.unwrap();
        assert_eq!(carrier.calls(), [vec![0; 3], vec![0; 3], vec![0; 1]]);
        let carrier = Moody::default();
        let entries = [(0, 60), (0, 41), (0, 59), (0, 1)];
        carrier.carry(FEW, &entries).await.unwrap();
        assert_eq!(carrier.calls(), [vec![0], vec![0, 0], vec![0]]);
        let carrier = Moody::default();
        carrier.carry(FEW, &[]).await.unwrap();
        assert!(carrier.calls().is_empty());
    }

    #[tokio::test]
    async fn only_what_was_refused_is_sent_again() {
        let carrier = Moody::default();
        carrier.carry(FEW, &[(0, 1), (1, 1), (2, 1)]).await.unwrap();
        assert_eq!(carrier.calls(), [vec![0, 1, 2], vec![1, 2], vec![2]]);
        let carrier = Moody::default();
        let refused = carrier.carry(FEW, &[(9, 1), (0, 1)]).await;
        assert_eq!(refused, Err(Failure::transient("throttled")));
        assert_eq!(carrier.calls(), [vec![9, 0], vec![9], vec![9]]);
    }

    #[tokio::test]
    async fn in_order_nothing_goes_before_what_was_refused() {
        let carrier = Moody::default();
        carrier
            .carry(IN_ORDER, &[(0, 1), (1, 1), (0, 1)])
            .await
            .unwrap();
        assert_eq!(carrier.calls(), [[0], [1], [1], [0]]);
        let carrier = Moody::default();
        let refused = carrier.carry(IN_ORDER, &[(9, 1), (0, 1)]).await;
        assert_eq!(refused, Err(Failure::transient("throttled")));
        assert_eq!(carrier.calls(), [[9], [9], [9]], "the other waits for it");
        let carrier = Moody::default();
        let refused = carrier.carry(IN_ORDER, &[(0, 1), (101, 1), (0, 1)]).await;
        assert_eq!(refused, Err(Failure::invalid("malformed")));
        assert_eq!(carrier.calls(), [[0], [101]]);
        let carrier = Moody::default();
        let refused = carrier.carry(IN_ORDER, &[(0, 1), (0, 101)]).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
        assert!(carrier.calls().is_empty());
    }

    #[tokio::test]
    async fn what_stays_refused_is_sent_once_and_named_by_what_weighs_most() {
        let carrier = Moody::default();
        let refused = carrier.carry(FEW, &[(100, 1), (0, 1), (1, 1)]).await;
        assert_eq!(refused, Err(Failure::misconfigured("denied")));
        assert_eq!(carrier.calls(), [vec![100, 0, 1], vec![1]]);
        for order in [[(100, 1), (101, 1)], [(101, 1), (100, 1)]] {
            let refused = Moody::default().carry(FEW, &order).await;
            assert_eq!(refused, Err(Failure::invalid("malformed")));
        }
        let carrier = Moody::default();
        let refused = carrier.carry(FEW, &[(0, 101), (0, 100)]).await;
        assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
        assert_eq!(carrier.calls(), [[0]], "what can go, goes");
    }

    #[tokio::test]
    async fn what_has_no_result_was_not_taken_and_time_may_run_out() {
        let entries = || vec![Parcel { entry: 0, bytes: 1 }; 2];
        let rounds = Mutex::new(Vec::new());
        let pause = |round| {
            rounds.lock().unwrap().push(round);
            async move { round < 1 }
        };
        let silent = |_| async { Ok(vec![Ok(())]) };
        let refused = carry(FEW, entries(), silent, pause).await;
        assert!(refused.is_ok(), "the second one went the second time");
        let mute = |_| async { Ok(Vec::new()) };
        let refused = carry(FEW, entries(), mute, pause).await;
        assert!(matches!(refused, Err(Failure::Transient(_))), "{refused:?}");
        assert_eq!(*rounds.lock().unwrap(), [0, 0, 1]);
        let broken = |_| async { Err::<Results, _>(Failure::transient("no answer")) };
        let refused = carry(FEW, entries(), broken, pause).await;
        assert_eq!(refused, Err(Failure::transient("no answer")));
    }

    #[test]
    fn the_gravest_failure_is_told_and_of_equals_the_first() {
        let (invalid, other) = (Failure::invalid("one"), Failure::invalid("two"));
        let (refused, later) = (
            Failure::Misconfigured("one".into()),
            Failure::Misconfigured("two".into()),
        );
        for (worst, failure, told) in [
            (None, &refused, &refused),
            (Some(&refused), &later, &refused),
            (Some(&refused), &invalid, &invalid),
            (Some(&invalid), &refused, &invalid),
            (Some(&invalid), &other, &invalid),
        ] {
            assert_eq!(&graver(worst.cloned(), failure.clone()), told);
        }
    }
}
