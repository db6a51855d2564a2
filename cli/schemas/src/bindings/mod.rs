//! A crate of Rust types for schemas.
//!
//! | module | owns |
//! |---|---|
//! | `names` | names of Rust for names of JSON |
//! | `model` | the types that a schema asks for |
//! | `write` | the text of the crate |
//! | `sample` | documents that the crate's own tests read and write |

mod model;
mod names;
mod sample;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use model::{Builder, Def, Shape, Type, Variant};
use names::{field_name, type_name, unique};
use write::Module;

use crate::contract::Contract;

/// What a crate is made of: paths in it, and what the files say.
pub type Files = BTreeMap<String, String>;

/// One event, taken apart.
struct Event<'a> {
    contract: &'a Contract,
    module: String,
    root: String,
    defs: BTreeMap<String, Def>,
}

/// A crate called `name` with a type for each of `contracts`. An event lies in the
/// member `within` of the envelope's `detail`, or is `detail` itself.
#[must_use]
pub fn rust(name: &str, contracts: &[Contract], within: Option<&str>) -> Files {
    let reserved = ["support", "pattern", "common", "list", "time"];
    let mut modules: BTreeSet<String> = reserved.map(str::to_owned).into();
    let mut events: Vec<Event<'_>> = Vec::new();
    for contract in contracts {
        let mut builder = Builder::new(&contract.root);
        let root = builder.named(&contract.at, &contract.name);
        let mut defs = builder.defs;
        box_circles(&mut defs);
        let short = contract.name.rsplit('@').next().unwrap_or(&contract.name);
        events.push(Event {
            contract,
            module: unique(field_name(short), &mut modules),
            root,
            defs,
        });
    }
    let common = shared(&events);
    let mut files = Files::new();
    let mut file = |path: &str, text: String| files.insert(path.to_owned(), text);
    let mut all: BTreeMap<&String, &Def> = BTreeMap::new();
    let mut uses = Uses::default();
    for event in &events {
        let mut text = String::from("//! ");
        text.push_str(&heading(event.contract));
        text.push('\n');
        let module = Module {
            common: &common,
            is_common: false,
        };
        for (name, def) in &event.defs {
            uses.notice(&def.shape);
            if common.contains(name) {
                all.insert(name, def);
            } else {
                let _ = write!(text, "\n{}", module.def(name, def));
            }
        }
        file(&format!("src/{}.rs", event.module), text);
    }
    if !common.is_empty() {
        let mut text = String::from("//! What several events have in common.\n");
        let module = Module {
            common: &common,
            is_common: true,
        };
        for (name, def) in all {
            let _ = write!(text, "\n{}", module.def(name, def));
        }
        file("src/common.rs", text);
    }
    file("src/lib.rs", library(&events, &common, within, uses));
    file(
        "src/support.rs",
        include_str!("templates/support.rs").to_owned(),
    );
    for part in PARTS.into_iter().filter(|it| (it.is_used)(uses)) {
        file(&format!("src/{}.rs", part.name), part.text.to_owned());
    }
    let test = include_str!("templates/round_trip.rs").replace("NAME", &name.replace('-', "_"));
    file("tests/round_trip.rs", test);
    let samples: Vec<_> = contracts.iter().map(|it| sample::of(it, within)).collect();
    let samples = serde_json::to_string_pretty(&samples).unwrap_or_default();
    file("tests/samples.json", format!("{samples}\n"));
    file("Cargo.toml", manifest(name, uses.patterns));
    files
}

/// What the types of a crate need besides what all need.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    patterns: bool,
    lists: bool,
    times: bool,
}

impl Uses {
    /// Notices what `shape` needs.
    fn notice(&mut self, shape: &Shape) {
        match shape {
            Shape::Text(_, _, pattern, is_time) => {
                self.patterns |= pattern.is_some();
                self.times |= is_time;
            }
            Shape::List(..) => self.lists = true,
            _ => {}
        }
        each(shape, &mut |of| self.times |= of.has_time());
    }
}

/// A file that is written where it is needed.
struct Part {
    name: &'static str,
    text: &'static str,
    is_used: fn(Uses) -> bool,
}

const PARTS: [Part; 3] = [
    Part {
        name: "pattern",
        text: include_str!("templates/pattern.rs"),
        is_used: |uses| uses.patterns,
    },
    Part {
        name: "list",
        text: include_str!("templates/list.rs"),
        is_used: |uses| uses.lists,
    },
    Part {
        name: "time",
        text: include_str!("templates/time.rs"),
        is_used: |uses| uses.times,
    },
];

/// What a module says it holds.
fn heading(contract: &Contract) -> String {
    let name = contract.detail_type.as_ref().unwrap_or(&contract.name);
    match &contract.source {
        None => format!("`{name}`."),
        Some(source) => format!("`{name}`, said by `{source}`."),
    }
}

fn manifest(name: &str, uses_patterns: bool) -> String {
    let regex = if uses_patterns {
        "regex = { version = \"1\", default-features = false, features = [\"std\", \"unicode\"] }\n"
    } else {
        ""
    };
    format!(
        "# Generated by `duet schemas bindings`; do not edit.\n\
         [package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n{regex}serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n\n\
         # It stands alone, wherever it lies.\n[workspace]\n"
    )
}

fn library(
    events: &[Event<'_>],
    common: &BTreeSet<String>,
    within: Option<&str>,
    uses: Uses,
) -> String {
    let mut text = String::from(
        "//! Events as types. Generated by `duet schemas bindings`; do not edit.\n\n#[macro_use]\nmod support;\n",
    );
    if uses.lists {
        text.push_str("#[macro_use]\nmod list;\n");
    }
    text.push('\n');
    let mut modules: Vec<String> = events
        .iter()
        .map(|it| format!("pub mod {};", it.module))
        .collect();
    if !common.is_empty() {
        modules.push("pub mod common;".to_owned());
    }
    if uses.patterns {
        modules.push("mod pattern;".to_owned());
    }
    if uses.times {
        modules.push("pub mod time;".to_owned());
    }
    // As rustfmt sorts them: by name, whatever they show.
    let shown = |it: &String| it.trim_start_matches("pub ").replace(';', "");
    modules.sort_by_cached_key(shown);
    let _ = writeln!(text, "{}\n", modules.join("\n"));
    text.push_str("pub use support::{Envelope, Invalid};\n\nevents! {\n");
    text.push_str("    /// Every event there is a schema for, by what EventBridge calls it.\n");
    let _ = writeln!(text, "    within {within:?}, {{");
    let mut taken = BTreeSet::from(["Unknown".to_owned()]);
    for event in events {
        let contract = event.contract;
        let module = if common.contains(&event.root) {
            "common"
        } else {
            &event.module
        };
        text.push_str(&write::event(
            &unique(type_name(&event.module), &mut taken),
            &format!("crate::{module}::{}", event.root),
            contract.source.as_deref(),
            contract.detail_type.as_ref().unwrap_or(&contract.name),
            &model::about(contract.schema()),
        ));
    }
    text.push_str("    }\n}\n");
    text
}

/// The names of types that are the same in every event that has them, and that more
/// than one has.
fn shared(events: &[Event<'_>]) -> BTreeSet<String> {
    let mut seen: BTreeMap<&String, (usize, &Def)> = BTreeMap::new();
    let mut differ: BTreeSet<String> = BTreeSet::new();
    for (name, def) in events.iter().flat_map(|it| &it.defs) {
        let first = seen.entry(name).or_insert((0, def));
        first.0 += 1;
        if first.1 != def {
            differ.insert(name.clone());
        }
    }
    let roots: BTreeSet<&String> = events.iter().map(|it| &it.root).collect();
    let mut same: BTreeSet<String> = seen
        .iter()
        .filter(|(name, (many, _))| *many > 1 && !differ.contains(**name) && !roots.contains(*name))
        .map(|(name, _)| (*name).clone())
        .collect();
    // What names a type that is not the same everywhere is not the same either.
    loop {
        let is_whole = |name: &String| {
            let mut named = Vec::new();
            seen.get(name)
                .into_iter()
                .for_each(|(_, def)| each(&def.shape, &mut |of| names_in(of, &mut named)));
            named.iter().all(|it| same.contains(it))
        };
        let left: BTreeSet<String> = same.iter().filter(|it| is_whole(it)).cloned().collect();
        if left.len() == same.len() {
            return left;
        }
        same = left;
    }
}

/// Calls `visit` with each type that `shape` mentions.
fn each(shape: &Shape, visit: &mut dyn FnMut(&Type)) {
    let of =
        |some: &[Variant], visit: &mut dyn FnMut(&Type)| some.iter().for_each(|it| visit(&it.of));
    match shape {
        Shape::Object(fields, others) => {
            fields.iter().for_each(|it| visit(&it.of));
            others.iter().for_each(visit);
        }
        Shape::Kinds(_, some) | Shape::Either(some) => of(some, visit),
        Shape::Wrapper(of) | Shape::List(of, ..) => visit(of),
        Shape::Text(..) | Shape::Whole(..) | Shape::Real(..) | Shape::Words(_) => {}
    }
}

/// Gathers the defined types in `of`.
fn names_in(of: &Type, found: &mut Vec<String>) {
    match of {
        Type::Named(name) => found.push(name.clone()),
        Type::Boxed(of) | Type::Nullable(of) | Type::List(of) | Type::Map(of) => {
            names_in(of, found)
        }
        Type::Plain(_) => {}
    }
}

/// The type that a value of `of` holds in itself, if any: not behind a list or a map.
fn held(of: &Type) -> Option<&String> {
    match of {
        Type::Named(name) => Some(name),
        Type::Nullable(of) => held(of),
        _ => None,
    }
}

/// Boxes what would hold itself for ever. Kinds and alternatives are boxed anyway.
fn box_circles(defs: &mut BTreeMap<String, Def>) {
    let mut holds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, def) in defs.iter() {
        let mut found = BTreeSet::new();
        if matches!(def.shape, Shape::Object(..) | Shape::Wrapper(_)) {
            each(&def.shape, &mut |of| found.extend(held(of).cloned()));
        }
        holds.insert(name.clone(), found);
    }
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::from([from.to_owned()]);
        let mut left = vec![from.to_owned()];
        while let Some(at) = left.pop() {
            if at == to {
                return true;
            }
            let next = holds.get(&at).into_iter().flatten();
            left.extend(next.filter(|it| seen.insert((*it).clone())).cloned());
        }
        false
    };
    for (name, def) in defs.iter_mut() {
        let boxed = |of: &mut Type| {
            if held(of).is_some_and(|inner| reaches(inner, name)) {
                *of = Type::Boxed(Box::new(of.clone()));
            }
        };
        match &mut def.shape {
            Shape::Object(fields, _) => fields.iter_mut().for_each(|it| boxed(&mut it.of)),
            Shape::Wrapper(of) => boxed(of),
            _ => {}
        }
    }
}
