//! Who calls whom, read from the functions' sources.
//!
//! Calls are followed by name, along what the compiler would let through: what
//! is private stays in its module, a method of a trait is called only where the
//! trait is named or one that extends it, a crate calls only what it depends on,
//! and the number of arguments fits. So everything that is called is found, and
//! sometimes more: then a test says that a grant is missing, and somebody looks.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Expr, ExprLit, FnArg, ImplItem, Item, Lit, Signature, TraitItem, TypeParamBound, Visibility,
};

use super::body::{Body, Call, Clients, How, end, last};
use crate::harness::root;
use crate::tidy::{rust_files, shipped};

/// The crates under `functions/` that every service stands on, each on those before it.
const BELOW: [&str; 3] = ["idempotency", "core", "edge"];

/// The sources that one service's binary is built from.
#[derive(Debug)]
pub(super) struct Code {
    functions: Vec<Function>,
    /// By name, what the constants of implementations say, of those that are text.
    constants: BTreeMap<String, String>,
    /// By trait, those that it extends.
    extended: BTreeMap<String, Vec<String>>,
    /// The words of each file: what it names.
    words: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Function {
    file: String,
    /// The type whose method it is.
    owner: Option<String>,
    of_trait: Option<String>,
    name: String,
    seen_by: SeenBy,
    /// Whether it takes `self`, and how many arguments beside it.
    takes_self: bool,
    arguments: usize,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum SeenBy {
    Module,
    Crate,
    All,
}

/// What is reached from somewhere.
#[derive(Debug, Default, Clone)]
pub(super) struct Reached {
    /// Functions, as `Owner::name` or `module::name`, a type's method for a trait
    /// also as `own Trait::name`; and what they make.
    pub(super) names: BTreeSet<String>,
    /// Operations of AWS clients.
    pub(super) operations: BTreeSet<String>,
}

impl Code {
    /// The code of `service`: its own, and that of the crates that it stands on; each
    /// file's text as `edited` gives it.
    pub(super) fn of(service: &str, edited: impl Fn(&str, String) -> String) -> Self {
        let mut code = Self {
            functions: Vec::new(),
            constants: BTreeMap::new(),
            extended: BTreeMap::new(),
            words: BTreeMap::new(),
        };
        for krate in BELOW.into_iter().chain([service]) {
            for path in rust_files(&format!("functions/{krate}/src")) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy();
                code.read(&name, &edited(&name, shipped(&path)));
            }
        }
        code
    }

    /// Reads a file.
    fn read(&mut self, file: &str, text: &str) {
        let parsed = syn::parse_file(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        self.words
            .insert(file.to_owned(), words.map(str::to_owned).collect());
        let clients = Clients::of(text, &parsed.items);
        self.items(file, &clients, &parsed.items);
    }

    fn items(&mut self, file: &str, clients: &Clients, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(it) => {
                    let seen_by = seen_by(&it.vis);
                    self.function(file, clients, None, None, seen_by, &it.sig, &it.block);
                }
                Item::Impl(it) => {
                    let owner = last(&it.self_ty);
                    let of_trait = it.trait_.as_ref().map(|(_, path, _)| end(path));
                    for item in &it.items {
                        if let (ImplItem::Const(it), Some(of)) = (item, &of_trait)
                            && let Some(text) = literal(&it.expr)
                        {
                            let name = format!("{of}::{}", it.ident);
                            let other = self.constants.insert(name.clone(), text);
                            assert!(other.is_none(), "{file}: a second {name}");
                        }
                        let ImplItem::Fn(it) = item else { continue };
                        let seen_by = match of_trait {
                            Some(_) => SeenBy::All,
                            None => seen_by(&it.vis),
                        };
                        let of_trait = of_trait.clone();
                        let owner = owner.clone();
                        self.function(file, clients, owner, of_trait, seen_by, &it.sig, &it.block);
                    }
                }
                Item::Trait(it) => {
                    let bounds = it.supertraits.iter();
                    let traits = bounds.filter_map(|bound| match bound {
                        TypeParamBound::Trait(of) => Some(end(&of.path)),
                        _ => None,
                    });
                    self.extended
                        .entry(it.ident.to_string())
                        .or_default()
                        .extend(traits);
                    for item in &it.items {
                        let TraitItem::Fn(method) = item else {
                            continue;
                        };
                        let Some(block) = &method.default else {
                            continue;
                        };
                        let of_trait = Some(it.ident.to_string());
                        let (owner, seen_by) = (of_trait.clone(), SeenBy::All);
                        self.function(file, clients, owner, of_trait, seen_by, &method.sig, block);
                    }
                }
                Item::Mod(it) => {
                    let items = it.content.as_ref().map(|(_, items)| items.as_slice());
                    self.items(file, clients, items.unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one per thing that is known of a function"
    )]
    fn function(
        &mut self,
        file: &str,
        clients: &Clients,
        owner: Option<String>,
        of_trait: Option<String>,
        seen_by: SeenBy,
        signature: &Signature,
        block: &syn::Block,
    ) {
        let place = format!("{file}: {}", signature.ident);
        let mut body = Body::read(block, clients, place);
        if let Some(owner) = &owner {
            body.name_self(owner);
        }
        let takes_self = matches!(signature.inputs.first(), Some(FnArg::Receiver(_)));
        self.functions.push(Function {
            file: file.to_owned(),
            owner,
            of_trait,
            name: signature.ident.to_string(),
            seen_by,
            takes_self,
            arguments: signature.inputs.len() - usize::from(takes_self),
            body,
        });
    }

    /// The text of the constant called `name` (`Trait::NAME`).
    pub(super) fn constant(&self, name: &str) -> &str {
        let text = self.constants.get(name);
        text.unwrap_or_else(|| panic!("no text constant {name}"))
    }

    /// The methods of the type called `owner`, by their labels.
    pub(super) fn methods(&self, owner: &str) -> Vec<String> {
        let own = |f: &&Function| f.owner.as_deref() == Some(owner);
        let found: Vec<_> = self
            .functions
            .iter()
            .filter(own)
            .map(Function::label)
            .collect();
        assert!(!found.is_empty(), "no type {owner} with methods");
        found
    }

    /// What is reached from the functions called one of `from`, without going
    /// through those called one of `cut`, for one of the commands `only`, or for
    /// all if that is empty.
    pub(super) fn reach(&self, from: &[&str], cut: &[&str], only: &[&str]) -> Reached {
        let named = |function: &&Function, names: &[&str]| {
            names.iter().any(|name| *name == function.label())
        };
        let mut open: Vec<_> = self.functions.iter().filter(|f| named(f, from)).collect();
        assert!(!open.is_empty(), "no function is called one of {from:?}");
        let mut seen = BTreeSet::new();
        let mut reached = Reached::default();
        while let Some(function) = open.pop() {
            if named(&function, cut) || !seen.insert(std::ptr::from_ref(function)) {
                continue;
            }
            reached.names.insert(function.label());
            reached.names.extend(function.of_its_own());
            for body in function.body.parts(only) {
                reached.names.extend(body.makes.iter().cloned());
                reached.operations.extend(body.operations.iter().cloned());
                open.extend(self.called(function, body, false));
            }
        }
        reached
    }

    /// Whether there is a function called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.functions.iter().any(|it| it.label() == name)
    }

    /// The service's commands for which `what` may be reached.
    ///
    /// # Panics
    /// When it may be reached whatever the command is.
    pub(super) fn commands_that_reach(&self, what: &str) -> BTreeSet<String> {
        let handles =
            |f: &&Function| f.of_trait.as_deref() == Some("Service") && f.name == "handle";
        let (always, mut open) =
            self.closure(self.functions.iter().filter(handles).collect(), false);
        assert!(
            !always.contains(what),
            "{what} is reached whatever the command is"
        );
        let mut commands = BTreeSet::new();
        let mut seen = BTreeSet::new();
        while let Some(function) = open.pop() {
            if !seen.insert(std::ptr::from_ref(function)) {
                continue;
            }
            for (of, body) in &function.body.arms {
                let called = self.called(function, body, true);
                let (names, further) = self.closure(called, true);
                if names.contains(what) {
                    commands.extend(of.iter().cloned());
                }
                open.extend(further);
            }
        }
        commands
    }

    /// The functions that are reached from `open`, and their names.
    fn closure<'a>(
        &'a self,
        mut open: Vec<&'a Function>,
        arms: bool,
    ) -> (BTreeSet<String>, Vec<&'a Function>) {
        let mut names = BTreeSet::new();
        let mut seen: Vec<&Function> = Vec::new();
        while let Some(function) = open.pop() {
            if seen.iter().any(|known| std::ptr::eq(*known, function)) {
                continue;
            }
            seen.push(function);
            names.insert(function.label());
            open.extend(self.called(function, &function.body, arms));
        }
        (names, seen)
    }

    /// The functions that `body`, a part of `caller`, may call.
    fn called<'a>(&'a self, caller: &Function, body: &Body, arms: bool) -> Vec<&'a Function> {
        let mut found = Vec::new();
        for call in &body.calls {
            found.extend(self.meant(caller, call));
        }
        if arms {
            for (_, arm) in &body.arms {
                found.extend(self.called(caller, arm, true));
            }
        }
        found
    }

    fn meant<'a>(&'a self, caller: &Function, call: &Call) -> Vec<&'a Function> {
        let of_name = self.functions.iter().filter(|f| f.name == call.name);
        let all: Vec<_> = of_name
            .filter(|f| f.fits(call) && self.sees(caller, f))
            .collect();
        let only = |keep: &dyn Fn(&Function) -> bool| -> Vec<&'a Function> {
            all.iter().copied().filter(|f| keep(f)).collect()
        };
        match &call.how {
            How::OnSelf => {
                let own = only(&|f| f.owner.is_some() && f.owner == caller.owner);
                if own.is_empty() {
                    only(&|f| f.takes_self)
                } else {
                    own
                }
            }
            How::On => only(&|f| f.takes_self),
            How::Plain => only(&|f| f.owner.is_none()),
            How::At(at) => {
                let at = match (at.as_str(), &caller.owner) {
                    ("Self", Some(owner)) => owner.as_str(),
                    (at, _) => at,
                };
                if at.starts_with(|c: char| c.is_ascii_uppercase()) {
                    let is_type = |f: &Function| f.owner.as_deref() == Some(at);
                    let known = self.functions.iter().any(is_type);
                    let by_trait = |f: &Function| {
                        f.of_trait.is_some() && (!known || f.of_trait.as_deref() == Some(at))
                    };
                    only(&|f| is_type(f) || by_trait(f))
                } else {
                    let relative = ["self", "super", "crate"].contains(&at);
                    only(&|f| f.owner.is_none() && (relative || module(&f.file) == at))
                }
            }
        }
    }

    /// Whether `file` names the trait `of_trait`, or one that extends it.
    fn names(&self, file: &str, of_trait: &str) -> bool {
        let extends = |(_, of): &(&String, &Vec<String>)| of.iter().any(|it| it == of_trait);
        let mut further = self.extended.iter().filter(extends);
        self.words[file].contains(of_trait) || further.any(|(name, _)| self.names(file, name))
    }

    fn sees(&self, caller: &Function, called: &Function) -> bool {
        if let Some(of_trait) = &called.of_trait {
            return self.names(&caller.file, of_trait);
        }
        let (from, to) = (krate(&caller.file), krate(&called.file));
        match called.seen_by {
            SeenBy::Module => {
                caller.file == called.file || caller.file.starts_with(&below(&called.file))
            }
            SeenBy::Crate => from == to,
            SeenBy::All => {
                let mut below = BELOW.iter().take_while(|it| **it != from);
                from == to || below.any(|it| *it == to)
            }
        }
    }
}

impl Function {
    fn label(&self) -> String {
        let place = self.owner.as_deref();
        format!(
            "{}::{}",
            place.unwrap_or_else(|| module(&self.file)),
            self.name
        )
    }

    /// How a trait's method is called that a type has in place of the trait's own.
    fn of_its_own(&self) -> Option<String> {
        let of_trait = self.of_trait.as_ref()?;
        (self.owner.as_ref() != Some(of_trait)).then(|| format!("own {of_trait}::{}", self.name))
    }

    fn fits(&self, call: &Call) -> bool {
        let with_self = self.arguments + usize::from(self.takes_self);
        match (call.arguments, &call.how) {
            (None, _) => true,
            (Some(n), How::OnSelf | How::On) => n == self.arguments,
            (Some(n), How::At(_) | How::Plain) => n == with_self,
        }
    }
}

/// The text that `expression` is.
fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn krate(file: &str) -> &str {
    file.split('/').nth(1).unwrap_or_default()
}

/// The module that is in `file`.
fn module(file: &str) -> &str {
    let mut parts = file.trim_end_matches(".rs").rsplit('/');
    match parts.next() {
        Some("mod") => parts.next(),
        stem => stem,
    }
    .unwrap_or_default()
}

/// Where the modules below the one in `file` are.
fn below(file: &str) -> String {
    match file.rsplit_once('/') {
        Some((dir, "lib.rs" | "main.rs" | "mod.rs")) => format!("{dir}/"),
        _ => format!("{}/", file.trim_end_matches(".rs")),
    }
}

fn seen_by(visibility: &Visibility) -> SeenBy {
    match visibility {
        Visibility::Public(_) => SeenBy::All,
        Visibility::Restricted(_) => SeenBy::Crate,
        Visibility::Inherited => SeenBy::Module,
    }
}
