//! Says which rules take which events, and what a target makes of one.

use std::collections::BTreeMap;

use duet_pattern::{InputTransformer, Matcher, Pattern, RuleContext, explain};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let patterns = [
        (
            "large",
            r#"{"detail-type": ["OrderPaid"], "detail": {"total": [{"numeric": [">", 100]}]}}"#,
        ),
        (
            "abroad",
            r#"{"detail": {"country": [{"anything-but": ["DE"]}]}}"#,
        ),
    ];
    let mut rules = Matcher::new();
    for (name, text) in patterns {
        rules.add(name, &Pattern::parse(text)?);
    }
    let events = [
        json!({"detail-type": "OrderPaid", "detail": {"id": "o-1", "total": 250, "country": "SE"}}),
        json!({"detail-type": "OrderPaid", "detail": {"id": "o-2", "total": 20, "country": "DE"}}),
    ];
    for event in &events {
        println!(
            "{} is taken by {:?}",
            event["detail"]["id"],
            rules.matches(event)
        );
    }
    println!("{}", explain(&Pattern::parse(patterns[0].1)?, &events[1]));

    let paths = BTreeMap::from([("id".to_owned(), "$.detail.id".to_owned())]);
    let transformer = InputTransformer::new("mail", &paths, r#"{"subject": "Order <id>"}"#)?;
    let context = RuleContext {
        rule_arn: "arn:aws:events:us-east-1:123456789012:rule/large",
        rule_name: "large",
        ingestion_time: "2026-01-01T00:00:00Z",
    };
    println!(
        "{}",
        transformer.render(&events[0], context).unwrap_or_default()
    );
    Ok(())
}
