//! That what is planted is found: in the templates, and in the code.

use serde_json::{Value, json};

use super::calls::Code;
use super::stack::Stack;
use super::{Service, differences, needed, services, settings};

/// The test of the test: whatever is granted beside what is used is found, and
/// whatever is taken away from it.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table in prose: one paragraph a change"
)]
fn a_planted_surplus_and_a_planted_gap_are_found() {
    let services = services();
    let whole = Stack::with(&settings()[1]);
    let needed = needed(&whole, &services);
    let planted = |plant: &dyn Fn(&str, &mut Value)| {
        let mut stack = whole.clone();
        for resource in &mut stack.0 {
            plant(&resource.place, &mut resource.properties);
        }
        differences(&stack.granted(), &needed)
    };
    assert_eq!(planted(&|_, _| {}), Vec::<String>::new());

    let own =
        |properties: &mut Value| properties["Policies"][0]["PolicyDocument"]["Statement"].take();
    // A further action on the own table.
    let found = planted(&|place, properties| {
        if place == "PaymentTaskRole" {
            let statement = &mut properties["Policies"][0]["PolicyDocument"]["Statement"][1];
            statement["Action"]
                .as_array_mut()
                .unwrap()
                .push(json!("dynamodb:DeleteItem"));
        }
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .all(|line| line.contains("not used: dynamodb:DeleteItem")),
        "{found:?}"
    );
    // Somebody else's table.
    let found = planted(&|place, properties| {
        if place == "OrderQueueRole" {
            let statement = &mut properties["Policies"][0]["PolicyDocument"]["Statement"][1];
            let own = statement["Resource"].take();
            statement["Resource"] = json!([
                own,
                "arn:aws:dynamodb:us-east-1:123456789012:table/shop-payment"
            ]);
        }
    });
    assert!(
        found
            .iter()
            .all(|line| line.contains("not used") && line.contains("shop-payment"))
    );
    assert_eq!(found.len(), 2, "{found:?}");
    // Anybody's queue, beside its own.
    let found = planted(&|place, properties| {
        if place == "Choreography/DeliveryConsumer/Grants" {
            properties["PolicyDocument"]["Statement"][1]["Resource"] = json!("*");
        }
    });
    let (surplus, gap): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.contains("not used"));
    assert_eq!((surplus.len(), gap.len()), (2, 2), "{found:?}");
    // One consumer's queue, to another's role.
    let found = planted(&|place, properties| {
        if place == "Choreography/PaymentConsumer/Grants" {
            properties["Roles"] = json!(["shop-DeliveryQueueRole"]);
        }
    });
    let (surplus, gap): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.contains("not used"));
    assert_eq!((surplus.len(), gap.len()), (7, 7), "{found:?}");
    assert!(
        surplus
            .iter()
            .all(|line| line.starts_with("shop-DeliveryQueueRole: "))
            && gap
                .iter()
                .all(|line| line.starts_with("shop-PaymentQueueRole: ")),
        "{found:?}"
    );
    // Messages to the own queue, from who has no timers.
    let found = planted(&|place, properties| {
        if place == "Choreography/PaymentConsumer/Grants" {
            let actions = &mut properties["PolicyDocument"]["Statement"][0]["Action"];
            actions
                .as_array_mut()
                .unwrap()
                .push(json!("sqs:SendMessage"));
        }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("shop-PaymentQueueRole: ")
            && found[0].contains("not used: sqs:SendMessage"),
        "{found:?}"
    );
    // In anybody's name.
    let found = planted(&|place, properties| {
        if place == "Choreography/OrderGrants" {
            let statement = &mut properties["PolicyDocument"]["Statement"][0];
            statement.as_object_mut().unwrap().remove("Condition");
        }
    });
    assert_eq!(found.len(), 2, "{found:?}");
    // Nothing at all for a function, and for a state machine.
    for (place, without) in [
        ("InventoryTaskRole", "dynamodb:UpdateItem"),
        ("JournalQueueRole", "dynamodb:PutItem"),
    ] {
        let found = planted(&|at, properties| {
            if at == place {
                own(properties);
            }
        });
        let missing = |action: &str| {
            found
                .iter()
                .any(|line| line.contains(&format!("not granted: {action}")))
        };
        assert!(
            missing(without) && missing("logs:PutLogEvents"),
            "{found:?}"
        );
    }
    let found = planted(&|place, properties| {
        if place == "Orchestration/CustomerMachineGrants" {
            properties["PolicyDocument"]["Statement"][0]["Resource"]
                .as_array_mut()
                .unwrap()
                .pop();
        }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("not granted: lambda:InvokeFunction"),
        "{found:?}"
    );
}

/// The same of schedules, and of the role that sends their messages.
#[test]
fn what_is_planted_about_schedules_is_found() {
    let services = services();
    let whole = Stack::with(&settings()[1]);
    let needed = needed(&whole, &services);
    let planted = |place: &str, plant: &dyn Fn(&mut Value)| {
        let mut stack = whole.clone();
        let mut there = stack.0.iter_mut();
        let resource = there.find(|resource| resource.place == place).unwrap();
        plant(&mut resource.properties);
        differences(&stack.granted(), &needed)
    };
    let roles = [
        "FraudQueueRole",
        "FraudTaskRole",
        "OrderQueueRole",
        "OrderTaskRole",
    ];
    let roles = roles.map(|name| format!("shop-{name}"));
    let of_all = |found: &[String], what: &str| {
        let met = found.iter().filter(|line| line.contains(what));
        let met: Vec<_> = met.map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(met, roles, "{what}: {found:?}");
    };
    let statement = |properties: &mut Value, at: usize| {
        properties["PolicyDocument"]["Statement"][at]
            .as_object_mut()
            .unwrap()
            .clone()
    };
    // One more action, and one less, for whoever sets timers.
    let found = planted("SetsTimers", &|properties| {
        properties["PolicyDocument"]["Statement"][0]["Action"] =
            json!(["scheduler:CreateSchedule", "scheduler:GetSchedule"]);
    });
    of_all(&found, "not used: scheduler:GetSchedule");
    of_all(&found, "not granted: scheduler:DeleteSchedule");
    assert_eq!(found.len(), 2 * roles.len(), "{found:?}");
    // Schedules of any group.
    let found = planted("SetsTimers", &|properties| {
        let everywhere = "arn:aws:scheduler:us-east-1:123456789012:schedule/*";
        properties["PolicyDocument"]["Statement"][0]["Resource"] = json!(everywhere);
    });
    assert_eq!(found.len(), 4 * roles.len(), "{found:?}");
    // The role, handed to any service.
    let found = planted("SetsTimers", &|properties| {
        let mut without = statement(properties, 1);
        without.remove("Condition");
        properties["PolicyDocument"]["Statement"][1] = without.into();
    });
    of_all(&found, "not used: iam:PassRole");
    of_all(&found, "not granted: iam:PassRole");
    assert_eq!(found.len(), 2 * roles.len(), "{found:?}");
    // To whom the timers mean nothing, and not to whom they are sent on.
    let to = |properties: &mut Value| -> Vec<Value> {
        let all = &properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"];
        all.as_array().unwrap().clone()
    };
    let found = planted("TimersRole", &|properties| {
        let mut all = to(properties);
        all.pop();
        all.push(json!("arn:aws:sqs:us-east-1:123456789012:shop-payment"));
        properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"] = all.into();
    });
    let (surplus, gap): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.contains("not used"));
    assert_eq!((surplus.len(), gap.len()), (1, 1), "{found:?}");
    assert!(surplus[0].contains("shop-payment") && gap[0].contains("shop-fraud-inbox"));
    // A scheduler for who sets no timers.
    let found = planted("PaymentQueueRole", &|properties| {
        let role = whole.0.iter().find(|it| it.place == "OrderQueueRole");
        properties["ManagedPolicyArns"] = role.unwrap().properties["ManagedPolicyArns"].clone();
    });
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|line| line.contains("not used")));
}

/// And of the sweep.
#[test]
fn what_is_planted_about_the_sweep_is_found() {
    let services = services();
    let whole = Stack::with(&settings()[1]);
    let needed = needed(&whole, &services);
    let (table, index) = (
        "arn:aws:dynamodb:us-east-1:123456789012:table/shop-order",
        "/index/undecided_since",
    );
    let executions = "arn:aws:states:us-east-1:123456789012:execution:shop-order:*";
    for (place, old, new, lines) in [
        (
            "OrderSweepRole",
            format!("{table}{index}"),
            table.to_owned(),
            2,
        ),
        (
            "OrderSweepRole",
            "dynamodb:Scan".to_owned(),
            "dynamodb:Query".to_owned(),
            2,
        ),
        (
            "OrderSweepRole",
            "dynamodb:BatchGetItem".to_owned(),
            "dynamodb:PutItem".to_owned(),
            2,
        ),
        (
            "Orchestration/OrderSweepGrants",
            executions.to_owned(),
            executions.replace("shop-order:*", "*"),
            2,
        ),
        (
            "Orchestration/OrderSweepGrants",
            "states:ListExecutions".to_owned(),
            "states:StopExecution".to_owned(),
            4,
        ),
        (
            "OrderSweepRole",
            "shop-order-commands".to_owned(),
            "shop-payment-commands".to_owned(),
            4,
        ),
    ] {
        let mut stack = whole.clone();
        let mut there = stack.0.iter_mut();
        let resource = there.find(|resource| resource.place == place).unwrap();
        let text = resource.properties.to_string();
        assert!(text.contains(&old), "{place} has no {old}");
        resource.properties = serde_json::from_str(&text.replace(&old, &new)).unwrap();
        let found = differences(&stack.granted(), &needed);
        assert_eq!(found.len(), lines, "{place}, {new}: {found:?}");
        let (surplus, gap): (Vec<_>, Vec<_>) =
            found.iter().partition(|line| line.contains("not used"));
        assert_eq!(surplus.len(), gap.len(), "{found:?}");
        assert!(
            found
                .iter()
                .all(|line| line.starts_with("shop-OrderSweepRole: ")),
            "{found:?}"
        );
    }
}

/// And so is a change of the code that asks for more, or for less.
#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row a change")]
fn what_a_changed_service_asks_is_found() {
    let stack = Stack::with(&settings()[1]);
    let mut services = services();
    for (name, file, old, new, found) in [
        (
            "journal",
            "service.rs",
            "Write::Add { key, deltas }",
            "Write::put(key, &entry, Expect::Anything)",
            &["JournalQueueRole: granted, but not used: dynamodb:UpdateItem"][..],
        ),
        (
            "order",
            "service.rs",
            "Write::put(keys[0].clone(), order, seen)",
            "Write::Add { key: keys[0].clone(), deltas }",
            &[
                "OrderQueueRole: used, but not granted: dynamodb:UpdateItem",
                "OrderTaskRole: used, but not granted: dynamodb:UpdateItem",
            ],
        ),
        (
            "customer",
            "domain.rs",
            ".announce(\"registered\", registered)",
            ".announce(\"registered\", registered).timer(now, command)",
            &[
                "CustomerQueueRole: used, but not granted: sqs:GetQueueUrl on DUET_TIMERS",
                "CustomerQueueRole: used, but not granted: sqs:SendMessage on DUET_TIMERS",
            ],
        ),
        // Without a scheduler the queue has all timers.
        (
            "fraud",
            "main.rs",
            ".with_scheduler()?",
            "",
            &[
                "FraudQueueRole: granted, but not used: iam:PassRole",
                "FraudQueueRole: granted, but not used: scheduler:CreateSchedule",
                "FraudQueueRole: granted, but not used: scheduler:DeleteSchedule",
                "FraudTaskRole: granted, but not used: iam:PassRole",
                "FraudTaskRole: granted, but not used: scheduler:CreateSchedule",
                "FraudTaskRole: granted, but not used: scheduler:DeleteSchedule",
                "FraudVerdictRole: granted, but not used: scheduler:DeleteSchedule",
                "TimersRole: granted, but not used: sqs:SendMessage",
                "TimersRole: granted, but not used: sqs:SendMessage",
                "TimersRole: granted, but not used: sqs:SendMessage",
            ],
        ),
        // Without workflows nobody is answered late.
        (
            "fraud",
            "main.rs",
            ".with_workflows()",
            "",
            &[
                "FraudQueueRole: granted, but not used: states:SendTaskSuccess",
                "FraudQueueRole: granted, but not used: states:StartExecution",
                "FraudQueueRole: granted, but not used: states:StartExecution",
                "FraudTaskRole: granted, but not used: states:SendTaskSuccess",
                "FraudTaskRole: granted, but not used: states:StartExecution",
                "FraudTaskRole: granted, but not used: states:StartExecution",
                "FraudVerdictRole: granted, but not used: states:SendTaskSuccess",
                "FraudVerdictRole: granted, but not used: states:StartExecution",
                "FraudVerdictRole: granted, but not used: states:StartExecution",
            ],
        ),
        (
            "fraud",
            "review.rs",
            "decision.call_off(set, due, now, &clock)",
            "decision",
            &[
                "FraudQueueRole: granted, but not used: scheduler:DeleteSchedule",
                "FraudTaskRole: granted, but not used: scheduler:DeleteSchedule",
                "FraudVerdictRole: granted, but not used: scheduler:DeleteSchedule",
            ],
        ),
        (
            "order",
            "sweep.rs",
            "\"undecided_since\"",
            "\"undriven\"",
            &[
                "OrderSweepRole: granted, but not used: dynamodb:Scan",
                "OrderSweepRole: used, but not granted: dynamodb:Scan",
            ],
        ),
    ] {
        let file = format!("functions/{name}/src/{file}");
        let code = Code::of(name, |path, text| {
            if path != file {
                return text;
            }
            assert!(text.contains(old), "{file} has no {old}");
            text.replace(old, new)
        });
        let before = services.insert(name, Service::with(name, code)).unwrap();
        let lines = differences(&stack.granted(), &needed(&stack, &services));
        let met = lines.iter().zip(found);
        assert!(
            lines.len() == found.len() && met.clone().all(|(line, start)| line.contains(start)),
            "{name}: {lines:?}"
        );
        services.insert(name, before);
    }
}
