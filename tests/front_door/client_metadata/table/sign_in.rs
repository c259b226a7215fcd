//! Mistakes in what concerns signing in on heirloom's own pages.

use super::{ALL, NO_FLAG, Row};

const NO_CODE: &str = "It is set for a client without the authorization_code grant. Add authorization_code to its \
                       grants, and a redirect URI.";

/// The rows.
pub(super) const ROWS: &[Row<&str>] = &[
    (
        r#"{"redirect_uris": ["https://a.example/", "https://a.example/#x"]}"#,
        ALL,
        &[(
            "redirect_uris",
            "A redirect URI has no fragment. Write for example https://app.example.com/callback.",
        )],
    ),
    (
        r#"{"redirect_uris": ["http://app.example.com/callback"]}"#,
        ALL,
        &[(
            "redirect_uris",
            "A redirect URI is https, or plain http on 127.0.0.1, [::1] or localhost, or has an app's scheme with a dot. Use \
             https.",
        )],
    ),
    (
        r#"{"redirect_uris": ["https://A.example/a/../b"]}"#,
        ALL,
        &[(
            "redirect_uris",
            "The redirect URI is not written in its normal form. Write https://a.example/b, as the client sends it.",
        )],
    ),
    (
        r#"{"redirect_uris": ["https://*.example.com/"]}"#,
        ALL,
        &[(
            "redirect_uris",
            "A redirect URI has no wildcard: it is compared character by character. List every redirect URI.",
        )],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/", "https://a.example/"]}"#,
        ALL,
        &[("redirect_uris", "https://a.example/ is listed twice. Leave one of them out.")],
    ),
    (
        r#"{"redirect_uris": ["com.example.app:/callback"], "type": "confidential"}"#,
        ALL,
        &[(
            "redirect_uris",
            "A confidential client can't have com.example.app:, an app's own scheme. An app on a device can't keep a secret: \
             it is public.",
        )],
    ),
    (
        r#"{"grants": ["authorization_code"]}"#,
        ALL,
        &[(
            "redirect_uris",
            "A client with the authorization_code grant has no redirect URI. Write for example \
             https://app.example.com/callback.",
        )],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "post_logout_redirect_uris": ["javascript:alert(1)"]}"#,
        ALL,
        &[(
            "post_logout_redirect_uris",
            "The scheme javascript opens no client. Write for example https://app.example.com/callback.",
        )],
    ),
    (
        r#"{
            "grants": ["refresh_token"], "redirect_uris": ["https://a.example/"],
            "post_logout_redirect_uris": ["https://a.example/"], "require_pushed_authorization_requests": true,
            "consent": "implied", "backchannel_logout_uri": "https://a.example/logout"
        }"#,
        ALL,
        &[
            ("redirect_uris", NO_CODE),
            ("post_logout_redirect_uris", NO_CODE),
            ("require_pushed_authorization_requests", NO_CODE),
            ("consent", NO_CODE),
            ("backchannel_logout_uri", NO_CODE),
        ],
    ),
    (r#"{"response_types": ["token"]}"#, ALL, &[("response_types", "It is one of: code.")]),
    (
        r#"{"redirect_uris": ["https://a.example/"], "response_types": ["code", "code id_token"]}"#,
        ALL,
        &[("response_types", "It is one of: code.")],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "response_types": ["code", "code"]}"#,
        ALL,
        &[("response_types", "code is listed twice. Leave one of them out.")],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "response_types": []}"#,
        NO_FLAG,
        &[(
            "response_types",
            "A client with the authorization_code grant is answered with a code. Write code, or leave the setting out.",
        )],
    ),
    (r#"{"response_types": ["code"]}"#, ALL, &[("response_types", NO_CODE)]),
    (r#"{"pkce": "optional", "type": "confidential"}"#, ALL, &[("pkce", NO_CODE)]),
    (
        r#"{"redirect_uris": ["https://a.example/"], "pkce": "optional"}"#,
        ALL,
        &[(
            "pkce",
            "A public client can't leave PKCE out. Leave the setting out, or make the client confidential.",
        )],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "pkce": "legacy"}"#,
        ALL,
        &[(
            "pkce",
            "A public client can't leave PKCE out. Leave the setting out, or make the client confidential.",
        )],
    ),
    (r#"{"pkce": "plain"}"#, ALL, &[("pkce", "It is one of: required, optional, legacy.")]),
    (
        r#"{"id_token_signed_response_alg": "none"}"#,
        ALL,
        &[("id_token_signed_response_alg", "It is one of: RS256, ES256.")],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "id_token_signed_response_alg": "ES256"}"#,
        ALL,
        &[(
            "id_token_signed_response_alg",
            "This server does not sign ID tokens by ES256. To have it, set id_token_algorithms = [\"ES256\"] in [keys] of \
             the configuration.",
        )],
    ),
    (r#"{"consent": "implicit"}"#, ALL, &[("consent", "It is one of: ask, implied.")]),
    (
        r#"{"logo": "../app.png"}"#,
        ALL,
        &[(
            "logo",
            "../app.png is no name of a logo. Write the name of a .png, .jpg, .jpeg or .webp file in the folder of logos: \
             letters, digits or any of . _ -.",
        )],
    ),
    (
        r#"{"logo": "app.png"}"#,
        ALL,
        &[("logo", "The configuration names no folder of logos. Set logos in [pages] of the configuration.")],
    ),
    (
        r#"{"redirect_uris": ["https://a.example/"], "backchannel_logout_uri": "https://a.example/#x"}"#,
        ALL,
        &[("backchannel_logout_uri", "It has a fragment. Leave out what begins with #.")],
    ),
    (
        r#"{
            "backchannel_logout_uri": "http://a.example/logout", "client_uri": "a.example",
            "policy_uri": "javascript:alert(1)", "tos_uri": "https://me@a.example/"
        }"#,
        ALL,
        &[
            (
                "backchannel_logout_uri",
                "http://a.example/logout is not https. Use https; plain http is for a loopback address beside an issuer on one.",
            ),
            (
                "client_uri",
                "a.example is no https URL in its normal form. Write for example https://app.example.com/about.",
            ),
            (
                "policy_uri",
                "javascript:alert(1) is no https URL in its normal form. Write for example https://app.example.com/about.",
            ),
            (
                "tos_uri",
                "https://me@a.example/ is no https URL in its normal form. Write for example https://app.example.com/about.",
            ),
        ],
    ),
];
