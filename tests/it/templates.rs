//! What AWS would refuse is refused here first.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use duet_asl::{MachineType, Severity, substitute, validate_as};
use duet_lab::{bundled, deployed};
use duet_local::Environment;
use duet_local::python::{self, Python};
use serde_json::json;

use crate::harness::{root, text};

/// The private Python environment, with `sam` and `cfn-lint` in it.
fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let requirements = root().join("infra/local/requirements.txt");
        let environment = Environment::new(std::env::vars_os());
        python::prepare(
            &requirements,
            &root().join(".duet"),
            &environment,
            &mut |line| eprintln!("{line}"),
        )
        .unwrap_or_else(|e| panic!("{e}"))
    })
}

fn tool(name: &str, args: &[&str]) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sam");
    std::fs::create_dir_all(&scratch).unwrap();
    // Says that the look for a newer release, over the network, was just made.
    std::fs::write(
        scratch.join("metadata.json"),
        "{\"lastVersionCheck\": \"2100-01-01T00:00:00\"}",
    )
    .unwrap();
    let output = Command::new(python().tool(name).unwrap_or_else(|e| panic!("{e}")))
        .args(args)
        .current_dir(root())
        .env("SAM_CLI_TELEMETRY", "0")
        .env("__SAM_CLI_APP_DIR", &scratch)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{name} {args:?}:\n{said}");
}

#[test]
fn sam_validate_lint_is_clean() {
    tool(
        "sam",
        &["validate", "--lint", "--template-file", "template.yaml"],
    );
}

#[test]
fn cfn_lint_has_no_findings() {
    let files = duet_lab::bundled();
    let templates = files.keys().map(String::as_str);
    let templates: Vec<_> = templates.filter(|path| path.ends_with(".yaml")).collect();
    tool("cfn-lint", &templates);
    // An ignore stands at one resource, with its reason; never at a whole template.
    for template in templates {
        let metadata = text(template)
            .split("\nMetadata:")
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let metadata = metadata
            .split("\nParameters:")
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(
            !metadata.contains("cfn-lint"),
            "{template}: a blanket ignore"
        );
    }
}

#[test]
fn the_state_machines_are_valid() {
    let machines = duet_lab::bundled().into_keys();
    for path in machines.filter(|path| path.ends_with(".asl.json")) {
        let value = |name: &str| {
            let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
            Some(match name {
                "Partition" => "aws".to_owned(),
                name if name.ends_with("Function") => arn.to_owned(),
                _ => "4".to_owned(),
            })
        };
        let definition = substitute(&text(&path), value).unwrap();
        let findings = validate_as(&definition, MachineType::Standard);
        let errors: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:#?}");
    }
}

/// A level has the levels before it, and each kind of record its own delivery.
#[test]
fn the_bus_logs_what_its_level_says_and_never_what_events_say() {
    for (level, kinds) in [
        ("OFF", &[][..]),
        ("ERROR", &["ERROR_LOGS"]),
        ("INFO", &["ERROR_LOGS", "INFO_LOGS"]),
        ("TRACE", &["ERROR_LOGS", "INFO_LOGS", "TRACE_LOGS"]),
    ] {
        for (emulated, kinds) in [("false", kinds), ("true", &[])] {
            let given = [("BusLogLevel", level), ("Emulated", emulated)];
            let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let all = deployed(&bundled(), "shop", &given.into(), &[]).unwrap();
            let of = |kind: &str| {
                let kind = kind.to_owned();
                all.iter().filter(move |it| it.kind == kind)
            };
            let sources = of("AWS::Logs::DeliverySource");
            let logged: Vec<_> = sources
                .map(|it| it.properties["LogType"].as_str().unwrap())
                .collect();
            assert_eq!(logged, kinds, "{level}");
            let deliveries = of("AWS::Logs::Delivery").count();
            assert_eq!(deliveries, kinds.len(), "{level}");
            let bus = of("AWS::Events::EventBus").next().unwrap();
            let config = &bus.properties["LogConfig"];
            match kinds {
                [] => assert!(config.is_null(), "{level}: {config}"),
                _ => assert_eq!(
                    (&config["Level"], &config["IncludeDetail"]),
                    (&json!(level), &json!("NONE"))
                ),
            }
        }
    }
}
