//! Intrinsic functions: what they come to, as far as that is known.

use super::{Child, Stack, called};
use crate::node::{Kind, Member, Node};

/// How many values may be worked out for one another.
const DEEPEST: usize = 120;
/// How long a text may become.
const LONGEST: usize = 2_000_000;

impl Stack<'_> {
    /// `node` with its functions worked out; `None` if it is no value at all.
    pub(crate) fn resolve(&self, node: &Node) -> Option<Node> {
        let depth = self.depth.get();
        if depth > DEEPEST {
            return Some(Node::unknown(node.line, "${..}"));
        }
        self.depth.set(depth + 1);
        let value = self.resolved(node);
        self.depth.set(depth);
        value
    }

    fn resolved(&self, node: &Node) -> Option<Node> {
        if let Some((function, argument)) = called(node) {
            // What it comes to stands where the function stands; of a block of
            // text, where the text does.
            let line = match (function, argument.as_str()) {
                ("Fn::Sub", Some(_)) => argument.line,
                _ => node.line,
            };
            let value = self.call(function, argument, line);
            // Two of one text come to the same.
            let unknown = || {
                let what = format!("${{{}{function} {}}}", self.place, argument.to_json());
                Some(Node::unknown(line, what))
            };
            return value.unwrap_or_else(unknown).map(|it| it.at(line));
        }
        Some(match &node.kind {
            Kind::List(items) => {
                let items = items.iter().filter_map(|it| self.resolve(it));
                Node::new(node.line, Kind::List(items.collect()))
            }
            Kind::Map(members) => {
                let members = members.iter().filter_map(|it| {
                    Some(Member {
                        value: self.resolve(&it.value)?,
                        ..it.clone()
                    })
                });
                Node::new(node.line, Kind::Map(members.collect()))
            }
            // Looked up in another service when the stack is deployed.
            Kind::Text(text) if text.contains("{{resolve:") => Node::unknown(node.line, text),
            _ => node.clone(),
        })
    }

    /// What a function comes to, which may be no value at all; `None` if that is
    /// not known.
    fn call(&self, function: &str, argument: &Node, line: usize) -> Option<Option<Node>> {
        let value = match function {
            "Ref" => return Some(self.reference(argument.as_str()?)),
            "Fn::GetAtt" => match argument.as_str().and_then(|it| it.split_once('.')) {
                Some((logical, attribute)) => self.attribute(logical, attribute),
                None => {
                    let attribute = self.resolve(&argument[1])?.scalar()?;
                    self.attribute(argument[0].as_str()?, &attribute)
                }
            },
            "Fn::If" => {
                let branches = [&argument[1], &argument[2]];
                match self.condition(argument[0].as_str()?) {
                    Some(true) => return Some(self.resolve(branches[0])),
                    Some(false) => return Some(self.resolve(branches[1])),
                    None => {
                        let [one, other] = branches.map(|it| self.resolve(it));
                        let same = one.as_ref().map(Node::to_json);
                        let is_same = same == other.as_ref().map(Node::to_json);
                        return is_same.then_some(one);
                    }
                }
            }
            "Fn::Sub" => match &argument.kind {
                Kind::List(_) => self.substituted(argument[0].as_str()?, &argument[1]),
                _ => self.substituted(argument.as_str()?, &Node::default()),
            },
            "Fn::Join" => {
                let parts = self.resolve(&argument[1])?;
                match parts.kind {
                    Kind::List(_) => joined(parts.items(), argument[0].as_str()?),
                    _ => return None,
                }
            }
            "Fn::Split" => {
                let text = self.resolve(&argument[1])?;
                let parts = text.as_str()?.split(argument[0].as_str()?);
                let parts = parts.map(|it| Node::text(line, it));
                Node::new(line, Kind::List(parts.collect()))
            }
            "Fn::Select" => {
                let at = self.resolve(&argument[0])?.as_number()?;
                let list = self.resolve(&argument[1])?;
                list.items().get(at as usize)?.clone()
            }
            "Fn::FindInMap" => {
                let keys = [0, 1, 2].map(|n| self.resolve(&argument[n]));
                let [map, first, second] =
                    keys.map(|key| key.filter(|it| !it.is_unknown())?.scalar());
                let found = &self.root["Mappings"][map?.as_str()][first?.as_str()];
                let found = &found[second?.as_str()];
                (!found.is_null()).then(|| found.clone())?
            }
            "Fn::ToJsonString" => {
                let value = self.resolve(argument)?;
                match value.has_unknown() {
                    true => Node::unknown(line, value.to_json().to_string()),
                    false => Node::text(line, value.to_json().to_string()),
                }
            }
            _ => return None,
        };
        Some(Some(value))
    }

    /// What `Ref` comes to; `None` for no value.
    fn reference(&self, name: &str) -> Option<Node> {
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::StackName" => Node::text(0, self.name()),
            "AWS::Region" => Node::text(0, super::names::REGION),
            "AWS::AccountId" => Node::text(0, super::names::ACCOUNT),
            "AWS::Partition" => Node::text(0, "aws"),
            "AWS::URLSuffix" => Node::text(0, "amazonaws.com"),
            _ if !self.declared(name).is_null() => self.parameter(name),
            _ => self.reference_of(name),
        })
    }

    fn parameter(&self, name: &str) -> Node {
        let declared = self.declared(name);
        let kind = declared["Type"].as_str().unwrap_or_default();
        // Its value is a name, under which the real one is looked up.
        let looked_up = kind.starts_with("AWS::SSM::Parameter::Value");
        let given = self.parameters.get(name).unwrap_or(&declared["Default"]);
        if looked_up || given.is_null() {
            return Node::unknown(0, format!("${{{}{name}}}", self.place));
        }
        match (kind.contains("List"), given.as_str()) {
            (true, Some(text)) => {
                let items = text.split(',').map(|it| Node::text(0, it.trim()));
                Node::new(0, Kind::List(items.collect()))
            }
            // Also a number is text where a parameter stands for it (CloudFormation guide, "Parameters", type Number).
            _ => match given.scalar() {
                Some(text) if !given.is_unknown() => Node::text(0, text),
                _ => given.clone(),
            },
        }
    }

    /// What `Fn::GetAtt` comes to.
    fn attribute(&self, logical: &str, attribute: &str) -> Node {
        let unknown = || Node::unknown(0, format!("${{{}{logical}.{attribute}}}", self.place));
        if let Some(output) = attribute.strip_prefix("Outputs.") {
            return match self.child(logical) {
                Child::Here(stack) => stack.output(output).unwrap_or_else(unknown),
                Child::Elsewhere(_) => unknown(),
            };
        }
        self.attribute_of(logical, attribute)
            .unwrap_or_else(unknown)
    }

    fn substituted(&self, template: &str, variables: &Node) -> Node {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, from)) = rest.split_once("${") {
            parts.push(Node::text(0, before));
            let Some((name, after)) = from.split_once('}') else {
                parts.push(Node::text(0, "${"));
                rest = from;
                continue;
            };
            let given = &variables[name.trim()];
            let part = match (name.strip_prefix('!'), name.trim().split_once('.')) {
                (Some(literal), _) => Some(Node::text(0, format!("${{{literal}}}"))),
                _ if !given.is_null() => self.resolve(given),
                (None, Some((logical, attribute))) => Some(self.attribute(logical, attribute)),
                (None, None) => self.reference(name.trim()),
            };
            parts.extend(part);
            rest = after;
        }
        parts.push(Node::text(0, rest));
        joined(&parts, "")
    }

    /// Whether a condition function holds, if that is known.
    pub(super) fn holds(&self, condition: &Node) -> Option<bool> {
        let (function, argument) = called(condition)?;
        let all = || argument.items().iter().map(|it| self.holds(it));
        match function {
            "Condition" => self.condition(argument.as_str()?),
            "Fn::Equals" => {
                let sides = [&argument[0], &argument[1]].map(|it| self.resolve(it));
                let [Some(one), Some(other)] = sides else {
                    return None;
                };
                let unknown = one.has_unknown() || other.has_unknown();
                (!unknown).then(|| one.scalar() == other.scalar())
            }
            "Fn::Not" => self.holds(&argument[0]).map(|it| !it),
            "Fn::And" if all().any(|it| it == Some(false)) => Some(false),
            "Fn::And" => all().all(|it| it == Some(true)).then_some(true),
            "Fn::Or" if all().any(|it| it == Some(true)) => Some(true),
            "Fn::Or" => all().all(|it| it == Some(false)).then_some(false),
            _ => None,
        }
    }
}

/// Texts one after the other; unknown if one of them is.
fn joined(parts: &[Node], by: &str) -> Node {
    let texts: Vec<String> = parts.iter().map(as_text).collect();
    let unknown = parts
        .iter()
        .any(|it| it.scalar().is_none() || it.is_unknown());
    let text = texts.join(by);
    match unknown || text.len() > LONGEST {
        true => Node::unknown(0, text.get(..LONGEST).unwrap_or(&text)),
        false => Node::text(0, text),
    }
}

fn as_text(part: &Node) -> String {
    part.scalar().unwrap_or_else(|| match part.is_null() {
        true => String::new(),
        false => "${..}".to_owned(),
    })
}
