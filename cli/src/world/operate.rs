//! What an operator needs of a target beyond what the flows need.
