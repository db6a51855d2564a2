//! Reading what follows a path's root.

use super::filter::{Filter, literal};
use super::function::{Arg, Call, Function};
use super::{Many, Query, Segment, Step};

/// Filters may nest this deep.
const MAX_DEPTH: usize = 32;

/// A cursor over a path's text.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a str,
    pub(super) depth: usize,
}

/// Reads the whole of `text`.
pub(super) fn query(text: &str) -> Result<Query, String> {
    let mut reader = Reader {
        rest: text,
        depth: 0,
    };
    let query = reader.query(false)?;
    if reader.rest.is_empty() {
        Ok(query)
    } else {
        Err(format!("expected '.' or '[' before '{}'", reader.rest))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The text up to where `end` says.
    pub(super) fn until(&mut self, end: impl FnMut(char) -> bool) -> &'a str {
        let (text, rest) = self
            .rest
            .split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        self.rest = rest;
        text
    }

    /// Steps as long as there are some. Within a filter a name ends at an operator too.
    pub(super) fn query(&mut self, within_filter: bool) -> Result<Query, String> {
        let mut segments = Vec::new();
        let mut function = None;
        while self.rest.starts_with(['.', '[']) {
            if function.is_some() {
                return Err("a function must come last".into());
            }
            let dotted = self.take(".");
            if dotted && self.take(".") {
                segments.push(Segment::Scan);
            }
            // Jayway takes a dot before a bracket, and so does AWS.
            if self.take("[") {
                segments.push(self.bracket()?);
                continue;
            }
            let name = self.until(|c| {
                matches!(c, '.' | '[' | '(')
                    || within_filter && (c.is_whitespace() || "=<>!~&|),]".contains(c))
            });
            if self.take("(") {
                let args = self.args()?;
                let named = Function::named(name)
                    .ok_or_else(|| format!("unsupported function '{name}()'"))?;
                function = Some(Call {
                    function: named,
                    args,
                });
            } else if name == "*" {
                segments.push(Segment::Wildcard);
            } else if name.is_empty() {
                return Err("a field name is missing".into());
            } else if name.contains(['@', ',', ':', '?', '\'', '"', ')', ' ']) {
                return Err(format!("'{name}' must be written ['…']"));
            } else {
                segments.push(Segment::Name(name.into()));
            }
        }
        Ok(compiled(segments, function))
    }

    /// A function's arguments, after the first parenthesis: JSON, or paths from the root.
    fn args(&mut self) -> Result<Vec<Arg>, String> {
        let mut args = Vec::new();
        self.skip();
        if self.take(")") {
            return Ok(args);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("functions nest deeper than {MAX_DEPTH}"));
        }
        loop {
            self.skip();
            args.push(if self.take("$") {
                Arg::Path(self.query(true)?)
            } else {
                Arg::Value(literal(self)?)
            });
            self.skip();
            if self.take(")") {
                self.depth -= 1;
                return Ok(args);
            }
            if !self.take(",") {
                return Err("a function's '(' is not closed".into());
            }
        }
    }

    /// What stands between brackets, after the first.
    fn bracket(&mut self) -> Result<Segment, String> {
        self.skip();
        let segment = if self.take("*") {
            Segment::Wildcard
        } else if self.take("?") {
            self.skip();
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(format!("filters nest deeper than {MAX_DEPTH}"));
            }
            // One pair of parentheses around it all: the library takes no other spelling.
            if !self.take("(") {
                return Err("a filter stands between '?(' and ')'".into());
            }
            let filter = Filter::read(self)?;
            if !self.take(")") {
                return Err("a filter stands between '?(' and ')'".into());
            }
            self.depth -= 1;
            Segment::Filter(Box::new(filter))
        } else if self.rest.starts_with(['\'', '"']) {
            self.names()?
        } else {
            self.numbers()?
        };
        self.skip();
        if self.take("]") {
            Ok(segment)
        } else {
            Err("a '[' is not closed".into())
        }
    }

    fn names(&mut self) -> Result<Segment, String> {
        let mut names = Vec::new();
        loop {
            self.skip();
            names.push(self.quoted()?.into_boxed_str());
            self.skip();
            if !self.take(",") {
                break;
            }
        }
        Ok(match <[_; 1]>::try_from(names) {
            Ok([name]) => Segment::Name(name),
            Err(names) => Segment::Names(names),
        })
    }

    fn numbers(&mut self) -> Result<Segment, String> {
        let text = self.until(|c| c == ']').trim();
        let number = |text: &str| {
            text.trim()
                .parse::<i64>()
                .map_err(|_| format!("'[{text}]' is no index, slice, list, name or filter"))
        };
        if let Some((from, to)) = text.split_once(':') {
            let end = |text: &str| {
                let text = text.trim();
                (!text.is_empty()).then(|| number(text)).transpose()
            };
            return Ok(Segment::Slice(end(from)?, end(to)?));
        }
        if text.contains(',') {
            let indexes = text.split(',').map(number).collect::<Result<_, _>>()?;
            return Ok(Segment::Indexes(indexes));
        }
        number(text).map(Segment::Index)
    }

    /// A text in quotes of either kind; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let Some((_, quote @ ('\'' | '"'))) = chars.next() else {
            return Err(format!("expected a name in quotes at '{}'", self.rest));
        };
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err("a name in quotes is not closed".into())
    }
}

/// A path of names and indexes alone is walked without more ado.
fn compiled(segments: Vec<Segment>, function: Option<Call>) -> Query {
    let steps: Option<Vec<Step>> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Name(name) => Some(Step::Name(name.clone())),
            Segment::Index(index) => Some(Step::Index(*index)),
            _ => None,
        })
        .collect();
    match steps {
        Some(steps) => Query::Definite { steps, function },
        None => Query::Many(Box::new(Many { segments, function })),
    }
}
