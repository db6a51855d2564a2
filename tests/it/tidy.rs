//! Architecture, as what must not be there and what must resolve. The rules
//! are those of `docs/architecture.md`.

mod consumers;
mod flows;
mod licences;
mod patience;
mod prose;
mod rooms;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use duet_cli::shop::services::{LISTENERS, SERVICES, SWEEPS};
use duet_cli::world::aws::stacks::{ALWAYS_SAID, DESCRIBED};
use duet_core::outcome::{INVALID_COMMAND, PATIENCE_SPENT};
use duet_lab::Deployed;
use serde_json::{Value as Json, json};
use serde_norway::Value;

use self::flows::{EXPRESS, MACHINES};
use crate::harness::{root, text};

/// Every Rust file below `dir`.
pub(crate) fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut open = vec![root().join(dir)];
    let mut files = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "no Rust below {dir}");
    files
}

/// A file's code that is no test: without files that hold tests only, and
/// without what follows an inline test module.
pub(crate) fn shipped(path: &Path) -> String {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let test_only = ["tests", "interleavings", "testing", "benches"];
    if path
        .components()
        .any(|part| test_only.contains(&&*part.as_os_str().to_string_lossy()))
        || test_only.contains(&&*name)
    {
        return String::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Fails for every file below `dirs`, but those under `except`, with a line of
/// code that `holds` one of `words`.
pub(crate) fn nowhere(dirs: &[&str], except: &[&str], words: &[&str], why: &str) {
    for dir in dirs {
        for path in rust_files(dir) {
            let relative = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if except.iter().any(|exempt| relative.starts_with(exempt)) {
                continue;
            }
            for (n, line) in shipped(&path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in words {
                    assert!(
                        !code.contains(word),
                        "{why}: {relative}:{} has {word}",
                        n + 1
                    );
                }
            }
        }
    }
}

#[test]
fn no_service_publishes() {
    let wires = [
        "PutEvents",
        "put_events",
        "SendMessage",
        "send_message",
        "aws_sdk_eventbridge",
        "aws_sdk_sqs",
        "aws_sdk_sfn",
        "create_schedule",
        "aws_sdk_scheduler",
    ];
    nowhere(
        &["functions"],
        &["functions/edge"],
        &wires,
        "only the edge publishes",
    );
}

#[test]
fn only_the_edge_names_lambda() {
    nowhere(
        &["functions"],
        &["functions/edge"],
        &["lambda_runtime", "aws_lambda_events"],
        "only the edge names Lambda",
    );
    for service in SERVICES {
        let manifest = text(&format!("functions/{service}/Cargo.toml"));
        assert!(!manifest.contains("lambda_runtime"), "{service}");
    }
}

#[test]
fn time_randomness_and_environment_come_in_through_ports() {
    let words = [
        "SystemTime::now",
        "Timestamp::now",
        "Instant::now",
        "env::var",
        "rand::",
        "fastrand::",
    ];
    let adapters = [
        "functions/core/src/time.rs",
        "functions/edge/src/lambda.rs",
        "functions/edge/src/sdk/deadline.rs",
    ];
    nowhere(&["functions"], &adapters, &words, "through a port only");
}

#[test]
fn all_that_the_command_says_is_said_in_one_place() {
    nowhere(
        &["cli/src"],
        // What `progress` draws has no words but its own.
        &["cli/src/terminal/mod.rs", "cli/src/terminal/progress.rs"],
        &["println!", "print!(", "stdout()", "stderr()", "panic!("],
        "what steers a terminal is escaped in cli/src/terminal/mod.rs only",
    );
}

#[test]
fn how_aws_is_reached_is_decided_in_one_place() {
    nowhere(
        &["cli/src"],
        &["cli/src/world/aws/deployed.rs"],
        &[
            "aws_config::defaults",
            "load_from_env",
            "SdkConfig::builder",
            "Config::builder",
            "Credentials::new",
        ],
        "a client that is configured elsewhere may ask another endpoint",
    );
}

#[test]
fn no_error_reaches_a_person_as_debug_text() {
    nowhere(
        &["cli/src"],
        &[],
        &["DisplayErrorContext", "error:?}", "problem:?}", "{err:?}"],
        "say it in a sentence, as cli/src/world/aws/error.rs does",
    );
}

#[test]
fn nothing_hard_codes_the_variants() {
    let names = [
        "\"standard\"",
        "\"eventbridge\"",
        "\"express\"",
        "\"express-sync\"",
        "\"fifo\"",
    ];
    // These speak of the types of state machine that AWS has, one of which is "standard".
    let listed = ["cli/asl", "cli/src/commands/asl"];
    nowhere(&["functions", "cli"], &listed, &names, "variants are data");
}

#[test]
fn a_services_library_is_pure() {
    for service in SERVICES {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--no-default-features",
            ])
            .args(["--package", &format!("duet-{service}")])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let tree = String::from_utf8_lossy(&output.stdout).into_owned();
        let crates: BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        for name in &crates {
            assert!(
                !name.starts_with("aws-") && *name != "tokio" && *name != "hyper",
                "{service} depends on {name}"
            );
        }
        assert!(
            crates.len() <= 40,
            "{service} depends on {} crates: {crates:?}",
            crates.len()
        );
    }
}

/// A template, with its tags.
fn template(path: &str) -> Value {
    serde_norway::from_str(&text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The templates below `folder`, by path.
fn templates(folder: &str) -> Vec<String> {
    let files = duet_lab::bundled().into_keys();
    let found: Vec<_> = files
        .filter(|path| path.starts_with(folder) && path.ends_with(".yaml"))
        .collect();
    assert!(!found.is_empty(), "no templates below {folder}");
    found
}

/// Where the children of the root template lie.
const CHILDREN: &str = "infra/";

/// What the stack is called here.
const STACK: &str = "shop";

/// The resources of `template` of type `kind`, by logical id.
fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_mapping().expect("resources");
    let of_kind = all
        .iter()
        .filter(|(_, resource)| resource["Type"].as_str() == Some(kind));
    of_kind
        .map(|(id, resource)| (id.as_str().unwrap(), &resource["Properties"]))
        .collect()
}

/// What the children deploy of type `kind`, with all variants and fraud detection.
fn deployed(kind: &str) -> Vec<Deployed> {
    let all = duet_lab::deployed(&duet_lab::bundled(), STACK, &BTreeMap::new(), &[kind]);
    let mut all = all.unwrap_or_else(|e| panic!("{e}"));
    all.retain(|resource| resource.template.starts_with(CHILDREN));
    all
}

/// The queues of the children by ARN.
fn queues() -> BTreeMap<String, Deployed> {
    let all = deployed("AWS::SQS::Queue").into_iter();
    all.map(|queue| (queue.arn.clone().unwrap(), queue))
        .collect()
}

/// A list of texts, or one.
fn texts(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(all) => all.iter().filter_map(Json::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// What a `!Ref X`, `!GetAtt X.Y` or plain text names.
fn named(value: &Value) -> &str {
    let text = match value {
        Value::Tagged(tagged) => tagged.value.as_str(),
        plain => plain.as_str(),
    };
    text.and_then(|text| text.split('.').next())
        .unwrap_or_default()
}

#[test]
fn every_function_has_its_code_and_every_variable_its_reader() {
    let template = template("template.yaml");
    let functions = resources(&template, "AWS::Serverless::Function");
    // A listener is no step of any workflow: it has a queue function only. And one
    // takes verdicts.
    let entries = 2 * SERVICES.len() - LISTENERS.len() + 1;
    assert_eq!(functions.len(), entries + SWEEPS.len());
    let guide = text("docs/deploy.md");
    let by_hand = guide
        .lines()
        .filter(|line| line.starts_with("packages=") || line.starts_with("for s in "));
    let mut set: BTreeSet<String> =
        keys(&template["Globals"]["Function"]["Environment"]["Variables"]);
    for (id, function) in functions {
        let code = function["CodeUri"].as_str().unwrap();
        let service = code
            .trim_start_matches("target/lambda/")
            .trim_end_matches('/');
        let sweeps = SWEEPS.iter().map(|(_, directory)| directory);
        let mut known = SERVICES.iter().chain(sweeps);
        assert!(known.any(|it| *it == service), "{id}: {code}");
        assert_eq!(
            id.to_lowercase()
                .trim_end_matches("task")
                .trim_end_matches("queue")
                .trim_end_matches("verdict"),
            service.replace('-', ""),
            "{id}"
        );
        // Whoever deploys by hand builds it, too.
        let listed = by_hand.clone();
        let mut words = listed.flat_map(|line| line.split(|c: char| " \";".contains(c)));
        assert!(
            words.any(|word| word == service),
            "docs/deploy.md: {service}"
        );
        set.extend(keys(&function["Environment"]["Variables"]));
    }
    let mut read = BTreeSet::new();
    for path in rust_files("functions") {
        let code = shipped(&path);
        for (start, _) in code.match_indices("\"DUET_") {
            let name = code[start + 1..].split('"').next().unwrap_or_default();
            if name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
                read.insert(name.to_owned());
            }
        }
    }
    assert_eq!(
        set, read,
        "left: set by the template; right: read by the services"
    );
}

fn keys(value: &Value) -> BTreeSet<String> {
    let mapping = value.as_mapping().expect("variables");
    mapping
        .keys()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect()
}

/// A stack is known as one of this system by what it says of itself; what is
/// deployed today was deployed with these.
#[test]
fn the_stack_says_what_it_is_known_by() {
    let template = template("template.yaml");
    for output in ALWAYS_SAID {
        assert!(!template["Outputs"][output].is_null(), "{output}");
        assert!(
            template["Outputs"][output]["Condition"].is_null(),
            "{output}"
        );
    }
    let described = template["Description"].as_str().unwrap();
    assert!(described.starts_with(DESCRIBED), "{described}");
}

#[test]
fn the_derived_numbers_are_derived_rightly() {
    let template = template("template.yaml");
    for (timeout, derived) in template["Mappings"]["TaskTimeout"].as_mapping().unwrap() {
        let timeout: u64 = timeout.as_str().unwrap().parse().unwrap();
        assert_eq!(derived["Visibility"].as_u64(), Some(6 * timeout));
    }
    let consumer = self::template("infra/consumer.yaml");
    for (written, number) in consumer["Mappings"]["Concurrency"].as_mapping().unwrap() {
        let written: u64 = written.as_str().unwrap().parse().unwrap();
        assert_eq!(number["Most"].as_u64(), Some(written));
    }
}

#[test]
fn an_order_may_have_as_many_skus_as_a_reservation_can_hold() {
    assert_eq!(
        duet_order::command::MAX_SKUS,
        duet_inventory::domain::MAX_SKUS
    );
}
