//! Reading one state.

use super::table::{JSONATA_ONLY, JSONPATH_ONLY, allowed};
use super::{Compiler, Object, Scope};
use crate::jsonata::delimited;
use crate::model::{
    Io, Items, Kind, Language, MapState, Number, Recovery, State, StateId, Task, Wait,
};
use crate::path::Path;
use crate::template::Template;
use crate::validate::{Graph, Severity, codes};
use crate::{Data, choice};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Where a field stands.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The absolute place of the enclosing object.
    pub(super) at: &'a str,
    /// What precedes a field's name in causes (`Catch[0]/`).
    pub(super) prefix: &'a str,
    pub(super) language: Language,
    pub(super) in_catch: bool,
}

/// The names of a flow and the numbers they have.
pub(super) struct Targets<'a> {
    pub(super) first: usize,
    pub(super) names: &'a Object,
}

impl Targets<'_> {
    pub(super) fn find(&self, name: &str) -> Option<StateId> {
        let at = self.names.keys().position(|n| n == name)?;
        u32::try_from(self.first + at).ok().map(StateId)
    }
}

/// Collects a state's transitions while its fields are read.
pub(super) struct Edges<'a, 'g> {
    from: &'a str,
    targets: &'a Targets<'a>,
    graph: &'g mut Graph,
}

impl Edges<'_, '_> {
    /// The target named by `field`, which must be there.
    pub(super) fn target(
        &mut self,
        compiler: &mut Compiler,
        fields: &Object,
        field: &str,
        at: &str,
    ) -> Option<StateId> {
        match fields.get(field) {
            Some(Value::String(to)) => {
                self.graph
                    .edges
                    .push((self.from.into(), to.clone(), format!("{at}/{field}")));
                self.targets.find(to)
            }
            Some(_) => {
                compiler.schema(&format!("{at}/{field}"), "Expected value of type [STRING]");
                None
            }
            None => {
                compiler.schema(at, format!("These fields are required: [{field}]"));
                None
            }
        }
    }
}

/// The variables the states of a flow assign.
pub(super) fn assigned(states: &Object) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut add = |holder: &Value| {
        if let Some(Value::Object(assign)) = holder.get("Assign") {
            names.extend(
                assign
                    .keys()
                    .map(|k| k.strip_suffix(".$").unwrap_or(k).to_owned()),
            );
        }
    };
    for state in states.values() {
        add(state);
        for list in ["Choices", "Catch"] {
            if let Some(Value::Array(items)) = state.get(list) {
                items.iter().for_each(&mut add);
            }
        }
    }
    names
}

impl Compiler {
    pub(super) fn state(
        &mut self,
        name: &str,
        fields: &Object,
        at: &str,
        targets: &Targets<'_>,
        scope: &Scope<'_>,
        graph: &mut Graph,
    ) -> Option<State> {
        let Some(kind) = fields.get("Type") else {
            self.schema(at, "These fields are required: [Type]");
            return None;
        };
        let Some((kind, groups)) = kind.as_str().and_then(|k| Some((k, allowed(k)?))) else {
            self.schema(
                &format!("{at}/Type"),
                "Value should be one of the following: [Pass, Task, Choice, Wait, Succeed, Fail, Parallel, Map]",
            );
            return None;
        };
        let mut language = self.language;
        let mut downgraded = false;
        if let Some(own) = fields.get("QueryLanguage") {
            language = self.query_language(own, at);
            if self.language == Language::Jsonata && language == Language::JsonPath {
                downgraded = true;
                self.schema(
                    at,
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                );
            }
        }
        self.check_fields(fields, at, groups, language, downgraded);
        let site = Site {
            at,
            prefix: "",
            language,
            in_catch: false,
        };
        let mut edges = Edges {
            from: name,
            targets,
            graph,
        };
        let next = if groups[0].contains(&"End") {
            self.next(fields, at, &mut edges)
        } else {
            if matches!(kind, "Succeed" | "Fail") {
                edges.graph.ends = true;
            }
            None
        };
        let recovery = if groups[0].contains(&"Retry") {
            self.recovery(fields, &site, &mut edges)
        } else {
            Recovery::default()
        };
        let kind = match kind {
            "Pass" => self.pass(fields, at),
            "Task" => self.task(fields, &site)?,
            "Choice" => self.choice(fields, &site, &mut edges),
            "Wait" => self.wait(fields, &site)?,
            "Fail" => Kind::Fail {
                error: self.text(fields, "Error", &site),
                cause: self.text(fields, "Cause", &site),
            },
            "Parallel" => self.parallel(fields, at, scope)?,
            "Map" => self.map(fields, &site, scope)?,
            _ => Kind::Succeed,
        };
        let io = self.io(fields, &site, matches!(kind, Kind::Map(_)));
        Some(State {
            name: name.into(),
            place: at.into(),
            language,
            kind,
            next,
            io,
            assign: self.assign(fields, &site),
            recovery,
        })
    }

    fn check_fields(
        &mut self,
        fields: &Object,
        at: &str,
        [both, path, jsonata]: [&[&str]; 3],
        language: Language,
        downgraded: bool,
    ) {
        for name in fields.keys().map(String::as_str) {
            if matches!(name, "Type" | "Comment" | "QueryLanguage") || both.contains(&name) {
                continue;
            }
            let (own, wrong, other) = match language {
                Language::JsonPath => (path, JSONATA_ONLY, "JSONata"),
                Language::Jsonata => (jsonata, JSONPATH_ONLY, "JSONPath"),
            };
            if own.contains(&name) {
                continue;
            }
            if wrong.contains(&name) {
                // A refused language is the whole answer for the state.
                if !downgraded {
                    let set = if other == "JSONata" {
                        "JSONPath"
                    } else {
                        "JSONata"
                    };
                    self.schema(
                        at,
                        format!("The QueryLanguage is set to '{set}', but field '{name}' is only supported for the '{other}' QueryLanguage"),
                    );
                }
            } else {
                self.schema(at, format!("Field '{name}' is not supported"));
            }
        }
    }

    fn next(&mut self, fields: &Object, at: &str, edges: &mut Edges<'_, '_>) -> Option<StateId> {
        let end = match fields.get("End") {
            None => false,
            Some(Value::Bool(end)) => *end,
            Some(_) => {
                self.schema(&format!("{at}/End"), "Expected value of type [BOOLEAN]");
                false
            }
        };
        edges.graph.ends |= end;
        match (fields.contains_key("Next"), end) {
            (true, false) => edges.target(self, fields, "Next", at),
            (false, true) => None,
            (true, true) => {
                self.schema(
                    at,
                    "There should only be one of the following fields: [Next, End]",
                );
                None
            }
            (false, false) => {
                self.schema(at, "One of the following fields is required: [Next, End]");
                None
            }
        }
    }

    fn io(&mut self, fields: &Object, site: &Site<'_>, map: bool) -> Io {
        match site.language {
            Language::Jsonata => Io {
                arguments: self.field(fields, "Arguments", site),
                output: self.field(fields, "Output", site),
                ..Io::default()
            },
            Language::JsonPath => Io {
                input_path: self.selected(fields, "InputPath", site.at),
                // A Map's Parameters are its item selector.
                arguments: if map {
                    None
                } else {
                    self.field(fields, "Parameters", site)
                },
                result_selector: self.field(fields, "ResultSelector", site),
                result_path: self.result_path(fields, site.at),
                output_path: self.selected(fields, "OutputPath", site.at),
                output: None,
            },
        }
    }

    fn pass(&mut self, fields: &Object, at: &str) -> Kind {
        let result = fields.get("Result");
        if let Some(Value::Object(map)) = result
            && map.iter().any(|(k, v)| k.ends_with(".$") && v.is_string())
        {
            self.report(
                Severity::Warning,
                codes::PASS_RESULT_IS_STATIC,
                &format!("{at}/Result"),
                "Attempt to use a path in the result of a pass state: use Parameters instead"
                    .into(),
            );
        }
        Kind::Pass {
            result: result.map(|r| Data::from(Arc::new(r.clone()))),
        }
    }

    fn task(&mut self, fields: &Object, site: &Site<'_>) -> Option<Kind> {
        let timeout = self.number(fields, "TimeoutSeconds", 1, site);
        let heartbeat = self.number(fields, "HeartbeatSeconds", 1, site);
        if let (Some(Number::Const(timeout)), Some(Number::Const(heartbeat))) =
            (&timeout, &heartbeat)
            && heartbeat >= timeout
        {
            self.schema(
                &format!("{}/HeartbeatSeconds", site.at),
                "HeartbeatSeconds must be smaller than TimeoutSeconds",
            );
        }
        self.credentials(fields, site);
        Some(Kind::Task(Box::new(Task {
            resource: self.resource(fields, site)?,
            timeout,
            heartbeat,
        })))
    }

    fn wait(&mut self, fields: &Object, site: &Site<'_>) -> Option<Kind> {
        const NAMES: [&str; 4] = ["Seconds", "Timestamp", "SecondsPath", "TimestampPath"];
        let given: Vec<&str> = NAMES
            .into_iter()
            .filter(|n| fields.contains_key(*n))
            .collect();
        let [one] = given[..] else {
            self.schema(
                site.at,
                "There should be exactly one of the following fields: [Seconds, Timestamp, SecondsPath, TimestampPath]",
            );
            return None;
        };
        Some(Kind::Wait(Box::new(if one.starts_with("Seconds") {
            Wait::Seconds(self.number(fields, "Seconds", 0, site)?)
        } else {
            if one == "Timestamp"
                && fields[one]
                    .as_str()
                    .is_some_and(|t| site.language == Language::JsonPath || delimited(t).is_none())
                && choice::timestamp(&fields[one]).is_none()
            {
                self.schema(
                    &format!("{}/Timestamp", site.at),
                    "Value is not an ISO 8601 timestamp such as 2026-03-14T01:59:00Z",
                );
            }
            Wait::Timestamp(self.text(fields, "Timestamp", site)?)
        })))
    }

    fn parallel(&mut self, fields: &Object, at: &str, scope: &Scope<'_>) -> Option<Kind> {
        if !fields.contains_key("Branches") {
            self.schema(at, "These fields are required: [Branches]");
            return None;
        }
        if matches!(fields.get("Branches"), Some(Value::Array(none)) if none.is_empty()) {
            self.schema(&format!("{at}/Branches"), "Branches must not be empty");
        }
        let mut branches = Vec::new();
        for (_, _, branch, at) in self.entries(fields, "Branches", at) {
            self.only(&branch, &at, &["StartAt", "States", "Comment"]);
            branches.extend(self.flow(&branch, &at, *scope));
        }
        Some(Kind::Parallel { branches })
    }

    fn map(&mut self, fields: &Object, site: &Site<'_>, scope: &Scope<'_>) -> Option<Kind> {
        let name = match (
            fields.contains_key("ItemProcessor"),
            fields.contains_key("Iterator"),
        ) {
            (true, false) => "ItemProcessor",
            (false, true) => "Iterator",
            (true, true) => {
                self.schema(
                    site.at,
                    "There should only be one of the following fields: [ItemProcessor, Iterator]",
                );
                return None;
            }
            (false, false) => {
                self.schema(site.at, "These fields are required: [ItemProcessor]");
                return None;
            }
        };
        let at = format!("{}/{name}", site.at);
        let Some(Value::Object(processor)) = fields.get(name) else {
            self.schema(&at, "Expected value of type [OBJECT]");
            return None;
        };
        self.only(
            processor,
            &at,
            &["StartAt", "States", "Comment", "ProcessorConfig"],
        );
        let mode = self.mode(processor.get("ProcessorConfig"), fields, site.at, &at);
        let items = match site.language {
            Language::Jsonata => match fields.get("Items") {
                None => Items::Input,
                Some(_) => Items::Template(self.field(fields, "Items", site)?),
            },
            Language::JsonPath => match fields.get("ItemsPath") {
                None => Items::Input,
                Some(value) => {
                    let at = format!("{}/ItemsPath", site.at);
                    let path: Path = self.path(value, &at)?;
                    Items::Path(Box::new(path))
                }
            },
        };
        let selector: Option<Template> = if fields.contains_key("ItemSelector") {
            if fields.contains_key("Parameters") {
                self.schema(
                    site.at,
                    "There should only be one of the following fields: [ItemSelector, Parameters]",
                );
            }
            self.field(fields, "ItemSelector", site)
        } else if site.language == Language::JsonPath {
            self.field(fields, "Parameters", site)
        } else {
            None
        };
        let max_concurrency = self.number(fields, "MaxConcurrency", 0, site);
        let (start, distributed) = match mode {
            None => (self.flow(processor, &at, *scope)?, None),
            Some(kind) => {
                let distributed = self.distributed(fields, site, kind);
                // Child executions follow rules of their own, and see no variables of their parent.
                let own = std::mem::replace(&mut self.kind, kind);
                let start = self.flow(processor, &at, Scope::default());
                self.kind = own;
                (start?, Some(Box::new(distributed?)))
            }
        };
        Some(Kind::Map(Box::new(MapState {
            items,
            selector,
            max_concurrency,
            start,
            distributed,
        })))
    }
}
