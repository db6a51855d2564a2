//! How big each service's binary is, how long it takes from exec to its first
//! poll of the runtime API, how much memory it holds then, and how long its
//! first useful answer takes at the share of a core that 128 MB buy, beside a
//! hello-world handler of the same profile, run alternately with it.
//!
//!     cargo bench -p duet-edge --bench cold_start [-- [ROUNDS] [DIRECTORY]]
//!
//! DIRECTORY has a folder with a `bootstrap` per service: `target/lambda` if it
//! is not named, which `duet up --on local` fills; another one compares with
//! binaries built earlier, and may have a `hello`, too. What is asked is the first message of each example in
//! `infra/events/`. Every AWS endpoint is on this machine, behind TLS; tables
//! are empty.
//!
//! Linux only, and as root: the share of a core is a cgroup's. Without one the
//! first answer is left out.

mod aws;
mod runtime;
mod share;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::aws::Aws;
use crate::runtime::Runtime;
use crate::share::Share;

/// One start of one binary.
struct Start {
    first_poll: Duration,
    resident_kib: u64,
    /// From the hand-out of the first message to its answer.
    first_answer: Option<Duration>,
}

/// What a binary is asked for, by which entry.
struct Question {
    entry: &'static str,
    event: String,
}

fn main() {
    let mut rounds = 20;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut binaries = root.join("target/lambda");
    // Cargo adds an argument of its own.
    for arg in std::env::args().skip(1).filter(|arg| arg != "--bench") {
        match arg.parse() {
            Ok(number) => rounds = number,
            Err(_) => binaries = PathBuf::from(arg),
        }
    }
    let built = binaries.join("hello").join("bootstrap");
    let hello = match built.exists() {
        true => built,
        false => build_hello(&root),
    };
    let (aws, share) = (Aws::start(), Share::new());
    if share.is_none() {
        eprintln!("no cgroup to limit a process with (are you root?): first answers are left out");
    }
    let bench = Bench { aws, share, rounds };
    println!(
        "{:<14}{:<7}{:>7}{:>9}{:>13}{:>12}{:>17}{:>12}",
        "binary", "entry", "MiB", "RSS MiB", "1st poll ms", "hello", "1st answer ms", "hello"
    );
    for service in services(&root) {
        let binary = binaries.join(&service).join("bootstrap");
        let Ok(size) = std::fs::metadata(&binary).map(|data| data.len()) else {
            eprintln!(
                "{} is not built: run `duet up --on local` first",
                binary.display()
            );
            continue;
        };
        for question in questions(&root, &service) {
            bench.compare(&service, &binary, size, &hello, &question);
        }
    }
}

/// Every service there is: a folder with a binary.
fn services(root: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(root.join("functions")).expect("functions/");
    let mut services: Vec<String> = folders
        .filter_map(Result::ok)
        .filter(|folder| folder.path().join("src/main.rs").exists())
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    services.sort();
    services
}

/// The examples of `service`, of as many entries as it has; of a batch its
/// first message.
fn questions(root: &Path, service: &str) -> Vec<Question> {
    let example = |entry| {
        let file = root.join(format!("infra/events/{service}-{entry}.json"));
        let text = std::fs::read_to_string(file).ok()?;
        let mut event: Value = serde_json::from_str(&text).expect("an example is JSON");
        if let Some(records) = event.get_mut("Records").and_then(Value::as_array_mut) {
            records.truncate(1);
        }
        let event = event.to_string();
        Some(Question { entry, event })
    };
    ["task", "queue"].into_iter().filter_map(example).collect()
}

struct Bench {
    aws: Aws,
    share: Option<Share>,
    rounds: usize,
}

impl Bench {
    fn compare(&self, service: &str, binary: &Path, size: u64, hello: &Path, question: &Question) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            own.push(self.start(binary, question));
            others.push(self.start(hello, question));
        }
        let polls = |starts: &[Start]| median(starts.iter().map(|start| start.first_poll));
        let answers = |starts: &[Start]| {
            let answers: Vec<_> = starts.iter().filter_map(|s| s.first_answer).collect();
            match answers.is_empty() {
                true => "-".to_owned(),
                false => format!("{:.1}", median(answers.into_iter())),
            }
        };
        let resident = own.iter().map(|start| start.resident_kib).max();
        println!(
            "{service:<14}{:<7}{:>7.2}{:>9.1}{:>13.2}{:>12.2}{:>17}{:>12}",
            question.entry,
            size as f64 / 1_048_576.0,
            resident.unwrap_or_default() as f64 / 1024.0,
            polls(&own),
            polls(&others),
            answers(&own),
            answers(&others),
        );
    }

    /// Starts `binary` at full speed, and asks once it is ready, at the share.
    fn start(&self, binary: &Path, question: &Question) -> Start {
        let mut runtime = Runtime::start();
        let began = Instant::now();
        let child = self.spawn(binary, &runtime.address, question.entry);
        let polled = runtime.next();
        let first_poll = polled.at - began;
        assert!(polled.is_poll(), "not a poll: {}", polled.head);
        let resident_kib = resident(child.id());
        let first_answer = self.share.as_ref().map(|share| {
            share.limit(child.id());
            let asked = Instant::now();
            runtime.hand_out(&question.event);
            let answer = runtime.next();
            assert!(answer.is_good(), "{}: {}", binary.display(), answer.body);
            answer.at - asked
        });
        end(child);
        Start {
            first_poll,
            resident_kib,
            first_answer,
        }
    }

    fn spawn(&self, binary: &Path, api: &str, entry: &str) -> Child {
        let carriers = json!({
            "standard": { "facts": { "kind": "none" }, "tasks": true, "clock": "workflow", "patience": 60 },
            "eventbridge": { "facts": { "kind": "eventbridge", "bus": "duet-bus" }, "tasks": false, "clock": "service", "patience": 60 },
        });
        Command::new(binary)
            .env_clear()
            .envs(self.aws.variables())
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", api),
                ("AWS_LAMBDA_FUNCTION_NAME", "f"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
                ("DUET_ENTRY", entry),
                ("DUET_TABLE", "t"),
                ("DUET_LEDGER_TABLE", "l"),
                ("DUET_NOTICE_TOPIC", "arn:aws:sns:us-east-1:123456789012:t"),
                ("DUET_METRICS", "duet"),
                ("DUET_CARRIERS", &carriers.to_string()),
                ("DUET_AWAITS_CLEARANCE", "true"),
                ("DUET_ORDER_DEADLINE_SECONDS", "900"),
                ("DUET_REVIEW_SECONDS", "60"),
                ("DUET_COMPENSATION_SECONDS", "60"),
                ("DUET_JOURNAL_DAYS", "30"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts")
    }
}

/// Builds the hello-world handler as the services are built, and tells where it is.
fn build_hello(root: &Path) -> PathBuf {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root.join("target/lambda-build"),
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--profile",
        "lambda",
        "--package",
        "duet-edge",
        "--example",
        "hello",
        "--features",
        "lambda",
    ]);
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME")
    {
        cargo.env_remove(name);
    }
    let built = cargo
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root)
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the hello-world handler does not build"
    );
    target.join("lambda/examples/hello")
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default()
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn median(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
