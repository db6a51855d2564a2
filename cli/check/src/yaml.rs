//! YAML and JSON with the lines of everything in it, and CloudFormation's short
//! tags (`!Ref`) in their long form (`{"Ref": ..}`).

use std::borrow::Cow;
use std::collections::HashMap;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};

use crate::node::{Kind, Member, Node};

/// How deep values may lie in each other.
const DEEPEST: usize = 200;
/// How many values a file may have, with those that its aliases repeat.
const MOST: usize = 1_000_000;
/// What a tag of YAML's own begins with.
const CORE: &str = "tag:yaml.org,2002:";

/// Reads a document.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<Node, String> {
    // JSON may be indented by tabs, which YAML does not take; in its strings a
    // tab is never written as itself.
    let json = text.trim_start().starts_with(['{', '[']);
    let replaced = (json && text.contains('\t')).then(|| text.replace('\t', " "));
    let text = spaced(replaced.as_deref().unwrap_or(text));
    let mut events = Parser::new();
    events.set_input(text.as_bytes());
    let mut reader = Reader {
        events,
        anchors: HashMap::new(),
        values: 0,
    };
    loop {
        let event = reader.next()?;
        match event.data {
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
            EventData::StreamEnd => return Ok(Node::new(1, Kind::Null)),
            _ => return reader.value(event, 0),
        }
    }
}

/// The text without what libyaml-safer 0.3 panics at: a comma right after a tag (`[!Ref,]`), where a blank before it changes
/// nothing but texts such as `no!,`; and an end right after the `|` of a block, where an empty line does no harm.
fn spaced(text: &str) -> Cow<'_, str> {
    let mut all = String::new();
    let mut done = 0;
    let mut rest = text.match_indices('!').peekable();
    while let Some((from, _)) = rest.next() {
        let end = text[from..].find(|c: char| c == ',' || c.is_whitespace());
        let Some(end) = end.map(|end| from + end) else {
            break;
        };
        if text[end..].starts_with(',') {
            all.push_str(&text[done..end]);
            all.push(' ');
            done = end;
        }
        while rest.next_if(|(at, _)| *at < end).is_some() {}
    }
    if done == 0 && text.ends_with('\n') {
        return text.into();
    }
    Cow::Owned(all + &text[done..] + "\n")
}

struct Reader<'a> {
    events: Parser<&'a [u8]>,
    /// What aliases stand for, and how many values that is.
    anchors: HashMap<String, (Node, usize)>,
    values: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Event, String> {
        self.events.parse().map_err(|why| {
            let problem = why.problem();
            match why.problem_mark() {
                Some(mark) => format!("line {}: {problem}", mark.line + 1),
                None => problem.to_owned(),
            }
        })
    }

    fn value(&mut self, event: Event, depth: usize) -> Result<Node, String> {
        let line = usize::try_from(event.start_mark.line).unwrap_or_default() + 1;
        let before = self.values;
        self.values += 1;
        if depth > DEEPEST || self.values > MOST {
            return Err(format!("line {line}: too much lies in each other"));
        }
        let (anchor, tag, node) = match event.data {
            EventData::Scalar {
                anchor,
                tag,
                value,
                style,
                ..
            } => {
                let kind = scalar(&value, style, tag.as_deref());
                // A block of text begins on the line after its `|`.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                (anchor, tag, Node::new(line + usize::from(is_block), kind))
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let mut items = Vec::new();
                loop {
                    let event = self.next()?;
                    match event.data {
                        EventData::SequenceEnd | EventData::StreamEnd => break,
                        _ => items.push(self.value(event, depth + 1)?),
                    }
                }
                (anchor, tag, Node::new(line, Kind::List(items)))
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let members = self.members(depth)?;
                (anchor, tag, Node::new(line, Kind::Map(members)))
            }
            EventData::Alias { anchor } => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, values) =
                    known.ok_or_else(|| format!("line {line}: there is no anchor {anchor}"))?;
                self.values += values;
                return Ok(node.at(line));
            }
            _ => return Err(format!("line {line}: no value")),
        };
        let node = match tag.as_deref() {
            Some(tag) => long_form(tag, node),
            None => node,
        };
        if let Some(anchor) = anchor {
            let values = self.values - before;
            self.anchors.insert(anchor, (node.clone(), values));
        }
        Ok(node)
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, String> {
        let mut members: Vec<Member> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd | EventData::StreamEnd) {
                break;
            }
            let name = self.value(event, depth + 1)?;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
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
fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Kind {
    let as_text = || Kind::Text(text.to_owned());
    let is_text = tag.and_then(|tag| tag.strip_prefix(CORE)) == Some("str");
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
fn long_form(tag: &str, argument: Node) -> Node {
    let Some(function) = tag.strip_prefix('!') else {
        return argument;
    };
    let line = argument.line;
    let name = match function {
        "Ref" | "Condition" => function.to_owned(),
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

    /// As PyYAML and CloudFormation take them, though YAML's own rules do not.
    #[test]
    fn what_others_take_is_taken() {
        let flow = "a:\n  b: {\n    \"c\": [1, \"Ref\" : \"X\"],\n  }\n  d: 1\n";
        let flow = parse(flow).unwrap();
        assert_eq!(flow["a"]["b"]["c"][1]["Ref"].as_str(), Some("X"));
        assert_eq!(flow["a"]["d"].line, 5);
        let quoted = parse("a:\n  b: \"{\n  }\"\n").unwrap();
        assert_eq!(quoted["a"]["b"].as_str(), Some("{ }"));
    }

    #[test]
    fn what_is_no_document_is_refused_and_never_too_much() {
        assert!(parse("a: [").is_err());
        // Both made the parser panic.
        assert_eq!(parse("a: [!Ref,]").unwrap()["a"].items().len(), 1);
        assert_eq!(parse("a: |").unwrap()["a"].as_str(), Some(""));
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
