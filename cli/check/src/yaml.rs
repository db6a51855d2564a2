//! YAML and JSON with the lines of everything in it, and CloudFormation's short
//! tags (`!Ref`) in their long form (`{"Ref": ..}`).

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::node::{Kind, Member, Node};

/// How deep values may lie in each other.
const DEEPEST: usize = 200;
/// How many values a file may have, with those that its aliases repeat.
const MOST: usize = 1_000_000;

/// Reads a document.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<Node, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // JSON may be indented by tabs, which YAML does not take; in its strings a
    // tab is never written as itself.
    let json = text.trim_start().starts_with(['{', '[']);
    let replaced = (json && text.contains('\t')).then(|| text.replace('\t', " "));
    let mut reader = Reader {
        events: Parser::new_from_str(replaced.as_deref().unwrap_or(text)),
        anchors: HashMap::new(),
        values: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => return Ok(Node::new(1, Kind::Null)),
            (event, span) => return reader.value(event, span, 0),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// What aliases stand for, and how many values that is.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(why)) => Err(format!("line {}: {}", why.marker().line(), why.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, String> {
        let line = span.start.line();
        let before = self.values;
        self.values += 1;
        if depth > DEEPEST || self.values > MOST {
            return Err(format!("line {line}: too much lies in each other"));
        }
        let (anchor, tag, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = scalar(&text, style, tag.as_deref());
                // A block of text is where it begins; behind a tag, where that is.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let line = line + usize::from(is_block && tag.is_some());
                (anchor, tag, Node::new(line, kind))
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd | Event::StreamEnd, _) => break,
                        (event, span) => items.push(self.value(event, span, depth + 1)?),
                    }
                }
                (anchor, tag, Node::new(line, Kind::List(items)))
            }
            Event::MappingStart(anchor, tag) => {
                let members = self.members(depth)?;
                (anchor, tag, Node::new(line, Kind::Map(members)))
            }
            Event::Alias(anchor) => {
                let (node, values) = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.values += values;
                return Ok(node.at(line));
            }
            _ => return Err(format!("line {line}: no value")),
        };
        let node = match tag.as_deref() {
            Some(tag) => long_form(tag, node),
            None => node,
        };
        if anchor > 0 {
            let values = self.values - before;
            self.anchors.insert(anchor, (node.clone(), values));
        }
        Ok(node)
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, String> {
        let mut members: Vec<Member> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => break,
                next => next,
            };
            let name = self.value(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            let line = name.line;
            match name.scalar().unwrap_or_default() {
                merge if merge == "<<" => merged.push(value),
                name => members.push(Member { name, line, value }),
            }
        }
        // A merge fills in what is not there.
        for member in merged
            .iter()
            .flat_map(Node::one_or_more)
            .flat_map(Node::members)
        {
            if !members.iter().any(|it| it.name == member.name) {
                members.push(member.clone());
            }
        }
        Ok(members)
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new(0, Kind::Null)
    }
}

/// What a scalar is, by YAML's core schema; only plain ones are not text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let as_text = || Kind::Text(text.to_owned());
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return as_text();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        // An account's id with a zero before it is no number.
        padded if padded.len() > 1 && padded.starts_with('0') && !padded.starts_with("0.") => {
            as_text()
        }
        _ => match text.parse::<i64>() {
            Ok(whole) => Kind::Number(whole.into()),
            Err(_) if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                let real = text.parse::<f64>().ok();
                let number = real.and_then(serde_json::Number::from_f64);
                number.map_or_else(as_text, Kind::Number)
            }
            Err(_) => as_text(),
        },
    }
}

/// `!Sub x` as `{"Fn::Sub": x}`, and so on; other tags say nothing here.
fn long_form(tag: &Tag, argument: Node) -> Node {
    if tag.handle != "!" {
        return argument;
    }
    let line = argument.line;
    let name = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix.clone(),
        other => format!("Fn::{other}"),
    };
    let value = match (name.as_str(), argument.as_str()) {
        ("Fn::GetAtt", Some(dotted)) => match dotted.split_once('.') {
            Some((logical, attribute)) => {
                let both = [logical, attribute].map(|part| Node::text(line, part));
                Node::new(line, Kind::List(both.to_vec()))
            }
            None => argument,
        },
        _ => argument,
    };
    Node::new(line, Kind::Map(vec![Member { name, line, value }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let text =
            "a: 1\nb:\n  - !GetAtt Q.Arn\n  - x: \"2\"\nc: |\n  one\n  two\nd: !Sub |\n  three\n";
        let node = parse(text).unwrap();
        assert_eq!((node["a"].line, node["a"].as_number()), (1, Some(1.0)));
        assert_eq!(node["b"][0]["Fn::GetAtt"][1].as_str(), Some("Arn"));
        assert_eq!(node["b"][1]["x"].line, 4);
        assert_eq!((node.line_of("c"), node["c"].line), (5, 6));
        assert_eq!(node["d"]["Fn::Sub"].line, 9);
        assert_eq!(node["d"]["Fn::Sub"].as_str(), Some("three\n"));
    }

    #[test]
    fn json_with_tabs_and_yaml_with_anchors_are_read() {
        let json = parse("{\n\t\"a\": [true, null, 0.5,\n\t\"\\u00e9\\/\"]\n}").unwrap();
        assert_eq!(
            json["a"].to_json(),
            serde_json::json!([true, null, 0.5, "é/"])
        );
        assert_eq!(json["a"][3].line, 3);
        let yaml = parse("a: &x {n: 1, m: 2}\nb: {<<: *x, m: 3}\nc: 012345678901\nd: 2012-10-17\n");
        let yaml = yaml.unwrap();
        assert_eq!(yaml["b"].to_json(), serde_json::json!({"m": 3, "n": 1}));
        assert_eq!(yaml["c"].as_str(), Some("012345678901"));
        assert_eq!(yaml["d"].as_str(), Some("2012-10-17"));
    }

    #[test]
    fn what_is_no_document_is_refused_and_never_too_much() {
        assert!(parse("a: [").is_err());
        assert!(parse("a: *nobody").is_err());
        assert!(parse(&"[".repeat(5_000)).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(parse(&bomb).is_err());
        assert_eq!(parse("").unwrap().kind, Kind::Null);
    }
}
