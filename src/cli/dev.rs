//! `heirloom dev`: runs a demo server for this machine only.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedI64ValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::accepted::Accepted;
use super::demo::{Demo, User};
use super::run::{self, Start};
use super::{Failure, Installation, Outcome, bind, log};
use crate::config::{AccessTokenType, Store, TokenOverrides, demo_redirect_uris};
use crate::oauth::{Audience, ClientId, Origin};
use crate::random::Random;

/// The help's heading above the options for trying one's own apps.
const TRIALS: &str = "To try your own apps and resource servers";

/// The arguments of `heirloom dev`.
#[derive(Args)]
#[command(
    after_help = "The demo's credentials are made up at the first start and kept in dev.json in the data folder."
)]
pub(super) struct Arguments {
    /// The port on loopback; 0 for any free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Keep data and keys in DIR/data and DIR/keys [default: ./data and ./keys]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What keeps users and sessions: sled, in the data folder, or memory, which forgets them at the end
    #[arg(long, value_name = "KIND", default_value = "sled")]
    store: StoreKind,
    /// The data were restored from a backup: accept them and end every session; give it for one start only
    #[arg(long)]
    restored: bool,
    /// Print one line of JSON for scripts, once it listens
    #[arg(long)]
    json: bool,
    /// The id of one more client, which gets its refresh tokens in a cookie
    #[arg(long, help_heading = TRIALS, requires = "browser_origin", value_name = "ID")]
    browser_client_id: Option<ClientId>,
    /// The origin of its pages: https, or http on loopback
    #[arg(long, help_heading = TRIALS, requires = "browser_client_id", value_name = "ORIGIN")]
    browser_origin: Option<Origin>,
    /// The id of the confidential client, instead of demo-confidential
    #[arg(long, help_heading = TRIALS, value_name = "ID")]
    client_id: Option<ClientId>,
    /// The secret of the confidential client
    #[arg(
        long,
        help_heading = TRIALS,
        value_name = "SECRET",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    client_secret: Option<String>,
    /// The audience of the scopes read and write, instead of demo-api; for example an API's URL
    #[arg(long, help_heading = TRIALS, value_name = "AUDIENCE")]
    audience: Option<Audience>,
    /// How many seconds access tokens of every client last
    #[arg(long, help_heading = TRIALS, value_name = "SECONDS", value_parser = seconds(1))]
    access_token: Option<u16>,
    /// The `typ` of access tokens
    #[arg(long, help_heading = TRIALS, value_name = "TYP")]
    typ: Option<Typ>,
    /// How many seconds a new signing key is published before it signs
    #[arg(long, help_heading = TRIALS, value_name = "SECONDS", value_parser = seconds(0))]
    lead_time: Option<u16>,
}

/// A parser for a number of seconds, `least` or more.
fn seconds(least: u16) -> RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(i64::from(least)..)
}

/// The store of a demo.
#[derive(Clone, Copy, ValueEnum)]
enum StoreKind {
    Sled,
    Memory,
}

/// The `typ` of access tokens: `at+jwt` (RFC 9068 §2.1) or `JWT`.
#[derive(Clone, Copy, ValueEnum)]
enum Typ {
    #[value(name = "at+jwt")]
    AtJwt,
    #[value(name = "JWT")]
    Jwt,
}

impl Arguments {
    /// The token settings that the options override.
    fn trial(&self) -> TokenOverrides {
        let duration = |seconds: u16| Duration::from_secs(seconds.into());
        let typ = |typ| match typ {
            Typ::AtJwt => AccessTokenType::AtJwt,
            Typ::Jwt => AccessTokenType::Jwt,
        };
        TokenOverrides {
            access_token: self.access_token.map(duration),
            typ: self.typ.map(typ),
            lead_time: self.lead_time.map(duration),
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let (sockets, port) = listen(arguments.port)?;
    let folders = Installation::under(arguments.data.as_deref());
    let demo = Demo::open(&folders.data, &Random::system(), |demo| {
        let client = &mut demo.confidential_client;
        if let Some(id) = &arguments.client_id {
            id.as_str().clone_into(&mut client.client_id);
        }
        if let Some(secret) = &arguments.client_secret {
            client.client_secret.clone_from(secret);
        }
    })?;
    let listen = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let mut config = demo.config((listen, port), folders.data, folders.keys)?;
    if let (Some(id), Some(origin)) = (&arguments.browser_client_id, &arguments.browser_origin) {
        if !origin.is_https() && !origin.is_loopback() {
            return Err(Failure::Usage(format!(
                "--browser-origin {origin} is neither https nor on loopback"
            )));
        }
        config = config.with_browser_client(id.clone(), origin.clone());
    }
    if let Some(audience) = &arguments.audience {
        config = config.with_audience(audience);
    }
    config = config.with_overrides(arguments.trial());
    config.store = match arguments.store {
        StoreKind::Sled => Store::Sled,
        StoreKind::Memory => Store::Memory,
    };
    log::start(&config.log)?;
    let announcement = Announcement::new(&config.issuer, demo);
    let users = announcement.demo.users();
    let filled_in = Some(announcement.demo.filled_in());
    let accept = Accepted { restored: arguments.restored, ..Accepted::default() };
    let start = Start { config, sockets, demo: users, filled_in, accept };
    run::serve(start, &mut || {
        let text = if arguments.json { announcement.json()? } else { announcement.text() };
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

/// Listens on 127.0.0.1, which is the issuer's address, and on `::1` for people who type `localhost`.
fn listen(port: u16) -> Outcome<(Vec<TcpListener>, u16)> {
    let taken = |error: io::Error| {
        let hint = if error.kind() == io::ErrorKind::AddrInUse { "; --port 0 takes a free one" } else { "" };
        Failure::Failed(format!("can't listen on 127.0.0.1:{port}: {error}{hint}"))
    };
    let first = bind((Ipv4Addr::LOCALHOST, port).into()).map_err(taken)?;
    let port = first.local_addr().map_err(taken)?.port();
    let second = bind((Ipv6Addr::LOCALHOST, port).into());
    let sockets: Vec<_> = std::iter::once(first).chain(second.ok()).collect();
    Ok((sockets, port))
}

/// What `heirloom dev` prints once it listens. No `Debug`, since it has passwords.
#[derive(Serialize)]
pub struct Announcement {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    docs: String,
    #[serde(flatten)]
    demo: Demo,
}

impl Announcement {
    /// The announcement of a demo server with this issuer.
    #[must_use]
    pub fn new(issuer: &str, demo: Demo) -> Self {
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{issuer}/oauth/token"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            docs: format!("{issuer}/docs"),
            demo,
        }
    }

    /// As one line of JSON, for scripts.
    ///
    /// # Errors
    /// If it can't be written as JSON, which does not happen.
    pub fn json(&self) -> io::Result<String> {
        let mut said = serde_json::to_value(self)?;
        let uris: Vec<_> = demo_redirect_uris(&self.issuer).iter().map(ToString::to_string).collect();
        for client in ["public_client", "confidential_client"] {
            let client = said.get_mut(client).and_then(serde_json::Value::as_object_mut);
            client.and_then(|client| client.insert("redirect_uris".to_owned(), uris.clone().into()));
        }
        let mut line = said.to_string();
        line.push('\n');
        Ok(line)
    }

    /// As text for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { issuer, docs, demo, .. } = self;
        let Demo { user, admin, public_client, confidential_client } = demo;
        let admin = admin.as_ref().map_or(("", ""), |admin| (&*admin.username, &*admin.password));
        format!(
            "heirloom dev: a demo, for this machine only. Ctrl+C stops it.\n\
             \n\
             issuer               {issuer}\n\
             docs                 {docs}\n\
             user                 {}\n\
             password             {}\n\
             administrator        {}\n\
             password             {}\n\
             public client        {}\n\
             confidential client  {}\n\
             its secret           {}\n\
             \n\
             Sign in (paste this into another terminal):\n\
             \n\
             {}\n\
             \n\
             Refresh (paste it after that, as often as you like):\n\
             \n\
             {}\n\
             \n\
             Or sign in in a browser, on heirloom's own pages (open this link):\n\
             \n\
             {issuer}/demo?sign-in\n\
             \n",
            user.username,
            user.password,
            admin.0,
            admin.1,
            public_client.client_id,
            confidential_client.client_id,
            confidential_client.client_secret,
            self.sign_in(),
            self.refresh(),
        )
    }

    /// A line for a POSIX shell that signs in and stores the answer in `$ANSWER`.
    #[must_use]
    pub fn sign_in(&self) -> String {
        let User { username, password } = &self.demo.user;
        self.curl(&format!(
            "-d grant_type=password -d username={username} -d password={password} -d 'scope=read write'"
        ))
    }

    /// A line for a POSIX shell that refreshes with the refresh token in `$ANSWER`, and stores the new answer there.
    #[must_use]
    pub fn refresh(&self) -> String {
        const TOKEN: &str = r#"s/.*"refresh_token" *: *"\([^"]*\)".*/\1/p"#;
        self.curl(&format!(
            r#"-d grant_type=refresh_token -d refresh_token="$(printf '%s' "$ANSWER" | sed -n '{TOKEN}')""#
        ))
    }

    fn curl(&self, parameters: &str) -> String {
        let (url, client) = (&self.token_endpoint, &self.demo.public_client.client_id);
        format!(r#"ANSWER=$(curl -sS {url} -d client_id={client} {parameters}); printf '%s\n' "$ANSWER""#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_says_so_and_zero_takes_a_free_one() {
        let (sockets, port) = listen(0).unwrap();
        assert!(port != 0 && sockets.iter().all(|socket| socket.local_addr().unwrap().ip().is_loopback()));
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap().port() == port));
        let failure = listen(port).unwrap_err().to_string();
        assert!(failure.contains("--port 0"), "{failure}");
    }
}
