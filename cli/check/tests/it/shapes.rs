//! The shapes a template may have.

use crate::{alone, among, of, on_disk, own};
