//! Which services there are.

/// Calls the macro `$with` with a row for each service: `Name name its_crate
/// (third parties);`, the name as a type has it and as a folder has it.
///
/// `parts` take part in what becomes of an order; `listeners` only hear of it.
/// This is the one list of the services: whatever else lists them, or does
/// something for each, is made from it.
///
/// ```
/// macro_rules! names {
///     (parts { $($Part:ident $part:ident $_c:ident ($($_p:ident),*);)* }
///      listeners { $($Listener:ident $listener:ident $_d:ident ($($_q:ident),*);)* }) => {
///         [$(stringify!($part),)* $(stringify!($listener),)*]
///     };
/// }
/// assert_eq!(duet_core::services!(names), duet_core::SERVICES);
/// ```
#[macro_export]
macro_rules! services {
    ($with:ident) => {
        $with! {
            parts {
                Customer customer duet_customer ();
                Order order duet_order ();
                Fraud fraud duet_fraud ();
                Inventory inventory duet_inventory ();
                Payment payment duet_payment (provider);
                Delivery delivery duet_delivery (carrier);
                Notification notification duet_notification (topic);
            }
            listeners {
                Journal journal duet_journal ();
            }
        }
    };
}

macro_rules! names {
    (parts { $($Part:ident $part:ident $_c:ident ($($_p:ident),*);)* }
     listeners { $($Listener:ident $listener:ident $_d:ident ($($_q:ident),*);)* }) => {
        /// How many services there are.
        const COUNT: usize = [$(stringify!($part),)* $(stringify!($listener),)*].len();

        /// Those of [`SERVICES`] that only hear of what happens: no workflow asks
        /// them for anything, and nobody sends them commands.
        pub const LISTENERS: [&str; [$(stringify!($listener)),*].len()] =
            [$(stringify!($listener)),*];

        /// The services: a package and a binary each, in a folder of that name.
        pub const SERVICES: [&str; COUNT] =
            [$(stringify!($part),)* $(stringify!($listener),)*];
    };
}
services!(names);
