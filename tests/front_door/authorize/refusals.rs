//! Which requests are refused, and where that is said.
