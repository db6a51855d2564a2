//! The scenarios themselves, each with the plan it draws up and how it ends.

use std::num::NonZeroU32;

use duet_core::money::MAX_AMOUNT;
use duet_core::order::{Line, Reason};
use duet_fraud::command::Verdict;
use duet_fraud::rules;
use duet_order::command::PlaceOrder;

use super::draft::{Draft, PRICE, RIVALS};
use super::{Expected, Hopeless, Person, Scenario, silence};

/// Every scenario, in the order of the demo.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "happy",
        about: "valid card, stock, address",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "many-lines",
        about: "five lines of four SKUs, one of them on two lines",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            let mut order = draft.order();
            let again = order.lines[0].clone();
            for n in 2..=4_u32 {
                let price = PRICE / i64::from(n);
                let sku = draft.sell(&format!("sku-{n}"), price);
                let quantity = NonZeroU32::MIN.saturating_add(n);
                order.total.amount += price * i64::from(quantity.get());
                order.lines.push(Line { sku, quantity });
            }
            order.total.amount += PRICE;
            order.lines.push(again);
            draft.place(order);
        },
    },
    Scenario {
        name: "last-piece",
        about: "three orders at once want the last piece",
        fraud: false,
        expected: Expected::Contested {
            confirmed: 1,
            reason: Reason::StockUnavailable,
            detail: Some("OutOfStock"),
        },
        plan: |draft| {
            let order = draft.order();
            for good in &mut draft.plan.goods {
                good.quantity = 1;
            }
            draft.copies = draft.copies.max(RIVALS);
            draft.place(order);
        },
    },
    Scenario {
        name: "out-of-stock",
        about: "asks for more than there is",
        fraud: false,
        expected: Expected::Rejected(Reason::StockUnavailable, Some("OutOfStock")),
        plan: |draft| {
            let mut order = draft.order();
            for good in &mut draft.plan.goods {
                good.quantity = 1;
            }
            order.lines[0].quantity = NonZeroU32::MIN.saturating_add(1);
            order.total = Draft::money(2 * PRICE);
            draft.place(order);
        },
    },
    Scenario {
        name: "price-changed",
        about: "total differs from the catalogue",
        fraud: false,
        expected: Expected::Rejected(Reason::StockUnavailable, Some("PriceChanged")),
        plan: |draft| {
            let order = draft.order();
            draft.place(PlaceOrder {
                total: Draft::money(PRICE - 1),
                ..order
            });
        },
    },
    Scenario {
        name: "card-declined",
        about: "token declines",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentDeclined, None),
        plan: |draft| with_token(draft, "tok_declined"),
    },
    Scenario {
        name: "payment-flaky",
        about: "provider fails twice, then works",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| with_token(draft, "tok_flaky"),
    },
    Scenario {
        name: "payment-down",
        about: "provider never answers",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentUnavailable, None),
        plan: |draft| with_token(draft, "tok_down"),
    },
    Scenario {
        name: "patience-edge",
        about: "provider silent for a second less than patience, then for 20 s more",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentUnavailable, None),
        plan: |draft| {
            let patience = draft.patience;
            let token = |seconds| format!("tok_silent_{seconds}s");
            let order = draft.order();
            draft.plan.waves.push(vec![PlaceOrder {
                order: draft.id("in-time"),
                payment_token: token(patience.saturating_sub(1)),
                ..order.clone()
            }]);
            draft.place(PlaceOrder {
                payment_token: token(silence(patience)),
                ..order
            });
        },
    },
    Scenario {
        name: "fraud-block",
        about: "score over block",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let mut order = draft.dear_order();
            order.ship_to.country = "US".to_owned();
            draft.place(order);
        },
    },
    Scenario {
        name: "velocity",
        about: "a customer's n-th order within the hour",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let order = draft.order();
            for n in 1..=rules::VELOCITY {
                let order = PlaceOrder {
                    order: draft.id(&n.to_string()),
                    ..order.clone()
                };
                draft.plan.waves.push(vec![order]);
            }
        },
    },
    Scenario {
        name: "velocity-at-once",
        about: "twice as many orders of one customer as the rule counts, submitted together",
        fraud: true,
        expected: Expected::Contested {
            confirmed: rules::VELOCITY - 1,
            reason: Reason::FraudConfirmed,
            detail: None,
        },
        plan: |draft| {
            let order = draft.order();
            let wave = (1..=2 * rules::VELOCITY).map(|n| PlaceOrder {
                order: draft.id(&n.to_string()),
                ..order.clone()
            });
            let wave = wave.collect();
            draft.plan.waves.push(wave);
        },
    },
    Scenario {
        name: "blocked-customer",
        about: "an order by a customer who was blocked",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let customer = draft.register_suspect();
            let order = draft.order_of(customer);
            draft.place(order);
        },
    },
    Scenario {
        name: "review-approve",
        about: "score over review; a person says yes",
        fraud: true,
        expected: Expected::Confirmed,
        plan: |draft| draft.review(Person::Says(Verdict::Approve)),
    },
    Scenario {
        name: "review-reject",
        about: "score over review; a person says no",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| draft.review(Person::Says(Verdict::Reject)),
    },
    Scenario {
        name: "review-timeout",
        about: "score over review; a person says nothing",
        fraud: true,
        expected: Expected::Rejected(Reason::ReviewTimedOut, None),
        plan: |draft| draft.review(Person::IsSilent),
    },
    Scenario {
        name: "huge-total",
        about: "the largest total any door takes; one more is refused there",
        fraud: true,
        expected: Expected::Confirmed,
        plan: |draft| {
            draft.plan.excess = true;
            let order = draft.order_at(MAX_AMOUNT);
            draft.reviewed(order, Person::Says(Verdict::Approve));
        },
    },
    Scenario {
        name: "undeliverable",
        about: "postcode not served",
        fraud: false,
        expected: Expected::Rejected(Reason::DeliveryFailed, Some("NotServed")),
        plan: |draft| {
            let mut order = draft.order();
            order.ship_to.postcode = "00000".to_owned();
            draft.place(order);
        },
    },
    Scenario {
        name: "refund-fails",
        about: "refund keeps failing, until an operator repairs the order",
        fraud: false,
        expected: Expected::NeedsAttention(Reason::DeliveryFailed, Some("NotServed")),
        plan: |draft| {
            // No answer until every service has given up, and then one.
            let silent = silence(draft.patience);
            let mut order = draft.order();
            order.ship_to.postcode = "00000".to_owned();
            order.payment_token = format!("tok_refund_silent_{silent}s");
            draft.plan.repair = true;
            draft.place(order);
        },
    },
    Scenario {
        name: "twice",
        about: "the same order id submitted twice, at once",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            draft.plan.times = 2;
            draft.plan.forge = true;
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "poison",
        about: "a message no one can parse",
        fraud: false,
        expected: Expected::DeadLettered,
        plan: |draft| {
            draft.plan.hopeless = Some(Hopeless::Poison(format!("{}-poison", draft.stem)));
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "unknown-field",
        about: "an order with a field that nobody knows, beside a good one",
        fraud: false,
        expected: Expected::DeadLettered,
        plan: |draft| {
            let order = draft.order();
            draft.plan.hopeless = Some(Hopeless::UnknownField(Box::new(PlaceOrder {
                order: draft.id("unknown"),
                ..order.clone()
            })));
            draft.place(order);
        },
    },
    Scenario {
        name: "new-customer",
        about: "registration",
        fraud: false,
        expected: Expected::Active,
        plan: |draft| {
            draft.register("example.org");
        },
    },
    Scenario {
        name: "new-customer-fraud",
        about: "registration from a disposable address",
        fraud: true,
        expected: Expected::Blocked,
        plan: |draft| {
            draft.register_suspect();
        },
    },
];

fn with_token(draft: &mut Draft, token: &str) {
    let order = draft.order();
    draft.place(PlaceOrder {
        payment_token: token.to_owned(),
        ..order
    });
}
