//! The environment variables a child process gets: what is passed on from the
//! user's own, and what must not be.
//!
//! Pure: [`Environment`] is filled once, by the composition root.

use std::ffi::{OsStr, OsString};
use std::process::Command;

/// The variables this process was started with.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Takes what `std::env::vars_os()` gives.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_os_str())
    }

    /// Gives `command` the variables whose name `keep` accepts, and no others.
    pub(super) fn apply(&self, command: &mut Command, keep: fn(&str) -> bool) {
        command.env_clear();
        for (key, value) in &self.0 {
            // A name that is not Unicode is nobody's setting.
            if key.to_str().is_some_and(keep) {
                command.env(key, value);
            }
        }
    }
}

/// For pip and venv: the user's proxies and mirrors stay; whatever would move
/// the installation elsewhere goes.
pub(super) fn for_python(name: &str) -> bool {
    !matches!(
        name,
        "PYTHONHOME"
            | "PYTHONPATH"
            | "PYTHONSTARTUP"
            | "VIRTUAL_ENV"
            | "__PYVENV_LAUNCHER__"
            | "PIP_USER"
            | "PIP_TARGET"
            | "PIP_PREFIX"
            | "PIP_ROOT"
            | "PIP_REQUIREMENT"
            | "PIP_CONSTRAINT"
            | "PIP_NO_DEPS"
            | "PIP_REQUIRE_VIRTUALENV"
            | "PIP_DRY_RUN"
    )
}

/// For the emulator, whose functions inherit its environment: next to nothing,
/// as on AWS.
pub(super) fn for_emulator(name: &str) -> bool {
    matches!(
        name,
        "PATH" | "LANG" | "LC_ALL" | "LD_LIBRARY_PATH" | "DYLD_LIBRARY_PATH"
    )
}

/// For `sam` against a local endpoint: no AWS configuration, no proxy, no
/// settings of SAM's own; the caller sets what is needed.
pub(super) fn for_local_sam(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    for_python(&name)
        && !name.starts_with("AWS_")
        && !name.starts_with("SAM_CLI_")
        && !name.starts_with("__SAM_CLI_")
        && !matches!(
            name.as_str(),
            "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "NO_PROXY"
        )
}

/// For `sam` against an account: the user's own, but for a Python of another, and
/// for what the caller says instead: who asks, and in which region.
pub(super) fn for_account_sam(name: &str) -> bool {
    for_python(name)
        && !matches!(
            name,
            "AWS_REGION"
                | "AWS_DEFAULT_REGION"
                | "AWS_ACCESS_KEY_ID"
                | "AWS_SECRET_ACCESS_KEY"
                | "AWS_SESSION_TOKEN"
                | "AWS_SECURITY_TOKEN"
                | "AWS_DEFAULT_PROFILE"
        )
}

/// For `sam` against an account at an endpoint that was named: it goes before
/// every endpoint that is configured.
pub(super) fn for_sam_at_an_endpoint(name: &str) -> bool {
    for_account_sam(name)
        && !name.starts_with("AWS_ENDPOINT_URL")
        && name != "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
}

/// For a cargo started from within `cargo run` or `cargo test`: nothing that
/// would change what is built or where, only where its tools and its network
/// settings are.
pub(super) fn for_cargo(name: &str) -> bool {
    let kept = ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(name, "CARGO_HOME" | "CARGO_BUILD_JOBS");
    let outer = name == "CARGO"
        || name.starts_with("CARGO_")
        || name.starts_with("DEP_")
        || matches!(
            name,
            "RUSTFLAGS"
                | "RUSTDOCFLAGS"
                | "RUSTC"
                | "RUSTC_WORKSPACE_WRAPPER"
                | "RUST_RECURSION_COUNT"
                | "OUT_DIR"
                | "TARGET"
                | "HOST"
                | "PROFILE"
                | "OPT_LEVEL"
                | "NUM_JOBS"
                | "MAKEFLAGS"
        );
    kept || !outer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(k, v)| (k.into(), v.into())))
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = of(&[("DUET_PYTHON", ""), ("PATH", "/bin")]);
        assert_eq!(environment.get("DUET_PYTHON"), None);
        assert_eq!(environment.get("PATH"), Some(OsStr::new("/bin")));
    }

    #[test]
    fn a_child_gets_what_is_kept_and_nothing_else() {
        let mut command = Command::new("true");
        of(&[("PATH", "/bin"), ("AWS_PROFILE", "work")]).apply(&mut command, for_emulator);
        let given: Vec<_> = command.get_envs().collect();
        assert_eq!(given, [(OsStr::new("PATH"), Some(OsStr::new("/bin")))]);
    }

    #[test]
    fn an_outer_cargo_leaves_no_trace_in_an_inner_one() {
        for gone in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_LAMBDA_LTO",
            "RUSTFLAGS",
        ] {
            assert!(!for_cargo(gone), "{gone} reaches the inner cargo");
        }
        for kept in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_HTTP_CAINFO",
            "CARGO_BUILD_JOBS",
            "CC",
        ] {
            assert!(for_cargo(kept), "{kept} is kept from the inner cargo");
        }
    }

    #[test]
    fn a_local_deployment_sees_no_credentials_and_no_proxy() {
        for gone in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL_S3",
            "https_proxy",
            "HTTP_PROXY",
            "SAM_CLI_TELEMETRY",
            "PYTHONPATH",
        ] {
            assert!(!for_local_sam(gone), "{gone} reaches sam");
        }
        assert!(for_local_sam("PATH"));
        assert!(for_account_sam("AWS_PROFILE"));
    }

    #[test]
    fn pip_keeps_its_mirror_and_loses_its_other_targets() {
        assert!(for_python("PIP_INDEX_URL"));
        assert!(for_python("HTTPS_PROXY"));
        assert!(!for_python("PIP_TARGET"));
        assert!(!for_python("PYTHONHOME"));
    }
}
