//! The plan "Form Post OP": the modules of Basic, with `response_mode=form_post`.

use super::plan::Mode;

super::every_module!(Mode::FormPost);
