//! What the OpenID Foundation's conformance plans check of an OpenID provider, by the names of their modules.
//!
//! Basic and Form Post have the same modules: they are in [`modules`], and each plan runs all of them.

mod backchannel_logout;
mod basic;
mod config;
mod form_post;
mod modules;
mod plan;
mod rp_initiated_logout;

/// Makes a test of each module that Basic and Form Post have, for a `response_mode`.
macro_rules! every_module {
    ($mode:expr) => {
        $crate::conformance::every_module! { $mode;
            claims { oidcc_scope_profile oidcc_scope_email oidcc_scope_address oidcc_scope_phone oidcc_scope_all
                oidcc_ensure_other_scope_order_succeeds oidcc_claims_essential
                oidcc_userinfo_get oidcc_userinfo_post_header oidcc_userinfo_post_body
            }
            codes { oidcc_codereuse oidcc_codereuse_30seconds oidcc_ensure_registered_redirect_uri
                oidcc_ensure_request_with_valid_pkce_succeeds oidcc_refresh_token oidcc_server_client_secret_post
            }
            people { oidcc_prompt_login oidcc_prompt_none_not_logged_in oidcc_prompt_none_logged_in oidcc_max_age_1
                oidcc_max_age_10000 oidcc_id_token_hint oidcc_login_hint oidcc_ui_locales oidcc_claims_locales
            }
            requests { oidcc_server oidcc_response_type_missing oidcc_idtoken_signature oidcc_idtoken_unsigned
                oidcc_ensure_request_without_nonce_succeeds_for_code_flow oidcc_display_page oidcc_display_popup
                oidcc_ensure_request_with_unknown_parameter_succeeds
                oidcc_ensure_request_with_acr_values_succeeds oidcc_ensure_post_request_succeeds
                oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported
                oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported
                oidcc_ensure_request_object_with_redirect_uri
            }
        }
    };
    ($mode:expr; $($file:ident { $($name:ident)+ })+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                super::modules::$file::$name(super::plan::Plan::start($mode).await).await;
            }
        )+)+
    };
}
use every_module;
