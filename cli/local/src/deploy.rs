//! `sam deploy`, as a bounded process with its output in a file.
//!
//! Reads no stack: its outputs are had from CloudFormation by the caller. SAM
//! itself does what would otherwise be written again here: archives, uploads,
//! the children's templates, change sets, waiting.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;

use super::environment::{for_account_sam, for_local_sam, for_sam_at_an_endpoint};
use super::files::{self, make_directory, remove_directory};
use super::process::run_logged;
use super::python::Python;
use super::{Environment, Error, Result};

/// Where to deploy.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// An emulator.
    Endpoint {
        /// Its URL.
        url: &'a str,
        /// The region to say.
        region: &'a str,
        /// The access key to sign with; emulators take any.
        access_key: &'a str,
        /// And its secret.
        secret_key: &'a str,
        /// Whether it is this tool's own, so that a stack which failed while it
        /// was made may be deleted there.
        ours: bool,
    },
    /// The account that the tool's own clients reach. `sam` would find its way by
    /// itself, but by other rules: another variable for the region, another for
    /// the profile.
    Account {
        /// The region.
        region: &'a str,
        /// The credentials.
        credentials: &'a Credentials,
        /// The endpoint that was named, which goes before every configured one.
        endpoint: Option<&'a str>,
    },
}

/// What to deploy and how.
#[derive(Clone, Copy, Debug)]
pub struct Deploy<'a> {
    /// The directory that paths in the template start from.
    pub root: &'a Path,
    /// The template, relative to `root`.
    pub template: &'a Path,
    /// The stack.
    pub stack: &'a str,
    /// Parameters of the template.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Tags of the stack; with none it keeps those it has.
    pub tags: &'a [(&'a str, &'a str)],
    /// The bucket for the artefacts; SAM's own (`--resolve-s3`) if none.
    pub bucket: Option<&'a str>,
    /// Where.
    pub destination: Destination<'a>,
    /// The directory for the log and for SAM's own files.
    pub state: &'a Path,
    /// How long it may take.
    pub limit: Duration,
}

/// A deployment that succeeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deployed {
    /// Whether there was anything to change.
    pub changed: bool,
    /// How long it took.
    pub elapsed: Duration,
}

/// Creates or updates the stack, and waits until it is there.
///
/// # Errors
/// [`Error::Deploy`] with the lines that tell why, when SAM fails or `limit` is
/// over; [`Error::NoTool`] without SAM.
pub fn deploy(python: &Python, options: Deploy<'_>, environment: &Environment) -> Result<Deployed> {
    make_directory(options.state)?;
    let state = fs::canonicalize(options.state).map_err(Error::file("find", options.state))?;
    let log = state.join("deploy.log");
    let mut command = Command::new(python.tool("sam")?);
    prepare(&mut command, options.destination, &state, environment)?;
    command.current_dir(options.root).args(arguments(options));

    // SAM leaves directories of its own behind wherever temporary ones are made.
    let scratch = state.join(format!("sam/tmp-{}", std::process::id()));
    make_directory(&scratch)?;
    command.env("TMPDIR", &scratch);

    let began = Instant::now();
    let status = run_logged(&mut command, Stdio::null(), &log, options.limit);
    let elapsed = began.elapsed();
    remove_directory(&scratch)?;
    let status = status?;
    let output = fs::read_to_string(&log).unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(Deployed {
            changed: !output.contains("No changes to deploy"),
            elapsed,
        }),
        ended => Err(Error::Deploy {
            stack: options.stack.to_owned(),
            why: ended.map_or_else(
                || format!("not done after {} s", options.limit.as_secs()),
                |status| format!("sam ended with {status}"),
            ),
            tail: telling_lines(&output),
            log,
        }),
    }
}

/// The child's environment: complete for an emulator, the user's for an account.
fn prepare(
    command: &mut Command,
    destination: Destination<'_>,
    state: &Path,
    environment: &Environment,
) -> Result<()> {
    match destination {
        Destination::Endpoint {
            url,
            region,
            access_key,
            secret_key,
            ours: _,
        } => {
            environment.apply(command, for_local_sam);
            command
                .env("AWS_ENDPOINT_URL", url)
                .env("AWS_REGION", region)
                .env("AWS_DEFAULT_REGION", region)
                .env("AWS_ACCESS_KEY_ID", access_key)
                .env("AWS_SECRET_ACCESS_KEY", secret_key)
                .env("AWS_CONFIG_FILE", "/dev/null")
                .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                // An emulator is done at once; SAM looks every 5 s otherwise.
                .env("SAM_CLI_POLL_DELAY", "0.2");
        }
        Destination::Account {
            region,
            credentials,
            endpoint,
        } => {
            match endpoint {
                Some(url) => {
                    environment.apply(command, for_sam_at_an_endpoint);
                    command.env("AWS_ENDPOINT_URL", url);
                }
                None => environment.apply(command, for_account_sam),
            }
            command
                .env("AWS_REGION", region)
                .env("AWS_DEFAULT_REGION", region)
                .env("AWS_ACCESS_KEY_ID", credentials.access_key_id())
                .env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key());
            if let Some(token) = credentials.session_token() {
                command.env("AWS_SESSION_TOKEN", token);
            }
        }
    }
    let own = state.join("sam");
    make_directory(&own)?;
    // SAM asks for news of itself once a week and waits 5 s for an answer: that
    // week never ends here (the time is the year 2100's first second).
    let metadata = own.join("metadata.json");
    fs::write(
        &metadata,
        r#"{"telemetryEnabled": false, "lastVersionCheck": 4102444800.0}"#,
    )
    .map_err(Error::file("write", &metadata))?;
    command
        .env("SAM_CLI_TELEMETRY", "0")
        // As wide as reasons are long: SAM breaks its tables at this.
        .env("COLUMNS", "220")
        .env("__SAM_CLI_APP_DIR", &own);
    Ok(())
}

fn arguments(options: Deploy<'_>) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "deploy",
        // Without it SAM prefers what an earlier `sam build` left behind.
        "--template-file",
        &options.template.to_string_lossy(),
        "--stack-name",
        options.stack,
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        "--no-progressbar",
        "--capabilities",
        "CAPABILITY_IAM",
        "CAPABILITY_NAMED_IAM",
        "CAPABILITY_AUTO_EXPAND",
    ]
    .map(str::to_owned)
    .into();
    match options.bucket {
        Some(bucket) => arguments.extend(["--s3-bucket".to_owned(), bucket.to_owned()]),
        None => arguments.push("--resolve-s3".to_owned()),
    }
    if matches!(
        options.destination,
        Destination::Endpoint { ours: true, .. }
    ) {
        // A stack that failed while it was made cannot be updated; on an
        // emulator nothing is lost with it, and the next try can succeed.
        arguments.extend(["--on-failure", "DELETE"].map(str::to_owned));
    }
    if !options.tags.is_empty() {
        arguments.push("--tags".to_owned());
        let tags = options.tags.iter();
        arguments.extend(tags.map(|(name, value)| parameter(name, value)));
    }
    if !options.parameters.is_empty() {
        arguments.push("--parameter-overrides".to_owned());
        arguments.extend(
            options
                .parameters
                .iter()
                .map(|(name, value)| parameter(name, value)),
        );
    }
    arguments
}

/// SAM splits overrides at spaces and takes quoted values apart itself; of
/// escapes it undoes only those of quotes.
fn parameter(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('"', r#"\""#))
}

/// The lines that say why: failed resources if any are listed, and the end.
fn telling_lines(output: &str) -> String {
    const MOST: usize = 12;
    let failed: Vec<&str> = output
        .lines()
        .filter(|line| line.contains("_FAILED"))
        .take(MOST)
        .collect();
    if failed.is_empty() {
        return files::last_lines(output, MOST);
    }
    let failed: Vec<String> = failed
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    format!(
        "{}\n{}",
        files::last_lines(&failed.join("\n"), MOST),
        files::last_lines(output, 1)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn emulator(ours: bool) -> Destination<'static> {
        Destination::Endpoint {
            url: "http://127.0.0.1:1",
            region: "us-east-1",
            access_key: "test",
            secret_key: "test",
            ours,
        }
    }

    fn options() -> Deploy<'static> {
        Deploy {
            root: Path::new("/work"),
            template: Path::new("template.yaml"),
            stack: "shop",
            tags: &[],
            parameters: &[("Fraud", "on"), ("Note", r#"say "hi" \o/"#), ("None", "")],
            bucket: None,
            destination: emulator(false),
            state: Path::new("/state"),
            limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn parameters_are_quoted_as_sam_takes_them_apart() {
        let arguments = arguments(options());
        assert_eq!(
            arguments[arguments.len() - 3..],
            [r#"Fraud="on""#, r#"Note="say \"hi\" \o/""#, r#"None="""#]
        );
        assert!(arguments.contains(&"--resolve-s3".to_owned()));
    }

    #[test]
    fn a_named_bucket_takes_the_place_of_sams_own() {
        let arguments = arguments(Deploy {
            bucket: Some("artefacts"),
            parameters: &[],
            tags: &[("kind", "drill")],
            ..options()
        });
        assert!(arguments.ends_with(&["--tags".to_owned(), r#"kind="drill""#.to_owned()]));
        let arguments = self::arguments(Deploy {
            bucket: Some("artefacts"),
            parameters: &[],
            ..options()
        });
        assert!(arguments.ends_with(&["--s3-bucket".to_owned(), "artefacts".to_owned()]));
        assert!(!arguments.contains(&"--resolve-s3".to_owned()));
    }

    #[test]
    fn what_sam_leaves_in_a_temporary_directory_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let sam = bin.join("sam");
        fs::write(
            &sam,
            "#!/bin/sh\nmkdir \"$TMPDIR/left\" && echo \"$TMPDIR\"\n",
        )
        .unwrap();
        fs::set_permissions(&sam, fs::Permissions::from_mode(0o755)).unwrap();
        let state = dir.path().join("state");
        let options = Deploy {
            root: dir.path(),
            state: &state,
            limit: Duration::from_secs(60),
            ..options()
        };
        let python = Python::at(dir.path().to_owned());
        deploy(&python, options, &Environment::new([])).unwrap();
        let said = fs::read_to_string(state.join("deploy.log")).unwrap();
        let scratch = Path::new(said.trim());
        assert!(
            scratch.starts_with(fs::canonicalize(&state).unwrap()),
            "{said}"
        );
        assert!(!scratch.exists());
    }

    /// What `sam` is given of these variables, with `destination`.
    fn given(destination: Destination<'_>, variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let state = tempfile::tempdir().unwrap();
        let mut command = Command::new("sam");
        let pairs = variables.iter().map(|(k, v)| (k.into(), v.into()));
        prepare(
            &mut command,
            destination,
            state.path(),
            &Environment::new(pairs),
        )
        .unwrap();
        let given = command.get_envs().filter_map(|(name, value)| {
            let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
            Some((text(name), text(value?)))
        });
        given.filter(|(name, _)| name.starts_with("AWS_")).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        pairs.iter().map(owned).collect()
    }

    const CONFIGURED: [(&str, &str); 10] = [
        ("AWS_PROFILE", "work"),
        ("AWS_DEFAULT_PROFILE", "play"),
        ("AWS_DEFAULT_REGION", "us-west-2"),
        ("AWS_REGION", "us-west-1"),
        ("AWS_ACCESS_KEY_ID", "another"),
        ("AWS_SESSION_TOKEN", "another's"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:3"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_CA_BUNDLE", "/ca.pem"),
    ];

    #[test]
    fn sam_goes_where_the_tools_own_clients_go() {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let account = |endpoint| Destination::Account {
            region: "eu-north-1",
            credentials: &credentials,
            endpoint,
        };
        let common = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_CA_BUNDLE", "/ca.pem"),
            ("AWS_DEFAULT_REGION", "eu-north-1"),
            ("AWS_PROFILE", "work"),
            ("AWS_REGION", "eu-north-1"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let mut configured = pairs(&common);
        configured.extend(pairs(&CONFIGURED[6..9]));
        assert_eq!(given(account(None), &CONFIGURED), configured);
        let mut named = pairs(&common);
        named.extend(pairs(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:4")]));
        assert_eq!(
            given(account(Some("http://127.0.0.1:4")), &CONFIGURED),
            named
        );
    }

    #[test]
    fn a_stack_that_failed_is_deleted_only_where_the_endpoint_is_ours() {
        for ours in [true, false] {
            let destination = emulator(ours);
            let arguments = arguments(Deploy {
                destination,
                ..options()
            });
            assert_eq!(arguments.contains(&"--on-failure".to_owned()), ours);
        }
    }

    #[test]
    fn a_failure_shows_the_failed_resource_first() {
        let output = "a\nCREATE_FAILED AWS::SQS::Queue Jobs no such thing\nb\nError: failed\n";
        assert!(telling_lines(output).starts_with("  CREATE_FAILED AWS::SQS::Queue Jobs"));
        assert!(telling_lines(output).ends_with("  Error: failed"));
        assert_eq!(telling_lines("x\ny\n"), "  x\n  y");
    }
}
