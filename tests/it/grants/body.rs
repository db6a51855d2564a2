//! What a function does, as it is written: whom it calls, what it makes, and
//! what it asks of AWS clients.

use std::collections::{BTreeMap, BTreeSet};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ImplItem, Item, ReturnType, Token, Type};

/// What calls on a client are not operations.
const NO_OPERATION: [&str; 1] = ["clone"];

/// What a function, or a part of it, does.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) calls: Vec<Call>,
    /// What it makes by a literal: `Write::Add`.
    pub(super) makes: BTreeSet<String>,
    /// The operations it asks of AWS clients: `sqs.send_message`.
    pub(super) operations: BTreeSet<String>,
    /// What it does for some commands only.
    pub(super) arms: Vec<(Vec<String>, Body)>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) how: How,
    pub(super) arguments: Option<usize>,
}

#[derive(Debug)]
pub(super) enum How {
    /// `self.name()`
    OnSelf,
    /// `something.name()`
    On,
    /// `Qualifier::name()`
    At(String),
    /// `name()`
    Plain,
}

impl Body {
    /// What `block` does; `place` is where it stands, for complaints.
    pub(super) fn read(block: &syn::Block, clients: &Clients, place: String) -> Self {
        let mut reader = Reader::new(clients, place);
        reader.visit_block(block);
        reader.body
    }

    /// Says of which type a `Self` is.
    pub(super) fn name_self(&mut self, owner: &str) {
        let named = |made: &String| match made.strip_prefix("Self::") {
            Some(variant) => format!("{owner}::{variant}"),
            None => made.clone(),
        };
        self.makes = self.makes.iter().map(named).collect();
        self.arms
            .iter_mut()
            .for_each(|(_, arm)| arm.name_self(owner));
    }
}

impl Body {
    /// Itself, and what it does for one of the commands `only` alone; for all
    /// commands if that is empty.
    pub(super) fn parts(&self, only: &[&str]) -> Vec<&Self> {
        let taken = |of: &[String]| only.is_empty() || of.iter().any(|it| only.contains(&&**it));
        let arms = self.arms.iter().filter(|(of, _)| taken(of));
        let parts = arms.flat_map(|(_, arm)| arm.parts(only));
        std::iter::once(self).chain(parts).collect()
    }
}

pub(super) fn end(path: &syn::Path) -> String {
    let segment = path.segments.last();
    segment.map(|it| it.ident.to_string()).unwrap_or_default()
}

/// The last word of a type's path.
pub(super) fn last(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => Some(end(&path.path)),
        Type::Reference(reference) => last(&reference.elem),
        _ => None,
    }
}

/// By what a file reaches AWS clients: by name, the service of the client.
#[derive(Debug, Default)]
pub(super) struct Clients {
    fields: BTreeMap<String, String>,
    methods: BTreeMap<String, String>,
}

impl Clients {
    /// What `text`, which reads as `items`, reaches them by.
    pub(super) fn of(text: &str, items: &[Item]) -> Self {
        let imported = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("use aws_sdk_"))
            .find_map(|line| line.strip_suffix("::Client;"));
        let mut clients = Self::default();
        for item in items {
            match item {
                Item::Struct(it) => {
                    for field in &it.fields {
                        if let (Some(name), Some(of)) = (&field.ident, client(&field.ty, imported))
                        {
                            clients.fields.insert(name.to_string(), of);
                        }
                    }
                }
                Item::Impl(it) => {
                    for item in &it.items {
                        if let ImplItem::Fn(method) = item
                            && let ReturnType::Type(_, of) = &method.sig.output
                            && let Some(of) = client(of, imported)
                        {
                            clients.methods.insert(method.sig.ident.to_string(), of);
                        }
                    }
                }
                _ => {}
            }
        }
        clients
    }

    /// The client that `expression` is.
    fn reached(&self, expression: &Expr) -> Option<&str> {
        let of = match expression {
            Expr::Field(field) => match &field.member {
                syn::Member::Named(name) => self.fields.get(&name.to_string()),
                syn::Member::Unnamed(_) => None,
            },
            Expr::MethodCall(call) if call.args.is_empty() => {
                self.methods.get(&call.method.to_string())
            }
            Expr::Reference(reference) => return self.reached(&reference.expr),
            _ => None,
        };
        of.map(String::as_str)
    }

    /// The operation that a chain of calls which ends in `expression` began with.
    fn began(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::MethodCall(call) => match self.reached(&call.receiver) {
                Some(client) => Some(format!("{client}.{}", call.method)),
                None => self.began(&call.receiver),
            },
            Expr::Await(it) => self.began(&it.base),
            Expr::Try(it) => self.began(&it.expr),
            Expr::Paren(it) => self.began(&it.expr),
            _ => None,
        }
    }
}

/// The service whose client the type `of` is: `sqs` of `aws_sdk_sqs::Client`.
fn client(of: &Type, imported: Option<&str>) -> Option<String> {
    let path = match of {
        Type::Path(path) => &path.path,
        Type::Reference(reference) => return client(&reference.elem, imported),
        _ => return None,
    };
    if end(path) != "Client" {
        return None;
    }
    let first = path.segments.first().map(|it| it.ident.to_string());
    match first.as_deref()?.strip_prefix("aws_sdk_") {
        Some(service) => Some(service.to_owned()),
        None => imported.map(str::to_owned),
    }
}

/// Reads a body.
struct Reader<'a> {
    clients: &'a Clients,
    place: String,
    body: Body,
}

impl<'a> Reader<'a> {
    fn new(clients: &'a Clients, place: String) -> Self {
        Self {
            clients,
            place,
            body: Body::default(),
        }
    }

    fn path(&mut self, path: &syn::Path, arguments: Option<usize>) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        let (Some(name), before) = (names.last(), names.len().checked_sub(2)) else {
            return;
        };
        // A variant, made as a function makes things; or a constant.
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.makes(path);
            return;
        }
        let how = before.map_or(How::Plain, |at| How::At(names[at].clone()));
        self.body.calls.push(Call {
            name: name.clone(),
            how,
            arguments,
        });
    }

    fn makes(&mut self, path: &syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        let from = names.len().saturating_sub(2);
        self.body.makes.insert(names[from..].join("::"));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_expr_method_call(&mut self, it: &'ast syn::ExprMethodCall) {
        let name = it.method.to_string();
        if let Some(client) = self.clients.reached(&it.receiver) {
            if !NO_OPERATION.contains(&name.as_str()) {
                self.body.operations.insert(format!("{client}.{name}"));
            }
        } else {
            if name == "send" && it.args.is_empty() {
                assert!(
                    self.clients.began(&it.receiver).is_some(),
                    "{}: what is sent here, by which client? Begin the chain with the client",
                    self.place
                );
            }
            let on_self = matches!(&*it.receiver, Expr::Path(path) if path.path.is_ident("self"));
            self.body.calls.push(Call {
                name,
                how: if on_self { How::OnSelf } else { How::On },
                arguments: Some(it.args.len()),
            });
        }
        visit::visit_expr_method_call(self, it);
    }

    fn visit_expr_call(&mut self, it: &'ast syn::ExprCall) {
        match &*it.func {
            Expr::Path(path) => self.path(&path.path, Some(it.args.len())),
            other => self.visit_expr(other),
        }
        it.args
            .iter()
            .for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_path(&mut self, it: &'ast syn::ExprPath) {
        self.path(&it.path, None);
    }

    fn visit_expr_struct(&mut self, it: &'ast syn::ExprStruct) {
        self.makes(&it.path);
        visit::visit_expr_struct(self, it);
    }

    fn visit_expr_match(&mut self, it: &'ast syn::ExprMatch) {
        self.visit_expr(&it.expr);
        for arm in &it.arms {
            let mut commands = Commands::default();
            commands.visit_pat(&arm.pat);
            if commands.0.is_empty() {
                self.visit_arm(arm);
                continue;
            }
            let mut reader = Reader::new(self.clients, self.place.clone());
            if let Some((_, guard)) = &arm.guard {
                reader.visit_expr(guard);
            }
            reader.visit_expr(&arm.body);
            self.body.arms.push((commands.0, reader.body));
        }
    }

    // A pattern makes nothing.
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    /// Most macros take expressions; of the others the calls are found by their look.
    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(expressions) = it.parse_body_with(parse) {
            expressions.iter().for_each(|it| self.visit_expr(it));
            return;
        }
        let text = it.tokens.to_string();
        assert!(
            !text.contains("send ()"),
            "{}: a call in a macro",
            self.place
        );
        for (at, _) in text.match_indices('(') {
            let before = text[..at].trim_end();
            let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &before[start.map_or(0, |at| at + 1)..];
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                for how in [How::On, How::Plain] {
                    let (name, arguments) = (name.to_owned(), None);
                    self.body.calls.push(Call {
                        name,
                        how,
                        arguments,
                    });
                }
            }
        }
    }
}

/// The commands that a pattern is about.
#[derive(Default)]
struct Commands(Vec<String>);

impl<'ast> Visit<'ast> for Commands {
    fn visit_path(&mut self, it: &'ast syn::Path) {
        let names: Vec<_> = it.segments.iter().map(|it| it.ident.to_string()).collect();
        if let [.., of, name] = names.as_slice()
            && of == "Command"
        {
            self.0.push(name.clone());
        }
    }
}
