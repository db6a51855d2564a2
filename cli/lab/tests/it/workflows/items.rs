//! Items of tables.

use serde_json::{Value, json};

use super::{answer, refusal, run, task, world};

fn key() -> Value {
    json!({"pk": {"S": "kettle"}, "sk": {"S": "stock"}})
}

/// A machine that does `steps` one after the other, and gives all their answers.
fn steps(steps: &[(&str, Value)]) -> Value {
    let mut states = json!({});
    for (at, (call, arguments)) in steps.iter().enumerate() {
        let mut arguments = arguments.clone();
        arguments["TableName"] = json!("goods");
        let mut state = json!({"Type": "Task", "Resource": format!("arn:aws:states:::{call}"), "Arguments": arguments,
            "Assign": {format!("a{at}"): "{% $states.result %}"}, "Next": format!("S{}", at + 1)});
        state["Output"] = json!({});
        states[format!("S{at}")] = state;
    }
    let all: Vec<String> = (0..steps.len()).map(|at| format!("$a{at}")).collect();
    let gives = format!("{{% [{}] %}}", all.join(", "));
    states[format!("S{}", steps.len())] = json!({"Type": "Pass", "Output": gives, "End": true});
    json!({"QueryLanguage": "JSONata", "StartAt": "S0", "States": states})
}

fn answers(all: &[(&str, Value)]) -> Value {
    let (_, output, error, cause) = run(&mut world(&steps(all), &[]), "one");
    assert!(error.is_empty(), "{error}: {cause}");
    output
}

/// Recorded 2025-02-03 (the form of the answers); the tables are the lab's own.
#[test]
fn items_are_put_read_updated_and_deleted() {
    let item = json!({"pk": {"S": "kettle"}, "sk": {"S": "stock"}, "n": {"N": "5"}, "tags": {"L": [{"S": "a"}, {"NULL": true}]}});
    let update = json!({"Key": key(), "UpdateExpression": "SET n = n - :1, #by.#who = :w", "ReturnValues": "UPDATED_NEW",
        "ConditionExpression": "n >= :1", "ExpressionAttributeNames": {"#by": "by", "#who": "who"},
        "ExpressionAttributeValues": {":1": {"N": "1"}, ":w": {"S": "ada"}}});
    let all = answers(&[
        ("dynamodb:putItem", json!({"Item": item})),
        ("dynamodb:getItem", json!({"Key": key()})),
        (
            "dynamodb:updateItem",
            json!({"Key": key(), "UpdateExpression": "SET by = :m", "ExpressionAttributeValues": {":m": {"M": {}}}}),
        ),
        ("aws-sdk:dynamodb:updateItem", update),
        (
            "dynamodb:getItem",
            json!({"Key": key(), "ProjectionExpression": "n, sk"}),
        ),
        (
            "dynamodb:deleteItem",
            json!({"Key": key(), "ReturnValues": "ALL_OLD"}),
        ),
        ("dynamodb:getItem", json!({"Key": key()})),
        (
            "aws-sdk:dynamodb:updateItem",
            json!({"Key": key(), "UpdateExpression": "ADD n :1", "ReturnValues": "ALL_NEW",
            "ExpressionAttributeValues": {":1": {"N": "1"}}}),
        ),
    ]);
    let metadata = |at: usize| &all[at]["SdkHttpMetadata"]["HttpStatusCode"];
    assert_eq!(metadata(0), 200);
    assert_eq!(all[1]["Item"], item);
    assert_eq!(
        all[3],
        json!({"Attributes": {"n": {"N": "4"}, "by": {"M": {"who": {"S": "ada"}}}}})
    );
    assert_eq!(
        all[4]["Item"],
        json!({"n": {"N": "4"}, "sk": {"S": "stock"}})
    );
    assert_eq!(all[5]["Attributes"]["by"]["M"]["who"]["S"], "ada");
    assert_eq!(all[6].get("Item"), None);
    assert_eq!(
        all[7]["Attributes"],
        json!({"pk": {"S": "kettle"}, "sk": {"S": "stock"}, "n": {"N": "1"}})
    );
}

/// Recorded 2023-05-12 and 2023-07-27.
#[test]
fn what_a_table_refuses_is_named_by_the_form() {
    let nowhere = json!({"TableName": "bads", "Item": key()});
    let (error, cause) = refusal("dynamodb:putItem", nowhere.clone());
    assert_eq!(error, "DynamoDB.ResourceNotFoundException");
    assert!(
        cause.starts_with("Requested resource not found (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: "),
        "{cause}"
    );
    assert!(cause.ends_with("; Proxy: null)"), "{cause}");
    let (error, cause) = refusal("aws-sdk:dynamodb:putItem", nowhere);
    assert_eq!(error, "DynamoDb.ResourceNotFoundException");
    assert!(
        cause.starts_with(
            "Requested resource not found (Service: DynamoDb, Status Code: 400, Request ID: "
        ),
        "{cause}"
    );
    let null = json!({"TableName": "goods", "Item": null});
    let (error, cause) = refusal("dynamodb:putItem", null.clone());
    assert_eq!(error, "DynamoDB.AmazonDynamoDBException");
    assert!(cause.starts_with("1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null (Service: AmazonDynamoDBv2;"), "{cause}");
    assert_eq!(
        refusal("aws-sdk:dynamodb:putItem", null).0,
        "DynamoDb.DynamoDbException"
    );
    let absent =
        json!({"TableName": "goods", "Item": key(), "ConditionExpression": "attribute_exists(pk)"});
    let (error, cause) = refusal("dynamodb:putItem", absent.clone());
    assert_eq!(error, "DynamoDB.ConditionalCheckFailedException");
    assert!(
        cause.starts_with("The conditional request failed ("),
        "{cause}"
    );
    assert_eq!(
        refusal("aws-sdk:dynamodb:putItem", absent).0,
        "DynamoDb.ConditionalCheckFailedException"
    );
}

/// The texts are from no recording.
#[test]
fn items_and_expressions_that_are_not_valid_are_refused() {
    for (call, more, says) in [
        (
            "getItem",
            json!({"Key": {"pk": {"S": "a"}}}),
            "does not match the schema",
        ),
        (
            "deleteItem",
            json!({"Key": {"pk": {"N": "1"}, "sk": {"S": "b"}}}),
            "does not match the schema",
        ),
        (
            "putItem",
            json!({"Item": {"pk": {"S": "a"}}}),
            "Missing the key sk",
        ),
        (
            "putItem",
            json!({"Item": {"pk": {"S": "a"}, "sk": {"S": "b"}, "x": {"SS": ["a"]}}}),
            "keep no value of type SS",
        ),
        (
            "updateItem",
            json!({"Key": key(), "UpdateExpression": "SET pk = :a", "ExpressionAttributeValues": {":a": {"S": "b"}}}),
            "part of the key",
        ),
        (
            "updateItem",
            json!({"Key": key(), "UpdateExpression": "SET n = m"}),
            "does not exist in the item",
        ),
        (
            "updateItem",
            json!({"Key": key(), "UpdateExpression": "SET n ="}),
            "Syntax error",
        ),
        (
            "putItem",
            json!({"Item": {"pk": {"S": "a"}, "sk": {"S": "b"}, "x": {"S": "x".repeat(200_000)}, "y": {"S": "\u{1}".repeat(100)}}}),
            "",
        ),
    ] {
        let mut arguments = more;
        arguments["TableName"] = json!("goods");
        if says.is_empty() {
            answer(&format!("dynamodb:{call}"), arguments);
            continue;
        }
        let (error, cause) = refusal(&format!("dynamodb:{call}"), arguments);
        assert_eq!(error, "DynamoDB.AmazonDynamoDBException", "{cause}");
        assert!(cause.contains(says), "{cause}");
    }
    let mut lab = world(
        &task(
            "dynamodb:getItem",
            json!({"TableName": "goods", "Key": key()}),
        ),
        &["store-fault:1"],
    );
    assert_eq!(
        run(&mut lab, "one").2,
        "DynamoDB.InternalServerErrorException"
    );
}
