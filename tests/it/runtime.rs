//! Each service's binary as `sam local invoke` runs it: under Lambda's own
//! runtime interface emulator, by both entries, with the example payloads that
//! lie beside the templates.

mod rie;
mod timers;

use aws_sdk_sqs::types::QueueAttributeName;
use duet_cli::ops::catalog;
use duet_cli::shop::contracts::Nowhere;
use duet_cli::shop::goods::Good;
use duet_cli::shop::services::SERVICES;
use duet_core::{CommandMessage, Received, Service, SystemClock, Timestamp, Vocabulary};
use duet_edge::intake::{Body, Fact, deliveries};
use serde_json::{Value, json};

use crate::harness::{fresh, root, text};
use crate::shop::{Listener, Shop};

pub(crate) use rie::Rie;

/// One service on the bench: its binary, its deployed table, and a queue and a
/// bus that only this test uses, so that nobody else acts on what it says.
struct Bench {
    shop: Shop,
    service: &'static str,
    sku: String,
    queue: (String, String),
    bus: String,
}

impl Bench {
    async fn of(service: &'static str) -> Self {
        let shop = Shop::open().await;
        let (sku, bus) = (fresh("sku"), fresh("bus"));
        // The example's order costs 49.00 and holds one of it.
        let price = serde_json::from_value(json!({ "amount": 5450, "currency": "EUR" })).unwrap();
        let entry = Good {
            sku: sku.parse().unwrap(),
            name: None,
            price,
            quantity: 10,
        };
        catalog::seed(&shop.world, &[entry]).await.unwrap();
        shop.bus.create_event_bus().name(&bus).send().await.unwrap();
        let queue = shop.own_queue(&fresh(service)).await;
        Self {
            shop,
            service,
            sku,
            queue,
            bus,
        }
    }

    /// The example for an entry, about an order and a customer of its own.
    fn example(&self, entry: &str) -> Value {
        let (order, customer) = (fresh("order"), fresh("customer"));
        let example = text(&format!("infra/events/{}-{entry}.json", self.service));
        let example = example
            .replace("order-1001", &order)
            .replace("customer-7", &customer);
        let mut example: Value =
            serde_json::from_str(&example.replace("kettle", &self.sku)).unwrap();
        let records = example.get_mut("Records").and_then(Value::as_array_mut);
        for record in records.into_iter().flatten() {
            record["eventSourceARN"] = json!(self.queue.1);
        }
        example
    }

    /// The example of the task entry with `value` at `pointer`.
    fn with(&self, pointer: &str, value: Value) -> Value {
        let mut example = self.example("task");
        *example.pointer_mut(pointer).unwrap() = value;
        example
    }

    /// The task entry: gives the binary and its reply to the example. A repeat
    /// gets the same reply, and what is no command is refused.
    async fn task(&self) -> (Rie, Value) {
        let task = Rie::start(
            self.service,
            &Rie::variables(&self.shop, self.service, "Task").await,
        );
        let example = self.example("task");
        let reply = task.ask(&example);
        assert_eq!(task.ask(&example), reply, "a repeat");
        assert!(reply.is_object() && reply["errorType"].is_null(), "{reply}");
        let mut stranger = self.example("task");
        stranger["command"] = json!("Fly");
        for nonsense in [
            stranger,
            json!({}),
            json!([1]),
            self.with("/metadata", json!("none")),
        ] {
            assert_eq!(task.error(&nonsense).0, "InvalidCommand", "{nonsense}");
        }
        (task, reply)
    }

    /// The queue entry: each message of the example is handled, and says the
    /// `facts` (in alphabetical order); with a poisonous and a strange one beside them exactly those
    /// two fail.
    async fn queue(&self, settings: &[(&str, &str)], facts: &[&str]) {
        let listener = Listener::on(
            &self.shop,
            &self.bus,
            &json!({ "source": [{ "prefix": "duet." }] }),
        )
        .await;
        let mut variables = Rie::variables(&self.shop, self.service, "Queue").await;
        let carriers = json!({ "eventbridge": { "facts": { "kind": "eventbridge", "bus": self.bus }, "tasks": false, "clock": "service", "patience": 60 } });
        variables.insert("DUET_CARRIERS".to_owned(), carriers.to_string());
        if let Some(timers) = variables.get_mut("DUET_TIMERS") {
            timers.clone_from(&self.queue.1);
        }
        variables.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let queue = Rie::start(self.service, &variables);
        let mut batch = self.example("queue");
        let records = batch["Records"].as_array().unwrap().clone();
        for record in &records {
            let answer = queue.ask(&json!({ "Records": [record] }));
            assert_eq!(
                answer,
                json!({ "batchItemFailures": [] }),
                "{record}\n{}",
                queue.log()
            );
        }
        let said = listener.hear(facts.len()).await;
        let mut names: Vec<_> = said
            .iter()
            .map(|event| event.metadata.kind.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, facts);

        let bad = |id: &str, body: String| {
            let mut record = records[0].clone();
            (record["messageId"], record["body"]) = (json!(id), json!(body));
            record
        };
        let mut unknown: Value =
            serde_json::from_str(records[0]["body"].as_str().unwrap()).unwrap();
        let is_command = unknown["command"].is_string();
        let name = match is_command {
            true => "/command",
            false => "/detail/metadata/type",
        };
        *unknown.pointer_mut(name).unwrap() = json!("StockEaten");
        let all = batch["Records"].as_array_mut().unwrap();
        all.insert(0, bad("poison", "{\"poison".to_owned()));
        all.push(bad("stranger", unknown.to_string()));
        // A fact that the service does not know is no error; a command is.
        let mut failures = vec![json!({ "itemIdentifier": "poison" })];
        if is_command {
            failures.push(json!({ "itemIdentifier": "stranger" }));
        }
        assert_eq!(queue.ask(&batch), json!({ "batchItemFailures": failures }));
        // The good ones were repeats: the same is said again, word for word.
        let again = listener.hear(facts.len()).await;
        assert_eq!(again.len(), said.len());
        assert!(again.iter().all(|event| said.contains(event)), "{again:?}");

        assert_eq!(queue.error(&json!({ "records": [] })).0, "InvalidBatch");
        listener.detach().await;
    }

    /// Takes the bench down.
    async fn clear(self) {
        let bus = self.shop.bus.delete_event_bus().name(&self.bus);
        bus.send().await.unwrap();
        let queue = self.shop.queues.delete_queue().queue_url(&self.queue.0);
        queue.send().await.unwrap();
    }
}

fn error(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[tokio::test]
async fn customer() {
    let bench = Bench::of("customer").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["email"], "alva@example.com");
    assert!(reply["registered_at"].is_string());
    let (name, text) = task.error(&bench.with("/data/email", json!("nobody")));
    assert!(
        name == "InvalidCommand" && text.contains("email"),
        "{name}: {text}"
    );
    bench
        .queue(&[], &["CustomerActivated", "NewCustomer"])
        .await;
    bench.clear().await;
}

#[tokio::test]
async fn order() {
    let bench = Bench::of("order").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["total"], json!({ "amount": 5450, "currency": "EUR" }));
    assert!(reply["placed_at"].is_string());
    let (name, text) = task.error(&bench.with("/data/lines", json!([])));
    assert!(
        name == "InvalidCommand" && text.contains("lines"),
        "{name}: {text}"
    );
    bench.queue(&[], &["NewOrder", "OrderRejected"]).await;
    // Two timers for later, each sent with the first delivery and with the repeat.
    let delayed = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    assert_eq!(bench.shop.count(&bench.queue.0, delayed).await, 4);
    bench.clear().await;
}

#[tokio::test]
async fn fraud() {
    let bench = Bench::of("fraud").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["verdict"], "Clear");
    let dear = json!({ "amount": duet_fraud::rules::LARGE_AMOUNT * 100, "currency": "EUR" });
    assert_eq!(
        task.ask(&bench.with("/data/total", dear))["verdict"],
        "Review"
    );
    let verdict = Rie::start(
        "fraud",
        &Rie::variables(&bench.shop, "fraud", "Verdict").await,
    );
    let decision = bench.example("verdict");
    let nobodys = error("InvalidCommand", "the order was not screened");
    assert_eq!(verdict.error(&decision), nobodys);
    // Whoever may decide may ask for nothing else.
    let other = verdict.error(&bench.example("task"));
    assert_eq!(
        other,
        error("InvalidCommand", "this function takes verdicts only")
    );
    bench.queue(&[], &["NoFraudDetected"]).await;
    bench.clear().await;
}

#[tokio::test]
async fn inventory() {
    let bench = Bench::of("inventory").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["status"], "Reserved");
    for (pointer, value, text) in [
        ("/data/total/amount", json!(4901), "PriceChanged"),
        ("/data/lines/0/sku", json!(fresh("sku")), "UnknownSku"),
        (
            "/data/lines",
            json!([{ "sku": bench.sku, "quantity": 1000 }]),
            "OutOfStock",
        ),
    ] {
        let mut sent = bench.with(pointer, value);
        if text == "OutOfStock" {
            sent["data"]["total"]["amount"] = json!(5_450_000);
        }
        assert_eq!(task.error(&sent), error("StockUnavailable", text));
    }
    bench.queue(&[], &["StockReserved"]).await;
    bench.clear().await;
}

#[tokio::test]
async fn payment() {
    let bench = Bench::of("payment").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["status"], "Captured");
    assert_eq!(
        reply["amount"],
        json!({ "amount": 5450, "currency": "EUR" })
    );
    assert_eq!(
        task.error(&bench.with("/data/payment_token", json!("tok_declined"))),
        error("PaymentDeclined", "")
    );
    assert_eq!(
        task.error(&bench.with("/data/payment_token", json!("tok_down")))
            .0,
        "Transient"
    );
    bench.queue(&[], &["PaymentCaptured"]).await;
    bench.clear().await;
}

#[tokio::test]
async fn delivery() {
    let bench = Bench::of("delivery").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["status"], "Scheduled");
    assert!(reply["tracking"].is_string());
    assert_eq!(
        task.error(&bench.with("/data/ship_to/postcode", json!("00000"))),
        error("DeliveryFailed", "NotServed")
    );
    assert_eq!(
        task.error(&bench.with("/data/ship_to/postcode", json!("99999")))
            .0,
        "Transient"
    );
    // The example is of the shop before fraud detection: nobody's clearance is waited for.
    bench
        .queue(
            &[("DUET_AWAITS_CLEARANCE", "false")],
            &["DeliveryScheduled"],
        )
        .await;
    bench.clear().await;
}

#[tokio::test]
async fn notification() {
    let bench = Bench::of("notification").await;
    let (task, reply) = bench.task().await;
    assert_eq!(reply["kind"], "OrderConfirmed");
    assert_eq!(
        task.error(&bench.with("/data/kind", json!("OrderEaten"))).0,
        "InvalidCommand"
    );
    bench.queue(&[], &["CustomerNotified"]).await;
    bench.clear().await;
}

#[tokio::test]
async fn journal() {
    let bench = Bench::of("journal").await;
    bench.queue(&[], &[]).await;
    bench.clear().await;
}

/// What the functions of some services read, besides what all do.
const READ: [(&str, &[&str]); 6] = [
    (
        "order",
        &[
            "DUET_ORDER_DEADLINE_SECONDS",
            "DUET_REVIEW_SECONDS",
            "DUET_COMPENSATION_SECONDS",
        ],
    ),
    ("fraud", &["DUET_REVIEW_SECONDS"]),
    ("payment", &["DUET_LEDGER_TABLE"]),
    ("delivery", &["DUET_LEDGER_TABLE", "DUET_AWAITS_CLEARANCE"]),
    ("notification", &["DUET_NOTICE_TOPIC"]),
    ("journal", &["DUET_JOURNAL_DAYS"]),
];

#[tokio::test]
async fn a_function_without_a_setting_says_which() {
    let shop = Shop::open().await;
    for service in SERVICES {
        let own = READ.iter().find(|(reader, _)| *reader == service);
        let own = own.map_or(&[][..], |(_, own)| own);
        let variables = Rie::variables(&shop, service, "Queue").await;
        // What all services read is read by one piece of code.
        let shared: &[&str] = match service {
            "customer" => &["DUET_ENTRY", "DUET_METRICS", "DUET_CARRIERS"],
            _ => &[],
        };
        for missing in own.iter().chain(&["DUET_TABLE"]).chain(shared) {
            let mut variables = variables.clone();
            variables
                .remove(*missing)
                .unwrap_or_else(|| panic!("{service} is deployed without {missing}"));
            let log = Rie::start(service, &variables).complaint();
            assert!(
                log.contains(&format!("environment variable {missing} is missing")),
                "{service}: {log}"
            );
        }
    }
}

#[tokio::test]
async fn a_function_with_a_wrong_setting_says_what_is_wrong() {
    let shop = Shop::open().await;
    let variables = Rie::variables(&shop, "delivery", "Queue").await;
    for (name, value, says) in [
        ("DUET_ENTRY", "both", "it is `task`, `verdict` or `queue`"),
        ("DUET_CARRIERS", "{", "DUET_CARRIERS is unusable"),
        (
            "DUET_CARRIERS",
            r#"{"standard":{"kind":"none"}}"#,
            "DUET_CARRIERS is unusable",
        ),
        (
            "DUET_CARRIERS",
            r#"{"post":{"facts":{"kind":"pigeon"}}}"#,
            "unknown variant `pigeon`",
        ),
        (
            "DUET_AWAITS_CLEARANCE",
            "perhaps",
            "DUET_AWAITS_CLEARANCE is unusable",
        ),
    ] {
        let mut variables = variables.clone();
        variables.insert(name.to_owned(), value.to_owned());
        let log = Rie::start("delivery", &variables).complaint();
        assert!(log.contains(says), "{name}={value}: {log}");
    }
}

/// The examples of a service are read by the types that meet them. Gives how many
/// there are.
fn meets<S: Service>(build: impl FnOnce(&Nowhere) -> Result<S, String>) -> usize {
    let task = text(&format!("infra/events/{}-task.json", S::NAME));
    let task: CommandMessage =
        serde_json::from_str(&task).unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
    S::Command::parse(&task.command, task.data).unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
    let decides = !S::VERDICTS.is_empty();
    if decides {
        let verdict = text(&format!("infra/events/{}-verdict.json", S::NAME));
        let verdict: CommandMessage =
            serde_json::from_str(&verdict).unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
        assert!(S::VERDICTS.contains(&verdict.command.as_str()));
        S::Command::parse_strictly(&verdict.command, &verdict.data)
            .unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
    }
    1 + usize::from(decides) + meets_queue(build)
}

/// The same for a service without a task entry.
fn meets_queue<S: Service>(_: impl FnOnce(&Nowhere) -> Result<S, String>) -> usize {
    let batch = text(&format!("infra/events/{}-queue.json", S::NAME));
    let batch: Value = serde_json::from_str(&batch).unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
    let deliveries =
        deliveries(batch, Timestamp::MAX).unwrap_or_else(|e| panic!("{}: {e}", S::NAME));
    assert!(!deliveries.is_empty());
    for delivery in deliveries {
        let known = match &delivery.body {
            Body::Fact(Fact { metadata, data }) => S::policy(&Received { metadata, data })
                .is_ok_and(|reaction| reaction.command().is_some()),
            Body::Plain => {
                let message: CommandMessage = serde_json::from_str(&delivery.text).unwrap();
                S::Command::parse(&message.command, message.data).is_ok()
            }
            Body::Unfit(_) => false,
        };
        assert!(known, "{}: {}", S::NAME, delivery.text);
    }
    1
}

#[test]
fn every_example_is_read_by_the_type_that_meets_it() {
    macro_rules! all {
        (parts { $($Part:ident $part:ident $its:ident ($($port:ident),*);)* }
         listeners { $($Listener:ident $listener:ident $own:ident ();)* }) => {
            0 $(+ meets(|_env| $its::build(_env $(, _env.$port()?)*)))*
            $(+ meets_queue(|env| $own::build(env)))*
        };
    }
    let read = duet_core::services!(all);
    let files = std::fs::read_dir(root().join("infra/events"))
        .unwrap()
        .count();
    assert_eq!(files, read, "a file that no service reads");
}
