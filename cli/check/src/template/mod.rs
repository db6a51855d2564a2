//! Templates: what a stack and those nested in it deploy, as far as that can be
//! told before deployment.
//!
//! Unlike the lab's reading of our own templates, which refuses what it does not
//! know, this one takes any template: what depends on something that only
//! deployment knows is unknown, and stays so in whatever is made of it.

mod functions;
mod names;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use crate::node::{Kind, Member, Node};
use crate::yaml;

/// How deep stacks may be nested in each other.
const DEEPEST: usize = 10;

/// Reads a file.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// A stack: a template and its parameters.
pub(crate) struct Stack<'a> {
    /// What the places of its resources begin with: nothing, or `Nested/`.
    pub(crate) place: String,
    /// Its template's file.
    pub(crate) path: PathBuf,
    pub(crate) read: Read<'a>,
    root: Node,
    parameters: BTreeMap<String, Node>,
    children: RefCell<BTreeMap<String, Child<'a>>>,
    /// Names and conditions that are worked out already, or just now.
    names: RefCell<BTreeMap<String, Node>>,
    conditions: RefCell<BTreeMap<String, Option<bool>>>,
    depth: std::cell::Cell<usize>,
}

/// A nested stack.
#[derive(Clone)]
pub(crate) enum Child<'a> {
    /// It is followed.
    Here(Rc<Stack<'a>>),
    /// It cannot be: why not.
    Elsewhere(String),
}

/// A resource with all that is known put in.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) logical: String,
    pub(crate) line: usize,
    pub(crate) kind: String,
    pub(crate) properties: Node,
    pub(crate) metadata: Node,
    /// Whether SAM's connectors grant it more than its policies do.
    pub(crate) is_connected: bool,
    /// Whether it is deployed depends on what is not known.
    pub(crate) is_doubtful: bool,
}

impl<'a> Stack<'a> {
    /// The root stack, of the template at `path`.
    ///
    /// # Errors
    /// Why it is no template, or takes no such parameter.
    pub(crate) fn root(
        path: &Path,
        read: Read<'a>,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let text = read(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let given = given.iter();
        let given = given.map(|(name, value)| (name.clone(), Node::text(0, value.as_str())));
        let given: BTreeMap<_, _> = given.collect();
        let stack = Self::new(String::new(), path, read, &text, given.clone())
            .map_err(|why| format!("{}: {why}", path.display()))?;
        match given.keys().find(|name| stack.declared(name).is_null()) {
            None => Ok(stack),
            Some(unknown) => Err(format!("{} has no parameter {unknown}", path.display())),
        }
    }

    fn new(
        place: String,
        path: &Path,
        read: Read<'a>,
        text: &str,
        parameters: BTreeMap<String, Node>,
    ) -> Result<Self, String> {
        let root = yaml::parse(text)?;
        if !matches!(root["Resources"].kind, Kind::Map(_)) {
            return Err("there are no Resources in it, so it is no template".to_owned());
        }
        Ok(Self {
            place,
            path: path.to_owned(),
            read,
            root,
            parameters,
            children: RefCell::default(),
            names: RefCell::default(),
            conditions: RefCell::default(),
            depth: std::cell::Cell::default(),
        })
    }

    /// The declaration of a parameter.
    fn declared(&self, name: &str) -> &Node {
        &self.root["Parameters"][name]
    }

    fn members(&self) -> &[Member] {
        self.root["Resources"].members()
    }

    fn resource(&self, logical: &str) -> &Node {
        &self.root["Resources"][logical]
    }

    /// The resources that are deployed, or may be.
    pub(crate) fn resources(&self) -> Vec<Declared> {
        let all = self.members().iter();
        let holds = |it: &Member| match it.value["Condition"].as_str() {
            Some(name) => self.condition(name),
            None => Some(true),
        };
        let deployed = all.filter(|it| holds(it) != Some(false));
        deployed
            .map(|it| Declared {
                is_doubtful: holds(it).is_none(),
                logical: it.name.clone(),
                line: it.line,
                kind: it.value["Type"].as_str().unwrap_or_default().to_owned(),
                properties: self.properties(&it.value),
                metadata: self.resolve(&it.value["Metadata"]).unwrap_or_default(),
                is_connected: it.value.has("Connectors"),
            })
            .collect()
    }

    /// A resource's properties, with what SAM's `Globals` adds to them.
    fn properties(&self, resource: &Node) -> Node {
        let own = &resource["Properties"];
        let kind = resource["Type"].as_str().unwrap_or_default();
        let globals = kind
            .strip_prefix("AWS::Serverless::")
            .map(|kind| &self.root["Globals"][kind]);
        let written = match globals {
            Some(defaults) if !defaults.is_null() => merged(defaults, own),
            _ => own.clone(),
        };
        let line = written.line;
        self.resolve(&written)
            .unwrap_or_else(|| Node::new(line, Kind::Null))
    }

    /// The stack nested here as `logical`.
    pub(crate) fn child(&self, logical: &str) -> Child<'a> {
        if let Some(known) = self.children.borrow().get(logical) {
            return known.clone();
        }
        // Whatever asks for it while it is worked out goes in a circle.
        let circle = Child::Elsewhere("it depends on itself".to_owned());
        self.children
            .borrow_mut()
            .insert(logical.to_owned(), circle);
        let child = match self.followed(logical) {
            Ok(stack) => Child::Here(Rc::new(stack)),
            Err(why) => Child::Elsewhere(why),
        };
        self.children
            .borrow_mut()
            .insert(logical.to_owned(), child.clone());
        child
    }

    fn followed(&self, logical: &str) -> Result<Self, String> {
        let properties = self.properties(self.resource(logical));
        let location = match properties["TemplateURL"].is_null() {
            true => &properties["Location"],
            false => &properties["TemplateURL"],
        };
        let location = location
            .as_str()
            .ok_or("where its template lies is not known before deployment")?;
        if location.contains("://") {
            return Err(format!("its template is not on this machine: {location}"));
        }
        if self.place.matches('/').count() >= DEEPEST {
            return Err(format!("more than {DEEPEST} stacks lie in each other"));
        }
        let path = self.sibling(location);
        let text = (self.read)(&path);
        let text = text.map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let given = properties["Parameters"].members().iter();
        let given = given.map(|it| (it.name.clone(), it.value.clone()));
        let place = format!("{}{logical}/", self.place);
        Self::new(place, &path, self.read, &text, given.collect())
            .map_err(|why| format!("{}: {why}", path.display()))
    }

    /// The path of a file that the template names.
    pub(crate) fn sibling(&self, name: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut path = PathBuf::new();
        for part in folder.join(name).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir
                    if matches!(path.components().next_back(), Some(Component::Normal(_))) =>
                {
                    path.pop();
                }
                part => path.push(part),
            }
        }
        path
    }

    /// What the stack says of itself under `name`.
    fn output(&self, name: &str) -> Option<Node> {
        let output = &self.root["Outputs"][name];
        if output.is_null() {
            return None;
        }
        self.resolve(&output["Value"])
    }

    /// Whether a condition holds, if that is known.
    fn condition(&self, name: &str) -> Option<bool> {
        if let Some(known) = self.conditions.borrow().get(name) {
            return *known;
        }
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        let holds = self.holds(&self.root["Conditions"][name]);
        self.conditions.borrow_mut().insert(name.to_owned(), holds);
        holds
    }
}

/// `own` over `defaults`: maps member by member, lists one after the other, as
/// SAM does it.
fn merged(defaults: &Node, own: &Node) -> Node {
    match (&defaults.kind, &own.kind) {
        (Kind::Map(defaults), Kind::Map(mine)) if !is_function(own) => {
            let mut members = mine.clone();
            for default in defaults {
                match members.iter_mut().find(|it| it.name == default.name) {
                    Some(member) => member.value = merged(&default.value, &member.value),
                    None => members.push(Member {
                        line: own.line,
                        ..default.clone()
                    }),
                }
            }
            Node::new(own.line, Kind::Map(members))
        }
        (Kind::List(defaults), Kind::List(mine)) => {
            let all = defaults.iter().chain(mine).cloned();
            Node::new(own.line, Kind::List(all.collect()))
        }
        (_, Kind::Null) => defaults.clone().at(own.line),
        _ => own.clone(),
    }
}

/// Whether `node` calls an intrinsic function.
fn is_function(node: &Node) -> bool {
    called(node).is_some()
}

/// The function that `node` calls, with its argument.
fn called(node: &Node) -> Option<(&str, &Node)> {
    let [only] = node.members() else {
        return None;
    };
    // A policy's `Condition` is a map; the function's names one.
    let is_condition = only.name == "Condition" && only.value.as_str().is_some();
    let known = only.name == "Ref" || is_condition || only.name.starts_with("Fn::");
    known.then_some((only.name.as_str(), &only.value))
}
