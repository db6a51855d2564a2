use duet_core::{LISTENERS, SERVICES};

use super::reading::period;
use super::*;

fn read(parameters: &[(&str, &str)]) -> Definitions {
    let parameters = parameters
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Definitions::read(bundled(), "duet", &parameters).unwrap()
}

#[test]
fn the_deployed_templates_are_read() {
    let all = read(&[]);
    let (services, listeners) = (SERVICES.len(), LISTENERS.len());
    // A table each, listeners too, and the two third parties' ledgers.
    assert_eq!(all.tables.len(), services + 2);
    // Both entries of each, but for a listener's only one; the two sweeps; and the
    // door for verdicts.
    assert_eq!(all.functions.len(), 2 * services - listeners + 3);
    // Two for orders and two for customers, and an Express one for each: started, and
    // waited for.
    assert_eq!(all.machines.len(), 8);
    let order = &all.queues[all.queue_named("duet-order").unwrap()];
    assert_eq!((order.visibility, order.redrive.unwrap().1), (60_000, 31));
    let dead = &all.queues[order.redrive.unwrap().0];
    assert_eq!(
        (dead.name.as_str(), dead.retention),
        ("duet-order-dlq", 1_209_600_000)
    );
    let payment = &all.functions[all.function("duet-payment-queue").unwrap()];
    assert_eq!(
        (payment.service.as_str(), payment.timeout),
        ("payment", 10_000)
    );
    let carriers = &payment.environment["DUET_CARRIERS"];
    assert!(
        carriers.contains(r#""clock":"workflow","patience":60"#),
        "{carriers}"
    );
    assert_eq!(
        payment.environment["DUET_LEDGER_TABLE"],
        "duet-provider-ledger"
    );
    // Every dead-letter queue is a variant's, or is said to be shared.
    let described = all
        .outputs
        .iter()
        .filter(|(name, _)| name.ends_with("Variant"));
    let described = described.map(|(_, text)| serde_json::from_str(text).unwrap());
    let described: Vec<serde_json::Value> = described.collect();
    let of = |one: &serde_json::Value| one["dead_letters"].as_array().unwrap().len();
    let own: usize = described.iter().map(of).sum();
    let shared = all.outputs["DeadLetterQueues"].split(',').count();
    assert_eq!(all.dead_letter_queues().len(), own + shared);
    let commands = &all.queues[all.queue_named("duet-order-commands").unwrap()];
    let entries: Vec<_> = described.iter().map(|one| &one["entry"]["order"]).collect();
    assert!(
        entries.contains(&&serde_json::json!({ "queue": commands.url })),
        "{entries:?}"
    );
}

#[test]
fn whoever_is_refunded_is_told_of_any_amount_but_none() {
    let all = read(&[]);
    let rule = all.rules.iter();
    let mut rule = rule.filter(|rule| rule.name.ends_with("notification-PaymentRefunded"));
    let pattern = &rule.next().unwrap().pattern;
    let told = |amount: i64| {
        pattern.matches(&serde_json::json!({
            "source": "duet.payment",
            "detail-type": "PaymentRefunded",
            "detail": { "data": { "amount": { "amount": amount, "currency": "EUR" } } },
        }))
    };
    assert!(!told(0));
    assert!(told(1) && told(duet_core::money::MAX_AMOUNT));
}

#[test]
fn every_rule_may_deliver_where_it_wants_to() {
    let all = read(&[]);
    for rule in &all.rules {
        for target in &rule.targets {
            let queue = &all.queues[target.queue.expect("a queue")];
            assert!(
                queue
                    .sources
                    .iter()
                    .any(|source| is_like(source, &rule.arn)),
                "{}",
                rule.name
            );
        }
    }
    // On the account's own bus, an ARN names none.
    let ended = all.rules.iter().find(|rule| rule.bus == 0).unwrap();
    let name = &ended.name;
    let arn = format!("arn:aws:events:us-east-1:123456789012:rule/{name}");
    assert_eq!(
        (name.as_str(), &ended.arn),
        ("duet-order-commands-ExecutionEnded", &arn)
    );
}

#[test]
fn parameters_choose_what_is_deployed() {
    let before = read(&[
        ("Fraud", "off"),
        ("TaskTimeoutSeconds", "5"),
        ("PatienceSeconds", "20"),
    ]);
    assert_eq!(before.machines[0].name, "duet-order-before-fraud");
    assert!(before.function("duet-fraud-queue").is_none());
    let order = &before.queues[before.queue_named("duet-order").unwrap()];
    assert_eq!((order.visibility, order.redrive.unwrap().1), (30_000, 31));
    assert_eq!(before.outputs["PatienceSeconds"], "20");
    let only = read(&[
        ("WithOrchestration", "false"),
        ("WithExpress", "false"),
        ("WithExpressSync", "false"),
    ]);
    assert!(only.machines.is_empty() && !only.outputs.contains_key("StandardVariant"));
    for seconds in ["4", "76"] {
        let wrong = BTreeMap::from([("PatienceSeconds".to_owned(), seconds.to_owned())]);
        let refused = Definitions::read(bundled(), "duet", &wrong).unwrap_err();
        assert!(refused.to_string().contains("PatienceSeconds"), "{refused}");
    }
}

#[test]
fn schedules_and_sparse_indexes_are_read() {
    let all = read(&[]);
    let schedules = all.schedules.iter().map(|schedule| {
        let function = all.function(&schedule.function).unwrap();
        (all.functions[function].name.as_str(), schedule.every)
    });
    let schedules: BTreeMap<_, _> = schedules.collect();
    let expected = [
        ("duet-order-sweep", 3_600_000),
        ("duet-records", 86_400_000),
    ];
    assert_eq!(schedules, expected.into());
    let of = |table| -> Vec<_> {
        let indexes = all.indexes_of(table);
        indexes.map(|index| index.attribute.as_str()).collect()
    };
    assert_eq!(of("duet-order"), ["undecided_since", "parked_since"]);
    assert_eq!(of("duet-fraud"), ["open_since"]);
    // What the function is told fits what is deployed, whatever that is.
    for given in [
        &[][..],
        &[("Fraud", "off")],
        &[("WithOrchestration", "false")],
        &[("WithChoreography", "false")],
    ] {
        let all = read(given);
        let function = &all.functions[all.function("duet-order-sweep").unwrap()];
        let ways: duet_edge::sweep::Ways =
            serde_json::from_str(&function.environment["DUET_SWEEP"]).unwrap();
        assert!(!ways.is_empty(), "{given:?}");
        for way in ways.values() {
            assert!(all.queue_named(&way.queue).is_some(), "{given:?}: {way:?}");
            for machine in &way.machines {
                assert!(all.machine_named(machine).is_some(), "{given:?}: {machine}");
            }
        }
        let machines = ways.values().map(|way| way.machines.len()).sum::<usize>();
        let of_orders = |it: &&Machine| it.name.starts_with("duet-order");
        assert_eq!(machines, all.machines.iter().filter(of_orders).count());
    }
}

#[test]
fn rates_are_read_as_eventbridge_does() {
    for (text, millis) in [
        ("rate(1 minute)", Some(60_000)),
        ("rate(2 hours)", Some(7_200_000)),
        ("rate(1 day)", Some(86_400_000)),
        ("rate(1 hours)", None),
        ("rate(2 hour)", None),
        ("rate(0 days)", None),
        ("cron(0 * * * ? *)", None),
    ] {
        assert_eq!(period(text), millis, "{text}");
    }
}

#[test]
fn arns_are_compared_as_iam_does() {
    for (pattern, arn, fits) in [
        ("a:b", "a:b", true),
        ("a:b", "a:bc", false),
        ("a:*", "a:bc", true),
        ("a:*:d", "a:b:c:d", true),
        ("a:*:d", "a:b:c", false),
        ("*", "", true),
    ] {
        assert_eq!(is_like(pattern, arn), fits, "{pattern} {arn}");
    }
}
