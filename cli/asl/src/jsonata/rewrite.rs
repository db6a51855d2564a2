//! Sends calls of built-in functions that differ from JSONata 2.0.6 to the host's.
//!
//! Only `$number`: 2.0.6 takes neither blanks nor a plus sign nor a bare dot (D3030).

use jsonata_core::ast::{AstNode, PathStep, Stage};

/// The name under which the host provides `$number`.
pub(super) const NUMBER: &str = "number_of_2_0_6";

/// Replaces what is called `$number`, with an argument or as a value; without one it reads the context.
pub(super) fn rewrite(ast: &mut AstNode) {
    match ast {
        AstNode::Variable(name) if name == "number" => {
            *ast = AstNode::Lambda {
                params: vec!["value".into()],
                body: Box::new(call(vec![AstNode::Variable("value".into())])),
                signature: None,
                thunk: false,
            };
        }
        AstNode::Function { name, args, .. } => {
            args.iter_mut().for_each(rewrite);
            if name == "number" && args.len() == 1 && !matches!(args[0], AstNode::Placeholder) {
                *ast = call(std::mem::take(args));
            }
        }
        AstNode::Path { steps } => steps.iter_mut().for_each(step),
        AstNode::Binary { lhs, rhs, .. } => {
            rewrite(lhs);
            rewrite(rhs);
        }
        AstNode::Unary { operand: inner, .. } | AstNode::FunctionApplication(inner) => {
            rewrite(inner)
        }
        AstNode::Call { procedure, args } => {
            rewrite(procedure);
            args.iter_mut().for_each(rewrite);
        }
        AstNode::Lambda { body, .. } => rewrite(body),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
            items.iter_mut().for_each(rewrite);
        }
        AstNode::Object(pairs) => pairs.iter_mut().for_each(pair),
        AstNode::ObjectTransform { input, pattern } => {
            rewrite(input);
            pattern.iter_mut().for_each(pair);
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            rewrite(condition);
            rewrite(then_branch);
            else_branch.iter_mut().for_each(|e| rewrite(e));
        }
        AstNode::Sort { input, terms } => {
            rewrite(input);
            terms.iter_mut().for_each(|(term, _)| rewrite(term));
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            rewrite(location);
            rewrite(update);
            delete.iter_mut().for_each(|d| rewrite(d));
        }
        _ => {}
    }
}

fn pair((key, value): &mut (AstNode, AstNode)) {
    rewrite(key);
    rewrite(value);
}

fn step(step: &mut PathStep) {
    rewrite(&mut step.node);
    for stage in &mut step.stages {
        if let Stage::Filter(predicate) = stage {
            rewrite(predicate);
        }
    }
}

fn call(args: Vec<AstNode>) -> AstNode {
    AstNode::Function {
        name: NUMBER.into(),
        args,
        is_builtin: true,
    }
}

/// The text as a number, if JSONata 2.0.6 takes it for one.
pub(super) fn number(text: &str) -> Option<f64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let based = |radix| {
        let digits = text.get(2..)?;
        let only = digits.chars().all(|c: char| c.is_digit(radix));
        (only && !digits.is_empty())
            .then(|| u64::from_str_radix(digits, radix).ok().map(|n| n as f64))?
    };
    match text.get(..2) {
        Some("0x" | "0X") => return based(16),
        Some("0o" | "0O") => return based(8),
        Some("0b" | "0B") => return based(2),
        _ => {}
    }
    let digits_of = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let exponent_fits = exponent.is_none_or(|e| digits_of(e.strip_prefix(['+', '-']).unwrap_or(e)));
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits_of(whole) && digits_of(fraction),
        None => digits_of(mantissa),
    };
    let parsed: f64 = (exponent_fits && mantissa_fits)
        .then(|| digits.parse().ok())
        .flatten()?;
    parsed
        .is_finite()
        .then_some(if negative { -parsed } else { parsed })
}
