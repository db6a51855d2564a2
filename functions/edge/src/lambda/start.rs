//! Start-up: one configuration and one HTTP client for every AWS client, and
//! connections opened while the function still runs at full speed.
//!
//! A function has a whole core until it first asks for work, and the share its
//! memory buys from then on (7 % at 128 MB). A TLS handshake and the building of
//! a root store cost ten times as long after that moment as before it.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector, http_client_fn};
use aws_smithy_types::byte_stream::ByteStream;

/// How long start-up waits for connections. Lambda gives it ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The one connector: its root store is read once, and its connections are
/// shared by all clients. It has no limits of its own; those of the calls
/// include connecting.
pub(super) fn connector() -> SharedHttpConnector {
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .proxy_config(ProxyConfig::from_env());
    SharedHttpConnector::new(connector.build())
}

/// The configuration of every client. In a function, credentials and region
/// come from the environment and nowhere else, so the provider chain that a
/// tool needs is left out: it costs start-up time and size.
pub(super) fn config(
    region: String,
    endpoint: Option<String>,
    connector: SharedHttpConnector,
) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .http_client(http_client_fn(move |_, _| connector.clone()));
    config.set_endpoint_url(endpoint);
    config.build()
}

/// Waits for `opening`, but not for long, and whatever comes of it: what could
/// not be opened now is opened by the first call that needs it.
pub(super) async fn patiently(opening: impl Future) {
    let _ = tokio::time::timeout(PATIENCE, opening).await;
}

/// Opens a connection to `url`. The request is not signed and asks for nothing,
/// so it needs no permission, costs nothing, and leaves no trace in an account;
/// any answer will do.
pub(super) async fn open(connector: &SharedHttpConnector, url: &str) {
    let Ok(request) = HttpRequest::get(format!("{url}/ping")) else {
        return;
    };
    if let Ok(answer) = connector.call(request).await {
        // Read to its end, it leaves the connection to the next call.
        let _ = ByteStream::new(answer.into_body()).collect().await;
    }
}
