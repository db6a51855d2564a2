//! What templates declare: each resource by its place, and what must be there
//! before it.
//!
//! Owns the comparison of two deployments of the same templates, and the order
//! in which CloudFormation makes and deletes resources. It must not know what a
//! queue or a rule does.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use serde_json::Value;

use crate::random::{digest, mix};
use crate::template::{DefinitionError, Stack};

/// A resource that a template declares and whose condition holds.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// Its type.
    pub(crate) kind: String,
    /// What tells it from others of its kind: its ARN, where it has one.
    pub(crate) id: String,
    /// Its properties, of the kinds that the lab models; else nothing.
    properties: Value,
    /// The places of the resources that must be there before it.
    needs: BTreeSet<String>,
}

impl Declared {
    /// A property of it.
    pub(crate) fn property(&self, name: &str) -> &Value {
        &self.properties[name]
    }
}

/// Resources by place: `Nested/Resource`.
pub(crate) type Places = BTreeMap<String, Declared>;

/// Reads what `stacks` declare; `identify` gives the id of a resource of a kind
/// that the lab models.
pub(crate) fn read(
    stacks: &[Rc<Stack>],
    identify: impl Fn(&Stack, &str, &str) -> Option<Result<String, DefinitionError>>,
) -> Result<Places, DefinitionError> {
    let mut places = Places::new();
    // What a nested stack needs, each of its resources needs.
    let mut around: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for stack in stacks {
        let own = stack.own_place();
        let inherited = own
            .as_ref()
            .and_then(|own| around.get(own))
            .cloned()
            .unwrap_or_default();
        let mut all = BTreeSet::new();
        for (logical, kind) in stack.deployed()? {
            let place = stack.place(logical);
            let needs = stack.needs(logical)?;
            let mut needs: BTreeSet<String> = needs.iter().map(|need| stack.place(need)).collect();
            needs.extend(inherited.iter().cloned());
            around.insert(place.clone(), needs.clone());
            all.insert(place.clone());
            let id = identify(stack, logical, kind).transpose()?;
            let properties = match &id {
                Some(_) => stack.properties_of(logical)?,
                None => Value::Null,
            };
            let declared = Declared {
                kind: kind.to_owned(),
                id: id.unwrap_or_default(),
                properties,
                needs,
            };
            places.insert(place, declared);
        }
        // A nested stack is there when all that is in it is.
        if let Some(stack) = own.and_then(|own| places.get_mut(&own)) {
            stack.needs.extend(all);
        }
    }
    Ok(places)
}

/// What is to be done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Add,
    Modify,
    Remove,
}

/// The resources, of the kinds that the lab models, in which `new` differs from
/// `old`.
pub(crate) fn differences(old: &Places, new: &Places) -> BTreeMap<String, Change> {
    let modelled = |places: &Places, place: &String| {
        places
            .get(place)
            .is_some_and(|declared| !declared.properties.is_null())
    };
    let places = old.keys().chain(new.keys());
    let differs = |place: &String| match (modelled(old, place), modelled(new, place)) {
        (false, true) => Some(Change::Add),
        (true, false) => Some(Change::Remove),
        (true, true) if old[place].properties != new[place].properties => Some(Change::Modify),
        _ => None,
    };
    places
        .filter_map(|place| Some((place.clone(), differs(place)?)))
        .collect()
}

/// All places, each after those it needs; `seed` decides between what may come
/// in any order.
///
/// # Errors
/// [`DefinitionError`] when resources need each other.
pub(crate) fn in_order(places: &Places, seed: u64) -> Result<Vec<&str>, DefinitionError> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waited_for: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut ready = BinaryHeap::new();
    let drawn = |place: &str| mix(seed, digest(place));
    for (place, declared) in places {
        let needs = declared.needs.iter().filter(|need| *need != place);
        let mut count = 0;
        for need in needs.filter(|need| places.contains_key(*need)) {
            waited_for.entry(need).or_default().push(place);
            count += 1;
        }
        match count {
            0 => ready.push((drawn(place), place.as_str())),
            count => _ = waits.insert(place, count),
        }
    }
    let mut order = Vec::with_capacity(places.len());
    while let Some((_, place)) = ready.pop() {
        order.push(place);
        for later in waited_for.remove(place).into_iter().flatten() {
            if let Some(count) = waits.get_mut(later) {
                *count -= 1;
                if *count == 0 {
                    waits.remove(later);
                    ready.push((drawn(later), later));
                }
            }
        }
    }
    match waits.keys().next() {
        None => Ok(order),
        Some(place) => Err(DefinitionError::new(
            place,
            "it needs resources that need it (a circular dependency)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::Files;

    const ROOT: &str = r#"
Parameters: { Deep: { Type: String, Default: "yes" } }
Conditions: { Deep: !Equals [!Ref Deep, "yes"], Never: !Equals [a, b] }
Resources:
  Z: { Type: AWS::SQS::Queue, DependsOn: Gone, Properties: { QueueName: z } }
  Gone: { Type: AWS::SQS::Queue, Condition: Never }
  Y: { Type: AWS::SQS::Queue, Properties: { QueueName: !If [Deep, !Sub "${Z.Arn}-y", "y"] } }
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: { TemplateURL: inner.yaml, Parameters: { Above: !Ref Y } }
  After: { Type: AWS::SQS::Queue, Properties: { QueueName: !GetAtt Inner.Outputs.Name } }
"#;
    const INNER: &str = r#"
Parameters: { Above: { Type: String } }
Resources:
  B: { Type: AWS::SQS::Queue, DependsOn: [A], Properties: { QueueName: !Ref Above } }
  A: { Type: AWS::SQS::Queue, Properties: { QueueName: a } }
  Role: { Type: AWS::IAM::Role }
Outputs: { Name: { Value: a } }
"#;

    fn places(deep: &str, inner: &str) -> Places {
        let files = Arc::new(Files::from([
            ("root.yaml".to_owned(), ROOT.to_owned()),
            ("inner.yaml".to_owned(), inner.to_owned()),
        ]));
        let given = BTreeMap::from([("Deep".to_owned(), deep.into())]);
        let root = Stack::new(&files, "root.yaml", "s", &given);
        let root = Rc::new(root.map_err(|e| e.to_string()).expect("a stack"));
        let mut stacks = vec![root.clone()];
        stacks.extend(root.nested().expect("nested stacks"));
        let identify = |stack: &Stack, logical: &str, kind: &str| {
            (kind == "AWS::SQS::Queue").then(|| Ok(stack.place(logical)))
        };
        read(&stacks, identify).expect("places")
    }

    #[test]
    fn what_is_needed_comes_first_in_every_order() {
        let places = places("yes", INNER);
        let mut orders = BTreeSet::new();
        for seed in 0..50 {
            let order = in_order(&places, seed).expect("an order");
            let at = |place: &str| order.iter().position(|one| *one == place).expect(place);
            for (first, then) in [
                ("Z", "Y"),
                ("Y", "Inner/A"),
                ("Inner/A", "Inner/B"),
                ("Inner/B", "Inner"),
                ("Inner/Role", "Inner"),
                ("Inner", "After"),
            ] {
                assert!(at(first) < at(then), "{first}, {then}: {order:?}");
            }
            assert!(!order.contains(&"Gone"));
            orders.insert(order.join(" "));
        }
        assert!(orders.len() > 1, "the seed decides the rest");
    }

    /// One template, twice in a child; what one instance exports the other takes.
    #[test]
    fn each_instance_of_a_nested_template_has_its_own_places_and_parameters() {
        const MIDDLE: &str = r#"
Parameters: { Above: { Type: String } }
Resources:
  A: { Type: AWS::SQS::Queue, Properties: { QueueName: a } }
  Second:
    Type: AWS::CloudFormation::Stack
    Properties: { TemplateURL: ../leaf.yaml, Parameters: { Word: !GetAtt First.Outputs.Said } }
  First:
    Type: AWS::CloudFormation::Stack
    DependsOn: A
    Properties: { TemplateURL: ./../leaf.yaml, Parameters: { Word: !Ref Above } }
Outputs: { Name: { Value: !GetAtt Second.Outputs.Said } }
"#;
        const LEAF: &str = r#"
Parameters: { Word: { Type: String }, Rest: { Type: String, Default: "" } }
Conditions: { Any: !Not [!Equals [!Ref Rest, ""]] }
Resources:
  Q: { Type: AWS::SQS::Queue, Properties: { QueueName: !Sub "${Word}-leaf", Tags: [one, !If [Any, two, !Ref AWS::NoValue]] } }
  Never: { Type: AWS::SQS::Queue, Condition: Any }
Outputs: { Said: { Value: !GetAtt Q.QueueName } }
"#;
        let files = Arc::new(Files::from(
            [
                (
                    "template.yaml",
                    ROOT.replace("inner.yaml", "dir/middle.yaml"),
                ),
                ("dir/middle.yaml", MIDDLE.to_owned()),
                ("leaf.yaml", LEAF.to_owned()),
            ]
            .map(|(path, text)| (path.to_owned(), text)),
        ));
        let stacks = crate::deployed::family(&files, "s", &BTreeMap::new()).expect("stacks");
        let own: Vec<_> = stacks.iter().filter_map(|it| it.own_place()).collect();
        assert_eq!(own, ["Inner", "Inner/Second", "Inner/First"]);
        let places = read(&stacks, |stack, logical, kind| {
            (kind == "AWS::SQS::Queue").then(|| Ok(stack.place(logical)))
        });
        let places = places.expect("places");
        let name = |place: &str| places[place].property("QueueName").clone();
        let above = "https://sqs.us-east-1.amazonaws.com/123456789012/arn:aws:sqs:us-east-1:123456789012:z-y";
        assert_eq!(name("Inner/First/Q"), format!("{above}-leaf"));
        assert_eq!(name("Inner/Second/Q"), format!("{above}-leaf-leaf"));
        assert_eq!(name("After"), format!("{above}-leaf-leaf"));
        assert_eq!(
            *places["Inner/First/Q"].property("Tags"),
            serde_json::json!(["one"])
        );
        assert!(!places.contains_key("Inner/First/Never"));
        for seed in 0..20 {
            let order = in_order(&places, seed).expect("an order");
            let at = |place: &str| order.iter().position(|one| *one == place).expect(place);
            for (first, then) in [
                ("Y", "Inner/A"),
                ("Inner/A", "Inner/First/Q"),
                ("Inner/First/Q", "Inner/First"),
                ("Inner/First", "Inner/Second/Q"),
                ("Inner/Second/Q", "Inner"),
                ("Inner", "After"),
            ] {
                assert!(at(first) < at(then), "{first}, {then}: {order:?}");
            }
        }
    }

    #[test]
    fn resources_that_need_each_other_are_refused() {
        let circle = INNER.replace(
            "A: { Type: AWS::SQS::Queue,",
            "A: { Type: AWS::SQS::Queue, DependsOn: B,",
        );
        let refused = in_order(&places("yes", &circle), 1)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("circular"), "{refused}");
    }

    #[test]
    fn differences_are_told_by_place() {
        let (old, new) = (places("yes", INNER), places("no", INNER));
        assert!(differences(&old, &old).is_empty());
        // B is named by Y's URL, which changes with Y's name.
        let changed = ["Inner/B", "Y"].map(|place| (place.to_owned(), Change::Modify));
        assert_eq!(differences(&old, &new), BTreeMap::from(changed));
        let without = INNER.replace(
            "Role: { Type: AWS::IAM::Role }",
            "C: { Type: AWS::SQS::Queue, Properties: { QueueName: c } }",
        );
        let changes = differences(&places("yes", INNER), &places("yes", &without));
        assert_eq!(
            changes,
            BTreeMap::from([("Inner/C".to_owned(), Change::Add)])
        );
        let changes = differences(&places("yes", &without), &places("yes", INNER));
        assert_eq!(
            changes,
            BTreeMap::from([("Inner/C".to_owned(), Change::Remove)])
        );
    }
}
