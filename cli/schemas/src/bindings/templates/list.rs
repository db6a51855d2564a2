//! Lists with rules.

use crate::support::Invalid;

/// Whether `all` is as it should be.
pub(crate) fn check<T: PartialEq>(
    all: &[T],
    least: usize,
    most: usize,
    differ: bool,
) -> Result<(), Invalid> {
    let twice = |(n, one): (usize, &T)| all[..n].contains(one);
    match all.len() {
        many if many < least => Err(format!("has fewer than {least} elements")),
        many if many > most => Err(format!("has more than {most} elements")),
        _ if differ && all.iter().enumerate().any(twice) => Err("has an element twice".to_owned()),
        _ => Ok(()),
    }
    .map_err(Invalid)
}

macro_rules! list {
    ($(#[$doc:meta])* $name:ident($type:ty), $least:literal, $most:expr, $differ:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(Vec<$type>);

        impl $name {
            /// `all`, if they are valid.
            ///
            /// # Errors
            /// The rule that they break.
            pub fn new(all: Vec<$type>) -> Result<Self, crate::support::Invalid> {
                crate::list::check(&all, $least, $most, $differ)?;
                Ok(Self(all))
            }

            /// The elements.
            #[must_use]
            pub fn as_slice(&self) -> &[$type] {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let all = <Vec<$type> as serde::Deserialize>::deserialize(from)?;
                Self::new(all).map_err(serde::de::Error::custom)
            }
        }
    };
}
