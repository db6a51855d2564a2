//! Who reads a queue: what it may do and has been granted before, where its dead
//! letters go, and who may send to it.

use super::*;

/// How many queues are read: in each service one for facts on the bus and one for
/// facts on topics, in each but the listeners one for commands, and two for one
/// release.
pub(super) const READ: usize = 4 * SERVICES.len() - LISTENERS.len() + 2;

/// The topics that may send to a queue, as its policy says.
const TOPICS: &str = "arn:aws:sns:us-east-1:123456789012:shop-facts-*";

/// Whether topics send to the queue called `name`, or to its dead letters.
fn is_of_topics(name: &str) -> bool {
    name.starts_with(&format!("{STACK}-sns-")) || is_fifo(name)
}

/// Whether the queue of this name is FIFO: of the variant that keeps facts in order.
fn is_fifo(name: &str) -> bool {
    name.starts_with(&format!("{STACK}-fifo-")) && name.ends_with(".fifo")
}

#[test]
fn every_queue_that_is_read_has_a_dead_letter_queue_and_every_mapping_partial_failures() {
    let queues = queues();
    let mut read = BTreeSet::new();
    for mapping in deployed("AWS::Lambda::EventSourceMapping") {
        let (place, mapping) = (&mapping.place, &mapping.properties);
        let source = mapping["EventSourceArn"].as_str().unwrap();
        let dead = &queues[source].properties["RedrivePolicy"]["deadLetterTargetArn"];
        assert!(
            dead.as_str().is_some_and(|dead| queues.contains_key(dead)),
            "{place}: no dead-letter queue"
        );
        assert_eq!(
            mapping["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"]),
            "{place}"
        );
        let most = if is_fifo(source.rsplit(':').next().unwrap()) {
            1
        } else {
            10
        };
        assert_eq!(mapping["BatchSize"], most, "{place}");
        assert!(
            mapping["ScalingConfig"]["MaximumConcurrency"]
                .as_u64()
                .is_some_and(|n| (2..=10).contains(&n)),
            "{place}"
        );
        assert!(read.insert(source.to_owned()), "{place}: read twice");
    }
    assert_eq!(
        read.len(),
        READ,
        "three queues per service for facts and one for commands, and two of before"
    );
}

/// A function that is asked before it may do what it needs fails for nothing. A
/// child cannot say what it waits for, so its parent does. (Nobody sends to the
/// queues of the root before the variants are there: their outputs name them.)
#[test]
fn nobody_reads_a_queue_before_all_else_is_granted() {
    let (mut consumers, mut waiting) = (0, 0);
    for path in &templates(CHILDREN) {
        let template = template(path);
        let policies = resources(&template, "AWS::IAM::Policy");
        for (id, stack) in resources(&template, "AWS::CloudFormation::Stack") {
            if !stack["TemplateURL"]
                .as_str()
                .unwrap()
                .ends_with("consumer.yaml")
            {
                continue;
            }
            let role = named(&stack["Parameters"]["Role"]);
            assert!(!role.is_empty(), "{path} {id}: no role");
            let of_role = policies.iter().filter(|(_, policy)| {
                let roles = policy["Roles"].as_sequence().unwrap();
                roles.iter().any(|one| named(one) == role)
            });
            let granted: BTreeSet<&str> = of_role.map(|(id, _)| *id).collect();
            let waits = match &template["Resources"][id]["DependsOn"] {
                Value::Sequence(all) => all.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect::<BTreeSet<&str>>(),
            };
            assert_eq!(waits, granted, "{path} {id}: left: waits; right: grants");
            consumers += 1;
            waiting += waits.len();
        }
        for (id, _) in resources(&template, "AWS::Lambda::EventSourceMapping") {
            let waits = template["Resources"][id]["DependsOn"].as_str();
            assert_eq!(waits, Some("Grants"), "{path} {id}");
        }
    }
    assert_eq!(consumers, 3 * SERVICES.len() + 2);
    // Whoever announces facts, on the bus and on topics of both kinds, and who reads the
    // fraud inbox, to answer a task.
    assert_eq!(waiting, 3 * (SERVICES.len() - LISTENERS.len()) + 1);
}

/// Of two policies of one name a role has the later only.
#[test]
fn no_role_has_two_policies_of_one_name() {
    let mut seen = BTreeSet::new();
    for policy in deployed("AWS::IAM::Policy") {
        let name = policy.properties["PolicyName"].as_str().unwrap();
        for role in texts(&policy.properties["Roles"]) {
            let is_new = seen.insert((role.to_owned(), name.to_owned()));
            assert!(is_new, "{}: {role} has {name} twice", policy.place);
        }
    }
    assert!(seen.len() > 2 * SERVICES.len());
}

/// What is written at a dead-letter queue may be taken home with an operator's
/// rights, so nobody but its own queue or rule may write there, and the topics whose
/// subscriptions leave their dead letters there.
#[test]
fn every_dead_letter_queue_takes_letters_from_its_own_queue_or_rules_only() {
    let (mut of_queues, mut of_rules, mut of_topics) = (0, 0, 0);
    let queues = queues();
    let policies = deployed("AWS::SQS::QueuePolicy");
    for (arn, queue) in &queues {
        let (place, queue, url) = (&queue.place, &queue.properties, &queue.reference);
        let name = queue["QueueName"].as_str().unwrap();
        let mut of_it = policies.iter().filter(|policy| {
            let queues = texts(&policy.properties["Queues"]);
            queues.contains(&url.as_str())
        });
        if name.trim_end_matches(".fifo").ends_with("-dlq") {
            if is_of_topics(name) {
                let own = of_it.next().unwrap_or_else(|| panic!("{place}: no policy"));
                let statements = &own.properties["PolicyDocument"]["Statement"];
                let [statement] = statements.as_array().unwrap().as_slice() else {
                    panic!("{place}: one statement")
                };
                assert_eq!(statement["Resource"], **arn, "{place}");
                of_topics += 1;
            }
            assert!(of_it.next().is_none(), "{place}: a rule may send here");
            continue;
        }
        let dead = &queue["RedrivePolicy"]["deadLetterTargetArn"];
        if !name.ends_with("-undelivered") {
            let dead = &queues[dead.as_str().unwrap()].properties;
            let own = match name.strip_suffix(".fifo") {
                Some(name) => format!("{name}-dlq.fifo"),
                None => format!("{name}-dlq"),
            };
            assert_eq!(dead["QueueName"], own, "{place}");
            assert_eq!(
                dead["RedriveAllowPolicy"],
                json!({ "redrivePermission": "byQueue", "sourceQueueArns": [arn] }),
                "{place}"
            );
            of_queues += 1;
            continue;
        }
        assert!(dead.is_null(), "{place}");
        let allowed = &queue["RedriveAllowPolicy"]["redrivePermission"];
        assert_eq!(allowed, "denyAll", "{place}");
        let policy = of_it
            .next()
            .unwrap_or_else(|| panic!("{place} has no policy"));
        let statements = &policy.properties["PolicyDocument"]["Statement"];
        for statement in statements.as_array().unwrap() {
            assert_eq!(statement["Principal"]["Service"], "events.amazonaws.com");
            let conditions = statement["Condition"].as_object().unwrap().values();
            let by_source = conditions.filter(|it| !it["aws:SourceArn"].is_null());
            assert_eq!(by_source.count(), 1, "{place}");
        }
        of_rules += 1;
    }
    assert_eq!((of_queues, of_rules), (READ, 2));
    assert_eq!(of_topics, 2 * SERVICES.len());
}

/// Which rules may send to a queue is a pattern of names: as narrow as the names
/// of its own rules, and no rule outside it. Of topics, all of the shop's may: each
/// queue hears several.
#[test]
fn a_queue_takes_facts_from_its_own_rules_and_the_shops_topics_only() {
    let queues = queues();
    let events = "arn:aws:events:us-east-1:123456789012:rule";
    let mut taking = 0;
    for policy in deployed("AWS::SQS::QueuePolicy") {
        let (place, policy) = (&policy.place, &policy.properties);
        let [statement] = policy["PolicyDocument"]["Statement"]
            .as_array()
            .unwrap()
            .as_slice()
        else {
            panic!("{place}: one statement")
        };
        assert_eq!(statement["Effect"], "Allow", "{place}");
        assert_eq!(statement["Action"], "sqs:SendMessage", "{place}");
        let queue = &queues[statement["Resource"].as_str().unwrap()];
        assert_eq!(policy["Queues"], json!([queue.reference]), "{place}");
        let name = queue.properties["QueueName"].as_str().unwrap();
        let service = match is_of_topics(name) {
            true => "sns.amazonaws.com",
            false => "events.amazonaws.com",
        };
        let service = json!({ "Service": service });
        assert_eq!(statement["Principal"], service, "{place}");
        if name.ends_with("-undelivered") {
            continue;
        }
        let own = match name {
            _ if is_fifo(name) => TOPICS.replace("-facts-*", "-facts.fifo"),
            _ if is_of_topics(name) => TOPICS.to_owned(),
            _ if name.ends_with("-commands") => format!("{events}/{name}-*"),
            _ => format!("{events}/{STACK}-bus/{name}-*"),
        };
        let only = json!({ "ArnLike": { "aws:SourceArn": own } });
        assert_eq!(statement["Condition"], only, "{place}");
        taking += 1;
    }
    // Of commands, only those to the order service come by a rule; topics may leave
    // their dead letters, too.
    assert_eq!(taking, 5 * SERVICES.len() + 1);
}
