//! What the order service keeps of a person: once, and no longer than it needs.

use duet_core::store::{Browse, Expect, Write};

use super::*;
use crate::command::ForgetOrder;
use crate::placing_key;

/// What says who bought, where they live, and how they pay.
const SECRETS: [&str; 5] = ["tok_ok", "Ada", "1 Road", "Lund", "22100"];

fn forget() -> Command {
    ForgetOrder { order: id() }.into()
}

impl<C: Clock, S: Store> World<C, S> {
    /// How often each of [`SECRETS`] is in the table.
    async fn secrets(&self) -> [usize; 5] {
        let items = self.table.everything().await.unwrap();
        let text: String = items.iter().map(|item| item.body.text()).collect();
        SECRETS.map(|secret| text.matches(secret).count())
    }

    /// Writes what an earlier version would have, in place of what is there: the
    /// announced fact in the document, in the answer and in the events.
    async fn as_an_earlier_version(&self, said: &Handled) {
        let order = key("o-1");
        let placing = placing_key("o-1");
        for at in [order, placing] {
            let item = self
                .table
                .load(std::slice::from_ref(&at))
                .await
                .unwrap()
                .remove(0)
                .unwrap();
            let mut body = item.body.value();
            let fact = said.events[0].fact.data();
            if at.sk == "order" {
                body["placed"] = fact;
                body.as_object_mut().unwrap().remove("said");
            } else {
                body["answer"] = json!({ "outcome": "done", "with": fact });
                body["events"] = json!([said.events[0]]);
                body.as_object_mut().unwrap().remove("announced");
            }
            let write = Write::put(at, &body, Expect::Version(item.version));
            self.table.commit(vec![write]).await.unwrap();
        }
    }
}

fn owed(part: Part) -> Owed {
    Owed { part, amount: None }
}

fn text(handled: &Handled) -> String {
    format!(
        "{}{:?}",
        serde_json::to_string(&handled.events).unwrap(),
        handled.answer
    )
}

#[tokio::test]
async fn an_open_order_says_it_again_byte_for_byte_and_keeps_it_once() {
    let world = world();
    let first = world.tell(place()).await;
    assert_eq!(world.secrets().await, [1; 5]);
    let said = world.order().await.said.unwrap();
    assert_eq!(said, serde_json::to_string(&first.events[0].fact).unwrap());
    // Whatever happens to it meanwhile.
    let _ = world
        .tell(Command::from(ExtendDeadline { order: id() }))
        .await;
    let _ = world.tell(reject(Reason::PaymentDeclined, None)).await;
    let _ = world.tell(undone(&[Part::Delivery])).await;
    world.turn_to(600);
    let again = world.tell(place()).await;
    assert!(again.repeat);
    assert_eq!(text(&again), text(&first));
    assert_eq!(again.timers, first.timers);
    assert_eq!(world.secrets().await, [1; 5]);
}

#[tokio::test]
async fn the_token_goes_once_it_is_settled_and_the_address_once_it_is_undone() {
    for confirmed in [true, false] {
        let world = placed().await;
        if confirmed {
            let _ = world.tell(confirm()).await;
            assert_eq!(world.secrets().await, [0, 1, 1, 1, 1]);
        } else {
            let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
            let _ = world.tell(undone(&Part::COMPENSATED)).await;
            assert_eq!(world.secrets().await, [0; 5]);
        }
        // What comes late is taken for what it is, and says nothing.
        let again = world.tell(place()).await;
        assert!(again.repeat && again.events.is_empty() && again.timers.is_empty());
        let Answer::Done(answer) = again.answer else {
            panic!("declined")
        };
        assert_eq!(
            (&answer["order"], &answer["total"]["amount"]),
            (&json!("o-1"), &json!(2_500))
        );
        let other = PlaceOrder {
            payment_token: "tok_other".into(),
            ..place()
        };
        world.refuses(other, "standard").await;
    }
}

#[tokio::test]
async fn only_an_order_that_has_ended_is_forgotten() {
    let world = placed().await;
    let not_ended = Answer::Declined(Refusal::new("OrderNotEnded", ""));
    assert_eq!(world.tell(forget()).await.answer, not_ended);
    let _ = world.tell(reject(Reason::DeliveryFailed, None)).await;
    assert_eq!(world.tell(forget()).await.answer, not_ended);
    let _ = world.tell(park(&[owed(Part::Payment)])).await;
    assert_eq!(world.tell(forget()).await.answer, not_ended);
    assert_eq!(world.secrets().await, [1; 5]);
    let _ = world.tell(undone(&Part::COMPENSATED)).await;
    let forgotten = world.tell(forget()).await;
    assert!(matches!(forgotten.answer, Answer::Done(_)) && forgotten.events.is_empty());
    let unknown = ForgetOrder {
        order: "o-9".parse().unwrap(),
    };
    world.refuses(unknown, "standard").await;
    world.refuses(forget(), "eventbridge").await;
}

#[tokio::test]
async fn a_confirmed_order_that_owes_is_not_forgotten() {
    let world = placed().await;
    let _ = world.tell(confirm()).await;
    let _ = world.tell(park(&[owed(Part::Shipment)])).await;
    let refused = world.tell(forget()).await;
    assert_eq!(
        refused.answer,
        Answer::Declined(Refusal::new("OrderNotEnded", ""))
    );
    let _ = world.tell(undone(&[Part::Shipment])).await;
    world.turn_to(60);
    let _ = world.tell(forget()).await;
    assert_eq!(world.secrets().await, [0; 5]);
    let order = world.order().await;
    assert_eq!(
        (order.fate, order.forgotten_at),
        (Fate::Confirmed, Some(at(60)))
    );
    world.turn_to(90);
    assert!(world.tell(forget()).await.repeat);
    assert_eq!(world.order().await.forgotten_at, Some(at(60)));
}

#[tokio::test]
async fn what_an_earlier_version_kept_is_said_again_and_forgotten() {
    let world = world();
    let first = world.tell(place()).await;
    world.as_an_earlier_version(&first).await;
    assert_eq!(world.secrets().await, [3; 5], "as it was");
    let again = world.tell(place()).await;
    assert_eq!(text(&again), text(&first));
    let _ = world.tell(confirm()).await;
    assert_eq!(
        world.secrets().await,
        [2, 3, 3, 3, 3],
        "the record still has it all"
    );
    let _ = world.tell(forget()).await;
    assert_eq!(world.secrets().await, [0; 5]);
    let again = world.tell(place()).await;
    assert!(again.repeat && again.events.is_empty());
    let other = PlaceOrder {
        total: money(1),
        ..place()
    };
    world.refuses(other, "standard").await;
}

#[tokio::test]
async fn what_was_said_is_said_again_for_fourteen_days() {
    let world = world();
    let first = world.tell(place()).await;
    world.turn_to(14 * 86_400 - 1);
    assert_eq!(text(&world.tell(place()).await), text(&first));
    world.turn_to(14 * 86_400);
    let late = world.tell(place()).await;
    assert!(late.repeat && late.events.is_empty() && late.timers.is_empty());
    // Whoever asks is told what the record itself says: nothing of a person.
    let Answer::Done(answer) = late.answer else {
        panic!("declined")
    };
    assert_eq!(answer["total"]["amount"], 2_500);
    assert!(SECRETS.iter().all(|it| !answer.to_string().contains(it)));
    let other = PlaceOrder {
        total: money(1),
        ..place()
    };
    world.refuses(other, "standard").await;
}
