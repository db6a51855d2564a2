//! Every fact a service may announce. The name of a fact is the `type` of its
//! metadata, its `detail-type` on the bus and, for the refusals among them, the
//! error name in a workflow.

use serde::{Deserialize, Serialize};

use crate::order::{Address, Line, Owed, Reason};
use crate::vocabulary;
use crate::{CustomerId, Money, OrderId, Sku, Timestamp};

/// The members of the data of the fact called `name` that say who somebody is,
/// where they live, or how they pay: for its consumers' eyes, and kept by its
/// own service alone.
#[must_use]
pub fn personal(name: &str) -> &'static [&'static str] {
    match name {
        "NewOrder" => &["payment_token", "ship_to"],
        "NewCustomer" => &["email"],
        _ => &[],
    }
}

vocabulary! {
    /// A fact: something that happened, named in the past tense of the field.
    pub enum Fact {
        /// customer: somebody registered.
        NewCustomer,
        /// customer: the account may be used.
        CustomerActivated,
        /// customer: the account may not be used.
        CustomerBlocked,
        /// order: an order was taken on.
        NewOrder,
        /// order: the pivot; nothing of this order is undone after it.
        OrderConfirmed,
        /// order: the one fact every compensation hangs on.
        OrderRejected,
        /// order: a compensation, or a step after the pivot, could not be finished.
        OrderNeedsAttention,
        /// fraud: an order or a customer is clear.
        NoFraudDetected,
        /// fraud: a person should look (order), or the account is blocked (customer).
        PossibleFraud,
        /// fraud: by score or by a reviewer's word.
        FraudConfirmed,
        /// fraud: nobody decided in time.
        ReviewTimedOut,
        /// inventory: every line is set aside.
        StockReserved,
        /// inventory: nothing is set aside.
        StockUnavailable,
        /// inventory: answers a rejection.
        StockReleased,
        /// inventory: answers a confirmation.
        StockShipped,
        /// inventory: patience is spent, and the goods of a confirmed order have not left yet.
        ShipmentOverdue,
        /// payment: the total was charged.
        PaymentCaptured,
        /// payment: the provider said no.
        PaymentDeclined,
        /// payment: the provider did not answer while there was patience.
        PaymentUnavailable,
        /// payment: answers a rejection.
        PaymentRefunded,
        /// payment: the patience for giving the money back is spent.
        RefundFailed,
        /// delivery: the carrier has the order.
        DeliveryScheduled,
        /// delivery: the carrier does not take the order.
        DeliveryFailed,
        /// delivery: answers a rejection.
        DeliveryCancelled,
        /// notification: a notice was sent.
        CustomerNotified,
        /// notification: patience is spent, and a notice about an order is not sent yet.
        NoticeOverdue,
    }
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident by $subject:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }
        )+

        impl Fact {
            /// The order or customer the fact is about.
            #[must_use]
            pub fn subject(&self) -> &str {
                match self { $(Self::$name(fact) => fact.$subject.as_str(),)+ }
            }
        }
    };
}

payloads! {
    /// Somebody registered.
    NewCustomer by customer {
        /// Who.
        customer: CustomerId,
        /// Personal data: never logged.
        email: String,
        /// ISO 3166-1 alpha-2 country of residence.
        country: String,
        /// When the registration was taken.
        registered_at: Timestamp,
        /// The mark: whether the account waits for the fraud service's word.
        /// Absent from code that knew no marks.
        #[serde(default, skip_serializing_if = "Option::is_none")] clearance: Option<bool>,
    }
    /// The account may be used.
    CustomerActivated by customer {
        /// Who.
        customer: CustomerId,
    }
    /// The account may not be used.
    CustomerBlocked by customer {
        /// Who.
        customer: CustomerId,
        /// The names of the rules that tripped.
        reasons: Vec<String>,
    }
    /// An order was taken on.
    NewOrder by order {
        /// Which order.
        order: OrderId,
        /// Whose.
        customer: CustomerId,
        /// What is ordered.
        lines: Vec<Line>,
        /// The total the buyer was shown.
        total: Money,
        /// The payment provider's token for the card.
        payment_token: String,
        /// Where it goes.
        ship_to: Address,
        /// When the order service took it on: the order's own time.
        placed_at: Timestamp,
        /// The mark: whether the order waits for the fraud service's word.
        /// Absent from code that knew no marks.
        #[serde(default, skip_serializing_if = "Option::is_none")] clearance: Option<bool>,
    }
    /// The order is confirmed.
    OrderConfirmed by order {
        /// Which order.
        order: OrderId,
        /// Whose.
        customer: CustomerId,
        /// What was paid.
        total: Money,
        /// When it was placed.
        placed_at: Timestamp,
    }
    /// The order is rejected, for good.
    OrderRejected by order {
        /// Which order.
        order: OrderId,
        /// Whose.
        customer: CustomerId,
        /// The order's total: at most this is to be given back.
        total: Money,
        /// Why.
        reason: Reason,
        /// More about why: the refusing service's word, or the fact waited for.
        detail: Option<String>,
        /// When it was placed.
        placed_at: Timestamp,
    }
    /// The order is parked until somebody repairs it.
    OrderNeedsAttention by order {
        /// Which order.
        order: OrderId,
        /// What is owed.
        owed: Vec<Owed>,
    }
    /// An order or a customer is clear.
    NoFraudDetected by of {
        /// What was screened.
        #[serde(flatten)] of: Screened,
    }
    /// Somebody, or a person, should look.
    PossibleFraud by of {
        /// What was screened.
        #[serde(flatten)] of: Screened,
        /// The sum of the rules that tripped.
        score: u32,
        /// Their names.
        reasons: Vec<String>,
    }
    /// The order is fraudulent.
    FraudConfirmed by order {
        /// Which order.
        order: OrderId,
        /// The sum of the rules that tripped.
        score: u32,
        /// Their names.
        reasons: Vec<String>,
    }
    /// Nobody decided the review in time.
    ReviewTimedOut by order {
        /// Which order.
        order: OrderId,
    }
    /// Every line is set aside.
    StockReserved by order {
        /// For which order.
        order: OrderId,
    }
    /// Nothing is set aside.
    StockUnavailable by order {
        /// For which order.
        order: OrderId,
        /// Why.
        reason: StockRefusal,
        /// The first SKU that stood in the way, where it was one.
        sku: Option<Sku>,
    }
    /// What was set aside is free again.
    StockReleased by order {
        /// Of which order.
        order: OrderId,
        /// What went back; empty when nothing was set aside.
        lines: Vec<Line>,
    }
    /// What was set aside has left.
    StockShipped by order {
        /// Of which order.
        order: OrderId,
        /// What left.
        lines: Vec<Line>,
    }
    /// What was set aside has not left yet: it is tried on, and owed meanwhile.
    ShipmentOverdue by order {
        /// Of which order.
        order: OrderId,
    }
    /// The total was charged.
    PaymentCaptured by order {
        /// For which order.
        order: OrderId,
        /// How much.
        amount: Money,
    }
    /// The provider said no.
    PaymentDeclined by order {
        /// For which order.
        order: OrderId,
    }
    /// The provider did not answer.
    PaymentUnavailable by order {
        /// For which order.
        order: OrderId,
    }
    /// Nothing of the order's money is kept.
    PaymentRefunded by order {
        /// Of which order.
        order: OrderId,
        /// How much went back: 0 when nothing had been charged.
        amount: Money,
    }
    /// Money is owed.
    RefundFailed by order {
        /// Of which order.
        order: OrderId,
        /// How much.
        amount: Money,
    }
    /// The carrier has the order.
    DeliveryScheduled by order {
        /// Which order.
        order: OrderId,
        /// The carrier's reference.
        tracking: String,
    }
    /// The carrier does not take the order.
    DeliveryFailed by order {
        /// Which order.
        order: OrderId,
        /// Why.
        reason: DeliveryRefusal,
    }
    /// No delivery is on its way.
    DeliveryCancelled by order {
        /// Of which order.
        order: OrderId,
    }
    /// A notice was sent.
    CustomerNotified by subject {
        /// The order or customer it was about.
        subject: String,
        /// What it said.
        kind: Notice,
    }
    /// A notice is not sent yet: it is tried on, and owed meanwhile.
    NoticeOverdue by order {
        /// About which order.
        order: OrderId,
    }
}

/// What the fraud service screened; `kind` tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Screened {
    /// An order.
    Order {
        /// Which.
        order: OrderId,
    },
    /// A customer.
    Customer {
        /// Who.
        customer: CustomerId,
    },
}

impl Screened {
    /// The id of what was screened.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Order { order } => order.as_str(),
            Self::Customer { customer } => customer.as_str(),
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub enum $name { $($(#[$word_doc])* $word,)+ }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(match self { $(Self::$word => stringify!($word),)+ })
                }
            }
        )+
    };
}

words! {
    /// Why inventory refused.
    StockRefusal {
        /// Less is available than was asked for.
        OutOfStock,
        /// The catalogue's prices do not add up to the total shown.
        PriceChanged,
        /// The catalogue has no such SKU.
        UnknownSku,
    }
    /// Why delivery failed.
    DeliveryRefusal {
        /// The carrier does not serve the postcode.
        NotServed,
        /// The carrier did not answer while there was patience.
        CarrierUnavailable,
    }
    /// What a notice is about: the fact that caused it.
    Notice {
        /// The order is confirmed.
        OrderConfirmed,
        /// The order is rejected.
        OrderRejected,
        /// Money went back.
        PaymentRefunded,
        /// The account may be used.
        CustomerActivated,
        /// The account may not be used.
        CustomerBlocked,
    }
}

impl Notice {
    /// Whether its subject is an order; else it is a customer.
    #[must_use]
    pub fn is_about_an_order(self) -> bool {
        match self {
            Self::OrderConfirmed | Self::OrderRejected | Self::PaymentRefunded => true,
            Self::CustomerActivated | Self::CustomerBlocked => false,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vocabulary;

    #[test]
    fn what_says_who_somebody_is_is_named() {
        let some = Fact::NAMES.iter().map(|name| (*name, personal(name)));
        let some: Vec<_> = some.filter(|(_, members)| !members.is_empty()).collect();
        let order: &[&str] = &["payment_token", "ship_to"];
        assert_eq!(some, [("NewCustomer", &["email"][..]), ("NewOrder", order)]);
    }

    #[test]
    fn what_was_screened_is_an_order_or_a_customer() {
        for (of, id) in [
            (
                Screened::Order {
                    order: "o-1".parse().unwrap(),
                },
                "o-1",
            ),
            (
                Screened::Customer {
                    customer: "c-1".parse().unwrap(),
                },
                "c-1",
            ),
        ] {
            assert_eq!(Fact::from(NoFraudDetected { of }).subject(), id);
        }
    }

    #[test]
    fn a_notice_is_about_an_order_or_a_customer() {
        use Notice::{CustomerActivated, OrderConfirmed};
        assert!(OrderConfirmed.is_about_an_order() && !CustomerActivated.is_about_an_order());
        assert_eq!(Reason::TimedOut.to_string(), "TimedOut");
    }
}
