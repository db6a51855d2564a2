//! State machine definitions: their states as a graph, with lines.

use std::path::Path;

use crate::model::{Id, Resource};
use crate::node::{Kind, Node};
use crate::template::Stack;
use crate::yaml;

/// A state machine of a template.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: Id,
    /// The file its definition is in.
    pub(crate) file: String,
    /// The whole definition.
    pub(crate) definition: Node,
    /// All states, those within branches after the state they are in.
    pub(crate) states: Vec<State>,
}

/// Which of a machine's states.
pub(crate) type At = usize;

/// A state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) body: Node,
    /// The Parallel or Map state it is in, and in which of its branches.
    pub(crate) within: Option<(At, usize)>,
    /// Whether its fields are in JSONata.
    pub(crate) is_jsonata: bool,
    /// Where it goes when it is done.
    pub(crate) next: Vec<At>,
    /// Where it goes when it fails: which catcher, and to which state.
    pub(crate) caught: Vec<(usize, At)>,
    /// The first states of its branches.
    pub(crate) starts: Vec<At>,
}

impl State {
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.body["Type"].as_str() == Some(kind)
    }

    /// What is given to a task: its parameters or arguments.
    pub(crate) fn given(&self) -> &Node {
        match self.is_jsonata {
            true => &self.body["Arguments"],
            false => &self.body["Parameters"],
        }
    }

    /// The service and action that a task asks, such as `lambda:invoke`; of a
    /// function's own ARN, the former.
    pub(crate) fn action(&self) -> Option<&str> {
        let resource = match &self.body["Resource"].kind {
            Kind::Text(text) | Kind::Unknown(text) => text.as_str(),
            _ => return None,
        };
        if resource.contains(":lambda:") && resource.contains(":function:") {
            return Some("lambda");
        }
        let (_, action) = resource.split_once(":states:::")?;
        Some(action.split('.').next().unwrap_or(action))
    }

    /// The function that a task calls.
    pub(crate) fn function(&self) -> Option<&Node> {
        match self.action()? {
            "lambda" => Some(&self.body["Resource"]),
            "lambda:invoke" => Some(&self.given()["FunctionName"]),
            _ => None,
        }
    }

    /// Whether it catches whatever goes wrong.
    pub(crate) fn catches_all(&self) -> bool {
        let catchers = self.body["Catch"].items().iter();
        let mut errors = catchers.flat_map(|it| it["ErrorEquals"].items());
        errors.any(|it| it.as_str() == Some("States.ALL"))
    }

    /// The catcher at `at`.
    pub(crate) fn catcher(&self, at: usize) -> &Node {
        &self.body["Catch"][at]
    }
}

impl Machine {
    /// The state machine that `resource` deploys.
    ///
    /// # Errors
    /// Why its definition cannot be read.
    pub(crate) fn of(id: Id, resource: &Resource, stack: &Stack<'_>) -> Result<Self, String> {
        let (file, definition) = definition(resource, stack)?;
        if !matches!(definition["States"].kind, Kind::Map(_)) {
            return Err("its definition has no States".to_owned());
        }
        let mut machine = Self {
            id,
            file,
            states: Vec::new(),
            definition,
        };
        let definition = machine.definition.clone();
        let is_jsonata = definition["QueryLanguage"].as_str() == Some("JSONata");
        machine.add(&definition, None, is_jsonata);
        Ok(machine)
    }

    /// Adds the states of `flow`; gives the first one.
    fn add(&mut self, flow: &Node, within: Option<(At, usize)>, is_jsonata: bool) -> Option<At> {
        let first = self.states.len();
        let states = flow["States"].members();
        for state in states {
            let language = state.value["QueryLanguage"].as_str();
            self.states.push(State {
                name: state.name.clone(),
                line: state.line,
                body: state.value.clone(),
                within,
                is_jsonata: language.map_or(is_jsonata, |it| it == "JSONata"),
                next: Vec::new(),
                caught: Vec::new(),
                starts: Vec::new(),
            });
        }
        let find = |name: &Node| {
            let name = name.as_str()?;
            let at = states.iter().position(|it| it.name == name)?;
            Some(first + at)
        };
        for (n, state) in states.iter().enumerate() {
            let body = &state.value;
            let choices = body["Choices"].items().iter().map(|it| &it["Next"]);
            let next = [&body["Next"], &body["Default"]].into_iter().chain(choices);
            self.states[first + n].next = next.filter_map(find).collect();
            let caught = body["Catch"].items().iter().enumerate();
            let caught = caught.filter_map(|(at, it)| Some((at, find(&it["Next"])?)));
            self.states[first + n].caught = caught.collect();
        }
        for (n, state) in states.iter().enumerate() {
            let body = &state.value;
            let mapped = [&body["ItemProcessor"], &body["Iterator"]];
            let flows = body["Branches"].items().iter().chain(mapped);
            for (branch, flow) in flows.filter(|it| !it.is_null()).enumerate() {
                let start = self.add(flow, Some((first + n, branch)), is_jsonata);
                self.states[first + n].starts.extend(start);
            }
        }
        find(&flow["StartAt"])
    }

    /// Where `at` may go at once: on, to a catcher, into its branches, and, at the
    /// end of a branch, to where the state goes that it is in.
    pub(crate) fn after(&self, at: At) -> Vec<At> {
        let state = &self.states[at];
        let mut all = state.next.clone();
        all.extend(state.caught.iter().map(|(_, to)| to));
        all.extend(&state.starts);
        if let Some((outer, _)) = state.within {
            let outer = &self.states[outer];
            all.extend(outer.caught.iter().map(|(_, to)| to));
            if state.next.is_empty() {
                all.extend(&outer.next);
            }
        }
        all
    }

    /// The states that can be reached from those of `from`, with them, without
    /// going on from one that is a `wall`.
    pub(crate) fn reached(&self, from: &[At], wall: impl Fn(At) -> bool) -> Vec<At> {
        let mut found: Vec<At> = Vec::new();
        let mut open = from.to_vec();
        while let Some(at) = open.pop() {
            if found.contains(&at) {
                continue;
            }
            found.push(at);
            if !wall(at) {
                open.extend(self.after(at));
            }
        }
        found
    }

    /// Whether a failure of `at` is caught, whatever it is: by itself, or by a
    /// state that it is in.
    pub(crate) fn is_caught(&self, at: At) -> bool {
        let state = &self.states[at];
        let outer = state.within.is_some_and(|(outer, _)| self.is_caught(outer));
        state.catches_all() || outer
    }
}

/// The definition of `resource`, and the file that it is in.
fn definition(resource: &Resource, stack: &Stack<'_>) -> Result<(String, Node), String> {
    let properties = &resource.properties;
    if let Kind::Map(_) = properties["Definition"].kind {
        let written = properties["Definition"].clone();
        let filled = in_place(&written, &properties["DefinitionSubstitutions"]);
        return Ok((resource.file.clone(), filled));
    }
    let inline = &properties["DefinitionString"];
    if let Kind::Text(text) | Kind::Unknown(text) = &inline.kind {
        let text = filled(text, &properties["DefinitionSubstitutions"]);
        let node = parsed(&text).map_err(|why| format!("its definition: {why}"))?;
        return Ok((resource.file.clone(), moved(node, inline.line)));
    }
    let elsewhere = match properties["DefinitionUri"].is_null() {
        true => &properties["DefinitionS3Location"],
        false => &properties["DefinitionUri"],
    };
    let file = elsewhere.as_str().filter(|it| !it.contains("://"));
    let file = file.ok_or("its definition is not on this machine")?;
    let path = stack.sibling(file);
    let text = (stack.read)(&path);
    let text = text.map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    let text = filled(&text, &properties["DefinitionSubstitutions"]);
    let node = parsed(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok((shown(&path), node))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// `text` with what is known put in for its `${Name}`.
fn filled(text: &str, values: &Node) -> String {
    let mut text = text.to_owned();
    for it in values.members() {
        if let Some(value) = it.value.scalar().filter(|_| !it.value.is_unknown()) {
            text = text.replace(&format!("${{{}}}", it.name), &value);
        }
    }
    text
}

/// The same in a definition that is part of the template.
fn in_place(node: &Node, values: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Text(text) => Kind::Text(filled(text, values)),
        Kind::List(items) => Kind::List(items.iter().map(|it| in_place(it, values)).collect()),
        Kind::Map(members) => {
            let mut members = members.clone();
            for member in &mut members {
                member.value = in_place(&member.value, values);
            }
            Kind::Map(members)
        }
        other => other.clone(),
    };
    Node::new(node.line, kind)
}

/// A definition, in JSON or YAML. Where something stands for a number that only
/// deployment knows, `1` is one.
fn parsed(text: &str) -> Result<Node, String> {
    yaml::parse(text).or_else(|why| {
        let mut rest = text;
        let mut guessed = String::new();
        while let Some((before, from)) = rest.split_once("${") {
            guessed.push_str(before);
            guessed.push('1');
            rest = from.split_once('}').map_or("", |(_, after)| after);
        }
        guessed.push_str(rest);
        yaml::parse(&guessed).map_err(|_| why)
    })
}

/// A definition that begins on `line` of its file.
fn moved(node: Node, line: usize) -> Node {
    let kind = match node.kind {
        Kind::List(items) => Kind::List(items.into_iter().map(|it| moved(it, line)).collect()),
        Kind::Map(mut members) => {
            for member in &mut members {
                member.line += line - 1;
                member.value = moved(std::mem::take(&mut member.value), line);
            }
            Kind::Map(members)
        }
        other => other,
    };
    Node::new(node.line + line - 1, kind)
}
