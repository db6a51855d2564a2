//! The protocol on its own.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::lock::{End, Lock, Run, Step};
use crate::store::{Body, Browse, Expect, Item, Key, Memory, Store, StoreFault, Write};
use crate::testing::{HandClock, Torn, finish};
use crate::{Decision, Done, Error, Found, Once, Plain, Ticket, is_record, record_key};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("too little")]
    TooLittle,
    #[error(transparent)]
    Failed(#[from] Error),
}

pub(crate) fn key() -> Key {
    Key::new("a", "account")
}

/// Adds `amount`, which may not leave less than nothing.
pub(crate) async fn book(
    table: &impl Store,
    ticket: &Ticket,
    amount: i64,
) -> Result<Done<i64>, Refused> {
    let decide = |account: Option<Account>| {
        let balance = account.unwrap_or_default().balance + amount;
        if balance < 0 {
            return Err(Refused::TooLittle);
        }
        Ok(Decision::new(balance).state(Account { balance }))
    };
    Once::plain(table).run(ticket, &key(), decide).await
}

pub(crate) fn ticket(part: &str, amount: i64) -> Ticket {
    Ticket::new("Book", "a", &amount).unwrap().part(part)
}

pub(crate) fn balance(table: &Memory) -> i64 {
    table
        .at(&key())
        .map_or(0, |item| item.body.value()["balance"].as_i64().unwrap())
}

#[test]
fn a_command_takes_effect_once_and_a_repeat_gets_its_answer() {
    let table = Memory::default();
    let told = |part, amount| finish(book(&table, &ticket(part, amount), amount));
    let done = |outcome, repeat| Ok(Done { outcome, repeat });
    assert_eq!(told("1", 5), done(5, false));
    assert_eq!(told("2", 2), done(7, false));
    assert_eq!(told("1", 5), done(5, true));
    assert_eq!(told("1", 6), Err(Error::OtherData.into()));
    assert_eq!(balance(&table), 7);
}

#[test]
fn a_ticket_is_of_one_scope() {
    let table = Memory::default();
    let of = |scope: &str| finish(book(&table, &ticket("1", 5).scope(scope), 5));
    assert_eq!(
        of("x"),
        Ok(Done {
            outcome: 5,
            repeat: false
        })
    );
    assert_eq!(of("y"), Err(Error::OtherScope.into()));
    assert_eq!(
        of("x"),
        Ok(Done {
            outcome: 5,
            repeat: true
        })
    );
}

#[test]
fn a_refusal_is_not_kept() {
    let table = Memory::default();
    let less = ticket("1", -3);
    assert_eq!(finish(book(&table, &less, -3)), Err(Refused::TooLittle));
    let _ = finish(book(&table, &ticket("2", 4), 4)).unwrap();
    assert_eq!(
        finish(book(&table, &less, -3)),
        Ok(Done {
            outcome: 1,
            repeat: false
        })
    );
}

#[test]
fn a_refusal_is_not_believed_while_a_record_may_have_been_missed() {
    let table = Torn::new(Memory::default());
    let _ = finish(book(&table, &ticket("1", 4), 4)).unwrap();
    let all = ticket("2", -4);
    let _ = finish(book(&table, &all, -4)).unwrap();
    // It sees the empty account, and not its record.
    assert_eq!(
        finish(book(&table, &all, -4)),
        Ok(Done {
            outcome: 0,
            repeat: true
        })
    );
}

#[test]
fn an_unkept_answer_is_decided_anew_and_gives_way_to_a_kept_one() {
    let table = Torn::new(Memory::default());
    let look = |keep: bool| {
        let once = Once::<_, Plain<i64>>::plain(&table);
        let decide = move |account: Option<Account>| {
            let decision = Decision::new(account.unwrap_or_default().balance);
            Ok(if keep {
                decision.state(Account { balance: 1 })
            } else {
                decision.unkept()
            })
        };
        let ticket = Ticket::new("Look", "a", &()).unwrap();
        finish(async { once.run(&ticket, &key(), decide).await }).unwrap()
    };
    assert_eq!(
        look(false),
        Done {
            outcome: 0,
            repeat: false
        }
    );
    assert_eq!(
        look(false),
        Done {
            outcome: 0,
            repeat: false
        }
    );
    assert_eq!(
        look(true),
        Done {
            outcome: 0,
            repeat: false
        }
    );
    // Its record is missed at first.
    assert_eq!(
        look(false),
        Done {
            outcome: 0,
            repeat: true
        }
    );
}

#[test]
fn records_are_known_by_their_keys() {
    let ticket = ticket("2#x", 5);
    assert_eq!(ticket.key(), &record_key("Book", "a", "2#x"));
    assert_eq!(ticket.key(), &Key::new("a", "done#Book#2#x"));
    assert_eq!(ticket.command(), "Book#2#x");
    assert!(is_record(ticket.key()) && !is_record(&key()));
    let plain = Ticket::new("Book", "a", &5).unwrap();
    assert_eq!(
        (plain.clone().part(""), plain.key().sk.as_str()),
        (plain.clone(), "done#Book")
    );
}

#[test]
fn what_has_no_text_is_an_error_and_nothing_is_written() {
    let strange = std::collections::BTreeMap::from([((1, 2), 3)]);
    let unwritable = Ticket::new("Book", "a", &strange).unwrap_err();
    assert_eq!(
        unwritable.to_string(),
        "the command's data cannot be written as JSON: key must be a string"
    );
    let table = Memory::default();
    let decide = |_: Option<std::collections::BTreeMap<(u8, u8), u8>>| {
        Ok(Decision::new(()).state([((1, 2), 3)].into()))
    };
    let once = Once::<_, Plain<()>>::plain(&table);
    let refused = finish(once.run(&ticket("1", 1), &key(), decide)).unwrap_err();
    assert!(matches!(
        refused,
        Error::Unwritable {
            what: "the document",
            ..
        }
    ));
    assert!(finish(table.everything()).unwrap().is_empty());
}

#[test]
fn what_is_kept_there_and_does_not_fit_is_an_error_that_does_not_quote_it() {
    let table = Memory::default();
    table.set(key(), Some(Body::of(&json!({ "balance": "secret" }))));
    let error = finish(book(&table, &ticket("1", 1), 1))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("account is unreadable") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn whether_to_try_again_is_told_by_the_error() {
    for (error, transient) in [
        (Error::Contended, true),
        (Error::Locked, true),
        (StoreFault::transient("x").into(), true),
        (StoreFault::misconfigured("x").into(), true),
        (StoreFault::invalid("x").into(), false),
        (Error::OtherData, false),
    ] {
        assert_eq!(error.is_transient(), transient, "{error}");
    }
}

/// Between its reads and its writes, somebody else writes.
#[test]
fn a_document_that_keeps_changing_is_given_up() {
    let table = Memory::default();
    let decide = |account: Option<Account>| {
        let balance = account.unwrap_or_default().balance + 1;
        table.set(key(), Some(Body::of(&Account { balance })));
        Ok::<_, Error>(Decision::new(()).state(Account { balance: 0 }))
    };
    let contended = finish(Once::plain(&table).run(&ticket("1", 1), &key(), decide));
    assert_eq!(contended, Err(Error::Contended));
    assert_eq!(balance(&table), 8);
}

#[test]
fn several_documents_are_decided_together() {
    let table = Memory::default();
    let keys = [Key::new("a", "account"), Key::new("b", "account")];
    let once = Once::plain(&table);
    let transfer = |n: i64| {
        let ticket = Ticket::new("Transfer", "a", &n)
            .unwrap()
            .part(&n.to_string());
        let done = once.over(&ticket, &keys, |found| {
            let read = |item: &Option<Item>| item.as_ref().map(Item::read::<Account>).transpose();
            let seen = |n: usize| Expect::unchanged(found[n].as_ref());
            let (a, b) = (
                read(&found[0]).map_err(Error::from)?,
                read(&found[1]).map_err(Error::from)?,
            );
            let (a, b) = (
                a.unwrap_or_default().balance - n,
                b.unwrap_or_default().balance + n,
            );
            let put =
                |at: usize, balance| Write::put(keys[at].clone(), &Account { balance }, seen(at));
            Ok::<_, Error>((vec![put(0, a), put(1, b)], Decision::<(), _>::new((a, b))))
        });
        finish(done).unwrap().outcome
    };
    assert_eq!(
        (transfer(3), transfer(4), transfer(3)),
        ((-3, 3), (-7, 7), (-3, 3))
    );
}

#[test]
fn what_a_command_needs_is_found_step_by_step() {
    let table = Memory::default();
    let (once, ticket) = (Once::<_, Plain<u8>>::plain(&table), ticket("1", 1));
    let Found::Fresh(items) = finish(once.find(&ticket, &[key()])).unwrap() else {
        panic!("nothing was written");
    };
    assert_eq!(items, [None]);
    let settled = finish(once.settle(&ticket, Vec::new(), Decision::<(), _>::new(7)));
    assert_eq!(
        settled,
        Ok(Some(Done {
            outcome: 7,
            repeat: false
        }))
    );
    // Somebody was faster.
    let settled = finish(once.settle(&ticket, Vec::new(), Decision::<(), _>::new(8)));
    assert_eq!(settled, Ok(None));
    let Found::Repeat(done) = finish(once.find(&ticket, &[])).unwrap() else {
        panic!("it was written");
    };
    assert_eq!(
        done,
        Done {
            outcome: 7,
            repeat: true
        }
    );
}

fn run<'a>(message: &'a str, last: bool, clock: &HandClock) -> Run<'a> {
    let until = clock.now() + std::time::Duration::from_secs(10);
    Run {
        message,
        until,
        last,
    }
}

#[test]
fn a_lock_keeps_others_out_until_it_expires() {
    let clock = HandClock::default();
    let take = |held: Option<&Lock>, message, last| {
        Lock::take(held, "k".into(), run(message, last, &clock), clock.now())
    };
    let lock = take(None, "m-1", false).unwrap();
    assert_eq!(take(Some(&lock), "m-2", false), Err(Error::Locked));
    // Its own message goes on, but not where it would give up.
    assert!(take(Some(&lock), "m-1", false).unwrap().shared);
    assert_eq!(take(Some(&lock), "m-1", true), Err(Error::Locked));
    assert_eq!(lock.clone().release(), None);
    assert!(take(Some(&lock), "m-1", false).unwrap().release().is_some());
    clock.advance(10);
    assert!(!take(Some(&lock), "m-2", true).unwrap().shared);
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Asked {
    answer: Option<u8>,
    given_up: bool,
    lock: Option<Lock>,
}

/// Asks a third party, which answers what `answer` says.
fn ask(
    table: &impl Store,
    given_up: bool,
    answer: impl Fn() -> Option<u8> + Sync,
) -> Result<Done<u8>, Error> {
    let clock = HandClock::default();
    let begin = |asked: Option<Asked>| {
        let mut locked = asked.unwrap_or_default();
        if let Some(answer) = locked.answer {
            return Ok(Step::Settle(Decision::new(answer)));
        }
        locked.lock = Some(Lock::seize("k".to_owned(), run("m-1", false, &clock)));
        let question = ();
        Ok(match locked.given_up {
            true => Step::AskAgain { locked, question },
            false => Step::Ask { locked, question },
        })
    };
    let third_party = |()| std::future::ready(answer());
    let end = |asked: Asked, (), answer| {
        let free = Asked {
            lock: None,
            ..asked
        };
        match answer {
            Some(told) => End::Settle(Decision::new(told).state(Asked { answer, ..free })),
            None if given_up => End::Settle(Decision::new(0).state(Asked { given_up, ..free })),
            None => End::Release(free, Error::from(StoreFault::transient("silence"))),
        }
    };
    let ticket = Ticket::new("Ask", "a", &())?;
    let key = Key::new("a", "asked");
    finish(Once::plain(table).ask(&ticket, &key, begin, third_party, end))
}

fn asked(table: &Memory) -> Asked {
    table.at(&Key::new("a", "asked")).unwrap().read().unwrap()
}

#[test]
fn who_gets_no_answer_leaves_no_lock() {
    let table = Memory::default();
    assert!(ask(&table, false, || None).is_err());
    assert_eq!(asked(&table), Asked::default());
    let done = |outcome, repeat| Ok(Done { outcome, repeat });
    assert_eq!(ask(&table, false, || Some(3)), done(3, false));
    assert_eq!(
        ask(&table, false, || panic!("it was answered")),
        done(3, true)
    );
}

/// The lock was taken over while the third party was asked, and the new holder wrote.
#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let table = Memory::default();
    let overtaken = || {
        let other = Asked {
            answer: Some(9),
            ..Asked::default()
        };
        table.set(Key::new("a", "asked"), Some(Body::of(&other)));
        Some(3)
    };
    assert_eq!(
        ask(&table, false, overtaken),
        Ok(Done {
            outcome: 9,
            repeat: false
        })
    );
    assert_eq!(asked(&table).answer, Some(9));
}

/// The document says that the third party was given up, and so does a record that the
/// first read misses.
#[test]
fn who_gave_up_does_not_ask_again() {
    let table = Torn::new(Memory::default());
    assert_eq!(
        ask(&table, true, || None),
        Ok(Done {
            outcome: 0,
            repeat: false
        })
    );
    let again = ask(&table, true, || panic!("it was given up"));
    assert_eq!(
        again,
        Ok(Done {
            outcome: 0,
            repeat: true
        })
    );
}
