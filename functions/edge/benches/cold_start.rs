//! How big each service's binary is, how long it takes from exec to its first
//! poll of the runtime API, and how much memory it holds then, beside a
//! hello-world handler of the same profile, run alternately with it.
//!
//!     cargo bench -p duet-edge --bench cold_start [-- ROUNDS]
//!
//! Needs the services built (`duet up --on local` does it). Linux only: memory
//! is read from /proc.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SERVICES: [&str; 7] = [
    "customer",
    "order",
    "fraud",
    "inventory",
    "payment",
    "delivery",
    "notification",
];

/// One start of one binary.
struct Start {
    first_poll: Duration,
    resident_kib: u64,
}

fn main() {
    let rounds = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(40);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let hello = build_hello(&root);
    println!(
        "{:<14}{:>10}{:>12}{:>12}{:>14}{:>12}",
        "binary", "MiB", "p50 ms", "hello p50", "difference", "RSS MiB"
    );
    for service in SERVICES {
        let binary = root.join("target/lambda").join(service).join("bootstrap");
        let Ok(size) = std::fs::metadata(&binary).map(|data| data.len()) else {
            eprintln!(
                "{} is not built: run `duet up --on local` first",
                binary.display()
            );
            std::process::exit(1);
        };
        let (mut own, mut others, mut resident) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let start = start(&binary);
            own.push(start.first_poll);
            resident = resident.max(start.resident_kib);
            others.push(self::start(&hello).first_poll);
        }
        let (own, other) = (median(own), median(others));
        let mib = size as f64 / 1_048_576.0;
        let resident = resident as f64 / 1024.0;
        println!(
            "{service:<14}{mib:>10.2}{own:>12.2}{other:>12.2}{:>14.2}{resident:>12.1}",
            own - other
        );
    }
}

/// Builds the hello-world handler as the services are built, and tells where it is.
fn build_hello(root: &Path) -> PathBuf {
    let target = root.join("target/lambda-build");
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

/// Starts `binary` against a runtime API of our own and waits for its first poll.
fn start(binary: &Path) -> Start {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let api = listener.local_addr().expect("an address").to_string();
    let began = Instant::now();
    let child = spawn(binary, &api);
    let (mut stream, _) = listener.accept().expect("the binary connects");
    await_poll(&mut stream);
    let first_poll = began.elapsed();
    let resident_kib = resident(child.id());
    end(child);
    Start {
        first_poll,
        resident_kib,
    }
}

fn spawn(binary: &Path, api: &str) -> Child {
    Command::new(binary)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", api),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ])
        .envs([
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
        ])
        .envs([
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ])
        .envs([
            ("DUET_ENTRY", "queue"),
            ("DUET_TABLE", "t"),
            ("DUET_LEDGER_TABLE", "l"),
            ("DUET_NOTICE_TOPIC", "arn:aws:sns:us-east-1:1:t"),
        ])
        .envs([
            ("DUET_METRICS", "duet"),
            ("DUET_CARRIERS", "{}"),
            ("DUET_AWAITS_CLEARANCE", "true"),
        ])
        .envs([
            ("DUET_ORDER_DEADLINE_SECONDS", "1"),
            ("DUET_REVIEW_SECONDS", "1"),
            ("DUET_COMPENSATION_SECONDS", "1"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the binary starts")
}

fn await_poll(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(
        head.starts_with("GET /2018-06-01/runtime/invocation/next"),
        "not a poll: {head}"
    );
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

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
