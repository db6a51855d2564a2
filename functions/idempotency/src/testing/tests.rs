//! That a rehearsal passes what is right, and finds what is not.

use serde::{Deserialize, Serialize};

use super::*;
use crate::lock::{End, Lock, Step};
use crate::store::{Expect, Item, Key, Memory, Store, StoreFault, Write, revise};
use crate::tests::{Account, Refused, balance, book, key, ticket};
use crate::{Decision, Error, Found, Once, Plain, Ticket};

/// What a handler of the rehearsals below does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Nothing,
    NoRecord,
    RecordAfterwards,
    Unconditional,
    EffectOutside,
    RefusalBelieved,
    OtherAnswer,
    SwallowsSilence,
    EffectEachTime,
}

/// Takes 10 of the 25 that an account has, and counts outside what it did.
async fn take(stage: Stage, delivery: Delivery, wrong: Wrong) -> Result<String, String> {
    let Stage { table, outside, .. } = stage;
    let data = ticket(&delivery.message.to_string(), 10);
    let said = |e: &dyn std::fmt::Display| e.to_string();
    let once = Once::<_, Plain<String, Refused>>::plain(&table);
    if wrong == Wrong::EffectEachTime {
        let each = |n: &mut Account| n.balance += 1;
        let counter = Key::new("x", "count");
        let counted = revise(&outside, &counter, Account::default(), each).await;
        counted.map_err(|e| said(&e))?;
    }
    let found = once.find(&data, &[key()]).await.map_err(|e| said(&e))?;
    let items = match found {
        Found::Fresh(items) => items,
        Found::Repeat(done) if wrong == Wrong::OtherAnswer => return Ok(done.outcome + " again"),
        Found::Repeat(done) => return Ok(done.outcome),
    };
    let item = items[0].as_ref();
    let account = item
        .map(Item::read::<Account>)
        .transpose()
        .map_err(|e| said(&e))?;
    let left = account.map_or(25, |account| account.balance) - 10;
    if left < 0 {
        if wrong == Wrong::RefusalBelieved {
            return Ok("refused".to_owned());
        }
        let refused = once.refuse(&data, None, Refused::TooLittle).await;
        return Ok(refused.map_or("refused".to_owned(), |done| done.outcome));
    }
    if wrong == Wrong::EffectOutside {
        let count = |n: &mut Account| n.balance += 1;
        let counter = Key::new("x", "count");
        revise(&outside, &counter, Account::default(), count)
            .await
            .map_err(|e| said(&e))?;
    }
    let seen = match wrong {
        Wrong::Unconditional => Expect::Anything,
        _ => Expect::unchanged(item),
    };
    let write = Write::put(key(), &Account { balance: left }, seen);
    let decision = Decision::<(), _>::new("taken".to_owned());
    let settled = match wrong {
        Wrong::NoRecord => once.settle(&data, vec![write], decision.unkept()).await,
        Wrong::RecordAfterwards => {
            table.commit(vec![write]).await.map_err(|e| said(&e))?;
            once.settle(&data, Vec::new(), decision).await
        }
        _ => once.settle(&data, vec![write], decision).await,
    };
    if wrong == Wrong::SwallowsSilence && settled.is_err() {
        return Ok("lost".to_owned());
    }
    let settled = settled.map_err(|e| said(&e))?;
    settled
        .map(|done| done.outcome)
        .ok_or_else(|| "changed meanwhile".to_owned())
}

fn rehearsed(wrong: Wrong) -> Result<Rehearsed, Broken> {
    rehearse(&["First", "Second"], |stage: &Stage| {
        let stage = stage.clone();
        move |delivery| take(stage.clone(), delivery, wrong)
    })
}

#[test]
fn a_rehearsal_passes_what_is_right() {
    let Rehearsed { situations } = rehearsed(Wrong::Nothing).unwrap();
    assert!(situations > 40, "{situations}");
}

#[test]
fn a_rehearsal_says_what_is_wrong() {
    for (wrong, situation, what) in [
        (Wrong::NoRecord, "each message comes twice", "First is told"),
        (
            Wrong::RecordAfterwards,
            "First dies after its commit",
            "Second is told \"refused\"; undisturbed it is \"taken\"",
        ),
        (
            Wrong::Unconditional,
            "is overtaken",
            "a/account is {\"balance\":15}",
        ),
        (
            Wrong::EffectOutside,
            "meets a conflict",
            "outside x/count is {\"balance\":3}",
        ),
        (
            Wrong::RefusalBelieved,
            "Second comes again and misses its record",
            "\"refused\" when it comes again",
        ),
        (
            Wrong::OtherAnswer,
            "each message comes twice",
            "\"taken again\" when it comes again",
        ),
        (
            Wrong::SwallowsSilence,
            "First gets no answer to call 2, which was not done",
            "First is told \"lost\"",
        ),
        (
            Wrong::SwallowsSilence,
            "Second gets no answer to call 2, which was done",
            "Second is told \"lost\"",
        ),
        (
            Wrong::EffectEachTime,
            "each message comes twice",
            "outside x/count is {\"balance\":4}; undisturbed it is {\"balance\":2}",
        ),
    ] {
        let broken = rehearsed(wrong).unwrap_err();
        let mut found = broken.findings.iter();
        let known = found.any(|it| it.situation.contains(situation) && it.what.contains(what));
        assert!(known, "{wrong:?}: {:#?}", broken.findings);
        let told = broken.to_string();
        assert!(told.contains(&broken.findings[0].what), "{told}");
    }
}

#[test]
fn what_is_never_acknowledged_is_said_with_its_error() {
    let broken = rehearse(&["Deaf"], |_| |_| async { Err::<(), _>("no") }).unwrap_err();
    let expected = "1 of 1 situations end otherwise\n- each message comes twice:\n  \
                    Deaf is never acknowledged: no";
    assert_eq!(broken.to_string(), expected);
}

/// Asks a third party that answers the first time it is asked for a message only.
async fn ask(
    table: &Table,
    outside: &Memory,
    clock: &HandClock,
    delivery: &Delivery,
    locks: bool,
) -> Result<u8, Error> {
    #[derive(Clone, Default, Serialize, Deserialize)]
    struct Asked {
        answer: Option<u8>,
        lock: Option<Lock>,
    }
    let begin = |asked: Option<Asked>| {
        let asked = asked.unwrap_or_default();
        if let Some(answer) = asked.answer {
            return Ok(Step::Settle(Decision::new(answer)));
        }
        let key = if locks {
            "k".to_owned()
        } else {
            delivery.until.to_string()
        };
        let lock = match locks {
            true => Lock::take(
                asked.lock.as_ref(),
                key.clone(),
                delivery.run(),
                clock.now(),
            )?,
            false => Lock::seize(key.clone(), delivery.run()),
        };
        let locked = Asked {
            lock: Some(lock),
            ..asked
        };
        Ok(Step::Ask {
            locked,
            question: key,
        })
    };
    let third_party = |key: String| async move {
        let new = |n: &mut Account| n.balance = 1;
        revise(outside, &Key::new(&key, "charge"), Account::default(), new).await
    };
    let end = |asked: Asked, _, answer: Result<(), StoreFault>| match answer {
        Ok(()) => End::Settle(Decision::new(1).state(Asked {
            answer: Some(1),
            lock: None,
        })),
        Err(fault) => End::Release(
            Asked {
                lock: asked.lock.and_then(Lock::release),
                ..asked
            },
            Error::from(fault),
        ),
    };
    let ticket = Ticket::new("Ask", "o", &())?;
    let key = Key::new("o", "asked");
    let done = Once::plain(table)
        .ask(&ticket, &key, begin, third_party, end)
        .await?;
    Ok(done.outcome)
}

#[test]
fn who_asks_under_a_key_of_its_own_asks_once() {
    for locks in [true, false] {
        let rehearsed = rehearse(&["Ask"], |stage: &Stage| {
            let stage = stage.clone();
            move |delivery: Delivery| {
                let Stage {
                    table,
                    outside,
                    clock,
                } = stage.clone();
                async move { ask(&table, &outside, &clock, &delivery, locks).await }
            }
        });
        match (locks, rehearsed) {
            (true, rehearsed) => assert!(rehearsed.unwrap().situations > 20),
            (false, rehearsed) => {
                let broken = rehearsed.unwrap_err();
                let charged_twice = |it: &Finding| it.what.contains("outside 1970");
                assert!(broken.findings.iter().any(charged_twice), "{broken}");
            }
        }
    }
}

#[test]
fn a_schedule_ends_with_each_message_acknowledged() {
    let (mut started, mut ended) = (0, 0);
    for seed in 0..200_u32 {
        let (table, clock) = (Memory::default(), HandClock::default());
        let turns: Vec<u8> = (0..120)
            .map(|n: u32| ((seed * 7_919 + n * 104_729) >> 3) as u8)
            .filter(|turn| !matches!(Turn::from(*turn), Turn::Wait(_)))
            .collect();
        let begun = std::cell::Cell::new(0);
        let told = schedule(&clock, &["1", "2", "3"], 9, &turns, |delivery| {
            begun.set(begun.get() + 1);
            let table = Stepwise(table.clone());
            async move {
                let booked = book(&table, &ticket(&delivery.id, 5), 5).await;
                booked.map(|done| done.outcome)
            }
        });
        let told = told.unwrap();
        let same = |all: &Vec<i64>| all.iter().all(|it| it == &all[0]);
        assert!(told.iter().all(same), "{seed}: {told:?}");
        assert_eq!(balance(&table), 15, "{seed}");
        started += begun.get();
        ended += told.iter().map(Vec::len).sum::<usize>();
    }
    // Nobody ran out of time, so what did not end was killed on the way.
    assert!(started > ended + 200, "{started} started, {ended} ended");
}
