//! The template language, function by function.

use super::*;

fn stack(template: &str) -> Resolved<Stack> {
    let files = Arc::new(Files::from([("t.yaml".to_owned(), template.to_owned())]));
    Stack::new(&files, "t.yaml", "s", &BTreeMap::new())
}

#[test]
fn intrinsic_functions_are_worked_out() {
    let stack = stack(
            r#"
Parameters: { On: { Type: String, Default: "true" }, N: { Type: Number, Default: 3 } }
Mappings: { M: { "3": { V: 18 } } }
Conditions: { Is: !Equals [!Ref On, "true"], Not: !Not [!Condition Is], Both: !And [!Condition Is, !Not [!Condition Not]] }
Resources:
  Q:
    Type: AWS::SQS::Queue
    Properties: { QueueName: !Sub "${AWS::StackName}-q", VisibilityTimeout: !FindInMap [M, !Ref N, V], Gone: !If [Not, x, !Ref AWS::NoValue] }
  Absent: { Type: AWS::SQS::Queue, Condition: Not }
Outputs:
  Url: { Value: !Ref Q }
  Put: { Value: !Sub ["${Q}/${V}${!V}", { V: !If [Is, !Sub "${Q.QueueName}", b] }] }
  Joined: { Condition: Both, Value: !Join [",", [!GetAtt Q.QueueName, !Select [1, [a, b]]]] }
  Hidden: { Condition: Not, Value: x }
"#,
    )
    .unwrap();
    let queues = stack.resources(&["AWS::SQS::Queue"]).unwrap();
    assert_eq!(queues.len(), 1);
    assert_eq!(
        queues[0].properties,
        json!({"QueueName": "s-q", "VisibilityTimeout": 18})
    );
    let outputs = stack.outputs().unwrap();
    assert_eq!(
        outputs["Url"],
        "https://sqs.us-east-1.amazonaws.com/123456789012/s-q"
    );
    assert_eq!(
        outputs["Put"],
        "https://sqs.us-east-1.amazonaws.com/123456789012/s-q/s-q${V}"
    );
    assert_eq!(outputs["Joined"], "s-q,b");
    assert!(!outputs.contains_key("Hidden"));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (template, names) in [
        ("Parameters: { P: { Type: String } }", "P"),
        (
            "Parameters: { P: { Type: Number, MinValue: 2, Default: 1 } }",
            "between 2",
        ),
    ] {
        let refused = stack(template).unwrap_err().to_string();
        assert!(refused.contains(names), "{refused}");
    }
    for output in ["!Ref Nothing", "!GetAtt Q.Colour", "!Cidr [a, b]"] {
        let template = format!(
            "Resources: {{ Q: {{ Type: AWS::SQS::Queue }} }}\nOutputs: {{ O: {{ Value: {output} }} }}"
        );
        assert!(stack(&template).unwrap().outputs().is_err(), "{output}");
    }
}
