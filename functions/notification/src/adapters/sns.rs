//! The SNS adapter: one topic, one message per publication.
//!
//! The message is JSON, `{id, subject, kind}`; the attributes `id` and `kind`
//! say the same to subscriptions that filter. It names no customer: whoever
//! writes to people looks the address up with the service that owns it.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use duet_core::Failure;
use duet_edge::sdk::failure;
use serde_json::json;

use crate::ports::{Notice, Publisher};

/// An SNS topic.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    topic: String,
}

impl Sns {
    /// The topic with the ARN `topic`.
    #[must_use]
    pub fn new(client: Client, topic: String) -> Self {
        Self { client, topic }
    }
}

fn text(value: impl ToString) -> Result<MessageAttributeValue, Failure> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value.to_string())
        .build()
        .map_err(Failure::invalid)
}

impl Publisher for Sns {
    async fn publish(&self, notice: &Notice) -> Result<(), Failure> {
        let Notice {
            id, subject, kind, ..
        } = notice;
        self.client
            .publish()
            .topic_arn(&self.topic)
            .message(json!({ "id": id, "subject": subject, "kind": kind }).to_string())
            .message_attributes("id", text(id)?)
            .message_attributes("kind", text(kind)?)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure("the topic", &error))
    }
}
