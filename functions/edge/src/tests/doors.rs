//! What comes in: read strictly at doors, tolerantly from our own, and only for
//! the variants that an entry serves.

use super::*;

fn begin(variant: &str) -> Value {
    let mut message = command("done", variant);
    message["command"] = json!("Begin");
    message["data"] = json!({ "how": "done", "lines": [{ "sku": "kettle", "quantity": 1 }] });
    message
}

async fn tasked(input: Value) -> Result<Vec<Request<Command>>, String> {
    let service = Obedient::default();
    let wires = Notebook::default();
    let clock = Arc::new(now);
    let reply = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    let asked = service.asked.lock().unwrap().clone();
    reply
        .map(|_| asked)
        .map_err(|e| format!("{}: {}", e.name, e.text))
}

#[tokio::test]
async fn a_field_nobody_knows_is_refused_at_a_door_with_its_place() {
    let mut top = begin("known");
    top["data"]["tok_secret"] = json!(1);
    let mut nested = begin("known");
    nested["data"]["lines"][0]["tok_secret"] = json!(1);
    let mut beside = begin("known");
    beside["tok_secret"] = json!(1);
    for (message, place) in [
        (top, "unknown field in data"),
        (nested, "unknown field in data.lines[0]"),
        (beside, "unknown field beside data"),
    ] {
        let error = tasked(message).await.unwrap_err();
        assert!(error.starts_with("InvalidCommand"), "{error}");
        assert!(error.ends_with(place), "{error}");
        assert!(!error.contains("tok_secret"), "{error}");
    }
    assert_eq!(tasked(begin("known")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn our_own_workflow_may_be_newer_than_the_function_it_calls() {
    let mut message = command("done", "known");
    message["data"]["since"] = json!("1.7");
    message["beside"] = json!(true);
    message["metadata"]["schemaversion"] = json!("1.7");
    message["metadata"]["partition"] = json!("p");
    assert_eq!(tasked(message.clone()).await.unwrap().len(), 1);
    message["metadata"]["schemaversion"] = json!("2.0");
    let error = tasked(message).await.unwrap_err();
    assert!(
        error.ends_with("schemaversion 2.x: this consumer takes 1.x"),
        "{error}"
    );
}

#[tokio::test]
async fn a_fact_with_fields_nobody_knows_is_handled() {
    let mut event = bus_event(
        duet_core::fact::StockReleased {
            order: "o-1".parse().unwrap(),
            lines: vec![Line {
                sku: "kettle".parse().unwrap(),
                quantity: 1.try_into().unwrap(),
            }],
        }
        .into(),
    );
    event["detail"]["data"]["lines"][0]["gift"] = json!("yes");
    event["detail"]["data"]["note"] = json!({ "for": "you" });
    event["detail"]["metadata"]["schemaversion"] = json!("1.3");
    let (verdict, told, asked) = deliver(&event, 1).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert_eq!((told.len(), asked.len()), (1, 1));
    event["detail"]["metadata"]["schemaversion"] = json!("2.0");
    let (verdict, told, asked) = deliver(&event, 1).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert!(told[0].starts_with("bury ") && asked.is_empty(), "{told:?}");
}

#[tokio::test]
async fn a_fact_nobody_knows_is_acknowledged() {
    let mut metadata = command("done", "bus")["metadata"].clone();
    metadata["type"] = json!("PointsEarned");
    let detail = json!({ "metadata": metadata, "data": { "points": 3 } });
    let unknown = json!({ "detail-type": "PointsEarned", "detail": detail });
    let (verdict, told, asked) = deliver(&unknown, 1).await;
    assert_eq!(verdict, Verdict::Acknowledge);
    assert!(told.is_empty() && asked.is_empty());
}

#[tokio::test]
async fn a_fact_says_the_mark_of_what_it_begins() {
    for (clearance, expected) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (Value::Null, None),
    ] {
        let mut event = bus_event(
            PaymentDeclined {
                order: "o-1".parse().unwrap(),
            }
            .into(),
        );
        event["detail"]["data"]["clearance"] = clearance;
        let (_, _, asked) = deliver(&event, 1).await;
        assert_eq!(asked[0].context.clearance, expected);
    }
}

#[tokio::test]
async fn a_workflow_says_its_mark_and_its_name_beside_the_message() {
    let mut message = begin("known");
    message["clearance"] = json!(false);
    message["execution"] = json!("o-1__2");
    let context = &tasked(message).await.unwrap()[0].context;
    assert_eq!(context.clearance, Some(false));
    assert_eq!(context.execution.as_deref(), Some("o-1__2"));
}

#[tokio::test]
async fn an_entry_serves_its_own_variants_only() {
    for variant in ["bus", "kafka"] {
        let error = tasked(command("done", variant)).await.unwrap_err();
        assert!(error.starts_with("InvalidCommand"), "{error}");
    }
    for (message, buried) in [
        (begin("bus"), false),
        (command("done", "known"), false),
        (begin("known"), false),
        (begin("flow"), true),
        (command("done", "kafka"), true),
    ] {
        let (_, told, asked) = deliver(&message, 1).await;
        assert_eq!(told[0].starts_with("bury "), buried, "{told:?}");
        assert_eq!(asked.is_empty(), buried, "{message}");
    }
}

async fn decided(input: Value) -> Result<Vec<Request<Command>>, String> {
    let service = Obedient::default();
    let wires = Notebook::default();
    let clock = Arc::new(now);
    let reply = perform(
        &service,
        &wires,
        &clock,
        &Silent,
        Asker::Person,
        input,
        now(),
    )
    .await;
    let asked = service.asked.lock().unwrap().clone();
    reply
        .map(|_| asked)
        .map_err(|e| format!("{}: {}", e.name, e.text))
}

#[tokio::test]
async fn a_person_decides_under_every_variant_and_asks_for_nothing_else() {
    for variant in ["known", "flow", "bus"] {
        assert_eq!(decided(begin(variant)).await.unwrap().len(), 1, "{variant}");
        let error = decided(command("done", variant)).await.unwrap_err();
        assert_eq!(error, "InvalidCommand: this function takes verdicts only");
    }
    let error = decided(begin("nobody's")).await.unwrap_err();
    assert!(error.ends_with("variant is not deployed"), "{error}");
    // What a workflow may say beside the message is a stranger here.
    let mut beside = begin("known");
    beside["attempt"] = json!(2);
    let error = decided(beside).await.unwrap_err();
    assert!(error.ends_with("unknown field beside data"), "{error}");
}
