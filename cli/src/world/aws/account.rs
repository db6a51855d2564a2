//! Whom AWS's APIs take us for, and where they are: asked and told before
//! anything is made, changed or deleted.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_types::service_config::ServiceConfigKey;
use serde::Serialize;

use super::error::{no_credentials, unreachable};
use crate::terminal::exit::{Outcome, Problem};
use duet_local::deploy::Destination;

/// Every service that the tool's clients and `sam deploy` ask, by the id that
/// endpoints are configured under (SDK reference guide, "Service-specific
/// endpoints").
const SERVICES: [&str; 10] = [
    "CloudFormation",
    "CloudWatch Logs",
    "DynamoDB",
    "EventBridge",
    "Lambda",
    "S3",
    "SFN",
    "SNS",
    "SQS",
    "STS",
];

/// The account that is asked, as whom, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The account's number.
    pub id: String,
    /// The ARN of the user or role.
    pub identity: String,
    /// The region.
    pub region: String,
    /// Where it is asked.
    #[serde(flatten)]
    pub endpoints: Endpoints,
}

impl Account {
    /// Asks who we are: `sts:GetCallerIdentity`, which needs no permission.
    ///
    /// # Errors
    /// [`Problem`] without credentials, or when they are not taken.
    pub async fn of(config: &SdkConfig) -> Outcome<Self> {
        let client = aws_sdk_sts::Client::new(config);
        let told = client.get_caller_identity().send().await;
        let told = told.map_err(|error| unreachable("STS", &error))?;
        Ok(Self {
            id: told.account.unwrap_or_default(),
            identity: told.arn.unwrap_or_default(),
            region: region(config).to_owned(),
            endpoints: Endpoints::of(config),
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            identity,
            region,
            endpoints,
        } = self;
        write!(f, "account {id} as {identity}, region {region}")?;
        match endpoints.is_ordinary() {
            true => Ok(()),
            false => write!(f, ", {endpoints}"),
        }
    }
}

fn region(config: &SdkConfig) -> &str {
    config.region().map_or("", AsRef::as_ref)
}

/// The endpoints that are not AWS's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// That of every service, where all have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Otherwise, that of each service which has one. The others are AWS's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<&'static str, String>,
}

impl Endpoints {
    /// What the clients made from `config` ask: the endpoint that was named, or
    /// what environment and profile say of each service.
    #[must_use]
    pub fn of(config: &SdkConfig) -> Self {
        let found = SERVICES.map(|service| Some((service, of_service(config, service)?)));
        let endpoints: BTreeMap<_, _> = found.into_iter().flatten().collect();
        let first = endpoints.values().next().cloned();
        if endpoints.len() == SERVICES.len()
            && endpoints.values().all(|url| Some(url) == first.as_ref())
        {
            return Self {
                endpoint: first,
                endpoints: BTreeMap::new(),
            };
        }
        Self {
            endpoint: None,
            endpoints,
        }
    }

    /// Whether AWS itself is asked, by every client.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        *self == Self::default()
    }
}

/// The endpoint of one service, by the rule that every client follows (each
/// SDK's `From<&SdkConfig>`): what the program names goes before all else.
fn of_service(config: &SdkConfig, service: &str) -> Option<String> {
    let general = config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = config.service_config();
    own.and_then(|own| own.load_config(key)).or(general)
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(all) = &self.endpoint {
            return write!(f, "endpoint {all}");
        }
        let each = self.endpoints.iter();
        let each: Vec<_> = each.map(|(of, url)| format!("{of} {url}")).collect();
        write!(f, "endpoints {}, the others AWS's own", each.join(", "))
    }
}

/// What `sam deploy` needs to reach the same place as the clients made from a
/// configuration: it has a configuration chain of its own, which differs.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The region.
    region: String,
    /// The credentials, as they are now; they are not renewed.
    credentials: Credentials,
    /// The endpoint that was named for every service. One that is configured
    /// reaches `sam` by itself.
    endpoint: Option<String>,
}

impl Passed {
    /// What to pass on of `config`.
    ///
    /// # Errors
    /// [`Problem`] without credentials.
    pub async fn of(config: &SdkConfig) -> Outcome<Self> {
        let provider = config
            .credentials_provider()
            .ok_or_else(|| Problem::environment("no AWS credentials were found"))?;
        let credentials = provider.provide_credentials().await;
        let named = config.get_origin("endpoint_url").is_client_config();
        Ok(Self {
            region: region(config).to_owned(),
            credentials: credentials.map_err(|wrong| no_credentials(&wrong))?,
            endpoint: config.endpoint_url().filter(|_| named).map(str::to_owned),
        })
    }

    /// The same, as a place to deploy to.
    #[must_use]
    pub fn destination(&self) -> Destination<'_> {
        Destination::Account {
            region: &self.region,
            credentials: &self.credentials,
            endpoint: self.endpoint.as_deref(),
        }
    }
}
