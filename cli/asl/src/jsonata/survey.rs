//! One walk over an expression: what it reads and calls, and what AWS refuses in it.

use super::{Need, Refusal};
use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

/// `$name` or `$name.a.b` with nothing else to it.
pub(super) fn direct_path(ast: &AstNode) -> Option<(Box<str>, Vec<Box<str>>)> {
    match ast {
        AstNode::Variable(v) if !v.is_empty() => Some((v.as_str().into(), Vec::new())),
        AstNode::Path { steps } => {
            let (first, rest) = steps.split_first()?;
            let AstNode::Variable(v) = &first.node else {
                return None;
            };
            let names = rest
                .iter()
                .map(|s| match &s.node {
                    AstNode::Name(n) if is_plain(s) => Some(n.as_str().into()),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?;
            (is_plain(first) && !v.is_empty()).then(|| (v.as_str().into(), names))
        }
        _ => None,
    }
}

/// Whether a step only steps: no predicate, no `@`, `#` or `%`.
fn is_plain(step: &PathStep) -> bool {
    step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none()
        && !step.is_tuple
        && !step.inner_tuple
}

/// One walk over an expression: what it reads, calls and may not do.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) in_catch: bool,
    pub(super) needs: Vec<(Box<str>, Need)>,
    pub(super) refusals: Vec<Refusal>,
    /// Uses `%`, which climbs to what is above.
    pub(super) looks_up: bool,
    pub(super) hosted: bool,
    pub(super) recursive: bool,
    pub(super) depth: usize,
    /// How deep its parts nest.
    pub(super) deepest: usize,
}

impl Survey {
    fn need(&mut self, variable: &str, names: &[&str]) {
        if variable == "states" && names.first() == Some(&"errorOutput") && !self.in_catch {
            self.refuse("Reference to '$states.errorOutput' is not supported.".into());
        }
        let at = self
            .needs
            .iter()
            .position(|(n, _)| **n == *variable)
            .unwrap_or_else(|| {
                self.needs.push((variable.into(), Need::Fields(Vec::new())));
                self.needs.len() - 1
            });
        self.needs[at].1.add(names);
    }

    fn refuse(&mut self, text: String) {
        let refusal = Refusal::Unsupported(text);
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    fn invalid(&mut self, symbol: &str) {
        let text = format!("The symbol \"{symbol}\" cannot be used as a unary operator");
        self.refusals.push(Refusal::Invalid(text));
    }

    fn name(&mut self, name: &str) {
        if matches!(
            name,
            "random"
                | "shuffle"
                | "uuid"
                | "millis"
                | "now"
                | "hash"
                | "parse"
                | "partition"
                | "range"
                | "eval"
                | super::rewrite::NUMBER
        ) {
            self.hosted = true;
        }
    }

    /// `top` says whether a bare name here would read the context item that
    /// Step Functions does not provide.
    pub(super) fn visit(&mut self, ast: &AstNode, top: bool) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.node(ast, top);
        self.depth -= 1;
    }

    #[expect(clippy::too_many_lines, reason = "a table: one row a kind of node")]
    fn node(&mut self, ast: &AstNode, top: bool) {
        match ast {
            AstNode::Name(n) if top => {
                self.refuse(format!(
                    "Reference to '{n}' at the top level is not supported."
                ));
            }
            AstNode::Variable(v) if v.is_empty() => {
                if top {
                    self.refuse("Reference to '$' is not supported.".into());
                }
            }
            AstNode::Variable(v) => {
                self.name(v);
                self.need(v, &[]);
            }
            AstNode::ParentVariable(_) => self.refuse("Reference to '$$' is not supported.".into()),
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { op, lhs, rhs } => {
                // Step Functions has JSONata 2.0.6, whose parser does not know the operators of 2.1.
                match op {
                    BinaryOp::Coalesce => self.invalid("?"),
                    BinaryOp::Default => self.invalid(":"),
                    _ => {}
                }
                self.visit(lhs, top);
                self.visit(rhs, top);
            }
            AstNode::Unary { operand, .. } => self.visit(operand, top),
            AstNode::Function { name, args, .. } => {
                self.name(name);
                args.iter().for_each(|a| self.visit(a, top));
            }
            AstNode::Call { procedure, args } => {
                self.visit(procedure, top);
                args.iter().for_each(|a| self.visit(a, top));
            }
            AstNode::Lambda { body, .. } => {
                self.recursive = true;
                // Its depth is that of its calls.
                let outer = std::mem::take(&mut self.depth);
                self.visit(body, top);
                self.depth = outer;
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
                items.iter().for_each(|i| self.visit(i, top));
            }
            AstNode::Object(pairs) => pairs.iter().for_each(|(k, v)| {
                self.visit(k, top);
                self.visit(v, top);
            }),
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input, top);
                pattern.iter().for_each(|(k, v)| {
                    self.visit(k, false);
                    self.visit(v, false);
                });
            }
            AstNode::Conditional {
                condition,
                then_branch,
                else_branch,
            } => {
                self.visit(condition, top);
                self.visit(then_branch, top);
                if let Some(e) = else_branch {
                    self.visit(e, top);
                }
            }
            AstNode::FunctionApplication(inner) => self.visit(inner, top),
            AstNode::Sort { input, terms } => {
                self.visit(input, top);
                terms.iter().for_each(|(t, _)| self.visit(t, false));
            }
            AstNode::Transform {
                location,
                update,
                delete,
            } => {
                self.visit(location, false);
                self.visit(update, false);
                if let Some(d) = delete {
                    self.visit(d, false);
                }
            }
            AstNode::Parent(_) => self.looks_up = true,
            AstNode::Name(_)
            | AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Wildcard
            | AstNode::Descendant => {}
        }
    }

    fn path(&mut self, steps: &[PathStep], top: bool) {
        let mut from = 0;
        if let Some(PathStep {
            node: AstNode::Variable(v),
            ..
        }) = steps.first()
            && !v.is_empty()
        {
            let mut names = Vec::new();
            from = 1;
            while let Some(PathStep {
                node: AstNode::Name(n),
                ..
            }) = steps.get(from)
                && is_plain(&steps[from - 1])
            {
                names.push(n.as_str());
                from += 1;
            }
            self.need(v, &names);
        }
        for (at, step) in steps.iter().enumerate() {
            if step.ancestor_label.is_some() || step.is_tuple || step.inner_tuple {
                self.looks_up = true;
            }
            if at >= from {
                self.visit(&step.node, top && at == 0);
            }
            for stage in &step.stages {
                if let Stage::Filter(predicate) = stage {
                    self.visit(predicate, false);
                }
            }
        }
    }
}
