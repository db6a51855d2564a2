//! What a record says again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::Metadata;
use crate::fact::{PaymentCaptured, PaymentDeclined};
use crate::message::SCHEMA_VERSION;
use crate::store::{Expect, Key, Memory, Write};
use crate::time::after;
use crate::vocabulary;

vocabulary! {
    /// The commands of a service that announces what it is told to.
    enum Command {
        /// Announce.
        Act,
    }
}

/// Announce.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Act {
    order: crate::OrderId,
}

/// The document: what it announced, as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    said: String,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn context() -> Context {
    Context {
        message: Metadata {
            id: "m-1".into(),
            source: "duet.test".into(),
            kind: "Act".into(),
            subject: "o-1".into(),
            time: at(0),
            schemaversion: SCHEMA_VERSION.into(),
            correlationid: "o-1".into(),
            causationid: None,
            traceparent: None,
            variant: "known".into(),
            late: false,
        },
        reply_to: None,
        clearance: None,
        execution: None,
        last_attempt: false,
        deadline: Timestamp::MAX,
        replay: false,
    }
}

fn captured() -> PaymentCaptured {
    let data = json!({ "order": "o-1", "amount": { "amount": 5, "currency": "EUR" } });
    serde_json::from_value(data).unwrap()
}

fn declined() -> PaymentDeclined {
    PaymentDeclined {
        order: "o-1".parse().unwrap(),
    }
}

struct World<C> {
    desk: Desk<Memory, C>,
    record: Key,
    document: Key,
}

fn world() -> World<impl Clock> {
    let clock = std::sync::Arc::new(|| at(100));
    World {
        desk: Desk::new("test", Memory::default(), clock),
        record: record_key("Act", "o-1", ""),
        document: Key::new("o-1", "document"),
    }
}

impl<C: Clock> World<C> {
    /// The command, once more: what it says, as it goes out.
    async fn act(&self) -> (Handled, Vec<String>) {
        let order = "o-1".parse().unwrap();
        let command = Command::from(Act { order });
        let context = context();
        let ticket = self.desk.ticket(&context, &command, "o-1", "");
        let decide = |_: Option<Document>| {
            let said = serde_json::to_string(&captured()).unwrap();
            Ok(Decision::done("fine")
                .state(Document { said })
                .announce("said", captured())
                .fact(declined()))
        };
        let once = self.desk.once(&context);
        let handled = once.run(&ticket, &self.document, decide).await.unwrap();
        let said = handled.events.iter();
        let said = said.map(|event| serde_json::to_string(event).unwrap());
        let said = said.collect();
        (handled, said)
    }

    /// Changes what is kept at `key`, as other code would have kept it.
    async fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) {
        let store = &self.desk.store;
        let item = store.load(std::slice::from_ref(key)).await.unwrap();
        let mut body = item[0].as_ref().unwrap().body.value();
        change(&mut body);
        let write = Write::put(key.clone(), &body, Expect::Anything);
        store.commit(vec![write]).await.unwrap();
    }

    async fn kept(&self) -> Item {
        let store = &self.desk.store;
        let items = store.load(std::slice::from_ref(&self.record)).await;
        items.unwrap().remove(0).unwrap()
    }
}

/// The text at `place`, with `from` replaced.
fn reword(place: &mut Value, from: &str, to: &str) {
    let text = place.as_str().unwrap();
    assert!(text.contains(from), "{text}");
    *place = text.replacen(from, to, 1).into();
}

#[tokio::test]
async fn a_repeat_says_the_same_bytes() {
    let world = world();
    let (first, said) = world.act().await;
    let (again, same) = world.act().await;
    assert!(again.repeat && !first.repeat);
    assert_eq!((said.len(), &said), (2, &same));
    assert_eq!((again.events, again.answer), (first.events, first.answer));
}

/// Other code kept a field more, in another order, or knew one less.
#[tokio::test]
async fn what_other_code_kept_is_said_as_that_code_said_it() {
    let world = world();
    let (_, said) = world.act().await;
    let more = r#"{"newer":{"b":1,"a":[2]},"order":"#;
    world
        .change(&world.record, |record| {
            reword(&mut record["said"][0]["data"], r#"{"order":"#, more);
            reword(
                &mut record["said"][0]["envelope"],
                r#","variant":"known""#,
                r#","newer":true,"variant":"known""#,
            );
            reword(
                &mut record["announced"]["envelope"],
                r#"{"id":"#,
                r#"{"newer":7,"id":"#,
            );
        })
        .await;
    world
        .change(&world.document, |document| {
            reword(&mut document["said"], r#"{"order":"#, more);
        })
        .await;
    let (handled, again) = world.act().await;
    let expected = [
        said[0]
            .replacen(r#""data":{"order":"#, &format!(r#""data":{more}"#), 1)
            .replacen(r#"{"id":"#, r#"{"newer":7,"id":"#, 1),
        said[1]
            .replacen(r#""data":{"order":"#, &format!(r#""data":{more}"#), 1)
            .replacen(
                r#","variant":"known""#,
                r#","newer":true,"variant":"known""#,
                1,
            ),
    ];
    assert_eq!(again, expected);
    // Whoever asked is answered with all of it, too.
    let Answer::Done(answer) = handled.answer else {
        panic!("declined");
    };
    assert_eq!(answer["newer"]["a"], json!([2]));
}

#[tokio::test]
async fn what_comes_late_says_so_and_nothing_else_changes() {
    let world = world();
    let (_, said) = world.act().await;
    world
        .change(&world.record, |record| {
            reword(
                &mut record["said"][0]["data"],
                r#"{"order":"#,
                r#"{"newer":1,"order":"#,
            );
        })
        .await;
    let (mut handled, _) = world.act().await;
    handled.events[1].mark_late();
    let late = serde_json::to_string(&handled.events[1]).unwrap();
    let expected = said[1]
        .replacen(r#""data":{"#, r#""data":{"newer":1,"#, 1)
        .replacen(
            r#""variant":"known""#,
            r#""variant":"known","late":true"#,
            1,
        );
    assert_eq!(late, expected);
}

/// Records from before words were kept hold trees of values.
#[tokio::test]
async fn a_record_that_kept_no_words_is_said_again_too() {
    let world = world();
    let (_, said) = world.act().await;
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let envelopes = envelopes(&world.kept().await).unwrap();
    world
        .change(&world.record, |record| {
            let text = |value: &Value| parse(value.as_str().unwrap());
            let event = json!({
                "metadata": text(&record["said"][0]["envelope"]),
                "data": text(&record["said"][0]["data"]),
            });
            record["events"] = json!([event]);
            record["said"] = json!([]);
            let announced = &mut record["announced"];
            announced["metadata"] = text(&announced["envelope"]);
            announced.as_object_mut().unwrap().remove("envelope");
        })
        .await;
    assert_eq!(world.act().await.1, said);
    assert_eq!(super::envelopes(&world.kept().await).unwrap(), envelopes);
    // The document, too, may have kept a tree.
    world
        .change(&world.document, |document| {
            document["said"] = parse(document["said"].as_str().unwrap());
        })
        .await;
    assert_eq!(world.act().await.1, said);
}

#[tokio::test]
async fn the_envelopes_of_a_record_can_be_looked_at() {
    let world = world();
    let _ = world.act().await;
    let all = envelopes(&world.kept().await).unwrap();
    let kinds: Vec<_> = all.iter().map(|metadata| metadata.kind.as_str()).collect();
    assert_eq!(kinds, ["PaymentCaptured", "PaymentDeclined"]);
}

#[tokio::test]
async fn what_is_not_said_again_any_more_can_be_removed() {
    let world = world();
    let (first, _) = world.act().await;
    assert_eq!(first.events.len(), 2);
    let record = world.kept().await;
    let over = after(at(100), SAID_AGAIN_SECONDS);
    let before = Timestamp::from_nanosecond(over.as_nanosecond() - 1).unwrap();
    assert_eq!(outlived(&record, before).unwrap(), None);
    let write = outlived(&record, over).unwrap().unwrap();
    world.desk.store.commit(vec![write]).await.unwrap();

    let left = world.kept().await;
    let body = left.body.value();
    assert!(SAID.iter().all(|member| body.get(member).is_none()));
    assert_eq!(kept_hash(&left).unwrap(), kept_hash(&record).unwrap());
    assert_eq!(body["cause"], "m-1");
    // Nothing is left to remove.
    assert_eq!(outlived(&left, over).unwrap(), None);
    // The command still takes effect once; its repeat is answered, and silent.
    let (again, said) = world.act().await;
    assert!(again.repeat && said.is_empty());
    assert_eq!(again.answer, Answer::Done(json!("fine")));
}

/// A record has no members but those that stay and those that can be removed.
#[tokio::test]
async fn the_members_that_say_something_are_known() {
    let world = world();
    let _ = world.act().await;
    let body = world.kept().await.body.value();
    let all: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    let stay = ["answer", "at", "cause", "hash", "variant"];
    let other = |name: &&String| !stay.contains(&name.as_str());
    let other: Vec<_> = all.iter().filter(other).collect();
    assert_eq!(other, ["announced", "said"]);
    assert!(other.iter().all(|name| SAID.contains(&name.as_str())));
}
