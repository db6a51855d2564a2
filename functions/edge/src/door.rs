//! Where an answer goes that comes late: a `reply_to`, read.
//!
//! Services keep it and hand it back with the answer; only the edge knows what it says.
//! A workflow that can wait says a task token. One that cannot (an Express execution
//! has five minutes and no tokens: Step Functions developer guide, "Choosing workflow
//! type") says which machine is to be started, under which name, and what with: JSON,
//! which no token is.

use duet_core::Reply;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The member of a machine's input that has the answer.
const ANSWER: &str = "answer";

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Door<'a> {
    /// A task that waits at this token.
    Token(&'a str),
    /// A state machine, to be started.
    Machine(Start),
}

/// An execution to be started.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The machine's ARN.
    pub machine: String,
    /// The execution's name. An Express one shares it with others.
    pub name: String,
    /// What was kept for it; with the answer, once it is known.
    pub input: Map<String, Value>,
}

impl<'a> Door<'a> {
    /// Where `reply` goes, and what with.
    #[must_use]
    pub fn of(reply: &'a Reply) -> Self {
        match serde_json::from_str::<Start>(&reply.to) {
            Ok(mut start) => {
                start.input.insert(ANSWER.to_owned(), reply.value.clone());
                Self::Machine(start)
            }
            Err(_) => Self::Token(&reply.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(to: &str) -> Reply {
        Reply {
            to: to.to_owned(),
            value: json!({ "verdict": "Approved" }),
        }
    }

    #[test]
    fn a_machine_is_started_with_what_was_kept_and_the_answer() {
        let to = r#"{"machine": "arn:m", "name": "o-1__3", "input": {"half": "review"}}"#;
        let reply = reply(to);
        let Door::Machine(start) = Door::of(&reply) else {
            panic!("{reply:?}");
        };
        assert_eq!((&*start.machine, &*start.name), ("arn:m", "o-1__3"));
        let input = json!({ "half": "review", "answer": { "verdict": "Approved" } });
        assert_eq!(Value::Object(start.input), input);
    }

    #[test]
    fn whatever_else_it_says_is_a_token() {
        for to in ["AQCEAAAAKgAAAAMAAAAA", "{}", r#"{"machine": "arn:m"}"#, ""] {
            assert_eq!(Door::of(&reply(to)), Door::Token(to));
        }
    }
}
