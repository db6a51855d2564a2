//! Bringing the system up, taking it down, and telling how it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use duet_core::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::args::{self, Down, Global, On, Up};
use crate::catalog;
use crate::drill::outage;
use crate::exit::{Outcome, Problem};
use crate::local::build::{self, Architecture, Binary, Build, Purpose};
use crate::local::deploy::{self, Deploy, Target};
use crate::local::emulator::{self, Emulator, Start};
use crate::local::{Environment, python};
use crate::opened::Opened;
use crate::orders;
use crate::removal::{self, Consent};
use crate::report::Report;
use crate::terminal::tell;
use crate::world::account::{Account, Endpoints, Passed};
use crate::world::aws::{self, Aws, EMULATED_REGION};
use crate::world::lab::kept::{Brought, Facts, Shelf};
use crate::world::{Deployment, Fraud, World};

/// The services: a package and a binary each.
pub const SERVICES: [&str; 8] = [
    "customer",
    "order",
    "fraud",
    "inventory",
    "payment",
    "delivery",
    "notification",
    "journal",
];

/// What is told of a lab before there is one. The first command begins it, so
/// nothing is missing.
const NO_LAB_YET: &str = "there is no lab yet; the first command begins one";

/// How long the emulator may take to start and to stop.
const EMULATOR_LIMIT: Duration = Duration::from_secs(60);

/// How long a deployment may take.
const DEPLOY_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The patience of a world in which somebody waits to see a step given up.
pub const LITTLE_PATIENCE: (&str, &str) = ("PatienceSeconds", "8");

/// Parameters that suit an emulator: little patience, nothing no emulator has,
/// and reviews short enough that one can be seen to run out.
pub const EMULATED: [(&str, &str); 3] = [
    ("Emulated", "true"),
    LITTLE_PATIENCE,
    ("ReviewSeconds", "30"),
];

/// Parameters of older versions that there are no more, and what became of them.
const GONE: [(&str, &str); 2] = [
    ("RetryBudget", WHAT_BECAME_OF_TRIES),
    ("BackoffSeconds", WHAT_BECAME_OF_TRIES),
];

/// What became of counting tries.
pub(crate) const WHAT_BECAME_OF_TRIES: &str = "RetryBudget and BackoffSeconds are no more: a failing step is tried for PatienceSeconds, by the clock, with waits of at most 10 s";

/// `parameters` without those that there are no more; says what became of them.
fn without_gone(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let gone = |name: &str| GONE.iter().find(|(gone, _)| *gone == name);
    let became: BTreeSet<&str> = parameters
        .iter()
        .filter_map(|(name, _)| Some(gone(name)?.1))
        .collect();
    became.iter().for_each(|became| tell(became));
    let kept = parameters.iter().filter(|(name, _)| gone(name).is_none());
    kept.cloned().collect()
}

/// What the name of a stack to break things in ends with.
const DRILL: &str = "-drill";

/// The project's root: where `template.yaml` lies, from here upwards, or where
/// this command was built.
///
/// # Errors
/// [`Problem`] when there is none.
pub fn root() -> Outcome<PathBuf> {
    let here = std::env::current_dir().map_err(Problem::environment)?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    here.ancestors()
        .chain(built)
        .find(|dir| dir.join("template.yaml").is_file() && dir.join("infra").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            Problem::environment("there is no template.yaml here or above")
                .hint("run duet inside a checkout of the project")
        })
}

/// Where and how to reach the system, before it is known to be there.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    state: PathBuf,
    environment: Environment,
    global: Global,
}

impl Place {
    /// The place that the command line names.
    ///
    /// # Errors
    /// [`Problem`] outside a checkout of the project; the lab needs none.
    pub fn new(global: &Global) -> Outcome<Self> {
        let root = match (root(), global.on) {
            (Ok(root), _) => root,
            (Err(_), On::Lab) => std::env::current_dir().map_err(Problem::environment)?,
            (Err(problem), _) => return Err(problem),
        };
        let state = global.state.clone().unwrap_or_else(|| root.join(".duet"));
        std::fs::create_dir_all(&state).map_err(|e| {
            Problem::environment(format!("{} cannot be made: {e}", state.display()))
        })?;
        let environment = Environment::new(std::env::vars_os());
        let mut global = global.clone();
        if global.on == On::Local && global.endpoint.is_none() {
            let set = environment.get("AWS_ENDPOINT_URL");
            let set = set.map(|url| args::url(&url.to_string_lossy())).transpose();
            global.endpoint =
                set.map_err(|wrong| Problem::usage(format!("AWS_ENDPOINT_URL: {wrong}")))?;
        }
        Ok(Self {
            root,
            state,
            environment,
            global,
        })
    }

    /// Opens the system there, without starting anything. A lab that is not
    /// there yet is begun.
    ///
    /// # Errors
    /// [`Problem`] when it is not running or not deployed.
    pub async fn open(&self) -> Outcome<Opened> {
        let config = match self.global.on {
            On::Aws => self.ordinary().await?,
            On::Local => aws::emulated(&self.endpoint()?),
            On::Lab => {
                let kept = self.shelf()?.open(SystemClock.now()).await?;
                return Ok(Opened::Lab(Box::new(kept)));
            }
        };
        let world = Aws::open(&config, &self.global.stack).await?;
        Ok(Opened::Aws(Box::new(world)))
    }

    /// How AWS is reached: at the endpoint that was named, or as is configured.
    /// Says so where that is not AWS.
    async fn ordinary(&self) -> Outcome<SdkConfig> {
        let config = aws::ordinary(self.global.endpoint.as_deref()).await?;
        let endpoints = Endpoints::of(&config);
        if self.global.endpoint.is_none() && !endpoints.is_ordinary() {
            tell(&format!(
                "not AWS itself: {endpoints}, by AWS_ENDPOINT_URL or the AWS profile"
            ));
        }
        Ok(config)
    }

    /// Asks whom AWS takes us for, and says it.
    async fn account(&self, config: &SdkConfig) -> Outcome<Account> {
        let account = Account::of(config).await?;
        tell(&format!("{account}, stack {}", self.global.stack));
        Ok(account)
    }

    /// Where the lab lies.
    fn shelf(&self) -> Outcome<Shelf> {
        Shelf::new(&self.state, &self.global.stack)
    }

    /// Where the Python environment lies: shared by every state directory.
    fn tools(&self) -> PathBuf {
        self.root.join(".duet")
    }

    fn endpoint(&self) -> Outcome<String> {
        if let Some(endpoint) = &self.global.endpoint {
            return Ok(endpoint.clone());
        }
        match emulator::status(&self.state).map_err(Problem::environment)? {
            Some(emulator) => Ok(emulator.endpoint),
            None => Err(Problem::environment("the emulator is not running")
                .hint("run `duet up --on local` first")),
        }
    }

    /// Brings the system up: what is done already is not done again.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up(&self, up: &Up) -> Outcome<Upped> {
        let began = Instant::now();
        let up = &Up {
            parameters: without_gone(&up.parameters),
            ..up.clone()
        };
        match self.global.on {
            On::Local => self.up_local(up, began).await,
            On::Aws => self.up_aws(up, began).await,
            On::Lab => self.up_lab(up, began).await,
        }
    }

    /// Begins a lab with the parameters that `up` gives, or updates the one that
    /// is there to them.
    async fn up_lab(&self, up: &Up, began: Instant) -> Outcome<Upped> {
        let parameters = up.parameters.iter().cloned().collect();
        let (kept, brought) = self.shelf()?.up(parameters, SystemClock.now()).await?;
        match brought {
            Brought::AsItWas | Brought::Begun(None) => {}
            Brought::Begun(Some(aside)) => {
                tell(&format!("the lab before lies in {}", aside.display()));
            }
            Brought::Updated(update) => tell(&format!(
                "updated in place: {} resources added, {} changed, {} deleted, by {}",
                update.added.len(),
                update.changed.len(),
                update.removed.len(),
                update.complete
            )),
        }
        if kept.facts().updating {
            tell("the update goes on until the executions of a deleted state machine are over");
        }
        let deployment = kept.world.deployment();
        kept.close()?;
        Ok(Upped {
            on: On::Lab,
            stack: self.global.stack.clone(),
            endpoint: None,
            account: None,
            deployment,
            elapsed_ms: began.elapsed().as_millis() as u64,
        })
    }

    /// The world on this machine, brought up with the parameters it was last
    /// deployed with.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up_as_it_is(&self) -> Outcome<Aws> {
        let parameters = self
            .last_deployed()
            .map_or(Vec::new(), |note| note.parameters);
        self.up(&Up {
            parameters,
            deploy: false,
            until_exit_of: None,
        })
        .await?;
        Aws::open(&aws::emulated(&self.endpoint()?), &self.global.stack).await
    }

    /// A world on this machine to break things in: a stack of its own beside
    /// the one that was named, with the same parameters but for the time that a
    /// person has to decide a review.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up_for_drill(&self) -> Outcome<Aws> {
        let mut parameters = self
            .last_deployed()
            .map_or(Vec::new(), |note| note.parameters);
        let reviews = ("ReviewSeconds", outage::REVIEW_SECONDS.to_string());
        parameters.retain(|(name, _)| name != reviews.0);
        parameters.push((reviews.0.to_owned(), reviews.1));
        let place = Self {
            root: self.root.clone(),
            state: self.state.clone(),
            environment: self.environment.clone(),
            global: Global {
                stack: format!("{}{DRILL}", self.global.stack),
                ..self.global.clone()
            },
        };
        tell(&format!(
            "the drill has a stack of its own; `--stack {}` shows what it leaves",
            place.global.stack
        ));
        place
            .up(&Up {
                parameters,
                deploy: false,
                until_exit_of: None,
            })
            .await?;
        Aws::open(&aws::emulated(&place.endpoint()?), &place.global.stack).await
    }

    /// Refuses a stack on AWS that is not meant to have things broken in it, for
    /// what breaks there breaks for everybody.
    ///
    /// # Errors
    /// [`Problem`] when the stack is not named as one for drills.
    pub fn may_break(&self) -> Outcome<()> {
        let stack = &self.global.stack;
        if stack.ends_with(DRILL) {
            return Ok(());
        }
        Err(Problem::usage(format!(
            "the drill takes a service of the stack out of order, for everybody; {stack} is not meant for it"
        ))
        .hint(format!(
            "deploy one whose name ends with {DRILL}: `duet up --on aws --deploy --stack {stack}{DRILL}`, and name it here too"
        )))
    }

    async fn up_local(&self, up: &Up, began: Instant) -> Outcome<Upped> {
        let python = self.step("python environment", || {
            let requirements = self.root.join("infra/local/requirements.txt");
            python::prepare(&requirements, &self.tools(), &self.environment, &mut tell)
        })?;
        let emulator = self.step("emulator", || match &self.global.endpoint {
            Some(endpoint) => emulator::named(endpoint),
            None => {
                let launcher = self.root.join("infra/local/launch.py");
                let start = Start {
                    python: &python,
                    launcher: &launcher,
                    state: &self.state,
                    settings: &[],
                    until_exit_of: up.until_exit_of,
                    limit: EMULATOR_LIMIT,
                };
                emulator::start(start, &self.environment)
            }
        })?;
        emulator
            .warnings
            .iter()
            .for_each(|warning| tell(&format!("warning: {warning}")));
        let architecture = Architecture::here().ok_or_else(|| {
            Problem::environment(
                "this machine is neither x86_64 nor arm64, the architectures Lambda has",
            )
        })?;
        let built = self.step("services", || self.build(architecture, Purpose::Here))?;
        let mut parameters: BTreeMap<String, String> = EMULATED
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        parameters.insert(
            "Architecture".to_owned(),
            architecture.sam_name().to_owned(),
        );
        parameters.extend(up.parameters.iter().cloned());
        let fingerprint = self.fingerprint(&built, &parameters, &emulator)?;
        let config = aws::emulated(&emulator.endpoint);
        let deployed = self
            .last_deployed()
            .is_some_and(|note| note.fingerprint == fingerprint)
            && matches!(aws::outputs(&config, &self.global.stack).await, Ok(Some(_)));
        if !deployed {
            let ours = self.global.endpoint.is_none();
            if !ours {
                let account = Account::of(&config).await?;
                removal::may_deploy(&config, &account, &self.global.stack).await?;
            }
            self.one_step(
                &config,
                parameters.get("Fraud").map_or("on", String::as_str),
            )
            .await?;
            let target = Target::Endpoint {
                url: &emulator.endpoint,
                region: EMULATED_REGION,
                access_key: "test",
                secret_key: "test",
                ours,
            };
            let deployed = self.step("stack", || self.deploy(&python, &parameters, target))?;
            let asked_before = self.last_deployed().map(|note| note.parameters);
            if !deployed.changed && asked_before.is_some_and(|before| before != up.parameters) {
                // Emulators may overlook a parameter that only turns conditions.
                tell(
                    "warning: the emulator saw nothing to change; `duet down --on local`, then `duet up --on local` again to be sure",
                );
            }
            self.note_deployed(&fingerprint, &up.parameters)?;
        }
        let world = Aws::open(&config, &self.global.stack).await?;
        catalog::seed(&world, &catalog::entries(None)?).await?;
        Ok(Upped {
            endpoint: Some(emulator.endpoint),
            ..self.upped(&world, began)
        })
    }

    /// Refuses to turn fraud detection of a stack that is there `to` another
    /// state by more than one step.
    async fn one_step(&self, config: &aws_config::SdkConfig, to: &str) -> Outcome<()> {
        let there = aws::outputs(config, &self.global.stack).await?;
        let from = there.and_then(|outputs| Fraud::of(|name| outputs.get(name).cloned()));
        match (from, Fraud::of(|_| Some(to.to_owned()))) {
            (Some(from), Some(to)) => from.may_become(to),
            // A new stack, or a value that the template refuses.
            _ => Ok(()),
        }
    }

    async fn up_aws(&self, up: &Up, began: Instant) -> Outcome<Upped> {
        let config = self.ordinary().await?;
        let account = self.account(&config).await?;
        if up.deploy {
            removal::may_deploy(&config, &account, &self.global.stack).await?;
            // A parameter that is not named keeps its value.
            if let Some((_, to)) = up.parameters.iter().find(|(name, _)| name == "Fraud") {
                self.one_step(&config, to).await?;
            }
            let python = self.step("python environment", || {
                let requirements = self.root.join("infra/local/requirements.txt");
                python::prepare(&requirements, &self.tools(), &self.environment, &mut tell)
            })?;
            let parameters: BTreeMap<String, String> = up.parameters.iter().cloned().collect();
            let architecture = match parameters.get("Architecture").map(String::as_str) {
                Some("arm64") => Architecture::Arm64,
                _ => Architecture::X86_64,
            };
            self.step("services", || self.build(architecture, Purpose::Lambda))?;
            let passed = Passed::of(&config).await?;
            self.step("stack", || {
                self.deploy(&python, &parameters, passed.target())
            })?;
        }
        let world = Aws::open(&config, &self.global.stack).await;
        let world = world.map_err(|problem| match up.deploy {
            true => problem,
            false => problem.hint("to deploy to the account your AWS configuration names: `duet up --on aws --deploy`"),
        })?;
        if up.deploy {
            catalog::seed(&world, &catalog::entries(None)?).await?;
        }
        Ok(Upped {
            endpoint: account.endpoints.endpoint.clone(),
            account: Some(account),
            ..self.upped(&world, began)
        })
    }

    fn upped(&self, world: &Aws, began: Instant) -> Upped {
        Upped {
            on: self.global.on,
            stack: self.global.stack.clone(),
            endpoint: None,
            account: None,
            deployment: world.deployment(),
            elapsed_ms: began.elapsed().as_millis() as u64,
        }
    }

    /// Runs one step and says how long it took, where it took long.
    fn step<T>(&self, what: &str, work: impl FnOnce() -> crate::local::Result<T>) -> Outcome<T> {
        let began = Instant::now();
        let result = work().map_err(Problem::environment);
        let elapsed = began.elapsed();
        if result.is_ok() && elapsed > Duration::from_millis(500) {
            tell(&format!(
                "{what}: ready after {:.1} s",
                elapsed.as_secs_f64()
            ));
        }
        result
    }

    fn build(
        &self,
        architecture: Architecture,
        purpose: Purpose,
    ) -> crate::local::Result<Vec<build::Built>> {
        let packages = SERVICES.map(|service| format!("duet-{service}"));
        let binaries: Vec<Binary<'_>> = SERVICES
            .iter()
            .zip(&packages)
            .map(|(service, package)| Binary {
                package,
                name: package,
                directory: service,
            })
            .collect();
        let build = Build {
            root: &self.root,
            profile: "lambda",
            features: "lambda",
            binaries: &binaries,
            architecture,
            purpose,
        };
        build::build(build, &self.environment, &mut tell)
    }

    fn deploy(
        &self,
        python: &python::Python,
        parameters: &BTreeMap<String, String>,
        target: Target<'_>,
    ) -> crate::local::Result<deploy::Deployed> {
        tell(&format!("stack {}: deploying", self.global.stack));
        let parameters: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let deploy = Deploy {
            root: &self.root,
            template: Path::new("template.yaml"),
            stack: &self.global.stack,
            parameters: &parameters,
            bucket: None,
            target,
            state: &self.state,
            limit: DEPLOY_LIMIT,
        };
        deploy::deploy(python, deploy, &self.environment)
    }

    /// Stops the emulator, sets the lab aside, or deletes the stack on AWS when
    /// asked to, see [`removal`].
    ///
    /// # Errors
    /// [`Problem`] when it cannot be stopped or deleted, or may not be.
    pub async fn down(&self, &Down { delete, yes }: &Down) -> Outcome<Downed> {
        let mut account = None;
        let what = match self.global.on {
            On::Local if self.global.endpoint.is_some() => {
                return Err(
                    Problem::usage("the endpoint was named, so it is not ours to stop")
                        .hint("leave out --endpoint and unset AWS_ENDPOINT_URL to stop the emulator that `duet up` started"),
                );
            }
            On::Local => {
                let stopped =
                    emulator::stop(&self.state, EMULATOR_LIMIT).map_err(Problem::environment)?;
                if stopped {
                    "the emulator is stopped".to_owned()
                } else {
                    "the emulator was not running".to_owned()
                }
            }
            On::Aws if delete => {
                let consent = Consent::of(yes)?;
                let config = self.ordinary().await?;
                let there = account.insert(self.account(&config).await?);
                removal::delete(&config, there, &self.global.stack, consent).await?
            }
            On::Lab if delete => match self.shelf()?.set_aside(SystemClock.now())? {
                Some(aside) => format!(
                    "the lab is no more; what it was made of lies in {}",
                    aside.display()
                ),
                None => "there was no lab".to_owned(),
            },
            On::Lab => format!(
                "nothing runs between commands; the lab stays in {} until `duet down --delete`",
                self.shelf()?.file().display()
            ),
            On::Aws => {
                return Err(Problem::usage("nothing was deleted")
                    .hint("`duet down --on aws --delete` deletes the stack and all it keeps"));
            }
        };
        Ok(Downed {
            done: what,
            account,
        })
    }

    /// Tells what is running and deployed.
    ///
    /// # Errors
    /// [`Problem`] when that cannot be told.
    pub async fn status(&self) -> Outcome<Status> {
        let emulator = match (self.global.on, &self.global.endpoint) {
            (On::Local, None) => emulator::status(&self.state).map_err(Problem::environment)?,
            _ => None,
        };
        if self.global.on == On::Lab && !self.shelf()?.exists() {
            let text = NO_LAB_YET.to_owned();
            return Ok(self.told(None, None, None, Some(text)));
        }
        if self.global.on == On::Aws {
            let config = self.ordinary().await?;
            let account = Account::of(&config).await?;
            let (deployment, problem) = match Aws::open(&config, &self.global.stack).await {
                Ok(world) => (Some(world.deployment()), None),
                Err(problem) => (None, Some(problem.to_string())),
            };
            return Ok(Status {
                account: Some(account),
                ..self.told(None, deployment, None, problem)
            });
        }
        Ok(match self.open().await {
            Ok(Opened::Aws(world)) => self.told(emulator, Some(world.deployment()), None, None),
            Ok(Opened::Lab(kept)) => {
                let orders = orders::list(&kept.world, orders::Filter::default()).await?;
                let lab = LabStatus {
                    facts: kept.facts(),
                    orders: orders.orders.len(),
                };
                self.told(None, Some(kept.world.deployment()), Some(lab), None)
            }
            Err(problem) => self.told(emulator, None, None, Some(problem.to_string())),
        })
    }

    fn told(
        &self,
        emulator: Option<Emulator>,
        deployment: Option<Deployment>,
        lab: Option<LabStatus>,
        problem: Option<String>,
    ) -> Status {
        Status {
            on: self.global.on,
            stack: self.global.stack.clone(),
            emulator,
            endpoint: self.global.endpoint.clone(),
            account: None,
            lab,
            deployment,
            problem,
        }
    }

    /// What a deployment is made of, as a digest: templates, binaries,
    /// parameters, and the emulator that holds it.
    fn fingerprint(
        &self,
        built: &[build::Built],
        parameters: &BTreeMap<String, String>,
        emulator: &Emulator,
    ) -> Outcome<String> {
        let mut digest = Sha256::new();
        let mut files = vec![self.root.join("template.yaml")];
        for dir in ["infra/orchestration", "infra/choreography"] {
            let entries = std::fs::read_dir(self.root.join(dir)).map_err(Problem::environment)?;
            files.extend(
                entries
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .filter(|path| path.is_file()),
            );
        }
        files.sort();
        files.extend(built.iter().map(|built| built.bootstrap.clone()));
        for file in files {
            digest.update(file.to_string_lossy().as_bytes());
            digest.update(
                std::fs::read(&file)
                    .map_err(|e| Problem::environment(format!("{}: {e}", file.display())))?,
            );
        }
        digest.update(format!(
            "{parameters:?} {:?} {}",
            emulator.pid, emulator.endpoint
        ));
        Ok(digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    fn note(&self) -> PathBuf {
        self.state
            .join(format!("deployed-{}.json", self.global.stack))
    }

    fn last_deployed(&self) -> Option<Note> {
        serde_json::from_str(&std::fs::read_to_string(self.note()).ok()?).ok()
    }

    fn note_deployed(&self, fingerprint: &str, parameters: &[(String, String)]) -> Outcome<()> {
        let note = Note {
            fingerprint: fingerprint.to_owned(),
            parameters: parameters.to_vec(),
        };
        let text = serde_json::to_string(&note).map_err(Problem::environment)?;
        std::fs::write(self.note(), text).map_err(Problem::environment)
    }
}

/// What was deployed last.
#[derive(Serialize, Deserialize)]
struct Note {
    fingerprint: String,
    parameters: Vec<(String, String)>,
}

/// The system is up.
#[derive(Debug, Serialize)]
pub struct Upped {
    on: On,
    stack: String,
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    #[serde(flatten)]
    deployment: Deployment,
    elapsed_ms: u64,
}

impl Report for Upped {
    fn text(&self) -> String {
        let at = match (self.on, &self.endpoint) {
            (_, Some(endpoint)) => format!("at {endpoint}"),
            (On::Lab, None) => "in the lab".to_owned(),
            (_, None) => "at AWS".to_owned(),
        };
        let account = self.account.as_ref();
        let account = account.map_or(String::new(), |account| format!(" ({account})"));
        format!(
            "stack {} is up {at}{account}, {}, fraud detection {}, after {:.1} s",
            self.stack,
            self.deployment.variants.join(" and "),
            self.deployment.fraud,
            self.elapsed_ms as f64 / 1000.0
        )
    }
}

/// Something is stopped.
#[derive(Debug, Serialize)]
pub struct Downed {
    done: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
}

impl Report for Downed {
    fn text(&self) -> String {
        self.done.clone()
    }
}

/// What is running and deployed.
#[derive(Debug, Serialize)]
pub struct Status {
    on: On,
    stack: String,
    emulator: Option<Emulator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    lab: Option<LabStatus>,
    deployment: Option<Deployment>,
    problem: Option<String>,
}

/// What there is in a lab.
#[derive(Debug, Serialize)]
struct LabStatus {
    #[serde(flatten)]
    facts: Facts,
    orders: usize,
}

impl Report for Status {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(emulator) = &self.emulator {
            let version = emulator.version.as_deref().unwrap_or("of unknown version");
            lines.push(format!("emulator {version} at {}", emulator.endpoint));
        }
        match (&self.account, &self.endpoint) {
            (Some(account), _) => lines.push(account.to_string()),
            (None, Some(endpoint)) => lines.push(format!("endpoint {endpoint}")),
            (None, None) => {}
        }
        if let Some(LabStatus { facts, orders }) = &self.lab {
            lines.push(format!(
                "lab since {}, now {}: {orders} orders, {} inputs in {}",
                facts.started,
                facts.now,
                facts.inputs,
                facts.file.display()
            ));
            let given = facts.parameters.iter();
            lines.extend(given.map(|(name, value)| format!("parameter {name}={value}")));
            if facts.updating {
                lines.push("an update is under way".to_owned());
            }
        }
        match (&self.deployment, &self.problem) {
            (Some(there), _) => {
                lines.push(format!(
                    "stack {}: {}, fraud detection {}, patience {} s",
                    self.stack,
                    there.variants.join(" and "),
                    there.fraud,
                    there.patience_seconds
                ));
            }
            (None, Some(problem)) => lines.push(problem.trim_start_matches("error: ").to_owned()),
            (None, None) => {}
        }
        lines.join("\n")
    }

    fn exit(&self) -> crate::exit::Exit {
        let none_yet = self.problem.as_deref() == Some(NO_LAB_YET);
        if self.deployment.is_some() || none_yet {
            crate::exit::Exit::Done
        } else {
            crate::exit::Exit::Failed
        }
    }
}
