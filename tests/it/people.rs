//! What people may do: each of the managed policies allows its commands, and is used
//! whole by them.
//!
//! The commands run against the emulator, through a door that knows the policies and
//! refuses what they do not allow ([`gate`]).

mod gate;
mod policy;

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use duet_cli::shop::variant::{self, Variant};
use duet_cli::world::World as _;
use serde_json::{Value, json};

use self::gate::Gate;
use self::policy::Policies;
use crate::harness::{STACK, duet, fresh, local, run, text};
use crate::shop::{LIMIT, Shop, eventbridge, until};

/// What is granted and cannot be asked of the emulator, and why.
const UNSEEN: [(&str, &str, &str); 10] = [
    ("Reader", "events:DescribeArchive", "it has no archives"),
    ("Reader", "sns:GetTopicAttributes", "it has no archives"),
    (
        "Operator",
        "sns:SetSubscriptionAttributes",
        "it has no archives",
    ),
    ("Operator", "events:StartReplay", "it has no archives"),
    ("Operator", "events:DescribeReplay", "it has no archives"),
    ("Operator", "states:RedriveExecution", "it has none"),
    (
        "Operator",
        "states:StartExecution",
        "in place of a failed execution whose order nobody has parked yet: moments",
    ),
    (
        "Operator",
        "sqs:ListQueueTags",
        "asked of a listener's queue that was left behind",
    ),
    (
        "Operator",
        "sns:Subscribe",
        "a drill's, which deploys its own stack",
    ),
    (
        "Operator",
        "sns:Unsubscribe",
        "a drill's, which deploys its own stack",
    ),
];

/// What the tool asks for and none of the four may: it is for who deploys.
const DEPLOYER: [&str; 4] = [
    "cloudformation:DescribeStackEvents",
    "cloudformation:DeleteStack",
    "lambda:GetFunctionConfiguration",
    "lambda:UpdateFunctionConfiguration",
];

/// Somebody with some of the policies.
struct Person(Gate);

impl Person {
    fn with(policies: &[&str]) -> Self {
        Self(Gate::start(&local().endpoint, Policies::of(policies)))
    }

    /// The command as they run it.
    fn duet(&self, args: &[&str]) -> Command {
        let mut command = duet(args);
        for (name, _) in std::env::vars() {
            if name.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .args(["--on", "aws", "--stack", STACK, "--endpoint", &self.0.url])
            .stdin(Stdio::null())
            .envs([
                ("AWS_CONFIG_FILE", "/dev/null"),
                ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "us-east-1"),
            ]);
        command
    }

    /// Runs it; nothing that it asks for may be refused.
    fn may(&self, args: &[&str]) -> Output {
        let before = self.0.refused().len();
        let output = run(&mut self.duet(args));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(self.0.refused()[before..], [""; 0], "{args:?}: {errors}");
        let code = output.status.code();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            code.is_some_and(|code| code < 2),
            "{args:?}: {code:?}\n{errors}\n{said}"
        );
        output
    }

    /// Runs it; it is refused for want of `action`, and that it was is said.
    fn may_not(&self, args: &[&str], action: &str) {
        let before = self.0.refused().len();
        let output = run(&mut self.duet(args));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {errors}");
        assert!(errors.contains("AccessDenied"), "{args:?}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        let refused = self.0.refused().split_off(before);
        assert!(
            refused.iter().any(|it| it.starts_with(action)),
            "{args:?}: {refused:?}"
        );
    }

    /// The actions of `policy` that nothing has asked for.
    fn unused(&self, policy: &str) -> BTreeSet<String> {
        let allowed = self.0.allowed();
        let granted = Policies::of(&[policy]).actions().into_iter();
        let unseen = |action: &String| {
            let mut unseen = UNSEEN.iter();
            unseen.any(|(of, name, _)| *of == policy && name == action)
        };
        granted
            .filter(|action| !allowed.contains(action) && !unseen(action))
            .collect()
    }
}

/// An order under `variant` that waits for a person.
async fn waiting(shop: &Shop, placer: &Person, variant: &Variant) -> String {
    let id = fresh("person");
    let customer = fresh("customer");
    placer.may(&[
        "place",
        "--id",
        &id,
        "--customer",
        &customer,
        "--line",
        "espresso-machine=20",
        "--variant",
        variant.name,
    ]);
    until("the review opens", LIMIT, async || {
        let found = duet_cli::ops::review::find(&shop.world, &id).await.unwrap();
        found.filter(|review| review.opened_at.is_some()).map(drop)
    })
    .await;
    id
}

#[tokio::test]
async fn a_placer_places_and_a_reviewer_decides_and_neither_does_more() {
    let shop = Shop::open().await;
    let placer = Person::with(&["Reader", "Placer"]);
    let reviewer = Person::with(&["Reader", "Reviewer"]);
    let customer = fresh("customer");
    let who = [
        "--name",
        "Ada",
        "--email",
        "ada@example.org",
        "--country",
        "SE",
    ];
    placer.may(&[&["customer", "register", "--id", &customer], &who[..]].concat());
    for variant in variant::ALL.iter() {
        let id = waiting(&shop, &placer, variant).await;
        let verdict = ["review", "approve", &id, "--by", "kim", "--note", "known"];
        placer.may_not(&verdict, "lambda:InvokeFunction");
        reviewer.may_not(&["place", "--variant", "standard"], "states:StartExecution");
        reviewer.may(&verdict);
        let shown = reviewer.may(&["review", "show", &id, "--output", "json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(
            (&shown["status"], &shown["by"]),
            (&json!("Approved"), &json!("kim"))
        );
    }
    assert_eq!(placer.unused("Placer"), BTreeSet::new());
    assert_eq!(reviewer.unused("Reviewer"), BTreeSet::new());
}

#[tokio::test]
async fn a_reader_looks_at_everything_and_changes_nothing() {
    let shop = Shop::open().await;
    let reader = Person::with(&["Reader"]);
    let marker = fresh("person");
    shop.world
        .submit_poison(eventbridge(), &marker)
        .await
        .unwrap();
    let dead = dead(&shop, &marker).await;
    for variant in variant::ALL.iter() {
        let order = shop.order(variant, "happy").await;
        shop.placed(variant, &order).await;
        let id = order.order.as_str();
        reader.may(&["show", id]);
        reader.may(&["show", id, "--timeline"]);
        reader.may(&["watch", id]);
        reader.may(&["logs", id]);
    }
    let looks: [&[&str]; 10] = [
        &["status"],
        &["orders", "--limit", "3"],
        &["top", "--once"],
        &["review", "list"],
        &["catalog", "show"],
        &["dlq", "list"],
        &["dlq", "show", &dead],
        &["redrive", "--failed-since", "1h", "--dry-run"],
        &["rules", "list"],
        &["replay", "--from", "1m", "--dry-run"],
    ];
    for args in looks {
        reader.may(args);
    }
    assert_eq!(reader.unused("Reader"), BTreeSet::new());

    reader.may_not(&["place", "--variant", "standard"], "states:StartExecution");
    reader.may_not(&["place", "--variant", "eventbridge"], "sqs:SendMessage");
    reader.may_not(&["dlq", "drop", &dead], "sqs:DeleteMessage");
    reader.may_not(&["catalog", "seed"], "dynamodb:PutItem");
}

/// The id that the poison with `marker` in it has in its dead-letter queue.
async fn dead(shop: &Shop, marker: &str) -> String {
    until("the poison dies", LIMIT, async || {
        let letters = shop
            .world
            .dead_letters(eventbridge(), marker)
            .await
            .unwrap();
        letters.first().map(|letter| letter.id.clone())
    })
    .await
}

#[tokio::test]
async fn an_operator_clears_up_with_what_the_policy_allows() {
    let shop = Shop::open().await;
    let operator = Person::with(&["Reader", "Operator"]);
    for variant in variant::ALL.iter() {
        let order = shop.order(variant, "happy").await;
        shop.placed(variant, &order).await;
        let id = order.order.as_str();
        shop.settled(variant, id).await;
        operator.may(&["repair", id, "--by", "anna"]);
        operator.may(&["forget", id, "--by", "anna"]);
        let timeline = operator.may(&["show", id, "--timeline"]);
        let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
        assert!(timeline.contains("by anna"), "{timeline}");
        if variant.has_facts {
            operator.may(&["replay", "--order", id, "--within", "60"]);
        }
    }
    let marker = fresh("person");
    shop.world
        .submit_poison(eventbridge(), &marker)
        .await
        .unwrap();
    let id = dead(&shop, &marker).await;
    operator.may(&["dlq", "drop", &id]);
    shop.world
        .submit_poison(eventbridge(), &marker)
        .await
        .unwrap();
    dead(&shop, &marker).await;
    operator.may(&["dlq", "redrive", "--cause", "no JSON", "--rate", "100"]);
    let dir = tempfile::tempdir().unwrap();
    let event = dir.path().join("event.json");
    let said = json!({
        "source": "duet.person", "detail-type": "Said", "detail": { "marker": marker },
    });
    std::fs::write(&event, said.to_string()).unwrap();
    operator.may(&["events", "send", event.to_str().unwrap()]);
    operator.may(&[
        "events",
        "expect",
        "--pattern",
        r#"{"source":["duet.nobody"]}"#,
        "--within",
        "1s",
    ]);
    operator.may(&["catalog", "seed"]);
    assert_eq!(operator.unused("Operator"), BTreeSet::new());
}

/// What the command asks for in code is somebody's to ask for: one of the four's, or
/// whoever deploys.
#[test]
fn every_call_of_the_tool_is_granted_to_somebody() {
    const CLIENTS: [(&str, &str); 6] = [
        ("workflows", "states"),
        ("queues", "sqs"),
        ("topics", "sns"),
        ("functions", "lambda"),
        ("buses", "events"),
        ("client", "cloudformation"),
    ];
    // The others ask behind one client each: `Dynamo`'s is told in `grants`.
    let mut asked = BTreeSet::from(["logs:FilterLogEvents".to_owned()]);
    assert!(text("cli/src/world/aws/logs.rs").contains(".filter_log_events()"));
    for file in ["mod", "bus", "operate", "replay", "stacks", "topics"] {
        let code = text(&format!("cli/src/world/aws/{file}.rs"));
        let code: String = code.split_whitespace().collect();
        for (field, service) in CLIENTS {
            for (at, found) in code.match_indices(&format!("{field}.")) {
                let rest = &code[at + found.len()..];
                let Some((name, _)) = rest.split_once("()") else {
                    continue;
                };
                let is_call = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                // Calls of AWS have two words at least, but for two.
                if is_call
                    && (name.contains('_')
                        || ["invoke", "subscribe", "unsubscribe"].contains(&name))
                {
                    asked.insert(format!("{service}:{}", action(name)));
                }
            }
        }
    }
    assert!(asked.len() > 25, "{asked:?}");
    let granted = Policies::of(&["Reader", "Placer", "Reviewer", "Operator"]).actions();
    let nobodys: Vec<_> = asked
        .iter()
        .filter(|action| !granted.contains(*action) && !DEPLOYER.contains(&action.as_str()))
        .collect();
    assert_eq!(nobodys, [""; 0]);
    for action in DEPLOYER {
        assert!(asked.contains(action), "{action} is asked for nowhere");
        assert!(!granted.contains(action), "{action} is for who deploys");
    }
}

/// The action of the SDK's operation `name`.
fn action(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    let words: String = words.collect();
    match words.trim_end_matches("Batch") {
        "Invoke" => "InvokeFunction".to_owned(),
        other => other.to_owned(),
    }
}
