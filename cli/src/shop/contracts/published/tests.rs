use std::path::Path;

use duet_core::Vocabulary as _;
use serde_json::json;

use super::*;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    serde_json::from_str(&std::fs::read_to_string(path.join(name)).unwrap()).unwrap()
}

/// A validator of somebody else's, with formats.
fn validator(schema: &Value) -> jsonschema::Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(schema).unwrap()
}

fn shop() -> Published {
    Published::built_in().unwrap()
}

/// Every `$ref` below `value`.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str);
            own.into_iter()
                .chain(map.values().flat_map(references))
                .collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_sent_and_received_is_what_the_policies_and_the_rules_say() {
    let shop = shop();
    let interests = interests().unwrap();
    for variant in shop.variants.iter().filter(|it| it.has_facts) {
        let mut said = BTreeMap::new();
        for (of, used) in &shop.uses {
            let facts = shop.channels[&of.channel].facts;
            if of.variant != variant.name || !facts {
                continue;
            }
            if of.sends {
                let new = used.messages.iter().map(|it| (it.clone(), of.who.clone()));
                said.extend(new);
                continue;
            }
            let own = shop.services.iter().find(|it| it.name == of.who).unwrap();
            let heard: BTreeSet<&str> = used.messages.iter().map(String::as_str).collect();
            assert!(heard.iter().all(|it| own.hears.contains_key(it)), "{of:?}");
        }
        let expected = interests
            .iter()
            .map(|it| (it.fact.to_owned(), it.said_by.to_owned()));
        assert_eq!(said, expected.collect(), "{}", variant.name);
    }
    assert!(shop.variants.iter().any(|it| it.has_facts));
    assert!(shop.variants.iter().any(|it| it.has_machines));
}

/// A rule lets through what its consumer has a policy for, and names it.
#[test]
fn the_rules_of_a_use_hear_what_is_received() {
    let definitions = Definitions::read(bundled(), "duet", &BTreeMap::new()).unwrap();
    let shop = Published::of(&definitions).unwrap();
    let mut compared = 0;
    for (of, used) in shop.uses.iter().filter(|(_, it)| !it.rules.is_empty()) {
        let rules = definitions
            .rules()
            .filter(|it| used.rules.contains(&it.name));
        let named = rules.filter_map(|it| it.written["detail-type"].as_array());
        let named: BTreeSet<String> = named
            .flatten()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect();
        if !named.is_empty() {
            assert_eq!(named, used.messages, "{of:?}");
            compared += 1;
        }
    }
    assert!(compared >= 7, "{compared}");
}

/// A variant that nobody thought of: what it says of itself is all that is known.
fn with_topics() -> Published {
    let mut definitions = Definitions::read(bundled(), "duet", &BTreeMap::new()).unwrap();
    let topic = |name: &str| format!("arn:aws:sns:us-east-1:123456789012:{name}");
    let (orders, rest) = (topic("pigeons-order"), topic("pigeons"));
    definitions.topics.extend([orders.clone(), rest.clone()]);
    let queue = definitions.queues[definitions.queue_named("duet-order-commands").unwrap()]
        .url
        .clone();
    let said = json!({
        "name": "pigeon", "style": "choreography", "carried_by": "pigeons", "doors": {}, "dead_letters": [],
        "entry": { "order": { "queue": queue }, "customer": { "queue": queue } },
        "facts": { "bus": "duet-bus", "topics": [orders, rest, "arn:aws:sns:us-east-1:123456789012:nowhere"] },
    });
    definitions
        .outputs
        .insert("PigeonVariant".to_owned(), said.to_string());
    Published::of(&definitions).unwrap()
}

#[test]
fn a_further_variant_is_published_by_its_description_alone() {
    let shop = with_topics();
    let of = |who: &str, sends, channel: &str| {
        let of = Use {
            variant: "pigeon",
            who: who.to_owned(),
            sends,
            channel: channel.to_owned(),
        };
        shop.uses
            .get(&of)
            .map(|it| it.messages.clone())
            .unwrap_or_default()
    };
    let own = &shop
        .services
        .iter()
        .find(|it| it.name == "order")
        .unwrap()
        .says;
    let own: BTreeSet<String> = own.iter().map(|it| (*it).to_owned()).collect();
    // A topic that is called after a service carries what that service says.
    assert_eq!(of("order", true, "sns.pigeons-order"), own);
    assert!(of("payment", true, "sns.pigeons-order").is_empty());
    assert!(of("payment", false, "sns.pigeons-order").is_subset(&own));
    assert!(of("payment", false, "sns.pigeons-order").contains("NewOrder"));
    assert!(of("payment", true, "sns.pigeons").contains("PaymentCaptured"));
    assert!(!shop.channels.contains_key("sns.nowhere"));
    let document = asyncapi::document(&shop).unwrap();
    validates(&document);
    assert_eq!(document["servers"]["sns"]["protocol"], "sns");
    let files = eventcatalog::files(&shop).unwrap();
    assert!(files.contains_key("flows/pigeon/index.mdx"));
}

fn validates(document: &Value) {
    let validator = validator(&fixture("asyncapi-3.0.0.json"));
    let wrong: Vec<String> = validator
        .iter_errors(document)
        .map(|it| format!("{}: {it}", it.instance_path()))
        .take(5)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for to in references(document) {
        let there = document.pointer(to.strip_prefix('#').unwrap());
        assert!(there.is_some(), "nothing at {to}");
    }
}

#[test]
fn the_asyncapi_document_is_one_by_asyncapis_own_schema() {
    let shop = shop();
    let document = asyncapi::document(&shop).unwrap();
    validates(&document);
    let operations = document["operations"].as_object().unwrap();
    assert_eq!(operations.len(), shop.uses.len());
    for operation in operations.values() {
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        for message in operation["messages"].as_array().unwrap() {
            // The specification: of the operation's own channel.
            let there = message["$ref"].as_str().unwrap();
            assert!(
                there.starts_with(&format!("{channel}/messages/")),
                "{there}"
            );
        }
    }
    // The schema is asked for something.
    let validator = validator(&fixture("asyncapi-3.0.0.json"));
    for (pointer, value) in [
        ("/info", json!({ "title": "duet" })),
        ("/channels/events.duet-bus/messages", json!([])),
        ("/servers/events/host", json!(1)),
    ] {
        let mut broken = document.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&broken), "{pointer}");
    }
}

/// What travels fits the message that the document describes.
#[test]
fn a_fact_and_a_command_fit_their_messages() {
    let document = asyncapi::document(&shop()).unwrap();
    let message = |name: &str| {
        let mut schema = document["components"]["messages"][name]["payload"].clone();
        schema["components"] = document["components"].clone();
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        validator(&schema)
    };
    for name in Fact::NAMES {
        for (_, event) in super::super::samples(name).unwrap() {
            let mut said = serde_json::to_value(&event).unwrap();
            assert!(message(name).is_valid(&said), "{name}: {said}");
            said["data"] = json!({});
            assert!(!message(name).is_valid(&said), "{name}");
        }
    }
    let metadata =
        crate::shop::message::metadata("CloseReview", "o-1", "v", jiff::Timestamp::UNIX_EPOCH);
    let mut command = json!({ "command": "CloseReview", "metadata": metadata, "data": { "order": "o-1", "cause": "OrderRejected" } });
    let validator = message("fraud.CloseReview");
    let wrong: Vec<_> = validator
        .iter_errors(&command)
        .map(|it| it.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    command["command"] = json!("OpenReview");
    assert!(!validator.is_valid(&command));
}

#[test]
fn every_fact_is_a_cloud_event() {
    let shop = shop();
    let validator = validator(&fixture("cloudevents-1.0.json"));
    let all = cloudevents::examples(&shop).unwrap();
    let mut names = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for event in &all {
        let wrong: Vec<_> = validator
            .iter_errors(event)
            .map(|it| it.to_string())
            .collect();
        assert!(wrong.is_empty(), "{event}: {wrong:?}");
        assert_eq!(event["specversion"], "1.0");
        let name = event["type"].as_str().unwrap();
        let fact = shop.facts.iter().find(|it| it.name == name).unwrap();
        assert!(
            jsonschema::is_valid(&fact.schema, &event["data"]),
            "{event}"
        );
        assert_eq!(event["source"], format!("duet.{}", fact.by));
        // Attributes are scalars, named in lower-case letters and digits, at most 20.
        for (name, value) in event.as_object().unwrap() {
            let fits = name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            assert!(fits && name.len() <= 20, "{name}");
            assert!(
                name == "data" || value.is_string() || value.is_boolean(),
                "{name}"
            );
        }
        names.insert(name);
        assert!(ids.insert(event["id"].as_str().unwrap()), "{event}");
    }
    assert_eq!(names, Fact::NAMES.iter().copied().collect());
}

#[test]
fn an_event_of_a_bus_becomes_a_cloud_event() {
    let validator = validator(&fixture("cloudevents-1.0.json"));
    let fact = json!({
        "metadata": { "id": "i", "source": "duet.order", "type": "NewOrder", "time": "2026-01-01T00:00:00Z", "causationid": null, "late": true },
        "data": { "order": "o-1" },
    });
    let on_a_bus =
        json!({ "id": "other", "source": "duet.order", "detail-type": "NewOrder", "detail": fact });
    let flat = cloudevents::converted(&on_a_bus).unwrap();
    assert_eq!(flat, cloudevents::converted(&fact).unwrap());
    let expected = json!({
        "specversion": "1.0", "id": "i", "source": "duet.order", "type": "NewOrder", "time": "2026-01-01T00:00:00Z",
        "late": true, "datacontenttype": "application/json", "data": { "order": "o-1" },
    });
    assert_eq!(flat, expected);
    let others = json!({ "version": "0", "id": "e", "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "time": "2026-01-01T00:00:00Z", "detail": { "state": "running" } });
    let flat = cloudevents::converted(&others).unwrap();
    assert_eq!(
        (&flat["type"], &flat["data"]["state"]),
        (&others["detail-type"], &json!("running"))
    );
    assert!(validator.is_valid(&flat));
    for (event, says) in [
        (
            json!({ "id": "e", "source": "s", "detail": {} }),
            "detail-type",
        ),
        (
            json!({ "id": "e", "source": "s", "detail-type": "t" }),
            "no detail",
        ),
        (json!([1]), "no id"),
        (
            json!({ "metadata": { "id": "i", "source": "s", "type": "t", "Bad": 1 }, "data": 1 }),
            "Bad",
        ),
        (
            json!({ "metadata": { "id": "i", "source": "", "type": "t" }, "data": 1 }),
            "source",
        ),
    ] {
        let refused = cloudevents::converted(&event).unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
}

/// The front matter of each page below `folder`, by its id.
fn pages(files: &BTreeMap<String, String>, folder: &str) -> BTreeMap<String, Value> {
    let pages = files.iter().filter_map(|(path, text)| {
        let id = path.strip_prefix(folder)?.strip_prefix('/')?;
        let id = id.strip_suffix("/index.mdx")?;
        let (front, _) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
        let front: Value = serde_norway::from_str(front).unwrap();
        assert_eq!(front["id"], id);
        for required in ["name", "version", "summary"] {
            assert!(front[required].is_string(), "{path} has no {required}");
        }
        Some((id.to_owned(), front))
    });
    pages.collect()
}

#[test]
fn the_event_catalogue_has_each_service_event_producer_and_consumer_once() {
    let shop = shop();
    let files = eventcatalog::files(&shop).unwrap();
    let [services, events, commands, channels, flows] =
        ["services", "events", "commands", "channels", "flows"].map(|it| pages(&files, it));
    let ids = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let names: BTreeSet<&str> = events.keys().map(String::as_str).collect();
    assert_eq!(names, Fact::NAMES.iter().copied().collect());
    for own in duet_core::SERVICES {
        assert!(services.contains_key(own), "{own}");
    }
    let mut producers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut consumers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (id, front) in &services {
        for (member, all) in [("sends", &mut producers), ("receives", &mut consumers)] {
            for message in ids(&front[member]) {
                let known = events.contains_key(&message) || commands.contains_key(&message);
                assert!(known, "{id}: {message}");
                all.entry(message).or_default().push(id);
            }
        }
    }
    let recorders = recorders().unwrap();
    let mut hearers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for interest in interests().unwrap() {
        assert_eq!(producers[interest.fact], [interest.said_by]);
        let makes = interest.makes.iter().chain(&recorders);
        let hearers = hearers.entry(interest.fact).or_default();
        hearers.extend(makes.map(|(who, _)| *who));
    }
    for (fact, hearers) in hearers {
        // Each of them once: a list, not a set.
        assert_eq!(
            consumers[fact],
            hearers.into_iter().collect::<Vec<_>>(),
            "{fact}"
        );
    }
    for front in events.values().chain(commands.values()) {
        assert!(
            ids(&front["channels"])
                .iter()
                .all(|it| channels.contains_key(it))
        );
    }
    assert_eq!(flows.len(), shop.variants.len());
    for front in flows.values() {
        let steps = front["steps"].as_array().unwrap();
        let ids: BTreeSet<&str> = steps.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), steps.len());
        assert!(
            ids.contains("order") && ids.contains("order.PlaceOrder"),
            "{ids:?}"
        );
        for next in steps
            .iter()
            .filter_map(|it| it["next_steps"].as_array())
            .flatten()
        {
            assert!(ids.contains(next.as_str().unwrap()), "{next}");
        }
    }
}

#[test]
fn a_catalogue_that_is_written_again_loses_what_is_gone_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("catalog");
    eventcatalog::write(&with_topics(), &out).unwrap();
    let flow = out.join("flows/pigeon/index.mdx");
    let mine = out.join("services/mine.mdx");
    std::fs::write(&mine, "mine").unwrap();
    assert!(flow.is_file());
    eventcatalog::write(&shop(), &out).unwrap();
    assert!(!flow.is_file() && mine.is_file());
    let refused = eventcatalog::write(&shop(), dir.path()).unwrap_err();
    assert!(refused.to_string().contains("something else"), "{refused}");
}
