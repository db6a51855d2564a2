//! Rules of a bus: who says what they ask for, and who hears it.

use super::Rule;
use crate::finding::{Notes, Severity};
use crate::grants::allows_putting;
use crate::model::{self, Id, Model};
use crate::overlap::{Overlap, Takes, asked_for, overlap, takes};
use crate::speech::Said;

pub(super) static HEARS_ITSELF: Rule = Rule {
    name: "hears-itself",
    severity: Severity::Error,
    wrong: "A rule hands a function what that function says: each event makes the next one, without end and at full price.",
    source: "EventBridge guide, \"Best practices when defining rules\" (infinite loops); Lambda guide, \"Recursive loop detection\"",
    fix: "Narrow the pattern to the others' events, or to those that this function does not say in answer.",
    check: hears_itself,
};

pub(super) static NOBODY_SAYS: Rule = Rule {
    name: "nobody-says",
    severity: Severity::Error,
    wrong: "A rule waits for an event that nobody says, often because two spellings of one name are in use.",
    source: "seen in a published comparison: a rule for OrderCreate, code that says CreateOrder",
    fix: "Say it, correct the detail-type or the source, or take the rule away.",
    check: nobody_says,
};

pub(super) static NOBODY_HEARS: Rule = Rule {
    name: "nobody-hears",
    severity: Severity::Warning,
    wrong: "An event is put on a bus and no rule takes it: it is paid for and dropped, and PutEvents reports success.",
    source: "EventBridge guide, \"Event bus concepts\": an event that no rule matches is not delivered",
    fix: "Add a rule for it, or allow it with the reason why nobody needs to hear it.",
    check: nobody_hears,
};

pub(super) static HEARD_TWICE: Rule = Rule {
    name: "heard-twice",
    severity: Severity::Warning,
    wrong: "Two rules hand the same event to one queue or function, which handles it twice.",
    source: "EventBridge guide: rules do not know of each other; each one that matches delivers",
    fix: "Make one rule of the two, or make their patterns exclude each other.",
    check: heard_twice,
};

fn name(model: &Model, id: Id) -> &str {
    &model.resources[id].place
}

/// Names for a sentence: a few, and how many more.
fn listed(model: &Model, ids: &[Id]) -> String {
    let some: Vec<&str> = ids.iter().take(3).map(|id| name(model, *id)).collect();
    match ids.len().saturating_sub(3) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// The rules that take events and not the clock.
fn listening(model: &Model) -> impl Iterator<Item = &model::Rule> {
    model.rules.iter().filter(|it| !it.pattern.is_null())
}

/// Whether a pattern asks for events of AWS only.
fn is_of_aws(rule: &model::Rule) -> bool {
    let sources = rule.pattern["source"].items();
    let of_aws = |text: &str| text.starts_with("aws.");
    let all = sources
        .iter()
        .all(|it| it.as_str().or(it["prefix"].as_str()).is_some_and(of_aws));
    !sources.is_empty() && all
}

/// Whether a rule takes what is said, as far as that can come to its bus.
fn takes_said(model: &Model, rule: &model::Rule, said: &Said) -> Takes {
    if model.puts_events_on(said.by, &rule.bus) == Some(false) {
        return Takes::Never;
    }
    let source = said.source.as_deref();
    takes(&rule.pattern, source, Some(&said.detail_type))
}

fn hears_itself(model: &Model, notes: &mut Notes<'_>) {
    let mut untold: Vec<Id> = Vec::new();
    let mut first = None;
    for rule in listening(model).filter(|it| !is_of_aws(it)) {
        for target in &rule.targets {
            for listener in model.behind(&target.arn).unwrap_or_default() {
                let who = name(model, listener);
                for (what, takes) in own_events(model, rule, listener) {
                    let (what, by) = (what.as_deref().unwrap_or("an event"), &rule.name);
                    match takes {
                        Takes::Never => {}
                        Takes::Surely => {
                            let message = format!("{who} says {what}, and hears it by {by}");
                            notes.wrong(rule.id, target.line, message);
                        }
                        Takes::Perhaps => {
                            let what = format!("whether {who} says {what} that it hears by {by}");
                            notes.unknown(rule.id, target.line, &what);
                        }
                    }
                }
                let speaks = model.speakers().any(|it| it == listener);
                let is_told = model.says(listener).is_some() || !model.sources(listener).is_empty();
                if speaks && !is_told && !untold.contains(&listener) {
                    untold.push(listener);
                    first.get_or_insert((rule.id, rule.line));
                }
            }
        }
    }
    if let Some((id, line)) = first {
        let what = format!(
            "whether rules hand functions their own events, for Metadata: Duet: says is not told by {}",
            listed(model, &untold)
        );
        notes.untold(id, line, &what);
    }
}

/// What `speaker` says, and whether `rule` takes it; where only its source is
/// known, some event of that source.
fn own_events(model: &Model, rule: &model::Rule, speaker: Id) -> Vec<(Option<String>, Takes)> {
    match model.says(speaker) {
        Some(says) => says
            .into_iter()
            .map(|said| {
                (
                    Some(said.detail_type.clone()),
                    takes_said(model, rule, &said),
                )
            })
            .collect(),
        None => {
            let sources = model.sources(speaker).into_iter();
            let takes = sources.map(|it| takes(&rule.pattern, Some(&it), None));
            takes.map(|it| (None, it.min(Takes::Perhaps))).collect()
        }
    }
}

/// Whoever may say something and does not tell what.
fn untold(model: &Model) -> Vec<Id> {
    let all = model.speakers();
    all.filter(|id| model.says(*id).is_none()).collect()
}

/// Why others than the template's functions and machines may speak on a bus, or
/// hear what is said on it.
fn others(model: &Model, bus: &str) -> Option<String> {
    let mut here = model.of_kind("AWS::Events::EventBus");
    if !here.any(|(_, it)| it.reference == bus) {
        return Some(format!("the bus {bus:?} is not in the template"));
    }
    if model
        .of_kind("AWS::Events::EventBusPolicy")
        .next()
        .is_some()
    {
        return Some("an EventBusPolicy lets others speak".to_owned());
    }
    let callers: Vec<Option<Id>> = model
        .speakers()
        .map(|id| {
            let properties = &model.resources[id].properties;
            let role = [&properties["Role"], &properties["RoleArn"]];
            role.into_iter()
                .find_map(|it| model.named_as(it, &["AWS::IAM::Role"]))
        })
        .collect();
    let foreign = model.statements().into_iter().find(|it| {
        let is_role = model.resources[it.id].kind == "AWS::IAM::Role";
        is_role && allows_putting(it.body) && !callers.contains(&Some(it.id))
    });
    foreign.map(|it| format!("{} may speak, too", name(model, it.id)))
}

fn nobody_says(model: &Model, notes: &mut Notes<'_>) {
    let said: Vec<Said> = model
        .speakers()
        .filter_map(|id| model.says(id))
        .flatten()
        .collect();
    let untold = untold(model);
    let mut doubtful: Vec<(Id, usize, String)> = Vec::new();
    for rule in listening(model).filter(|it| !is_of_aws(it)) {
        let others = match rule.bus.as_str() {
            Some(bus) => others(model, bus),
            None => Some("which bus it is is not known".to_owned()),
        };
        let others = others.or_else(|| {
            let nobody = "nobody in the template tells that it speaks";
            said.is_empty().then(|| nobody.to_owned())
        });
        for (sources, detail_type) in asked_for(&rule.pattern).unwrap_or_default() {
            let is_it = |it: &&Said| {
                let source = it.source.as_ref();
                it.detail_type == detail_type
                    && source.is_none_or(|it| sources.contains(it))
                    && takes_said(model, rule, it) > Takes::Never
            };
            if said.iter().any(|it| is_it(&it)) {
                continue;
            }
            if others.is_none() && untold.is_empty() {
                let message = format!(
                    "nobody says {detail_type} as {}, which {} waits for",
                    sources.join(" or "),
                    rule.name
                );
                notes.wrong(rule.id, rule.line, message);
            } else {
                let why = others.clone().unwrap_or_else(|| {
                    format!(
                        "Metadata: Duet: says is not told by {}",
                        listed(model, &untold)
                    )
                });
                doubtful.push((rule.id, rule.line, why));
            }
        }
    }
    if let [(id, line, why), ..] = doubtful.as_slice() {
        let what = format!(
            "whether anybody says what rules wait for ({} in all): {why}",
            doubtful.len()
        );
        match said.is_empty() || !untold.is_empty() {
            true => notes.untold(*id, *line, &what),
            false => notes.unknown(*id, *line, &what),
        }
    }
}

fn nobody_hears(model: &Model, notes: &mut Notes<'_>) {
    let mut buses = model.of_kind("AWS::Events::EventBus");
    let elsewhere = match buses.next() {
        Some((_, bus)) => others(model, &bus.reference),
        None => Some("their bus is not in the template".to_owned()),
    };
    let mut doubtful = Vec::new();
    for id in model.speakers() {
        for said in model.says(id).unwrap_or_default() {
            let heard = listening(model).any(|rule| takes_said(model, rule, &said) > Takes::Never);
            if heard {
                continue;
            }
            match &elsewhere {
                None => {
                    let who = name(model, id);
                    let message = format!("{who} says {}, and no rule takes it", said.detail_type);
                    notes.wrong(id, said.line, message);
                }
                Some(why) => doubtful.push((id, said.line, why)),
            }
        }
    }
    if let [(id, line, why), ..] = doubtful.as_slice() {
        let what = format!(
            "whether anybody hears what is said ({} events): {why}",
            doubtful.len()
        );
        notes.unknown(*id, *line, &what);
    }
    let untold = untold(model);
    let rules = listening(model).filter(|it| !is_of_aws(it)).count();
    if let (Some(id), true) = (untold.first(), rules > 0 || buses_here(model)) {
        let what = format!(
            "whether all that is said is heard, for Metadata: Duet: says is not told by {}",
            listed(model, &untold)
        );
        notes.untold(*id, model.resources[*id].line, &what);
    }
}

fn buses_here(model: &Model) -> bool {
    model.of_kind("AWS::Events::EventBus").next().is_some()
}

fn heard_twice(model: &Model, notes: &mut Notes<'_>) {
    // A target that is not in the template is known by what names it.
    let place = |target: &model::Target| match model.named(&target.arn) {
        Some(id) => Some(name(model, id).to_owned()),
        None => target.arn.scalar(),
    };
    let all: Vec<(&model::Rule, &model::Target, String)> = listening(model)
        .flat_map(|rule| rule.targets.iter().map(move |target| (rule, target)))
        .filter_map(|(rule, target)| Some((rule, target, place(target)?)))
        .collect();
    for (n, (rule, target, place)) in all.iter().enumerate() {
        for (other, _, also_to) in &all[..n] {
            if place != also_to || apart(rule, other) {
                continue;
            }
            let (one, two) = (&other.name, &rule.name);
            match overlap(&rule.pattern, &other.pattern) {
                Overlap::Never => {}
                Overlap::Surely(event) if together(model, rule, other) => {
                    let message = format!("{one} and {two} both send {place} such as {event}");
                    notes.wrong(rule.id, target.line, message);
                }
                Overlap::Surely(_) => {
                    let what = format!(
                        "whether {one} and {two} are both there, on one bus, and send {place} the same"
                    );
                    notes.unknown(rule.id, target.line, &what);
                }
                Overlap::Perhaps(why) => {
                    let what =
                        format!("whether {one} and {two} send {place} the same event: {why}");
                    notes.unknown(rule.id, target.line, &what);
                }
            }
        }
    }
}

/// Whether two rules are surely there, and on one bus.
fn together(model: &Model, one: &model::Rule, other: &model::Rule) -> bool {
    let is_there = |it: &model::Rule| !model.resources[it.id].is_doubtful;
    is_there(one) && is_there(other) && one.bus.scalar() == other.bus.scalar()
}

/// Whether two rules are on two buses.
fn apart(one: &model::Rule, other: &model::Rule) -> bool {
    let both = one.bus.as_str().zip(other.bus.as_str());
    both.is_some_and(|(one, other)| one != other)
}
