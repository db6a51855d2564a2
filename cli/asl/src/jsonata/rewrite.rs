//! What is changed in an expression before it is evaluated.
//!
//! Built-in functions that differ from JSONata 2.0.6 are sent to the host's. Only `$number`: 2.0.6 takes neither
//! blanks nor a plus sign nor a bare dot (D3030). And functions with a name, which may call themselves, count their
//! calls, so that an expression without end is ended by a number and not by a clock.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

/// The name under which the host provides `$number`.
pub(super) const NUMBER: &str = "number_of_2_0_6";

/// The name under which the host counts a call.
pub(super) const CALLED: &str = "called";

/// Makes each function that has a name count its calls; says whether there is one.
///
/// The counting is put where it makes the way to the next call no longer, for that way is bounded too.
pub(super) fn count_calls(ast: &mut AstNode) -> bool {
    let mut found = false;
    each_part(ast, &mut |part| {
        if let AstNode::Binary {
            op: BinaryOp::ColonEqual,
            rhs,
            ..
        } = part
            && let AstNode::Lambda { params, body, .. } = &mut **rhs
        {
            found = true;
            count(body, params);
        }
    });
    found
}

fn count(body: &mut AstNode, params: &[String]) {
    match body {
        AstNode::Block(items) => items.insert(0, called(params)),
        AstNode::Conditional { condition, .. } => counted(condition, params),
        AstNode::Function { args, .. } if matches!(args.first(), Some(a) if !matches!(a, AstNode::Placeholder)) =>
        {
            counted(&mut args[0], params);
        }
        AstNode::Binary {
            op: BinaryOp::And | BinaryOp::Or,
            lhs,
            ..
        } => counted(lhs, params),
        AstNode::Binary { lhs, rhs, .. } => {
            let mut calls = false;
            each_part(rhs, &mut |part| {
                calls |= matches!(part, AstNode::Function { .. } | AstNode::Call { .. });
            });
            counted(if calls { lhs } else { rhs }, params);
        }
        body => counted(body, params),
    }
}

fn counted(part: &mut AstNode, params: &[String]) {
    let inner = std::mem::replace(part, AstNode::Null);
    *part = AstNode::Block(vec![called(params), inner]);
}

/// The host sees what the function was called with.
fn called(params: &[String]) -> AstNode {
    AstNode::Function {
        name: CALLED.into(),
        args: params.iter().cloned().map(AstNode::Variable).collect(),
        is_builtin: true,
    }
}

/// Replaces what is called `$number`, with an argument or as a value; without one it reads the context.
pub(super) fn rewrite(ast: &mut AstNode) {
    each_part(ast, &mut |part| match part {
        AstNode::Variable(name) if name == "number" => {
            *part = AstNode::Lambda {
                params: vec!["value".into()],
                body: Box::new(call(vec![AstNode::Variable("value".into())])),
                signature: None,
                thunk: false,
            };
        }
        AstNode::Function { name, args, .. }
            if name == "number" && args.len() == 1 && !matches!(args[0], AstNode::Placeholder) =>
        {
            *part = call(std::mem::take(args));
        }
        _ => {}
    });
}

/// Each part of an expression, those within it first.
fn each_part(ast: &mut AstNode, act: &mut dyn FnMut(&mut AstNode)) {
    match ast {
        AstNode::Function { args, .. } => args.iter_mut().for_each(|a| each_part(a, act)),
        AstNode::Path { steps } => steps.iter_mut().for_each(|s| step(s, act)),
        AstNode::Binary { lhs, rhs, .. } => {
            each_part(lhs, act);
            each_part(rhs, act);
        }
        AstNode::Unary { operand: inner, .. } | AstNode::FunctionApplication(inner) => {
            each_part(inner, act);
        }
        AstNode::Call { procedure, args } => {
            each_part(procedure, act);
            args.iter_mut().for_each(|a| each_part(a, act));
        }
        AstNode::Lambda { body, .. } => each_part(body, act),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
            items.iter_mut().for_each(|i| each_part(i, act));
        }
        AstNode::Object(pairs) => pairs.iter_mut().for_each(|p| pair(p, act)),
        AstNode::ObjectTransform { input, pattern } => {
            each_part(input, act);
            pattern.iter_mut().for_each(|p| pair(p, act));
        }
        AstNode::Conditional {
            condition,
            then_branch,
            else_branch,
        } => {
            each_part(condition, act);
            each_part(then_branch, act);
            else_branch.iter_mut().for_each(|e| each_part(e, act));
        }
        AstNode::Sort { input, terms } => {
            each_part(input, act);
            terms.iter_mut().for_each(|(term, _)| each_part(term, act));
        }
        AstNode::Transform {
            location,
            update,
            delete,
        } => {
            each_part(location, act);
            each_part(update, act);
            delete.iter_mut().for_each(|d| each_part(d, act));
        }
        _ => {}
    }
    act(ast);
}

fn pair((key, value): &mut (AstNode, AstNode), act: &mut dyn FnMut(&mut AstNode)) {
    each_part(key, act);
    each_part(value, act);
}

fn step(step: &mut PathStep, act: &mut dyn FnMut(&mut AstNode)) {
    each_part(&mut step.node, act);
    for stage in &mut step.stages {
        if let Stage::Filter(predicate) = stage {
            each_part(predicate, act);
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
