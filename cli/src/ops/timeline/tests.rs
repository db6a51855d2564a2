//! Timelines of orders that ran in the lab, and of ones that lack something.

use std::collections::BTreeMap;

use duet_core::store::{Browse, Store, Write};
use duet_lab::Config;

use super::*;
use crate::ops::demo::tests::played;
use crate::shop::scenario;
use crate::shop::variant::{self, Style};
use crate::world::lab::{Lab, definitions};

fn lab() -> Lab {
    // How an Express execution went is known by its log group only.
    let quick = [("ReviewSeconds", "30"), ("ExpressLogLevel", "ALL")];
    let quick = quick.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let quick = BTreeMap::from(quick);
    let config = Config {
        keep_succeeded: true,
        ..Config::default()
    };
    Lab::new(&definitions(&quick).unwrap(), config).unwrap()
}

/// The first order of each scenario, by variant and scenario.
async fn ran(world: &Lab, scenarios: &[&str]) -> BTreeMap<(&'static str, &'static str), String> {
    let rows = played(world, scenarios, false).await;
    let rows = rows.into_iter();
    rows.map(|row| ((row.variant, row.scenario), row.orders[0].clone()))
        .collect()
}

fn count(nodes: &[Node], wanted: &impl Fn(&Node) -> bool) -> usize {
    let below = |node: &Node| count(&node.children, wanted);
    nodes
        .iter()
        .map(|node| usize::from(wanted(node)) + below(node))
        .sum()
}

fn find<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    nodes.iter().find_map(|node| match node.name == name {
        true => Some(node),
        false => find(&node.children, name),
    })
}

#[tokio::test]
async fn a_finished_order_has_one_root_and_lacks_nothing() {
    let world = lab();
    let scenarios = [
        "happy",
        "card-declined",
        "undeliverable",
        "payment-flaky",
        "fraud-block",
    ];
    for ((variant, scenario), order) in ran(&world, &scenarios).await {
        let timeline = read(&world, &order).await.unwrap();
        let text = timeline.text();
        assert_eq!(timeline.variant, Some(variant), "{text}");
        assert_eq!(timeline.tree.len(), 1, "{scenario}, {variant}\n{text}");
        assert!(
            timeline.missing.is_empty() && timeline.dead_letters.is_empty(),
            "{scenario}, {variant}\n{text}"
        );
        // Everything that any service did is in it, once.
        let steps = View::load(&world, &order).await.unwrap().steps;
        let shown = count(&timeline.tree, &|node| {
            node.kind == Kind::Step || (node.kind == Kind::State && node.service.is_some())
        });
        assert_eq!(shown, steps.len(), "{scenario}, {variant}\n{text}");
        assert_eq!(timeline.retries >= 2, scenario == "payment-flaky", "{text}");
        assert!(timeline.elapsed_ms > 0);
        let mermaid = draw::mermaid(&timeline);
        let boxes = count(&timeline.tree, &|_| true);
        assert_eq!(mermaid.matches("\n  n").count(), 2 * boxes - 1, "{mermaid}");
    }
}

#[tokio::test]
async fn effects_hang_on_their_causes() {
    let world = lab();
    let orders = ran(&world, &["happy"]).await;
    for variant in variant::ALL.iter() {
        let timeline = read(&world, &orders[&(variant.name, "happy")])
            .await
            .unwrap();
        let text = timeline.text();
        match variant.style {
            Style::Choreography => {
                let placed = find(&timeline.tree, "NewOrder").unwrap();
                assert_eq!(placed.children.len(), 4, "{text}");
                let captured = find(&placed.children, "PaymentCaptured").unwrap();
                assert!(find(&captured.children, "NotePayment").is_some(), "{text}");
                assert!(
                    find(&placed.children, "CustomerNotified").is_some(),
                    "{text}"
                );
            }
            Style::Orchestration => {
                let both = find(&timeline.tree, "ScreenAndReserve").unwrap();
                let inside: Vec<_> = both
                    .children
                    .iter()
                    .map(|node| node.name.as_str())
                    .collect();
                assert!(
                    inside.contains(&"ScreenOrder") && inside.contains(&"ReserveStock"),
                    "{text}"
                );
                assert_eq!(both.children[0].service, Some("fraud"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_journal_lacks_the_records_tell() {
    let world = lab();
    let orders = ran(&world, &["happy"]).await;
    for (_, order) in orders {
        // As after its retention: gone.
        let journal = world.table(TableOf::Journal);
        let gone = journal.partition(&order).await.unwrap();
        let elsewhere = gone.into_iter().map(|item| {
            let mut body = item.body.value();
            body["metadata"]["causationid"] = "payment/o-0/CapturePayment/PaymentCaptured".into();
            body["metadata"]["id"] = format!("lone-{}", item.key.sk).into();
            (item.key, body)
        });
        for (key, body) in elsewhere {
            let write = Write::put(key, &body, duet_core::store::Expect::Anything);
            journal.commit(vec![write]).await.unwrap();
        }
        let timeline = read(&world, &order).await.unwrap();
        let lone = timeline.tree.iter().filter(|node| {
            node.kind == Kind::Fact && node.notes.iter().any(|note| note.contains("its cause is"))
        });
        let lone = lone.count();
        let kept = world
            .table(TableOf::Journal)
            .partition(&order)
            .await
            .unwrap()
            .len();
        assert_eq!(lone, kept, "{}", timeline.text());
    }
}

#[tokio::test]
async fn what_has_not_happened_is_missing() {
    let world = lab();
    let placed = scenario::named("review-approve").unwrap();
    let plan = placed.plan("t", 1, 4);
    crate::ops::catalog::seed(&world, &plan.goods)
        .await
        .unwrap();
    for variant in variant::ALL.iter() {
        let mut order = plan.waves.last().unwrap()[0].clone();
        order.order = format!("t-{}", variant.name).parse().unwrap();
        order.customer = format!("c-{}", variant.name).parse().unwrap();
        crate::ops::place::submit(&world, variant, &order)
            .await
            .unwrap();
        world.pause(10_000).await;
        let timeline = read(&world, order.order.as_str()).await.unwrap();
        let waits: Vec<_> = timeline
            .missing
            .iter()
            .map(|missing| missing.what.as_str())
            .collect();
        assert_eq!(waits, ["a person's decision"], "{}", timeline.text());
        assert!(timeline.missing[0].until.is_some());
    }
}

#[tokio::test]
async fn no_personal_data_is_shown() {
    let world = lab();
    for (_, order) in ran(&world, &["happy", "undeliverable"]).await {
        let timeline = read(&world, &order).await.unwrap();
        let forms = [
            timeline.text(),
            draw::mermaid(&timeline),
            serde_json::to_string(&timeline).unwrap(),
        ];
        let to = crate::shop::scenario::address();
        for secret in [&*to.name, &to.street, &to.city, &to.postcode, "tok_"] {
            assert!(!forms.iter().any(|form| form.contains(secret)), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_repaired_order_shows_who_repaired_it() {
    let world = lab();
    for ((variant, _), order) in ran(&world, &["refund-fails"]).await {
        let timeline = read(&world, &order).await.unwrap();
        let text = timeline.text();
        assert!(
            timeline.tree.len() > 1 && timeline.dead_letters.is_empty(),
            "{variant}\n{text}"
        );
        let told = text.lines().filter(|line| line.contains("repair"));
        assert!(told.count() >= 1, "{variant}\n{text}");
        // The last repair succeeded at its first attempt.
        let refunds = count(&timeline.tree, &|node| node.attempts > 1);
        assert_eq!(refunds, 1, "{variant}\n{text}");
    }
}

#[tokio::test]
async fn what_is_told_twice_or_replayed_is_counted() {
    let world = lab();
    let orders = ran(&world, &["happy"]).await;
    // The journal hears of the last facts when the order is whole.
    world.pause(60_000).await;
    for ((variant, _), order) in orders {
        let journal = world.table(TableOf::Journal);
        let entries = journal.partition(&order).await.unwrap();
        let of_bus = variant::named(variant).unwrap().has_facts;
        assert_eq!(
            entries.is_empty(),
            !of_bus,
            "a workflow's facts travel in its replies"
        );
        for item in entries {
            let deltas = BTreeMap::from([("deliveries", 3), ("replays", 2)]);
            let write = Write::Add {
                key: item.key,
                deltas,
            };
            journal.commit(vec![write]).await.unwrap();
        }
        let timeline = read(&world, &order).await.unwrap();
        let facts = count(&timeline.tree, &|node| node.kind == Kind::Fact) as u32;
        assert_eq!((timeline.duplicates, timeline.replays), (facts, 2 * facts));
    }
}

/// As an emulator tells it: no event says which one it follows, tasks have no
/// arguments, and branches are left out.
#[tokio::test]
async fn a_poor_history_is_completed_by_the_records() {
    let world = lab();
    let variant = variant::ALL.iter().find(|it| it.keeps_executions);
    let variant = variant.unwrap();
    for ((of, _), order) in ran(&world, &["payment-flaky"]).await {
        if of != variant.name {
            continue;
        }
        let mut history = world
            .history(variant, Subject::Order, &order)
            .await
            .unwrap();
        let execution = world
            .execution(variant, Subject::Order, &order)
            .await
            .unwrap();
        let inside = ["ScreenOrder", "ReserveStock"];
        history.retain(|event| {
            let state = event.state.as_deref().unwrap_or_default();
            !event.kind.starts_with("ParallelStateS") && !inside.contains(&state)
        });
        for event in &mut history {
            event.previous = 0;
            event.command = None;
        }
        let sources = Sources {
            view: View::load(&world, &order).await.unwrap(),
            facts: Vec::new(),
            dead: Vec::new(),
            with_fraud: true,
        };
        let tree = orchestration::tree(&sources, execution.as_slice(), &history);
        assert_eq!(tree.len(), 1, "{tree:#?}");
        let both = find(&tree, "ScreenAndReserve").unwrap();
        assert_eq!((both.children.len(), both.attempts), (2, 1), "{tree:#?}");
        let capture = find(&tree, "CapturePayment").unwrap();
        assert_eq!((capture.attempts, capture.service), (3, Some("payment")));
        // What came after what the order of events tells, but not inside of branches.
        let clear = find(&tree, "IsClear").unwrap();
        assert_eq!((&capture.follows, &clear.follows), (&clear.id, &both.id));
        assert!(clear.id.is_some() && both.children.iter().all(|it| it.follows.is_none()));
        let told = find(&tree, "NotifyConfirmed").unwrap();
        assert_eq!(told.service, Some("notification"), "{tree:#?}");
    }
}

/// Every state but the first of an execution or branch says which one it came after,
/// and stands below it.
#[tokio::test]
async fn states_keep_their_order() {
    let world = lab();
    for ((name, scenario), order) in ran(&world, &["happy", "undeliverable"]).await {
        let variant = variant::named(name).unwrap();
        if !variant.keeps_executions {
            continue;
        }
        let timeline = read(&world, &order).await.unwrap();
        let text = timeline.text();
        let execution = world.execution(variant, Subject::Order, &order).await;
        let entered = execution.unwrap().unwrap().states;
        let [run] = &timeline.tree[..] else {
            panic!("{text}");
        };
        let states: Vec<_> = run.children.iter().map(|node| &*node.name).collect();
        let inside = ["ScreenOrder", "ReserveStock"];
        let outer = entered.iter().filter(|state| !inside.contains(&&***state));
        assert_eq!(states, outer.collect::<Vec<_>>(), "{scenario}\n{text}");
        assert_eq!(run.children[0].follows, None);
        for two in run.children.windows(2) {
            assert!(two[0].id.is_some() && two[1].follows == two[0].id, "{text}");
        }
        let both = find(&run.children, "ScreenAndReserve").unwrap();
        let heads = both.children.iter().filter(|node| node.follows.is_none());
        assert_eq!(heads.count(), 2, "{text}");
        assert!(text.contains("then CapturePayment"), "{text}");
        assert!(!text.contains("then ReserveStock"), "{text}");
        // One arrow in, one out, but for where it begins, branches and ends.
        let mermaid = timeline.mermaid();
        let chained = (0..states.len()).filter(|n| {
            let into = format!(" --> n{}", n + 2);
            mermaid.lines().filter(|line| line.ends_with(&into)).count() == 1
        });
        assert!(chained.count() >= states.len() - 2, "{mermaid}");
        let from_run = mermaid.lines().filter(|line| line.starts_with("  n0 -"));
        assert_eq!(from_run.count(), 1, "{mermaid}");
    }
}

/// The elements of a well-formed document without entities of its own: their names,
/// and all text.
fn elements(svg: &str) -> (Vec<String>, Vec<String>) {
    let (mut open, mut names, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = rest[..start].trim();
        if !text.is_empty() {
            let text = text.replace("&lt;", "<").replace("&gt;", ">");
            texts.push(text.replace("&quot;", "\"").replace("&amp;", "&"));
        }
        let end = start + rest[start..].find('>').expect("a tag has an end");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{svg}");
            continue;
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap().to_owned();
        names.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
    (names, texts)
}

#[tokio::test]
async fn the_picture_has_a_row_for_each_thing_and_needs_nothing_else() {
    let world = lab();
    let scenarios = ["happy", "undeliverable", "refund-fails"];
    for (_, order) in ran(&world, &scenarios).await {
        let timeline = read(&world, &order).await.unwrap();
        let svg = timeline.svg();
        let (names, texts) = elements(&svg);
        let rows = count(&timeline.tree, &|_| true);
        assert_eq!(names.iter().filter(|name| *name == "g").count(), rows);
        for outside in ["href", "url(", "script", "@import", "<image"] {
            assert!(!svg.contains(outside), "{outside}");
        }
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("role=\"img\""));
        assert!(texts.iter().any(|text| text.contains(&timeline.outcome)));
        // Nothing is drawn beyond the edge.
        let numbers = svg.split("x=\"").skip(1);
        for x in numbers.filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok()) {
            assert!((0.0..=800.0).contains(&x), "{x}");
        }
        // No row's text reaches the bars, which begin at 410: a letter is 7 wide.
        for row in svg.split("<g>").skip(1) {
            let text = &row[row.find("<text x=\"").unwrap() + 9..];
            let (x, text) = text.split_once('"').unwrap();
            let text = &text[text.find('>').unwrap() + 1..text.find("</text>").unwrap()];
            let text = text.replace("&quot;", "'").replace("&gt;", ">");
            let end = x.parse::<f64>().unwrap() + 6.8 * text.chars().count() as f64;
            assert!(end <= 410.0, "{text}");
        }
    }
}

#[test]
fn what_others_wrote_is_text_in_a_picture() {
    let node = Node {
        kind: Kind::Operator,
        name: "mended, by anna".to_owned(),
        what: Some("a </text><script>\u{1b} & \"b\"".to_owned()),
        after_ms: Some(3),
        ..Node::default()
    };
    let timeline = Timeline {
        order: "o-1".to_owned(),
        variant: None,
        outcome: "never placed".to_owned(),
        began_at: None,
        elapsed_ms: 0,
        retries: 0,
        duplicates: 0,
        replays: 0,
        dead_letters: Vec::new(),
        missing: Vec::new(),
        untold: None,
        tree: vec![node],
    };
    let (names, texts) = elements(&timeline.svg());
    // A picture is handed on: it tells what an operator did, and not who.
    assert!(!texts.iter().any(|text| text.contains("anna")), "{texts:?}");
    assert!(!timeline.mermaid().contains("anna") && timeline.text().contains("anna"));
    assert!(!names.iter().any(|name| name == "script"), "{names:?}");
    assert!(
        texts.iter().any(|text| text.contains("</text><script")),
        "{texts:?}"
    );
}

/// What Node says to `script`, given `input`; `None` where there is no Node.
fn node_says(script: &str, input: &str) -> Option<std::process::Output> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let mut node = Command::new("node")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    // Dropped when it is written, so that Node sees its end.
    node.stdin.take()?.write_all(input.as_bytes()).ok()?;
    node.wait_with_output().ok()
}

/// Where Node finds `mermaid` and the `jsdom` that it needs (`NODE_PATH` tells), its
/// own parser reads what we write.
#[tokio::test]
async fn mermaids_own_parser_reads_a_flowchart() {
    let there = "require.resolve('mermaid'); require.resolve('jsdom')";
    if !node_says(there, "").is_some_and(|said| said.status.success()) {
        eprintln!("skipped: no Node with mermaid and jsdom here");
        return;
    }
    let parse = "const { window } = new (require('jsdom').JSDOM)('');
        Object.assign(globalThis, { window, document: window.document });
        import(require('url').pathToFileURL(require.resolve('mermaid')))
            .then((it) => it.default.parse(require('fs').readFileSync(0, 'utf8')))
            .then((read) => console.log(read.diagramType))
            .catch((error) => { console.error(error.message); process.exit(1); });";
    let broken = node_says(parse, "flowchart TD\n  n0[\"a\"b\"]").unwrap();
    assert!(!broken.status.success(), "it takes anything");
    let world = lab();
    for (_, order) in ran(&world, &["happy", "refund-fails"]).await {
        let flowchart = read(&world, &order).await.unwrap().mermaid();
        let said = node_says(parse, &flowchart).unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(text.starts_with("flowchart"), "{said:?}\n{flowchart}");
    }
}
