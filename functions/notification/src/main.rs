//! The notification service on real wires.

use duet_core::Environment;
use duet_edge::lambda::{Edge, Error};
use duet_notification::adapters::Sns;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let config = aws_sdk_sns::config::Builder::from(edge.config()).interceptor(edge.deadline());
    let client = aws_sdk_sns::Client::from_conf(config.build());
    let topic = Sns::new(client, edge.setting("DUET_NOTICE_TOPIC")?);
    let service = duet_notification::build(&edge, topic)?;
    edge.run(service).await
}
