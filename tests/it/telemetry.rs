//! What the system tells of itself: that it tells enough, and never whose order
//! it is. Canaries go into every input field, in every way a step can end, and
//! must come out nowhere.

mod canaries;

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::ops::dlq::{self, Filter};
use duet_cli::ops::logs;
use duet_cli::shop::scenario;
use duet_cli::shop::services::TableOf;
use duet_cli::shop::variant;
use duet_cli::world::World;
use duet_cli::world::lab::{self, Lab};
use duet_cli::world::port::operate::Operate;
use duet_lab::{Config, Definitions};
use serde_json::{Value, json};

use self::canaries::{Told, leaks};
use crate::harness::{fresh, json, local, root, run, text};
use crate::shop::{LIMIT, Shop, until};

/// Everything the lab's world tells of itself.
fn told_by(world: &Lab) -> Vec<Told> {
    let mut told = Vec::new();
    world.with(|lab| {
        for line in lab.lines().unwrap() {
            told.push(Told::new("log line", line));
        }
        for run in lab.failed_executions() {
            let execution = lab.execution(&run.machine, &run.name).unwrap();
            told.push(Told::new(
                "error",
                format!("{run:?} {:?}", execution.cause()),
            ));
            for event in execution.history() {
                let details = event.details().unwrap_or_default();
                for field in ["error", "cause"] {
                    told.push(Told::new("history", details[field].to_string()));
                }
            }
        }
    });
    told
}

async fn letters_of(world: &Lab) -> Vec<Told> {
    let mut told = Vec::new();
    for variant in variant::ALL.iter() {
        for letter in world.dead_letters(variant, "").await.unwrap() {
            told.push(Told::new(
                "dead letter",
                serde_json::to_string(&letter).unwrap(),
            ));
        }
    }
    told
}

/// Errors and causes of an execution and of its events.
async fn causes(shop: &Shop, arn: &str) -> Vec<String> {
    let described = shop.workflows.describe_execution().execution_arn(arn);
    let described = described.send().await.unwrap();
    let mut told = vec![format!("{:?} {:?}", described.error(), described.cause())];
    let mut events = shop
        .workflows
        .get_execution_history()
        .execution_arn(arn)
        .into_paginator()
        .items()
        .send();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        let task = event.task_failed_event_details();
        let late = event.task_timed_out_event_details();
        let whole = event.execution_failed_event_details();
        for words in [
            task.map(|it| (it.error(), it.cause())),
            late.map(|it| (it.error(), it.cause())),
            whole.map(|it| (it.error(), it.cause())),
        ] {
            told.extend(words.map(|words| format!("{words:?}")));
        }
    }
    told
}

#[tokio::test]
async fn nothing_the_lab_tells_names_a_person() {
    let quick = [("ReviewSeconds".to_owned(), "30".to_owned())];
    let definitions = lab::definitions(&quick.into()).unwrap();
    let config = Config {
        logs: true,
        keep_succeeded: true,
        ..Config::default()
    };
    let world = Lab::new(&definitions, config).unwrap();
    for variant in variant::ALL.iter() {
        for scenario in scenario::ALL {
            canaries::play(&world, variant, scenario, 600).await;
        }
        canaries::misshapen(&world, variant).await;
    }
    let inbox = definitions.queues[definitions.queue_named("duet-order").unwrap()]
        .url
        .clone();
    world.with(|lab| {
        let texts = [
            "Canary Lane",
            "{\"name\": \"Canary",
            "[\"Canary Lane\"]",
            "{\"Canary Lane\": 1}",
        ];
        for text in texts {
            lab.send_text(&inbox, text, "nobody").unwrap();
        }
        assert!(lab.settle(10 * 86_400_000));
    });

    let mut told = told_by(&world);
    told.extend(letters_of(&world).await);
    let found = leaks(&told);
    assert!(found.is_empty(), "{found:#?}");

    // It was looked at where there was something to see.
    let count = |place: &str| told.iter().filter(|one| one.place == place).count();
    for (place, least) in [
        ("log line", 500),
        ("dead letter", 30),
        ("error", 15),
        ("history", 100),
    ] {
        assert!(count(place) >= least, "{place}: {}", count(place));
    }
    let outcomes: BTreeSet<String> = told
        .iter()
        .filter_map(|one| serde_json::from_str::<Value>(&one.text).ok())
        .filter_map(|line| line["outcome"].as_str().map(str::to_owned))
        .collect();
    let all = [
        "declined",
        "done",
        "invalid",
        "later",
        "nothing",
        "repeat",
        "transient",
    ];
    assert_eq!(outcomes, all.map(str::to_owned).into());

    // And what is there to be found is found: a leak, planted in the one place
    // where whoever sends a message chooses words that are told.
    let mut planted = canaries::message_about("canary-bird", &variant::ALL[0], world.now());
    planted.metadata.correlationid = "canary-bird".to_owned();
    for variant in variant::ALL.iter() {
        planted.metadata.variant = variant.name.to_owned();
        world
            .command(variant, TableOf::Fraud, &planted)
            .await
            .unwrap();
    }
    world.with(|lab| assert!(lab.settle(10 * 86_400_000)));
    assert!(
        leaks(&told_by(&world))
            .iter()
            .any(|one| one.place == "log line")
    );
}

#[tokio::test]
async fn the_lines_of_an_order_count_what_became_of_it() {
    let definitions = lab::definitions(&[].into()).unwrap();
    let config = Config {
        logs: true,
        ..Config::default()
    };
    let world = Lab::new(&definitions, config).unwrap();
    for variant in variant::ALL.iter() {
        for (name, outcome, reason) in [
            ("happy", "Confirmed", None),
            ("card-declined", "Rejected", Some("PaymentDeclined")),
            ("payment-flaky", "Confirmed", None),
        ] {
            let scenario = scenario::named(name).unwrap();
            let orders = canaries::play(&world, variant, scenario, 600).await;
            // A step's line is written after its commit, which is what is waited for.
            world.pause(1_000).await;
            let found = logs::gather(&world, &orders[0], 86_400).await.unwrap();
            let lines: Vec<Value> = found.lines.into_iter().map(Value::Object).collect();
            let ends: Vec<_> = lines.iter().filter(|line| line["orders"] == 1).collect();
            assert_eq!(ends.len(), 1, "{name} under {}: counted once", variant.name);
            assert_eq!(
                (&ends[0]["order_outcome"], ends[0]["reason"].as_str()),
                (&json!(outcome), reason)
            );
            assert!(ends[0]["time_to_outcome_ms"].as_i64() > Some(0));
            let services: BTreeSet<_> = lines
                .iter()
                .filter_map(|line| line["service"].as_str())
                .collect();
            assert!(services.len() >= 5, "{services:?}");
            let traces: BTreeSet<_> = lines
                .iter()
                .map(|line| line["traceparent"].as_str().unwrap()[3..35].to_owned())
                .collect();
            assert_eq!(traces.len(), 1, "one trace for one order: {lines:#?}");
            let retried = lines
                .iter()
                .any(|line| line["retries"] == 1 && line["service"] == "payment");
            assert_eq!(
                retried,
                name == "payment-flaky",
                "{name} under {}",
                variant.name
            );
            let spans: BTreeSet<_> = lines
                .iter()
                .filter(|line| line["attempt"] == 1)
                .map(|line| line["traceparent"].as_str().unwrap())
                .collect();
            let first = lines.iter().filter(|line| line["attempt"] == 1).count();
            assert_eq!(
                spans.len(),
                first,
                "each step is a span of its own: {lines:#?}"
            );
        }
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: what is told is of the same orders"
)]
async fn nothing_the_deployed_functions_tell_names_a_person() {
    let shop = Shop::open().await;
    let since = shop.world.now();
    let mut orders = Vec::new();
    for variant in variant::ALL.iter() {
        for name in [
            "happy",
            "card-declined",
            "out-of-stock",
            "refund-fails",
            "review-approve",
            "new-customer-fraud",
        ] {
            let scenario = scenario::named(name).unwrap();
            orders.extend(canaries::play(&shop.world, variant, scenario, LIMIT).await);
        }
        canaries::misshapen(&shop.world, variant).await;
    }
    let queue = shop.queue_of("order");
    shop.send(queue, "{\"name\": \"Canary Lane").await;
    shop.quiet().await;

    let told = until("the lines are there", LIMIT, async || {
        let lines = shop.world.logs("duration_ms", since).await.unwrap();
        let seen = orders
            .iter()
            .all(|order| lines.iter().any(|line| line.contains(order)));
        seen.then_some(lines)
    })
    .await;
    let told: Vec<Told> = told
        .into_iter()
        .map(|line| Told::new("log line", line))
        .collect();
    assert!(told.len() > 100, "{}", told.len());
    let mut told = told;
    // Whatever else the functions may have printed.
    for word in canaries::WORDS {
        for line in shop.world.logs(word, since).await.unwrap() {
            told.push(Told::new("log", line));
        }
    }
    for format in ["text", "json"] {
        let output = run(&mut local().duet(&["dlq", "list", "--output", format]));
        told.push(Told::new(
            "dlq list",
            String::from_utf8(output.stdout).unwrap(),
        ));
    }
    for letter in dlq::list(&shop.world, &Filter::default())
        .await
        .unwrap()
        .letters
    {
        if let Ok(shown) = dlq::show(&shop.world, &letter.id, false).await {
            told.push(Told::new(
                "dlq show",
                serde_json::to_string(&shown).unwrap(),
            ));
        }
    }
    let mut failures = 0;
    for failed in shop.world.failed_executions().await.unwrap() {
        for text in causes(&shop, &failed.arn).await {
            failures += 1;
            told.push(Told::new("cause", text));
        }
    }
    assert!(failures > 10, "{failures}");
    let found = leaks(&told);
    assert!(found.is_empty(), "{found:#?}");

    let order = &orders[0];
    let gathered = json(&mut local().duet(&["logs", order, "--since", "1h", "--output", "json"]));
    let lines = gathered["lines"].as_array().unwrap();
    let services: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line["service"].as_str())
        .collect();
    assert!(services.len() >= 5, "{services:?}");
    let times: Vec<_> = lines
        .iter()
        .map(|line| {
            line["time"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        })
        .collect();
    assert!(times.is_sorted());
    let nobody = run(&mut local().duet(&["logs", &fresh("nobody")]));
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn the_dashboard_shows_every_dead_letter_queue_and_only_metrics_that_are_told() {
    let template = text("template.yaml");
    let body = template.split("DashboardBody: !Sub\n").nth(1).unwrap();
    let body = body
        .split("- |\n")
        .nth(1)
        .unwrap()
        .split("        - OrderMachine:")
        .next()
        .unwrap();
    let body = body
        .replace("${!", "${")
        .replace("${AWS::StackName}", "shop");
    let body: Value = serde_json::from_str(&body).unwrap();
    let shown = body.to_string();
    let all = Definitions::read(duet_lab::bundled(), "shop", &BTreeMap::new()).unwrap();
    let mut queues = 0;
    for queue in &all.queues {
        let name = &queue.name;
        if name.ends_with("-dlq") || name.ends_with("undelivered") {
            queues += 1;
            assert!(
                shown.contains(&format!("\"{name}\"")),
                "{name} is not on the dashboard"
            );
        }
    }
    assert!(queues >= 13, "{queues}");
    let told = text("functions/edge/src/log.rs");
    let mut searches = 0;
    for expression in shown.split("SEARCH('{").skip(1) {
        searches += 1;
        let (dimensions, rest) = expression.split_once("} MetricName=").unwrap();
        let metric = rest.split("\\\"").nth(1).unwrap();
        assert!(told.contains(&format!("(\"{metric}\")")), "{metric}");
        let dimensions: Vec<_> = dimensions
            .split(',')
            .skip(1)
            .map(|d| format!("\"{d}\""))
            .collect();
        assert!(
            told.contains(&format!("[{}]", dimensions.join(", "))),
            "{dimensions:?}"
        );
    }
    assert_eq!(searches, 7);
}

#[test]
fn no_workflow_logs_its_data() {
    let template =
        std::fs::read_to_string(root().join("infra/orchestration/template.yaml")).unwrap();
    let of = |what: &str| template.matches(what).count();
    let machines = of("Type: AWS::StepFunctions::StateMachine");
    assert!(machines >= 4);
    assert_eq!(of("IncludeExecutionData: false"), machines);
    assert_eq!(of("IncludeExecutionData: true"), 0);
}

#[test]
fn every_task_of_a_workflow_says_which_attempt_it_is() {
    for machine in [
        "order",
        "order.before-fraud",
        "customer",
        "customer.before-fraud",
    ] {
        let definition = text(&format!("infra/orchestration/{machine}.asl.json"));
        let commands = definition.matches("\"command\": \"").count();
        assert!(commands > 2);
        let told =
            definition.matches("\"attempt\": \"{% $states.context.State.RetryCount + 1 %}\"");
        assert_eq!(told.count(), commands, "{machine}");
    }
}
