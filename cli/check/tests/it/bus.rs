//! The rules of a template, as it would be deployed.

use std::collections::BTreeMap;
use std::path::Path;

use duet_check::{BusRule, rules_of};
use serde_json::json;

fn rules(template: &str, parameters: &[(&str, &str)]) -> Vec<BusRule> {
    let parameters = parameters.iter();
    let parameters: BTreeMap<String, String> = parameters
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let read = |_: &Path| Ok(template.to_owned());
    rules_of(Path::new("template.yaml"), &parameters, &read).expect("a template")
}

#[test]
fn rules_and_events_of_functions_with_their_targets() {
    let template = "
Parameters:
  Source: { Type: String, Default: shop }
  Least: { Type: Number, Default: 100 }
Resources:
  Large:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [!Ref Source], total: [{ numeric: ['>', !Ref Least] }] }
      Targets: [{ Id: a, Arn: !Ref Queue, InputPath: $.detail }]
  Nightly:
    Type: AWS::Events::Rule
    Properties: { ScheduleExpression: rate(1 day) }
  Elsewhere:
    Type: AWS::Events::Rule
    Properties: { EventPattern: { account: [!ImportValue Other] } }
  Mail:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Paid: { Type: EventBridgeRule, Properties: { Pattern: { source: [shop] }, Input: '{}' } }
";
    let found = rules(template, &[("Source", "other")]);
    let names: Vec<&str> = found.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["Large", "Nightly", "Elsewhere", "Mail.Paid"]);
    // CloudFormation puts a number in as text, at which EventBridge then refuses the pattern.
    let pattern = json!({"source": ["other"], "total": [{"numeric": [">", "100"]}]});
    assert_eq!(found[0].pattern, Some(pattern));
    assert_eq!(found[0].targets[0]["InputPath"], "$.detail");
    assert_eq!(
        (found[0].file.as_str(), found[0].line),
        ("template.yaml", 6)
    );
    assert_eq!(found[1].pattern, None);
    assert!(found[2].is_doubtful && !found[0].is_doubtful);
    assert_eq!(found[3].targets[0]["Input"], "{}");
}
