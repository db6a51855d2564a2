//! What is deleted, and whose word that takes.

use std::sync::atomic::{AtomicU32, Ordering};

use super::loopback::{Server, events, identity, refusal, stack, stack_id};
use super::{OUTPUTS, at_aws, said, shop};
use crate::harness::run;

#[test]
fn a_stack_that_does_not_say_it_is_ours_is_not_deleted() {
    let server = Server::start(|asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        _ => stack(
            "shop",
            "CREATE_COMPLETE",
            &[("Vpc", "vpc-1"), ("OrderTable", "t")],
        ),
    });
    let mut command = at_aws(&["down", "--delete", "--yes", "--endpoint", &server.url]);
    let (code, _, told) = said(&run(&mut command));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("stack shop (CREATE_COMPLETE)"), "{told}");
    assert!(told.contains("account 123456789012"), "{told}");
    assert_eq!(server.operations(), ["GetCallerIdentity", "DescribeStacks"]);
}

#[test]
fn nobody_is_taken_for_somebody_who_confirms() {
    let server = shop();
    let mut command = at_aws(&["down", "--delete", "--endpoint", &server.url]);
    let (code, _, told) = said(&run(&mut command));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--yes"), "{told}");
    assert!(server.asked().is_empty());
    let mut command = at_aws(&["down", "--endpoint", &server.url]);
    assert_eq!(said(&run(&mut command)).0, Some(2));
    assert!(server.asked().is_empty());
}

/// A server on which the stack goes through `states` once it is being deleted.
fn dying(states: &'static [&'static str]) -> Server {
    let looks = AtomicU32::new(0);
    let asked_to = AtomicU32::new(0);
    Server::start(move |asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        "DeleteStack" => {
            asked_to.fetch_add(1, Ordering::SeqCst);
            (200, "<DeleteStackResponse/>".to_owned())
        }
        "DescribeStackEvents" if asked.body.contains("nested") => events(&[
            [
                "Bus",
                "shop-bus",
                "AWS::Events::EventBus",
                "DELETE_FAILED",
                "it has rules",
            ],
            [
                "nested",
                &stack_id("nested"),
                "AWS::CloudFormation::Stack",
                "DELETE_IN_PROGRESS",
                "",
            ],
            [
                "Old",
                "old",
                "AWS::SQS::Queue",
                "DELETE_FAILED",
                "of an earlier try",
            ],
        ]),
        "DescribeStackEvents" => events(&[
            [
                "shop",
                &stack_id("shop"),
                "AWS::CloudFormation::Stack",
                "DELETE_FAILED",
                "see",
            ],
            [
                "Choreography",
                &stack_id("nested"),
                "AWS::CloudFormation::Stack",
                "DELETE_FAILED",
                "see",
            ],
            [
                "Topic",
                "topic",
                "AWS::SNS::Topic",
                "DELETE_FAILED",
                "not allowed",
            ],
            [
                "shop",
                &stack_id("shop"),
                "AWS::CloudFormation::Stack",
                "DELETE_IN_PROGRESS",
                "User",
            ],
            [
                "Older",
                "older",
                "AWS::SQS::Queue",
                "DELETE_FAILED",
                "of an earlier try",
            ],
        ]),
        _ if asked_to.load(Ordering::SeqCst) == 0 => stack("shop", "CREATE_COMPLETE", &OUTPUTS),
        _ => {
            let look = looks.fetch_add(1, Ordering::SeqCst) as usize;
            match states.get(look) {
                Some(status) => stack("shop", status, &OUTPUTS),
                None => refusal("ValidationError", "Stack with id shop does not exist"),
            }
        }
    })
}

#[test]
fn a_confirmed_deletion_is_waited_for_and_told() {
    for states in [
        &["CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"][..],
        &["DELETE_IN_PROGRESS"][..],
    ] {
        let server = dying(states);
        let mut command = at_aws(&["down", "--delete", "--yes", "--endpoint", &server.url]);
        let (code, found, told) = said(&run(&mut command));
        assert_eq!(code, Some(0), "{told}");
        assert!(found.starts_with("stack shop is deleted"), "{found}");
        assert!(told.contains("account 123456789012"), "{told}");
        assert!(
            told.contains("region eu-north-1") && told.contains(&server.url),
            "{told}"
        );
        let operations = server.operations();
        let deletions = operations.iter().filter(|it| *it == "DeleteStack");
        assert_eq!(deletions.count(), 1);
        // By its ARN: a name could be another stack's by now.
        let by_arn = server.asked().into_iter();
        let by_arn = by_arn.filter(|asked| asked.operation == "DeleteStack");
        assert!(
            by_arn
                .into_iter()
                .all(|asked| asked.body.contains("arn%3Aaws%3Acloudformation"))
        );
    }
}

#[test]
fn a_deletion_that_fails_says_what_is_left_and_why() {
    let server = dying(&["DELETE_IN_PROGRESS", "DELETE_FAILED"]);
    let mut command = at_aws(&["down", "--delete", "--yes", "--endpoint", &server.url]);
    let (code, found, told) = said(&run(&mut command));
    assert_eq!((code, found.as_str()), (Some(3), ""), "{told}");
    assert!(told.contains("stack shop is DELETE_FAILED"), "{told}");
    assert!(
        told.contains("Topic (AWS::SNS::Topic): not allowed"),
        "{told}"
    );
    assert!(
        told.contains("Bus (AWS::Events::EventBus): it has rules"),
        "{told}"
    );
    assert!(!told.contains("earlier try"), "{told}");
}

#[test]
fn a_stack_that_is_not_there_is_said_and_nothing_is_deleted() {
    let server = Server::start(|asked| match asked.operation.as_str() {
        "GetCallerIdentity" => identity(),
        _ => refusal("ValidationError", "Stack with id shop does not exist"),
    });
    let mut command = at_aws(&["down", "--delete", "--yes", "--endpoint", &server.url]);
    let (code, found, told) = said(&run(&mut command));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(
        found.trim_end(),
        "there is no stack shop: nothing was deleted"
    );
    assert_eq!(server.operations(), ["GetCallerIdentity", "DescribeStacks"]);
}
