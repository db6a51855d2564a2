//! The scenarios: what the input does, and the outcome in every variant. The
//! names are shared by the demo, the tests and the documentation.

use duet_core::money::{Currency, MAX_AMOUNT};
use duet_core::order::{Address, Line, Reason};
use duet_core::{CustomerId, Money, Sku};
use duet_customer::command::RegisterCustomer;
use duet_fraud::command::Verdict;
use duet_fraud::rules;
use duet_order::command::PlaceOrder;
use std::num::NonZeroU32;

use crate::shop::goods::Good;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What the input does.
    pub about: &'static str,
    /// Whether it needs the fraud service.
    pub fraud: bool,
    /// The outcome, in every variant.
    pub expected: Expected,
    plan: fn(&mut Draft),
}

/// The outcome of a scenario's last order (or of its customer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The order is confirmed.
    Confirmed,
    /// The order is rejected for this reason.
    Rejected(Reason, Option<&'static str>),
    /// The order is rejected for this reason and cannot be undone: it is parked
    /// until an operator repairs it.
    NeedsAttention(Reason, Option<&'static str>),
    /// So many of the last wave's orders are confirmed; the rest are rejected for
    /// this reason. Which ones is a race.
    Contested {
        /// How many are confirmed.
        confirmed: usize,
        /// Why the others are not.
        reason: Reason,
        /// What is said of why, if it matters.
        detail: Option<&'static str>,
    },
    /// A message nobody can parse lies dead, and the order beside it is confirmed.
    DeadLettered,
    /// The account may be used.
    Active,
    /// The account may not be used.
    Blocked,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confirmed => f.write_str("Confirmed"),
            Self::Rejected(reason, None) => write!(f, "Rejected({reason})"),
            Self::Rejected(reason, Some(detail)) => write!(f, "Rejected({reason}, {detail})"),
            Self::NeedsAttention(reason, detail) => {
                write!(f, "{}, NeedsAttention", Self::Rejected(*reason, *detail))
            }
            Self::Contested {
                confirmed,
                reason,
                detail,
            } => {
                write!(
                    f,
                    "Confirmed x{confirmed}, {}",
                    Self::Rejected(*reason, *detail)
                )
            }
            Self::DeadLettered => f.write_str("DeadLettered"),
            Self::Active => f.write_str("Active"),
            Self::Blocked => f.write_str("Blocked"),
        }
    }
}

impl Expected {
    /// How each of a last wave's `orders` ends, in the order of the outcomes' names.
    #[must_use]
    pub fn each(self, orders: usize) -> Vec<Self> {
        match self {
            Self::Contested {
                confirmed,
                reason,
                detail,
            } => {
                let confirmed = confirmed.min(orders);
                let mut each = vec![Self::Confirmed; confirmed];
                each.resize(orders, Self::Rejected(reason, detail));
                each
            }
            one => vec![one; orders],
        }
    }
}

/// What a run of a scenario does, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Goods to put into the catalogue.
    pub goods: Vec<Good>,
    /// Customers to register; all are decided before the first order.
    pub customers: Vec<RegisterCustomer>,
    /// Whether these customers are found suspicious, and so are blocked.
    pub suspicious: bool,
    /// Orders in waves: a wave starts when the one before it has ended. Those
    /// before the last wave are confirmed.
    pub waves: Vec<Vec<PlaceOrder>>,
    /// How often each order is submitted, at once.
    pub times: usize,
    /// Whether the same id with other content is tried afterwards.
    pub forge: bool,
    /// Whether an order that costs more than any door takes is tried afterwards.
    pub excess: bool,
    /// What is handed in before the orders, to die alone.
    pub hopeless: Option<Hopeless>,
    /// What a person does about the orders of the last wave, once they are
    /// under review.
    pub person: Option<Person>,
    /// Whether the orders of the last wave are parked, and repaired by an operator.
    pub repair: bool,
}

impl Plan {
    /// The ids of its orders.
    #[must_use]
    pub fn orders(&self) -> Vec<String> {
        let orders = self.waves.iter().flatten();
        orders.map(|order| order.order.to_string()).collect()
    }

    /// What is in the message, if there is one, that is to lie dead in the end.
    #[must_use]
    pub fn dies(&self) -> Option<&str> {
        self.hopeless.as_ref().map(Hopeless::marker)
    }
}

/// What nobody will ever take: it is to lie dead, and to harm nobody else.
#[derive(Debug, Clone)]
pub enum Hopeless {
    /// A message that nobody can parse, with this marker in it.
    Poison(String),
    /// An order with a field that nobody knows.
    UnknownField(Box<PlaceOrder>),
}

impl Hopeless {
    /// What it is found by among what lies dead.
    #[must_use]
    pub fn marker(&self) -> &str {
        match self {
            Self::Poison(marker) => marker,
            Self::UnknownField(order) => order.order.as_str(),
        }
    }
}

/// What a person does about a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Says something.
    Says(Verdict),
    /// Says nothing.
    IsSilent,
}

/// A plan being drawn up; its names are unique to the run.
pub struct Draft {
    stem: String,
    copies: usize,
    patience: u32,
    plan: Plan,
}

const CURRENCY: &str = "EUR";

/// The price of the goods a scenario sells, in cents.
const PRICE: i64 = 4_990;

/// How much of it there is.
const STOCK: u32 = 1_000;

/// How many orders, at least, want the last piece.
const RIVALS: usize = 3;

impl Draft {
    fn money(amount: i64) -> Money {
        // EUR is in ISO 4217; the built-in fallback keeps this free of panics.
        let currency = Currency::try_from(CURRENCY.to_owned());
        Money {
            amount,
            currency: currency.unwrap_or_else(|why| unreachable!("{CURRENCY}: {why}")),
        }
    }

    fn id<T: TryFrom<String>>(&self, what: &str) -> T
    where
        T::Error: std::fmt::Debug,
    {
        T::try_from(format!("{}-{what}", self.stem))
            .unwrap_or_else(|e| unreachable!("a drawn id is valid: {e:?}"))
    }

    fn sell(&mut self, name: &str, price: i64) -> Sku {
        let sku: Sku = self.id(name);
        self.plan.goods.push(Good {
            sku: sku.clone(),
            name: None,
            price: Self::money(price),
            quantity: STOCK,
        });
        sku
    }

    /// A customer whose mail box is one to throw away.
    fn register_suspect(&mut self) -> CustomerId {
        self.plan.suspicious = true;
        self.register(rules::DISPOSABLE_DOMAINS[0])
    }

    fn register(&mut self, email_domain: &str) -> CustomerId {
        let customer: CustomerId = self.id("customer");
        self.plan.customers.push(RegisterCustomer {
            customer: customer.clone(),
            name: "Ada Example".to_owned(),
            email: format!("{}@{email_domain}", self.stem),
            country: "SE".to_owned(),
        });
        customer
    }

    /// An order that nothing is wrong with.
    fn order(&mut self) -> PlaceOrder {
        let customer = self.register("example.org");
        self.order_of(customer)
    }

    fn order_of(&mut self, customer: CustomerId) -> PlaceOrder {
        let sku = self.sell("sku", PRICE);
        PlaceOrder {
            order: self.id("1"),
            customer,
            lines: vec![Line {
                sku,
                quantity: NonZeroU32::MIN,
            }],
            total: Self::money(PRICE),
            payment_token: "tok_visa".to_owned(),
            ship_to: address(),
        }
    }

    /// An order whose amount alone is conspicuous.
    fn dear_order(&mut self) -> PlaceOrder {
        self.order_at(rules::LARGE_AMOUNT * 100)
    }

    fn order_at(&mut self, price: i64) -> PlaceOrder {
        let mut order = self.order();
        for good in &mut self.plan.goods {
            good.price = Self::money(price);
        }
        order.total = Self::money(price);
        order
    }

    /// An order that a person has to look at, and what that person does.
    fn review(&mut self, person: Person) {
        let order = self.dear_order();
        self.reviewed(order, person);
    }

    fn reviewed(&mut self, order: PlaceOrder, person: Person) {
        self.plan.person = Some(person);
        self.place(order);
    }

    /// Places `order` in the last wave, and copies of it under further ids. Each
    /// copy is another customer's: many orders of one would be the velocity
    /// scenario.
    fn place(&mut self, order: PlaceOrder) {
        let registration = self.plan.customers.pop();
        let mut wave = Vec::with_capacity(self.copies);
        for n in 1..=self.copies {
            let mut copy = PlaceOrder {
                order: self.id(&n.to_string()),
                ..order.clone()
            };
            if let Some(registration) = &registration {
                copy.customer = self.id(&format!("customer-{n}"));
                self.plan.customers.push(RegisterCustomer {
                    customer: copy.customer.clone(),
                    email: format!("{n}-{}", registration.email),
                    ..registration.clone()
                });
            }
            wave.push(copy);
        }
        self.plan.waves.push(wave);
    }
}

/// Every scenario, in the order of the demo.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "happy",
        about: "valid card, stock, address",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "many-lines",
        about: "five lines of four SKUs, one of them on two lines",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            let mut order = draft.order();
            let again = order.lines[0].clone();
            for n in 2..=4_u32 {
                let price = PRICE / i64::from(n);
                let sku = draft.sell(&format!("sku-{n}"), price);
                let quantity = NonZeroU32::MIN.saturating_add(n);
                order.total.amount += price * i64::from(quantity.get());
                order.lines.push(Line { sku, quantity });
            }
            order.total.amount += PRICE;
            order.lines.push(again);
            draft.place(order);
        },
    },
    Scenario {
        name: "last-piece",
        about: "three orders at once want the last piece",
        fraud: false,
        expected: Expected::Contested {
            confirmed: 1,
            reason: Reason::StockUnavailable,
            detail: Some("OutOfStock"),
        },
        plan: |draft| {
            let order = draft.order();
            for good in &mut draft.plan.goods {
                good.quantity = 1;
            }
            draft.copies = draft.copies.max(RIVALS);
            draft.place(order);
        },
    },
    Scenario {
        name: "out-of-stock",
        about: "asks for more than there is",
        fraud: false,
        expected: Expected::Rejected(Reason::StockUnavailable, Some("OutOfStock")),
        plan: |draft| {
            let mut order = draft.order();
            for good in &mut draft.plan.goods {
                good.quantity = 1;
            }
            order.lines[0].quantity = NonZeroU32::MIN.saturating_add(1);
            order.total = Draft::money(2 * PRICE);
            draft.place(order);
        },
    },
    Scenario {
        name: "price-changed",
        about: "total differs from the catalogue",
        fraud: false,
        expected: Expected::Rejected(Reason::StockUnavailable, Some("PriceChanged")),
        plan: |draft| {
            let order = draft.order();
            draft.place(PlaceOrder {
                total: Draft::money(PRICE - 1),
                ..order
            });
        },
    },
    Scenario {
        name: "card-declined",
        about: "token declines",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentDeclined, None),
        plan: |draft| with_token(draft, "tok_declined"),
    },
    Scenario {
        name: "payment-flaky",
        about: "provider fails twice, then works",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| with_token(draft, "tok_flaky"),
    },
    Scenario {
        name: "payment-down",
        about: "provider never answers",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentUnavailable, None),
        plan: |draft| with_token(draft, "tok_down"),
    },
    Scenario {
        name: "patience-edge",
        about: "provider silent for a second less than patience, then for 20 s more",
        fraud: false,
        expected: Expected::Rejected(Reason::PaymentUnavailable, None),
        plan: |draft| {
            let patience = draft.patience;
            let token = |seconds| format!("tok_silent_{seconds}s");
            let order = draft.order();
            draft.plan.waves.push(vec![PlaceOrder {
                order: draft.id("in-time"),
                payment_token: token(patience.saturating_sub(1)),
                ..order.clone()
            }]);
            draft.place(PlaceOrder {
                payment_token: token(silence(patience)),
                ..order
            });
        },
    },
    Scenario {
        name: "fraud-block",
        about: "score over block",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let mut order = draft.dear_order();
            order.ship_to.country = "US".to_owned();
            draft.place(order);
        },
    },
    Scenario {
        name: "velocity",
        about: "a customer's n-th order within the hour",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let order = draft.order();
            for n in 1..=rules::VELOCITY {
                let order = PlaceOrder {
                    order: draft.id(&n.to_string()),
                    ..order.clone()
                };
                draft.plan.waves.push(vec![order]);
            }
        },
    },
    Scenario {
        name: "velocity-at-once",
        about: "twice as many orders of one customer as the rule counts, submitted together",
        fraud: true,
        expected: Expected::Contested {
            confirmed: rules::VELOCITY - 1,
            reason: Reason::FraudConfirmed,
            detail: None,
        },
        plan: |draft| {
            let order = draft.order();
            let wave = (1..=2 * rules::VELOCITY).map(|n| PlaceOrder {
                order: draft.id(&n.to_string()),
                ..order.clone()
            });
            let wave = wave.collect();
            draft.plan.waves.push(wave);
        },
    },
    Scenario {
        name: "blocked-customer",
        about: "an order by a customer who was blocked",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| {
            let customer = draft.register_suspect();
            let order = draft.order_of(customer);
            draft.place(order);
        },
    },
    Scenario {
        name: "review-approve",
        about: "score over review; a person says yes",
        fraud: true,
        expected: Expected::Confirmed,
        plan: |draft| draft.review(Person::Says(Verdict::Approve)),
    },
    Scenario {
        name: "review-reject",
        about: "score over review; a person says no",
        fraud: true,
        expected: Expected::Rejected(Reason::FraudConfirmed, None),
        plan: |draft| draft.review(Person::Says(Verdict::Reject)),
    },
    Scenario {
        name: "review-timeout",
        about: "score over review; a person says nothing",
        fraud: true,
        expected: Expected::Rejected(Reason::ReviewTimedOut, None),
        plan: |draft| draft.review(Person::IsSilent),
    },
    Scenario {
        name: "huge-total",
        about: "the largest total any door takes; one more is refused there",
        fraud: true,
        expected: Expected::Confirmed,
        plan: |draft| {
            draft.plan.excess = true;
            let order = draft.order_at(MAX_AMOUNT);
            draft.reviewed(order, Person::Says(Verdict::Approve));
        },
    },
    Scenario {
        name: "undeliverable",
        about: "postcode not served",
        fraud: false,
        expected: Expected::Rejected(Reason::DeliveryFailed, Some("NotServed")),
        plan: |draft| {
            let mut order = draft.order();
            order.ship_to.postcode = "00000".to_owned();
            draft.place(order);
        },
    },
    Scenario {
        name: "refund-fails",
        about: "refund keeps failing, until an operator repairs the order",
        fraud: false,
        expected: Expected::NeedsAttention(Reason::DeliveryFailed, Some("NotServed")),
        plan: |draft| {
            // No answer until every service has given up, and then one.
            let silent = silence(draft.patience);
            let mut order = draft.order();
            order.ship_to.postcode = "00000".to_owned();
            order.payment_token = format!("tok_refund_silent_{silent}s");
            draft.plan.repair = true;
            draft.place(order);
        },
    },
    Scenario {
        name: "twice",
        about: "the same order id submitted twice, at once",
        fraud: false,
        expected: Expected::Confirmed,
        plan: |draft| {
            draft.plan.times = 2;
            draft.plan.forge = true;
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "poison",
        about: "a message no one can parse",
        fraud: false,
        expected: Expected::DeadLettered,
        plan: |draft| {
            draft.plan.hopeless = Some(Hopeless::Poison(format!("{}-poison", draft.stem)));
            let order = draft.order();
            draft.place(order);
        },
    },
    Scenario {
        name: "unknown-field",
        about: "an order with a field that nobody knows, beside a good one",
        fraud: false,
        expected: Expected::DeadLettered,
        plan: |draft| {
            let order = draft.order();
            draft.plan.hopeless = Some(Hopeless::UnknownField(Box::new(PlaceOrder {
                order: draft.id("unknown"),
                ..order.clone()
            })));
            draft.place(order);
        },
    },
    Scenario {
        name: "new-customer",
        about: "registration",
        fraud: false,
        expected: Expected::Active,
        plan: |draft| {
            draft.register("example.org");
        },
    },
    Scenario {
        name: "new-customer-fraud",
        about: "registration from a disposable address",
        fraud: true,
        expected: Expected::Blocked,
        plan: |draft| {
            draft.register_suspect();
        },
    },
];

/// Where orders go that are to arrive.
pub(crate) fn address() -> Address {
    Address {
        name: "Ada Example".to_owned(),
        street: "Storgatan 1".to_owned(),
        city: "Uppsala".to_owned(),
        postcode: "75310".to_owned(),
        country: "SE".to_owned(),
    }
}

/// For how many seconds a third party must be silent so that whoever asks it
/// surely gives up under a patience of `patience` seconds: the greatest wait,
/// and a slow try, come on top.
pub(crate) fn silence(patience: u32) -> u32 {
    patience.saturating_add(20)
}

fn with_token(draft: &mut Draft, token: &str) {
    let order = draft.order();
    draft.place(PlaceOrder {
        payment_token: token.to_owned(),
        ..order
    });
}

/// The scenario called `name`.
///
/// # Errors
/// The names there are, when there is none of that name.
pub fn named(name: &str) -> Result<&'static Scenario, String> {
    ALL.iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
            format!("no such scenario; there are {}", names.join(", "))
        })
}

impl Scenario {
    /// The plan of this scenario under the names that begin with `stem`, with
    /// `copies` of its order placed at once, where a failing step is tried for
    /// `patience` seconds.
    #[must_use]
    pub fn plan(&self, stem: &str, copies: usize, patience: u32) -> Plan {
        let mut draft = Draft {
            stem: stem.to_owned(),
            copies: copies.max(1),
            patience,
            plan: Plan {
                times: 1,
                ..Plan::default()
            },
        };
        (self.plan)(&mut draft);
        draft.plan
    }
}
