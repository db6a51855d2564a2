//! A plain charge: an account with a limit, a receipt, and a refusal of its own.
//!
//! `cargo run -p duet-idempotency --example charge`

use duet_idempotency::store::{Key, Memory, Store};
use duet_idempotency::testing::{Delivery, Stage, finish, rehearse};
use duet_idempotency::{Decision, Done, Error, Once, Ticket};
use serde::{Deserialize, Serialize};

/// The command, as it comes in a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Charge {
    account: String,
    order: String,
    amount: u32,
}

/// The document that it is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    limit: u32,
    charged: u32,
    charges: u32,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    number: u32,
    left: u32,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0} is more than what is left")]
    TooMuch(u32),
    #[error(transparent)]
    Failed(#[from] Error),
}

async fn charge(table: &impl Store, charge: &Charge) -> Result<Done<Receipt>, Refused> {
    // An account is charged for many orders: the order tells the charges apart.
    let ticket = Ticket::new("Charge", &charge.account, charge)?.part(&charge.order);
    let key = Key::new(&charge.account, "account");
    let decide = |account: Option<Account>| {
        let mut account = account.unwrap_or(Account {
            limit: 100,
            charged: 0,
            charges: 0,
        });
        let left = account.limit - account.charged;
        if charge.amount > left {
            return Err(Refused::TooMuch(charge.amount));
        }
        account.charged += charge.amount;
        account.charges += 1;
        let receipt = Receipt {
            number: account.charges,
            left: left - charge.amount,
        };
        Ok(Decision::new(receipt).state(account))
    };
    Once::plain(table).run(&ticket, &key, decide).await
}

fn order(order: &str, amount: u32) -> Charge {
    Charge {
        account: "account-7".to_owned(),
        order: order.to_owned(),
        amount,
    }
}

fn main() {
    let table = Memory::default();
    let deliveries = [
        order("order-1", 60),
        order("order-2", 30),
        order("order-1", 60),
        order("order-1", 61),
        order("order-3", 30),
    ];
    for delivery in deliveries {
        let Charge { order, amount, .. } = &delivery;
        match finish(charge(&table, &delivery)) {
            Ok(Done { outcome, repeat }) => {
                let again = if repeat { ", again" } else { "" };
                let Receipt { number, left } = outcome;
                println!("{order}: {amount} charged{again}: receipt {number}, {left} left");
            }
            Err(refused) => println!("{order}: {refused}"),
        }
    }

    let build = |stage: &Stage| {
        let table = stage.table.clone();
        move |delivery: Delivery| {
            let table = table.clone();
            let message = order(&delivery.id, 40);
            async move { charge(&table, &message).await.map(|done| done.outcome) }
        }
    };
    match rehearse(&["first order", "second order"], build) {
        Ok(rehearsed) => println!("rehearsed: {rehearsed}"),
        Err(broken) => println!("broken: {broken}"),
    }
}
