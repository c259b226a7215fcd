//! A table of invalid client metadata, and the error messages about it.

mod sign_in;

use serde_json::{Value, json};

/// A way to register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Configuration,
    Api,
    CommandLine,
}

const ALL: &[Door] = &[Door::Configuration, Door::Api, Door::CommandLine];
/// The ways that can express what no flag can: an empty list, and a list that is left out.
const NO_FLAG: &[Door] = &[Door::Configuration, Door::Api];
/// For metadata that the configuration may have, but a registered client may not.
const REGISTERED: &[Door] = &[Door::Api, Door::CommandLine];

/// A mistake: the field's name in JSON, and the message.
pub(super) type Mistake = (&'static str, &'static str);

/// The metadata of a client `tv` that is public unless they say otherwise, the ways that refuse them, and the mistakes
/// that each reports.
pub(super) type Row<F> = (F, &'static [Door], &'static [Mistake]);

const IN_A_URL: &str = "An id that is . or .. is a step between folders in a URL. Write for example web-app.";
const AN_ORIGIN: &str = "An origin is a scheme, a host and, unless it is the usual one, a port: \
                         https://app.example.com. Write for example https://app.example.com, without a slash at \
                         the end.";
const COOKIE_ORIGINS: &str = "A client that gets its refresh tokens in a cookie has no origins. Write for example \
                              https://app.example.com.";
const PUBLIC: &str = "A public client can't introspect tokens. A resource server is confidential, with no grants if \
                      it is nothing else.";
const LONG_NAME: &str =
    "The name has more than 200 bytes or a control character. Write a short name on one line.";

const TABLE: &[Row<&str>] = &[
    (r#"{"id": ".."}"#, ALL, &[("id", IN_A_URL)]),
    (
        r#"{"id": "ä"}"#,
        ALL,
        &[("id", "A client_id has 1 to 64 characters of printable ASCII. Write for example web-app.")],
    ),
    (
        r#"{"id": "a b"}"#,
        REGISTERED,
        &[("id", "An id has letters, digits or any of . _ ~ -. Write for example web-app.")],
    ),
    (r#"{"name": "a\u001b[31m"}"#, ALL, &[("name", LONG_NAME)]),
    (
        r#"{"type": "pubic"}"#,
        NO_FLAG,
        &[("type", "It is one of: public, confidential. Did you mean `public`?")],
    ),
    (
        r#"{"grants": ["pasword", "refresh_token"]}"#,
        ALL,
        &[(
            "grants",
            "It is one of: password, refresh_token, client_credentials, authorization_code. Did you mean `password`?",
        )],
    ),
    (
        r#"{"grants": ["refresh_token", "client_credentials"]}"#,
        ALL,
        &[(
            "grants",
            "A public client can't have the client_credentials grant: it has no secret. Leave it out, or make the client \
             confidential.",
        )],
    ),
    (
        r#"{"grants": ["password", "password"]}"#,
        ALL,
        &[("grants", "password is listed twice. Leave one of them out.")],
    ),
    (
        r#"{"id": "01890a5d-ac96-774b-bcce-b302099a8057", "grants": ["client_credentials"], "type": "confidential"}"#,
        ALL,
        &[(
            "grants",
            "The id 01890a5d-ac96-774b-bcce-b302099a8057 is a UUID, as the ids of users are, and would be the sub of \
             tokens. Give the client another id, or leave client_credentials out.",
        )],
    ),
    (
        r#"{"grants": []}"#,
        NO_FLAG,
        &[(
            "grants",
            "The client has no grant, as only a resource server may. To switch a client off, disable it.",
        )],
    ),
    (r#"{"scopes": ["raed"]}"#, ALL, &[("scopes", "No audience has a scope raed. Did you mean `read`?")]),
    (
        r#"{"scopes": ["fly"]}"#,
        ALL,
        &[(
            "scopes",
            "No audience has a scope fly. There are: account, admin, email, offline_access, openid, profile, read, write.",
        )],
    ),
    (
        r#"{"scopes": ["read", "a\"b"]}"#,
        ALL,
        &[(
            "scopes",
            "A scope has words of printable ASCII without quotes and backslashes, separated by spaces.",
        )],
    ),
    (
        r#"{"roles": ["two words"], "grants": ["client_credentials"], "type": "confidential"}"#,
        ALL,
        &[("roles", "two words is no role. A role has 1 to 64 letters, digits or any of . _ : -.")],
    ),
    (
        r#"{"roles": ["a", "a"], "grants": ["client_credentials"], "type": "confidential"}"#,
        ALL,
        &[("roles", "a is listed twice. Leave one of them out.")],
    ),
    (
        r#"{"roles": ["reporter"], "type": "confidential"}"#,
        ALL,
        &[(
            "roles",
            "It is set for a client without the client_credentials grant. Add client_credentials to its grants: for \
             users, their own roles count.",
        )],
    ),
    (
        r#"{"default_audience": "demo-ap"}"#,
        ALL,
        &[("default_audience", "There is no audience demo-ap. Did you mean `demo-api`?")],
    ),
    (
        r#"{"default_audience": "two words"}"#,
        ALL,
        &[("default_audience", "There is no audience two words. There are: demo-api.")],
    ),
    (
        r#"{"refresh_tokens": "sometimes"}"#,
        ALL,
        &[("refresh_tokens", "It is one of: always, offline_access, never.")],
    ),
    (
        r#"{"grants": ["password"], "refresh_tokens": "always"}"#,
        ALL,
        &[(
            "refresh_tokens",
            "It is set for a client without the refresh_token grant. Add refresh_token to its grants, or write never.",
        )],
    ),
    (
        r#"{"refresh_tokens": "offline_access", "scopes": ["read"]}"#,
        ALL,
        &[(
            "refresh_tokens",
            "The client may not ask for offline_access, so it could never get a refresh token. Add offline_access to \
             its scopes.",
        )],
    ),
    (
        r#"{"access_token": 0}"#,
        ALL,
        &[("access_token", "0s is out of range for access_token. Write a length of time from 1s to 1d.")],
    ),
    (
        r#"{"access_token": 90000}"#,
        ALL,
        &[("access_token", "25h is out of range for access_token. Write a length of time from 1s to 1d.")],
    ),
    (
        r#"{"access_token": 601}"#,
        REGISTERED,
        &[(
            "access_token",
            "601s is longer than the longest access token of the configuration, 10m. Write 10m or less: signing \
                 keys are published no longer than that.",
        )],
    ),
    (
        r#"{"access_token": 40}"#,
        ALL,
        &[(
            "access_token",
            "A retry window of 30s is not shorter than half of the access token's life, 40s. Let retry_window be 13s or \
             less, or let access tokens live longer.",
        )],
    ),
    (
        r#"{"refresh_idle": 599}"#,
        ALL,
        &[(
            "refresh_idle",
            "access_token, 10m, is longer than refresh_idle, 599s. Let refresh_idle be 10m or more.",
        )],
    ),
    (
        r#"{"refresh_absolute": 3600}"#,
        ALL,
        &[(
            "refresh_absolute",
            "refresh_idle, 14d, is longer than refresh_absolute, 1h. Let refresh_absolute be 14d or more.",
        )],
    ),
    (
        r#"{"refresh_absolute": 10000000000}"#,
        ALL,
        &[(
            "refresh_absolute",
            "10000000000s is out of range for refresh_absolute. Write a length of time from 1s to 3650d.",
        )],
    ),
    (
        r#"{"retry_window": "300"}"#,
        ALL,
        &[(
            "retry_window",
            "A retry window of 5m is not shorter than half of the access token's life, 10m. Let retry_window be 200s or \
             less, or let access tokens live longer.",
        )],
    ),
    (
        r#"{"retry_window": "86401"}"#,
        ALL,
        &[("retry_window", "86401s is out of range for retry_window. Write a length of time from 0s to 1d.")],
    ),
    (
        r#"{"retry_window": "while-used"}"#,
        ALL,
        &[("retry_window", "\"while-used\" is no length of time. Write for example 30s, or until-used.")],
    ),
    (r#"{"reuse": "end"}"#, ALL, &[("reuse", "It is one of: end-family, refuse.")]),
    (r#"{"introspects": ["demo-api"]}"#, ALL, &[("introspects", PUBLIC)]),
    (
        r#"{"introspects": ["nowhere"], "type": "confidential"}"#,
        ALL,
        &[("introspects", "There is no audience nowhere. There are: demo-api.")],
    ),
    (
        r#"{"introspects_usernames": true}"#,
        ALL,
        &[(
            "introspects_usernames",
            "A client that introspects nothing learns no user's name. Set introspects to the audiences that it is.",
        )],
    ),
    (r#"{"origins": ["https://app.example.com/"]}"#, ALL, &[("origins", AN_ORIGIN)]),
    (
        r#"{"origins": ["https://a.example", "http://a.example"]}"#,
        ALL,
        &[(
            "origins",
            "The origin http://a.example is not https. Use https; plain http is for a loopback address beside an issuer \
             on one.",
        )],
    ),
    (
        r#"{"origins": ["https://a.example", "https://a.example"]}"#,
        ALL,
        &[("origins", "https://a.example is listed twice. Leave one of them out.")],
    ),
    (
        r#"{"refresh_token_delivery": "header"}"#,
        ALL,
        &[("refresh_token_delivery", "It is one of: body, cookie.")],
    ),
    (r#"{"refresh_token_delivery": "cookie"}"#, ALL, &[("origins", COOKIE_ORIGINS)]),
    (
        r#"{"refresh_token_delivery": "cookie", "origins": ["https://a.example"], "type": "confidential"}"#,
        ALL,
        &[(
            "refresh_token_delivery",
            "A confidential client has no cookie. An app in a browser can't keep a secret: it is public.",
        )],
    ),
    // A rule that depends on a wrong field is not checked.
    (
        r#"{"refresh_tokens": "offline_access", "scopes": ["fly"]}"#,
        ALL,
        &[(
            "scopes",
            "No audience has a scope fly. There are: account, admin, email, offline_access, openid, profile, read, write.",
        )],
    ),
    // All mistakes are reported at once, in the order of the fields.
    (
        r#"{
            "id": "..", "name": "\n", "scopes": ["read", "fly", "raed"], "default_audience": "demo",
            "introspects": ["demo-api"], "refresh_token_delivery": "cookie"
        }"#,
        ALL,
        &[
            ("id", IN_A_URL),
            ("name", LONG_NAME),
            (
                "scopes",
                "No audience has a scope fly. There are: account, admin, email, offline_access, openid, profile, read, write.",
            ),
            ("scopes", "No audience has a scope raed. Did you mean `read`?"),
            ("default_audience", "There is no audience demo. There are: demo-api."),
            ("introspects", PUBLIC),
            ("origins", COOKIE_ORIGINS),
        ],
    ),
];

/// All rows.
pub(super) fn table() -> Vec<Row<Value>> {
    let origins: Vec<String> = (0..17).map(|number| format!("https://app{number}.example.com")).collect();
    let fixed = TABLE
        .iter()
        .chain(sign_in::ROWS)
        .map(|(fields, doors, told)| (serde_json::from_str(fields).unwrap(), *doors, *told));
    let roles: Vec<String> = (0..17).map(|number| format!("r{number}")).collect();
    let uris: Vec<String> = (0..17).map(|number| format!("https://app.example.com/{number}")).collect();
    let long: [Row<Value>; 5] = [
        (json!({"name": "x".repeat(201)}), ALL, &[("name", LONG_NAME)]),
        (
            json!({"scopes": vec!["read"; 65]}),
            ALL,
            &[("scopes", "A client has at most 64 scopes. Fewer and wider scopes keep tokens short.")],
        ),
        (
            json!({"roles": roles, "grants": ["client_credentials"], "type": "confidential"}),
            ALL,
            &[("roles", "A client has at most 16 roles. Fewer and wider roles keep tokens short.")],
        ),
        (
            json!({"redirect_uris": uris}),
            REGISTERED,
            &[(
                "redirect_uris",
                "A registered client has at most 16 of them. Declare it in the configuration, where it may have more.",
            )],
        ),
        (
            json!({"origins": origins}),
            REGISTERED,
            &[(
                "origins",
                "A registered client has at most 16 origins. Declare it in the configuration, where it may have more.",
            )],
        ),
    ];
    fixed.chain(long).collect()
}
