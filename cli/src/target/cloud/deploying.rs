//! A stack behind AWS's APIs: built, deployed and updated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use duet_core::Timestamp;
use duet_core::message::hex;
use duet_lab::{Files, bundled};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ops::rollout::{self, Shop, There};
use crate::shop::parameters::{Fraud, Parameters, of_today};
use crate::shop::services::{SERVICES, SWEEPS};
use crate::target::Target;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::aws::account::Passed;
use crate::world::aws::{self, Aws, EMULATED_REGION};
use duet_local::build::{self, Architecture, Binary, Build, Purpose};
use duet_local::deploy::{self, Deploy, Destination};
use duet_local::emulator::Emulator;
use duet_local::python::Python;

/// How long a deployment may take.
const DEPLOY_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The tag that makes an emulator see a change where it overlooks one.
const TAG: &str = "duet-parameters";

/// A stack, as an update needs it.
pub(super) struct Stack<'a> {
    pub(super) at: &'a Target,
    pub(super) config: &'a SdkConfig,
    pub(super) python: &'a Python,
    /// The emulator's URL, and whether it is ours; `None` on AWS.
    pub(super) emulator: Option<(&'a str, bool)>,
}

impl Stack<'_> {
    /// Deploys once. Gives whether the target saw anything to change.
    async fn deploy(&self, parameters: &Parameters, tags: &[(&str, &str)]) -> Outcome<bool> {
        // Credentials may have been renewed since the step before.
        let passed;
        let destination = match self.emulator {
            Some((url, ours)) => Destination::Endpoint {
                url,
                region: EMULATED_REGION,
                access_key: "test",
                secret_key: "test",
                ours,
            },
            None => {
                passed = Passed::of(self.config).await?;
                passed.destination()
            }
        };
        let at = self.at;
        let deployed = at.step("stack", || {
            at.deploy(self.python, parameters, destination, tags)
        })?;
        Ok(deployed.changed)
    }

    /// The parameters of the stack that are not as asked for, as it has them.
    async fn overlooked(&self, asked: &Parameters) -> Outcome<Vec<String>> {
        let there = self.there().await?;
        let has = there.map_or_else(Parameters::new, |there| there.parameters);
        let other = |(name, value): (&String, &String)| {
            let is = has.get(name).filter(|is| *is != value)?;
            Some(format!("{name}={is}"))
        };
        Ok(asked.iter().filter_map(other).collect())
    }
}

impl Shop for Stack<'_> {
    type World = Aws;
    type Done = ();
    /// As `sam deploy` has it.
    const KEEPS: bool = true;

    async fn there(&self) -> Outcome<Option<There>> {
        let found = aws::complete(self.config, &self.at.stack).await?;
        Ok(found.map(|found| There {
            fraud: Fraud::of(|name| found.outputs.get(name).cloned()).unwrap_or_default(),
            since: found.updated.unwrap_or(Timestamp::MIN),
            parameters: found.parameters,
        }))
    }

    async fn world(&self) -> Outcome<Aws> {
        Aws::open(self.config, &self.at.stack).await
    }

    async fn update(&self, parameters: &Parameters) -> Outcome<()> {
        let changed = self.deploy(parameters, &[]).await?;
        // Emulators may overlook a parameter that only turns conditions; what
        // differs in a tag they see.
        if !changed && !self.overlooked(parameters).await?.is_empty() {
            let digest = hex(&Sha256::digest(format!("{parameters:?}"))[..8]);
            self.deploy(parameters, &[(TAG, &digest)]).await?;
        }
        let left = self.overlooked(parameters).await?;
        if left.is_empty() {
            return Ok(());
        }
        Err(Problem::environment(format!(
            "stack {} was not changed: it still has {}",
            self.at.stack,
            left.join(", ")
        ))
        .hint("an emulator may see nothing to change: `duet down --on local`, then `duet up --on local` again, begins anew"))
    }
}

impl Target {
    /// Brings the stack to `parameters` by steps that nothing in flight dies of.
    pub(super) async fn roll_out(
        &self,
        stack: &Stack<'_>,
        parameters: &Parameters,
        yes: bool,
    ) -> Outcome<()> {
        let files = self.files()?;
        if let Some(there) = stack.there().await? {
            // Says what became of parameters that an older stack has.
            let has: Vec<_> = there.parameters.into_iter().collect();
            of_today(&has);
        }
        let there = (self.stack.as_str(), &files);
        rollout::roll_out(stack, there, parameters, yes)
            .await
            .map(drop)
    }

    /// The templates and definitions of this checkout, by path.
    fn files(&self) -> Outcome<Files> {
        let read = |path: String| {
            let text = std::fs::read_to_string(self.root.join(&path));
            let text = text.map_err(|e| Problem::environment(format!("{path}: {e}")))?;
            Ok((path, text))
        };
        bundled().into_keys().map(read).collect()
    }

    /// Runs one step and says how long it took, where it took long.
    pub(super) fn step<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> duet_local::Result<T>,
    ) -> Outcome<T> {
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

    pub(super) fn build(
        &self,
        architecture: Architecture,
        purpose: Purpose,
    ) -> duet_local::Result<Vec<build::Built>> {
        let all = SERVICES.map(|service| (service, service));
        let all = all.into_iter().chain(SWEEPS);
        let names: Vec<_> = all
            .map(|(package, directory)| {
                let [package, name] = [package, directory].map(|it| format!("duet-{it}"));
                (package, name, directory)
            })
            .collect();
        let binaries: Vec<Binary<'_>> = names
            .iter()
            .map(|(package, name, directory)| Binary {
                package,
                name,
                directory,
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
        python: &Python,
        parameters: &BTreeMap<String, String>,
        destination: Destination<'_>,
        tags: &[(&str, &str)],
    ) -> duet_local::Result<deploy::Deployed> {
        tell(&format!("stack {}: deploying", self.stack));
        let parameters: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let deploy = Deploy {
            root: &self.root,
            template: Path::new("template.yaml"),
            stack: &self.stack,
            parameters: &parameters,
            tags,
            bucket: None,
            destination,
            state: &self.state,
            limit: DEPLOY_LIMIT,
        };
        deploy::deploy(python, deploy, &self.environment)
    }

    /// What a deployment is made of, as a digest: templates, binaries,
    /// parameters, and the emulator that holds it.
    pub(super) fn fingerprint(
        &self,
        built: &[build::Built],
        parameters: &BTreeMap<String, String>,
        emulator: &Emulator,
    ) -> Outcome<String> {
        let mut digest = Sha256::new();
        let mut files = vec![self.root.join("template.yaml")];
        let mut folders = vec![self.root.join("infra")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).map_err(Problem::environment)? {
                let path = entry.map_err(Problem::environment)?.path();
                let list = if path.is_dir() {
                    &mut folders
                } else {
                    &mut files
                };
                list.push(path);
            }
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
        Ok(hex(&digest.finalize()))
    }

    fn note(&self) -> PathBuf {
        self.state.join(format!("deployed-{}.json", self.stack))
    }

    pub(super) fn last_deployed(&self) -> Option<Note> {
        serde_json::from_str(&std::fs::read_to_string(self.note()).ok()?).ok()
    }

    pub(super) fn note_deployed(
        &self,
        fingerprint: &str,
        parameters: &[(String, String)],
    ) -> Outcome<()> {
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
pub(super) struct Note {
    pub(super) fingerprint: String,
    pub(super) parameters: Vec<(String, String)>,
}
