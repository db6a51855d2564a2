//! Drawing up a plan.

use std::num::NonZeroU32;

use duet_core::money::Currency;
use duet_core::order::Line;
use duet_core::{CustomerId, Money, Sku};
use duet_customer::command::RegisterCustomer;
use duet_fraud::rules;
use duet_order::command::PlaceOrder;

use super::{Person, Plan, address};
use crate::shop::goods::Good;

/// A plan being drawn up; its names are unique to the run.
pub struct Draft {
    pub(super) stem: String,
    pub(super) copies: usize,
    pub(super) patience: u32,
    pub(super) plan: Plan,
}

pub(super) const CURRENCY: &str = "EUR";

/// The price of the goods a scenario sells, in cents.
pub(super) const PRICE: i64 = 4_990;

/// How much of it there is.
pub(super) const STOCK: u32 = 1_000;

/// How many orders, at least, want the last piece.
pub(super) const RIVALS: usize = 3;

impl Draft {
    pub(super) fn money(amount: i64) -> Money {
        // EUR is in ISO 4217; the built-in fallback keeps this free of panics.
        let currency = Currency::try_from(CURRENCY.to_owned());
        Money {
            amount,
            currency: currency.unwrap_or_else(|why| unreachable!("{CURRENCY}: {why}")),
        }
    }

    pub(super) fn id<T: TryFrom<String>>(&self, what: &str) -> T
    where
        T::Error: std::fmt::Debug,
    {
        T::try_from(format!("{}-{what}", self.stem))
            .unwrap_or_else(|e| unreachable!("a drawn id is valid: {e:?}"))
    }

    pub(super) fn sell(&mut self, name: &str, price: i64) -> Sku {
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
    pub(super) fn register_suspect(&mut self) -> CustomerId {
        self.plan.suspicious = true;
        self.register(rules::DISPOSABLE_DOMAINS[0])
    }

    pub(super) fn register(&mut self, email_domain: &str) -> CustomerId {
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
    pub(super) fn order(&mut self) -> PlaceOrder {
        let customer = self.register("example.org");
        self.order_of(customer)
    }

    pub(super) fn order_of(&mut self, customer: CustomerId) -> PlaceOrder {
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
    pub(super) fn dear_order(&mut self) -> PlaceOrder {
        self.order_at(rules::LARGE_AMOUNT * 100)
    }

    pub(super) fn order_at(&mut self, price: i64) -> PlaceOrder {
        let mut order = self.order();
        for good in &mut self.plan.goods {
            good.price = Self::money(price);
        }
        order.total = Self::money(price);
        order
    }

    /// An order that a person has to look at, and what that person does.
    pub(super) fn review(&mut self, person: Person) {
        let order = self.dear_order();
        self.reviewed(order, person);
    }

    pub(super) fn reviewed(&mut self, order: PlaceOrder, person: Person) {
        self.plan.person = Some(person);
        self.place(order);
    }

    /// Places `order` in the last wave, and copies of it under further ids. Each
    /// copy is another customer's: many orders of one would be the velocity
    /// scenario.
    pub(super) fn place(&mut self, order: PlaceOrder) {
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
