//! The plan "Basic OP".

use super::plan::Mode;

super::every_module!(Mode::Query);
