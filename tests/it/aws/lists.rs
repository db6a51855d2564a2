//! What a list asks of AWS: pages, then what is shown, and no table whole; and what
//! is said before anything is changed.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::loopback::{Asked, Server, identity, stack};
use super::{OUTPUTS, at_aws, said};
use crate::harness::run;

/// How many executions failed.
const FAILED: usize = 250;

/// One of them, as ListExecutions has it.
fn execution(n: usize) -> Value {
    let arn = "arn:aws:states:eu-north-1:123456789012";
    json!({
        "executionArn": format!("{arn}:execution:shop-order:o-{n:03}"),
        "stateMachineArn": format!("{arn}:stateMachine:shop-order"),
        "name": format!("o-{n:03}"), "status": "FAILED",
        "startDate": 1_767_225_600 + n, "stopDate": 1_767_225_700 + n,
    })
}

/// The order machine's failed executions, a hundred a page.
fn page(body: &Value) -> Value {
    let machine = body["stateMachineArn"].as_str().unwrap();
    if !machine.ends_with("shop-order") || body["statusFilter"] != "FAILED" {
        return json!({ "executions": [] });
    }
    let from: usize = body["nextToken"]
        .as_str()
        .map_or(0, |it| it.parse().unwrap());
    let to = (from + 100).min(FAILED);
    let executions: Vec<Value> = (from..to).map(execution).collect();
    let mut page = json!({ "executions": executions });
    if to < FAILED {
        page["nextToken"] = json!(to.to_string());
    }
    page
}

/// A shop of which `answer` says what is left to say.
fn shop(answer: impl Fn(&Asked, &Value) -> (u16, Value) + Send + 'static) -> Server {
    Server::start(move |asked| {
        let body = || serde_json::from_str(&asked.body).unwrap_or_default();
        match asked.operation.as_str() {
            "GetCallerIdentity" => identity(),
            "DescribeStacks" => stack("shop", "CREATE_COMPLETE", &OUTPUTS),
            "ReceiveMessage" => (200, "{}".to_owned()),
            "GetQueueAttributes" => (
                200,
                json!({ "Attributes": { "ApproximateNumberOfMessages": "0" } }).to_string(),
            ),
            "BatchGetItem" => (
                200,
                json!({ "Responses": {}, "UnprocessedKeys": {} }).to_string(),
            ),
            _ => {
                let (status, answer) = answer(asked, &body());
                (status, answer.to_string())
            }
        }
    })
}

fn count(server: &Server, operation: &str) -> usize {
    let all = server.operations().into_iter();
    all.filter(|it| it == operation).count()
}

#[test]
fn only_the_failed_executions_that_are_shown_are_described() {
    let server = shop(|asked, body| match asked.operation.as_str() {
        "ListExecutions" => (200, page(body)),
        "DescribeExecution" => {
            let arn = body["executionArn"].as_str().unwrap();
            let name = arn.rsplit(':').next().unwrap();
            let mut described = execution(name[2..].parse().unwrap());
            described["error"] = json!("Broken");
            (200, described)
        }
        other => panic!("nobody should ask for {other}"),
    });
    let list = [
        "dlq",
        "list",
        "--limit",
        "5",
        "--output",
        "json",
        "--endpoint",
    ];
    let (code, found, told) = said(&run(&mut at_aws(&[&list[..], &[&server.url]].concat())));
    assert_eq!(code, Some(0), "{told}");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["letters"].as_array().unwrap().len(), 5);
    assert_eq!(found["letters"][0]["cause"], "Broken");
    assert_eq!(found["more"], FAILED - 5);
    assert_eq!(count(&server, "DescribeExecution"), 5);
    // Their orders, and whether somebody put them away: a hundred in one call.
    assert!(
        count(&server, "BatchGetItem") <= 6,
        "{:?}",
        server.operations()
    );
}

#[test]
fn reviews_and_parked_orders_are_found_by_their_indexes() {
    let server = shop(|asked, body| match asked.operation.as_str() {
        "Scan" if body["IndexName"].is_string() => {
            (200, json!({ "Items": [], "Count": 0, "ScannedCount": 0 }))
        }
        other => panic!("nobody should ask for {other} of {body}"),
    });
    for args in [&["review", "list"][..], &["orders", "--attention"]] {
        let args = [args, &["--endpoint", &server.url]].concat();
        let (code, _, told) = said(&run(&mut at_aws(&args)));
        assert_eq!(code, Some(0), "{args:?}: {told}");
    }
    assert_eq!(count(&server, "Scan"), 4);
}

#[test]
fn who_is_told_to_slow_down_does_and_gets_there() {
    let asked = AtomicU32::new(0);
    let server = shop(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0..2 => (
            400,
            json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }),
        ),
        _ => (200, json!({ "Items": [], "Count": 0, "ScannedCount": 0 })),
    });
    let args = ["review", "list", "--endpoint", &server.url];
    let (code, found, told) = said(&run(&mut at_aws(&args)));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(found.trim(), "no review waits for a person");
    assert_eq!(count(&server, "Scan"), 3);
}

/// Whoever changes something sees first where: account, identity, region, stack.
#[test]
fn whose_account_it_is_stands_before_anything_is_changed() {
    let nothing = || (200, json!({ "Items": [], "Count": 0, "ScannedCount": 0 }));
    let whose = "account 123456789012 as arn:aws:iam::123456789012:user/ada, region eu-north-1";
    for (args, is_said) in [
        (&["repair", "o-1"][..], true),
        (&["forget", "o-1"], true),
        (&["dlq", "drop", "m-1"], true),
        (&["review", "list"], false),
    ] {
        let server = shop(move |_, _| nothing());
        let args = [args, &["--endpoint", &server.url]].concat();
        let (.., told) = said(&run(&mut at_aws(&args)));
        let first = told.lines().next().unwrap_or_default();
        let says = first.starts_with(whose) && first.ends_with(", stack shop");
        assert_eq!(says, is_said, "{args:?}: {told}");
        let asked = count(&server, "GetCallerIdentity");
        assert_eq!(asked, usize::from(is_said), "{args:?}");
    }
}
