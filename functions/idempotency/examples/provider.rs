//! A charge that asks a payment provider, which takes no part in our transaction.
//!
//! The document is locked first, so one delivery at a time asks. The provider gets a
//! key of ours, under which asking twice is asking once. Its answer is written with
//! the document and the record. Whoever dies in between leaves a lock that expires,
//! and the next delivery asks again by the same key.
//!
//! `cargo run -p duet-idempotency --example provider`

use duet_idempotency::lock::{End, Lock, Run, Step};
use duet_idempotency::store::{Key, Memory, Store, StoreFault, revise};
use duet_idempotency::testing::{Delivery, HandClock, Stage, finish, rehearse};
use duet_idempotency::{Decision, Done, Error, Once, Ticket};
use serde::{Deserialize, Serialize};

/// The document: how an order's payment stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Payment {
    charged: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock: Option<Lock>,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the provider did not answer")]
    Silence,
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A provider with books of its own. It answers nothing when it is first asked for an
/// order, though it charged.
#[derive(Debug, Clone)]
struct Provider {
    books: Memory,
}

/// What its books say of one key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Booked {
    amount: u32,
    asked: u32,
}

impl Provider {
    /// Charges `amount` under `key`, once; whether it answers is another thing.
    async fn charge(&self, key: &str, amount: u32) -> Result<bool, StoreFault> {
        let page = Key::new(key, "charge");
        let book = |booked: &mut Booked| {
            booked.amount = amount;
            booked.asked = (booked.asked + 1).min(2);
            booked.asked > 1
        };
        revise(&self.books, &page, Booked::default(), book).await
    }
}

async fn pay(
    table: &impl Store,
    provider: &Provider,
    run: Run<'_>,
    clock: &HandClock,
    (order, amount): (&str, u32),
) -> Result<Done<u32>, Refused> {
    let ticket = Ticket::new("Pay", order, &amount)?;
    let begin = |payment: Option<Payment>| {
        let mut payment = payment.unwrap_or_default();
        if let Some(charged) = payment.charged {
            return Ok(Step::Settle(Decision::new(charged)));
        }
        let key = format!("payment-{order}");
        let lock = Lock::take(payment.lock.as_ref(), key.clone(), run, clock.now())?;
        payment.lock = Some(lock);
        let (locked, question) = (payment, key);
        Ok(Step::Ask { locked, question })
    };
    let ask = |key: String| async move { provider.charge(&key, amount).await };
    let end = |mut payment: Payment, _, answer| {
        let lock = payment.lock.take();
        if let Ok(true) = answer {
            payment.charged = Some(amount);
            return End::Settle(Decision::new(amount).state(payment));
        }
        payment.lock = lock.and_then(Lock::release);
        End::Release(payment, Refused::Silence)
    };
    let key = Key::new(order, "payment");
    Once::plain(table).ask(&ticket, &key, begin, ask, end).await
}

fn main() {
    let (table, clock) = (Memory::default(), HandClock::default());
    let books = Memory::default();
    let provider = Provider { books };
    for attempt in 1..=3 {
        let until = clock.now() + std::time::Duration::from_secs(10);
        let run = Run {
            message: "message-1",
            until,
            last: false,
        };
        match finish(pay(&table, &provider, run, &clock, ("order-1", 250))) {
            Ok(Done { outcome, repeat }) => {
                println!("delivery {attempt}: {outcome} charged (a repeat: {repeat})");
            }
            Err(refused) => println!("delivery {attempt}: {refused}"),
        }
    }
    let booked = provider.books.at(&Key::new("payment-order-1", "charge"));
    let booked = booked.map_or_else(String::new, |page| page.body.text().to_owned());
    println!("the provider's books: {booked}");

    let build = |stage: &Stage| {
        let Stage {
            table,
            outside,
            clock,
        } = stage.clone();
        let provider = Provider { books: outside };
        move |delivery: Delivery| {
            let (table, provider, clock) = (table.clone(), provider.clone(), clock.clone());
            async move {
                let order = ("order-1", 250);
                let paid = pay(&table, &provider, delivery.run(), &clock, order).await;
                paid.map(|done| done.outcome)
            }
        }
    };
    match rehearse(&["Pay"], build) {
        Ok(rehearsed) => println!("rehearsed: {rehearsed}"),
        Err(broken) => println!("broken: {broken}"),
    }
}
