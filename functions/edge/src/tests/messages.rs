//! A message on its way through a function: read, handled, published, answered.

use std::future::pending;
use std::sync::Arc;

use duet_core::fact::{CustomerActivated, PaymentDeclined, StockShipped};
use serde_json::json;

use super::*;
use crate::log::Silent;
use crate::queue::{Verdict, backoff, receive};
use crate::task::{Asker, perform};

#[tokio::test]
async fn a_message_is_rendered_by_what_the_service_says() {
    for (how, verdict, lines) in [
        ("done", Verdict::Acknowledge, ["publish e-1"].as_slice()),
        ("repeat", Verdict::Acknowledge, &["publish e-1"]),
        ("decline", Verdict::Acknowledge, &["publish e-1"]),
        ("later", Verdict::Acknowledge, &["arn:own Act in 900"]),
        ("reply", Verdict::Acknowledge, &["answer token \"yes\""]),
        (
            "nonsense",
            Verdict::Acknowledge,
            &["bury from arn:q: never"],
        ),
    ] {
        let (got, told, _) = deliver(&command(how, "known"), 1).await;
        assert_eq!(
            (got, told.as_slice()),
            (
                verdict,
                lines
                    .iter()
                    .map(|l| (*l).to_owned())
                    .collect::<Vec<_>>()
                    .as_slice()
            ),
            "{how}"
        );
    }
}

#[tokio::test]
async fn what_nobody_can_read_is_not_handled() {
    let wrong_field = json!({ "command": "Act", "metadata": {}, "data": {}, "colour": "red" });
    for body in [
        json!("{\"poison\""),
        json!("null"),
        json!({}),
        wrong_field,
        command("done", "unknown"),
    ] {
        let (verdict, told, asked) = deliver(&body, 1).await;
        assert_eq!(verdict, Verdict::Acknowledge, "{body}");
        assert!(told.len() == 1 && asked.is_empty(), "{body}");
        assert!(told[0].starts_with("bury from arn:q: "), "{told:?}");
    }
}

#[tokio::test]
async fn a_fact_goes_through_the_policy() {
    let wanted = bus_event(
        PaymentDeclined {
            order: "o-1".parse().unwrap(),
        }
        .into(),
    );
    let (verdict, told, _) = deliver(&wanted, 1).await;
    assert_eq!(
        (verdict, told),
        (Verdict::Acknowledge, vec!["publish e-1".to_owned()])
    );
    let unwanted = bus_event(
        CustomerActivated {
            customer: "c-1".parse().unwrap(),
        }
        .into(),
    );
    let (_, told, _) = deliver(&unwanted, 1).await;
    assert_eq!(
        told,
        ["bury from arn:q: test has no policy for CustomerActivated"]
    );
}

/// A filter policy of SNS takes up to 15 minutes to hold.
#[tokio::test]
async fn a_fact_that_nobody_asked_for_is_passed_over_where_filters_are_late() {
    let customer = "c-1".parse().unwrap();
    let mut unwanted = bus_event(CustomerActivated { customer }.into());
    unwanted["detail"]["metadata"]["variant"] = "topics".into();
    let (verdict, told, _) = deliver(&unwanted, 1).await;
    assert_eq!((verdict, told), (Verdict::Acknowledge, Vec::new()));
}

#[tokio::test]
async fn a_fact_that_calls_for_nothing_is_done_with() {
    let heard = bus_event(
        StockShipped {
            order: "o-1".parse().unwrap(),
            lines: Vec::new(),
        }
        .into(),
    );
    let (verdict, told, _) = deliver(&heard, 1).await;
    assert_eq!((verdict, told), (Verdict::Acknowledge, Vec::new()));
}

#[tokio::test]
async fn a_replayed_repeat_tells_nobody_anything() {
    let mut event = bus_event(
        PaymentDeclined {
            order: "o-1".parse().unwrap(),
        }
        .into(),
    );
    event["replay-name"] = json!("replay-1");
    let (verdict, told, asked) = deliver(&event, 1).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert!(told.is_empty());
    assert!(asked[0].context.replay);
}

#[tokio::test]
async fn what_is_not_published_is_not_acknowledged() {
    let wires = Notebook {
        broken: true,
        ..Notebook::default()
    };
    let (service, clock) = (Obedient::default(), Arc::new(now));
    // Nor is what cannot be put on the dead-letter queue.
    for how in ["done", "nonsense"] {
        let message = delivery(&command(how, "known"), 1);
        let verdict = receive(&service, &wires, &clock, &Silent, message, pending()).await;
        assert_eq!(verdict, Verdict::Again(backoff("d-1", 1)), "{how}");
    }
}

#[tokio::test]
async fn a_task_gets_a_reply_or_a_named_error() {
    for (how, expected) in [
        ("done", Ok(json!("fine"))),
        ("repeat", Ok(json!("fine"))),
        ("decline", Err("PaymentDeclined")),
        ("transient", Err("Transient")),
        ("nonsense", Err("InvalidCommand")),
    ] {
        let wires = Notebook::default();
        let reply = perform(
            &Obedient::default(),
            &wires,
            &Arc::new(now),
            &Silent,
            Asker::Workflow,
            command(how, "flow"),
            now(),
        )
        .await;
        assert_eq!(
            reply.map_err(|e| e.name),
            expected.map_err(str::to_owned),
            "{how}"
        );
        assert!(
            wires.lines.lock().unwrap().is_empty(),
            "a task publishes nothing"
        );
    }
    let wires = Notebook::default();
    let input = json!({ "command": "Act", "tok_secret": 1 });
    let error = perform(
        &Obedient::default(),
        &wires,
        &Arc::new(now),
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await
    .unwrap_err();
    assert_eq!(error.name, "InvalidCommand");
    let reply = perform(
        &Obedient::default(),
        &wires,
        &Arc::new(now),
        &Silent,
        Asker::Workflow,
        command("reply", "known"),
        now(),
    )
    .await;
    assert!(reply.is_ok());
    assert_eq!(
        wires.lines.lock().unwrap().as_slice(),
        ["answer token \"yes\""]
    );
}
