//! Where notices go: into memory or, behind the feature `lambda`, to a topic.

mod memory;
#[cfg(feature = "lambda")]
mod sns;

pub use memory::Memory;
#[cfg(feature = "lambda")]
pub use sns::Sns;
