//! The life of an account: pure decisions, no I/O, no clock of its own.

use duet_core::fact::{CustomerActivated, CustomerBlocked, NewCustomer};
use duet_core::id::of_execution;
use duet_core::verbatim::Verbatim;
use duet_core::{Context, CustomerId, Decision, Failure, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{BlockCustomer, Command, RegisterCustomer};

/// A customer as the customer service keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// What was registered, as announced.
    pub registered: Verbatim<NewCustomer>,
    /// The customer's name; nobody else is told. Personal data: never logged.
    pub name: String,
    /// The variant the customer runs under; a customer never changes style.
    pub variant: String,
    /// Whether the account may be used.
    pub status: Status,
    /// Why not, for a blocked account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// When the decision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Not decided yet.
    Pending,
    /// Yes.
    Active,
    /// No.
    Blocked,
}

/// How a customer stands: the reply to the commands that decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Who.
    pub customer: CustomerId,
    /// Whether the account may be used.
    pub status: Status,
}

type Decided = Result<Decision<Customer>, Failure>;

/// What is to be done about `command`, given the customer as they stand
/// (`None`: never heard of them), what came with the command, and the time.
/// Where nobody says whether a registration waits for a clearance, it does if
/// `awaits_clearance`.
///
/// # Errors
/// [`Failure::Invalid`] for an unacceptable registration, for a customer who is
/// unknown or runs under another variant, and for an execution that is not named
/// after its customer.
pub fn decide(
    state: Option<Customer>,
    command: &Command,
    context: &Context,
    now: Timestamp,
    awaits_clearance: bool,
) -> Decided {
    let variant = context.message.variant.as_str();
    let awaits = context.awaits_clearance(awaits_clearance);
    let known = |state: Option<Customer>| match state {
        None => Err(Failure::invalid("no such customer")),
        Some(customer) if customer.variant != variant => {
            Err(Failure::invalid("the customer runs under another variant"))
        }
        Some(customer) => Ok(customer),
    };
    Ok(match command {
        Command::RegisterCustomer(command) => {
            return register(state, command, context, now, awaits);
        }
        Command::ActivateUnscreened(_) => {
            let customer = known(state)?;
            match customer.awaits_clearance(awaits) {
                true => Decision::done(customer.standing()).unkept(),
                false => activate(customer, now),
            }
        }
        Command::ActivateCustomer(_) => activate(known(state)?, now),
        Command::BlockCustomer(command) => {
            let customer = known(state)?;
            match customer.awaits_clearance(awaits) {
                true => block(customer, command, now),
                // What is said of who waits for nobody's word changes nothing.
                false => Decision::done(customer.standing()).unkept(),
            }
        }
    })
}

fn register(
    state: Option<Customer>,
    command: &RegisterCustomer,
    context: &Context,
    now: Timestamp,
    awaits: bool,
) -> Decided {
    let named = |execution: &str| of_execution(execution) == command.customer.as_str();
    if !context.execution.as_deref().is_none_or(named) {
        return Err(Failure::invalid(
            "the execution is not named after its customer",
        ));
    }
    if state.is_some() {
        let why = "the customer exists, but was not registered by this command";
        return Err(Failure::invalid(why));
    }
    if let Err(no) = command.check() {
        return Err(Failure::invalid(format!("{}: {}", no.path, no.problem)));
    }
    let RegisterCustomer {
        customer,
        name,
        email,
        country,
    } = command.clone();
    let registered = NewCustomer {
        customer,
        email,
        country,
        registered_at: now,
        clearance: Some(awaits),
    };
    let state = Customer {
        registered: Verbatim::new(registered.clone()),
        name,
        variant: context.message.variant.clone(),
        status: Status::Pending,
        reasons: Vec::new(),
        decided_at: None,
    };
    let answer = Decision::done(state.standing());
    Ok(answer.state(state).announce("registered", registered))
}

fn activate(customer: Customer, now: Timestamp) -> Decision<Customer> {
    match customer.status {
        Status::Active => Decision::done(customer.standing()),
        Status::Blocked => Decision::declined(Refusal::new("CustomerBlocked", customer.why())),
        Status::Pending => {
            let fact = CustomerActivated {
                customer: customer.registered.customer.clone(),
            };
            let customer = Customer {
                status: Status::Active,
                decided_at: Some(now),
                ..customer
            };
            Decision::done(customer.standing())
                .state(customer)
                .fact(fact)
        }
    }
}

fn block(customer: Customer, command: &BlockCustomer, now: Timestamp) -> Decision<Customer> {
    match customer.status {
        Status::Blocked => Decision::done(customer.standing()),
        Status::Active => Decision::declined(Refusal::new("CustomerActivated", "")),
        Status::Pending => {
            let reasons = command.reasons.clone();
            let who = customer.registered.customer.clone();
            let fact = CustomerBlocked {
                customer: who,
                reasons: reasons.clone(),
            };
            let customer = Customer {
                status: Status::Blocked,
                reasons,
                decided_at: Some(now),
                ..customer
            };
            Decision::done(customer.standing())
                .state(customer)
                .fact(fact)
        }
    }
}

impl Customer {
    /// Whether the account waits for a clearance: by its own mark, or
    /// `otherwise` for one from before there were marks.
    fn awaits_clearance(&self, otherwise: bool) -> bool {
        self.registered.clearance.unwrap_or(otherwise)
    }

    /// How the customer stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            customer: self.registered.customer.clone(),
            status: self.status,
        }
    }

    /// The reasons of a blocked account, joined by commas.
    fn why(&self) -> String {
        self.reasons.join(",")
    }
}
