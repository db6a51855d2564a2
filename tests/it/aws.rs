//! What the command asks of AWS, and what it does not: against a server on this
//! machine that notes every request.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use duet_cli::shop::services::TableOf;
use serde_json::{Value, json};

use self::loopback::{Asked, Server, identity, refusal, stack};
use crate::harness::{duet, run};

mod deletion;
mod letters;
mod lists;
mod loopback;

/// Outputs of a stack.
static OUTPUTS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    // A table is called as its output is.
    let tables = TableOf::ALL.map(|table| (table.output(), table.output()));
    [&OTHERS[..], &tables].concat()
});

/// Those that name no table.
const OTHERS: [(&str, &str); 7] = [
    ("PatienceSeconds", "60"),
    ("ReviewSeconds", "60"),
    ("Fraud", "on"),
    ("NoticeTopic", "arn:aws:sns:eu-north-1:123456789012:shop"),
    ("OrderQueueFunction", "shop-order-queue"),
    (
        "StandardVariant",
        r#"{"name": "standard", "style": "orchestration", "carried_by": "Step Functions Standard",
            "entry": {"order": {"machine": "arn:aws:states:eu-north-1:123456789012:stateMachine:shop-order"},
                      "customer": {"machine": "arn:aws:states:eu-north-1:123456789012:stateMachine:shop-customer"}},
            "machines": {"type": "STANDARD",
                         "order": ["arn:aws:states:eu-north-1:123456789012:stateMachine:shop-order"],
                         "customer": ["arn:aws:states:eu-north-1:123456789012:stateMachine:shop-customer"]},
            "doors": {}, "dead_letters": []}"#,
    ),
    (
        "EventbridgeVariant",
        r#"{"name": "eventbridge", "style": "choreography", "carried_by": "EventBridge bus, rules, SQS",
            "entry": {"order": {"queue": "http://sqs.test/123456789012/shop-order"},
                      "customer": {"queue": "http://sqs.test/123456789012/shop-customer"}},
            "facts": {"bus": "shop-bus"}, "doors": {},
            "dead_letters": ["http://sqs.test/123456789012/shop-undelivered", "http://sqs.test/123456789012/shop-order-dlq"]}"#,
    ),
];

/// The `duet` command with credentials of nobody, a region, and nothing else of AWS.
fn at_aws(args: &[&str]) -> Command {
    let mut command = duet(args);
    for (name, _) in std::env::vars() {
        if name.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .args(["--on", "aws", "--stack", "shop"])
        .stdin(Stdio::null())
        .envs([
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_REGION", "eu-north-1"),
            // Whatever prepares Python before it has asked says so.
            ("DUET_PYTHON", "/no/such/python"),
        ]);
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A server with the stack `shop` and nothing behind it.
fn shop() -> Server {
    Server::start(|asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        "DescribeStacks" => stack("shop", "CREATE_COMPLETE", &OUTPUTS),
        _ => (
            400,
            json!({ "__type": "Refused", "message": "no" }).to_string(),
        ),
    })
}

// ---- endpoints ----------------------------------------------------------------

#[test]
fn a_named_endpoint_is_where_every_client_goes() {
    let (server, decoy) = (shop(), Server::decoy());
    let mut services = BTreeSet::new();
    for command in [
        vec!["status"],
        vec!["catalog", "show"],
        vec!["dlq", "list"],
        vec!["place", "--id", "o-1", "--customer", "c-1"],
        vec!["redrive", "--failed-since", "1h", "--dry-run"],
        vec!["rules", "list"],
        vec!["logs", "o-1"],
        vec!["up"],
        vec!["down", "--delete", "--yes"],
    ] {
        let mut command = at_aws(&command);
        let output = run(command.args(["--endpoint", &server.url]).envs([
            ("AWS_ENDPOINT_URL", &decoy.url),
            ("AWS_ENDPOINT_URL_CLOUDFORMATION", &decoy.url),
            ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", &decoy.url),
            ("AWS_ENDPOINT_URL_DYNAMODB", &decoy.url),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", &decoy.url),
            ("AWS_ENDPOINT_URL_SFN", &decoy.url),
            ("AWS_ENDPOINT_URL_SQS", &decoy.url),
            ("AWS_ENDPOINT_URL_STS", &decoy.url),
        ]));
        let asked: Vec<Asked> = server.asked();
        services.extend(asked.into_iter().map(|asked| asked.service));
        assert!(
            decoy.asked().is_empty(),
            "{command:?}: {:?}\n{:?}",
            decoy.asked(),
            said(&output)
        );
    }
    let services: Vec<_> = services.iter().map(String::as_str).collect();
    let all = [
        "cloudformation",
        "dynamodb",
        "events",
        "logs",
        "sqs",
        "states",
        "sts",
    ];
    assert_eq!(services, all);
}

#[test]
fn a_configured_endpoint_is_honoured_and_said() {
    let (server, decoy) = (shop(), Server::decoy());
    let mut command = at_aws(&["status", "--output", "json"]);
    let output = run(command.env("AWS_ENDPOINT_URL", &server.url));
    let (code, found, told) = said(&output);
    assert_eq!(code, Some(0), "{told}");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["account"]["id"], "123456789012");
    assert_eq!(found["account"]["region"], "eu-north-1");
    assert_eq!(found["account"]["endpoint"], server.url.as_str());
    let plain = format!("not AWS itself: endpoint {}", server.url);
    assert!(told.contains(&plain), "{told}");
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.region == "eu-north-1")
    );

    // One service elsewhere: said in the text, too.
    let mut command = at_aws(&["status"]);
    let output = run(command
        .env("AWS_ENDPOINT_URL", &server.url)
        .env("AWS_ENDPOINT_URL_SNS", &decoy.url));
    let (code, found, told) = said(&output);
    assert_eq!(code, Some(0), "{told}");
    assert!(found.contains(&format!("SNS {}", decoy.url)), "{found}");
    assert!(found.contains(&format!("SQS {}", server.url)), "{found}");
    assert!(
        found.contains(
            "account 123456789012 as arn:aws:iam::123456789012:user/ada, region eu-north-1"
        )
    );
}

#[test]
fn the_lab_takes_no_endpoint_and_is_no_url() {
    let state = tempfile::tempdir().unwrap();
    for args in [
        vec!["status", "--on", "lab"],
        vec!["status"],
        vec!["demo"],
        vec!["simulate"],
    ] {
        let mut command = duet(&args);
        command.env("DUET_STATE", state.path());
        let (code, _, told) = said(&run(command.args(["--endpoint", "http://127.0.0.1:9"])));
        assert_eq!(code, Some(2), "{args:?}: {told}");
        assert!(
            told.contains("--endpoint is of no use to the lab"),
            "{told}"
        );
    }
    for url in ["localhost:4566", "ftp://here", "http://", "/a"] {
        let (code, _, told) = said(&run(&mut at_aws(&["status", "--endpoint", url])));
        assert_eq!(code, Some(2), "{url}: {told}");
        assert!(told.contains("write a URL such as"), "{told}");
    }
    // What stands in the environment is not meant for the lab.
    let mut command = duet(&["status"]);
    command.env("DUET_STATE", state.path());
    let (code, ..) = said(&run(command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")));
    assert_eq!(code, Some(0));
}

// ---- credentials --------------------------------------------------------------

#[test]
fn without_credentials_every_command_says_so_in_one_sentence_and_does_nothing() {
    for args in [
        vec!["up", "--deploy"],
        vec!["up"],
        vec!["status"],
        vec!["down", "--delete", "--yes"],
        vec!["catalog", "show"],
    ] {
        let mut command = at_aws(&args);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        // Nothing is looked up on a network either.
        let decoy = Server::decoy();
        let (code, found, told) = said(&run(command.args(["--endpoint", &decoy.url])));
        assert_eq!(code, Some(3), "{args:?}: {told}");
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert_eq!(lines[0], "error: no AWS credentials were found");
        assert!(lines[1].starts_with("hint: sign in ("), "{told}");
        assert_eq!((found.as_str(), decoy.asked().len()), ("", 0));
    }
}

#[test]
fn without_a_region_or_with_stale_credentials_there_is_one_sentence_too() {
    let mut command = at_aws(&["up", "--deploy"]);
    let (code, _, told) = said(&run(command.env_remove("AWS_REGION")));
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.starts_with("error: no AWS region is configured\nhint: "),
        "{told}"
    );

    let server = Server::start(|_| refusal("ExpiredToken", "The security token is expired"));
    let mut command = at_aws(&["up", "--deploy", "--endpoint", &server.url]);
    let (code, _, told) = said(&run(&mut command));
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.starts_with(
            "error: STS answered ExpiredToken: The security token is expired\nhint: sign in"
        ),
        "{told}"
    );
    assert_eq!(told.lines().count(), 2, "{told}");
}

// ---- what is deleted ----------------------------------------------------------

#[test]
fn a_deployment_asks_who_and_where_first_and_leaves_other_peoples_stacks_alone() {
    let ours = shop();
    let (code, _, told) = said(&run(&mut at_aws(&[
        "up",
        "--deploy",
        "--endpoint",
        &ours.url,
    ])));
    assert_eq!(code, Some(3), "{told}");
    let first = told.lines().next().unwrap();
    assert!(first.starts_with("account 123456789012 as "), "{told}");
    assert!(
        first.contains("region eu-north-1") && first.contains("stack shop"),
        "{told}"
    );
    assert!(told.contains("/no/such/python"), "it went on: {told}");

    let theirs = Server::start(|asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        _ => stack(
            "shop",
            "CREATE_COMPLETE",
            &[("Vpc", "vpc-1"), ("OrderTable", "t")],
        ),
    });
    let (code, _, told) = said(&run(&mut at_aws(&[
        "up",
        "--deploy",
        "--endpoint",
        &theirs.url,
    ])));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("does not say that it is duet's"), "{told}");
}

#[test]
fn a_stack_that_describes_no_variants_is_of_before_and_refused() {
    let mut outputs = OUTPUTS.clone();
    outputs.retain(|(name, _)| !name.ends_with("Variant"));
    let machine = "arn:aws:states:eu-north-1:123456789012:stateMachine:shop-order";
    outputs.push(("OrderMachine", machine));
    let server = Server::start(move |asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        "DescribeStacks" => stack("shop", "CREATE_COMPLETE", &outputs),
        _ => (400, json!({ "__type": "Refused" }).to_string()),
    });
    for command in [
        ["place", "--line", "kettle=1"].as_slice(),
        &["orders"],
        &["redrive", "--failed-since", "1h"],
    ] {
        let mut command = at_aws(command);
        let (code, _, told) = said(&run(command.args(["--endpoint", &server.url])));
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains("does not describe its variants"), "{told}");
        assert!(told.contains("docs/aws.md"), "{told}");
    }
    let asked: BTreeSet<String> = server.operations().into_iter().collect();
    assert!(
        asked
            .iter()
            .all(|it| ["DescribeStacks", "GetCallerIdentity"].contains(&&**it)),
        "{asked:?}"
    );
}
