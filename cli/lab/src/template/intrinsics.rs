//! Conditions and intrinsic functions.

use serde_json::{Map, Value};

use super::{ACCOUNT, DefinitionError, REGION, Resolved, Stack, text};

impl Stack {
    pub(super) fn condition(&self, name: &str) -> Resolved<bool> {
        let condition = &self.template["Conditions"][name];
        if condition.is_null() {
            return Err(DefinitionError::new(
                &self.path,
                format!("there is no condition {name}"),
            ));
        }
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> Resolved<bool> {
        let Some((function, argument)) = function(condition) else {
            return Err(DefinitionError::new(
                &self.path,
                format!("no condition: {condition}"),
            ));
        };
        let all = || -> Resolved<Vec<bool>> {
            argument
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| self.holds(one))
                .collect()
        };
        Ok(match function {
            "Condition" => self.condition(argument.as_str().unwrap_or_default())?,
            "Fn::Not" => !all()?.contains(&true),
            "Fn::And" => !all()?.contains(&false),
            "Fn::Or" => all()?.contains(&true),
            "Fn::Equals" => {
                let side = |n: usize| Ok(self.resolve(&argument[n])?.map(|value| text(&value)));
                side(0)? == side(1)?
            }
            _ => {
                return Err(DefinitionError::new(
                    &self.path,
                    format!("{function} is no condition"),
                ));
            }
        })
    }

    /// `value` with every function in it worked out; `None` for `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value) -> Resolved<Option<Value>> {
        if let Some((function, argument)) = function(value) {
            return self.call(function, argument);
        }
        Ok(Some(match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolve(item));
                let items: Vec<_> = items.collect::<Resolved<_>>()?;
                Value::Array(items.into_iter().flatten().collect())
            }
            Value::Object(members) => {
                let mut resolved = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.resolve(member)? {
                        resolved.insert(name.clone(), member);
                    }
                }
                Value::Object(resolved)
            }
            plain => plain.clone(),
        }))
    }

    fn call(&self, function: &str, argument: &Value) -> Resolved<Option<Value>> {
        let words = |n: usize| argument[n].as_str().unwrap_or_default();
        Ok(Some(match function {
            "Ref" => return self.named(argument.as_str().unwrap_or_default()),
            "Fn::GetAtt" => self.attribute(words(0), words(1))?.into(),
            "Fn::Sub" => {
                let (template, variables) = sub(argument);
                self.substituted(template, variables)?.into()
            }
            "Fn::If" => {
                let branch = if self.condition(words(0))? { 1 } else { 2 };
                return self.resolve(&argument[branch]);
            }
            "Fn::Join" => {
                let parts = self.resolve(&argument[1])?.unwrap_or_default();
                let parts: Vec<_> = parts.as_array().into_iter().flatten().map(text).collect();
                parts.join(words(0)).into()
            }
            "Fn::Select" => {
                let at = argument[0].as_u64().unwrap_or_default() as usize;
                self.resolve(&argument[1])?
                    .map(|all| all[at].clone())
                    .unwrap_or_default()
            }
            "Fn::FindInMap" => {
                let key = |n: usize| {
                    Ok(self
                        .resolve(&argument[n])?
                        .as_ref()
                        .map(text)
                        .unwrap_or_default())
                };
                let (map, first, second) = (key(0)?, key(1)?, key(2)?);
                let found = &self.template["Mappings"][&map][&first][&second];
                if found.is_null() {
                    let why = format!("no {first}.{second} in mapping {map}");
                    return Err(DefinitionError::new(&self.path, why));
                }
                found.clone()
            }
            _ => {
                return Err(DefinitionError::new(
                    &self.path,
                    format!("{function} is not known here"),
                ));
            }
        }))
    }

    fn named(&self, name: &str) -> Resolved<Option<Value>> {
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::StackName" => self.name.clone().into(),
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => self.reference(name)?.into(),
            },
        }))
    }

    fn substituted(&self, template: &str, variables: &Value) -> Resolved<String> {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, from)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = from.split_once('}').ok_or_else(|| {
                DefinitionError::new(&self.path, format!("an open placeholder in {template:?}"))
            })?;
            match (name.strip_prefix('!'), name.split_once('.')) {
                (Some(literal), _) => out.push_str(&format!("${{{literal}}}")),
                (None, _) if variables.get(name).is_some() => {
                    let value = self.resolve(&variables[name])?;
                    out.push_str(&value.as_ref().map(text).unwrap_or_default());
                }
                (None, Some((logical, attribute))) => {
                    out.push_str(&self.attribute(logical, attribute)?)
                }
                (None, None) => {
                    out.push_str(&self.named(name)?.as_ref().map(text).unwrap_or_default())
                }
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The template of a `Fn::Sub`, and the variables that it is given beside it.
pub(super) fn sub(argument: &Value) -> (&str, &Value) {
    let template = argument.as_array().map_or(argument, |both| &both[0]);
    (template.as_str().unwrap_or_default(), &argument[1])
}

/// The function that `value` calls, with its argument.
pub(super) fn function(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let (name, argument) = members.iter().next()?;
    // A policy's `Condition` is an object; the function's names one.
    let is_condition = name == "Condition" && argument.is_string();
    (name == "Ref" || is_condition || name.starts_with("Fn::")).then_some((name, argument))
}
