//! The rows of the table. A new row is a line here, and a new kind of request is a variant of [`Work`].

use super::bare::Bare;
use super::installation::Algorithm;
use super::options::size_text;
use super::target::Target;

#[derive(Clone)]
pub(crate) struct Row {
    /// The name in the table.
    pub(crate) name: String,
    /// The server that it drives.
    pub(crate) place: Place,
    /// What its connections do.
    pub(crate) kind: Kind,
    /// The number of connections, each with one request under way.
    pub(crate) connections: usize,
    /// The number of further connections that sign in at the same time, and come back later when they are told to.
    pub(crate) storm: usize,
    /// The limit of the machine; measured just before and just after the row.
    pub(crate) limit: Limit,
}

/// The limit of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// RSA-2048 signatures on all cores, by the library that is faster on this machine. The server signs with it too.
    Rsa2048,
    /// The same by the slower library.
    Rsa2048Other,
    /// P-256 signatures, on all cores.
    P256,
    /// Argon2id hashes at the cost that the server uses, on all cores.
    Argon2,
    /// No measured limit.
    None,
}

impl Limit {
    /// The name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA-2048 signatures, faster library",
            Self::Rsa2048Other => "RSA-2048 signatures, other library",
            Self::P256 => "P-256 signatures by aws-lc",
            Self::Argon2 => "Argon2id hashes",
            Self::None => "",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A server with a thousand sessions that signs with this algorithm.
    Signing(Algorithm),
    /// A server with this many sessions.
    Size(usize),
    /// A server that signs ES256, on which the disk is measured.
    Disk,
    /// A server that knows no OAuth.
    Bare(Bare),
    /// The server of `--target`.
    Target,
}

impl Row {
    /// Whether it is one of the rows that show what a refresh by RS256 is made of, or such a refresh.
    pub(crate) fn is_part(&self) -> bool {
        let parted = [FEW, MANY].contains(&self.connections) && self.storm == 0;
        parted && self.limit == Limit::Rsa2048 && self.place != Place::Target
    }

    /// Whether it is also compared with OpenSSL's signatures, which takes some seconds to measure.
    pub(crate) fn is_held_against_openssl(&self) -> bool {
        let alike = self.kind == Kind::Refresh && self.limit == Limit::Rsa2048;
        alike && self.connections == MANY && self.storm == 0
    }
}

/// What a row's connections do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each refreshes its own chain.
    Refresh,
    /// Each sends one refresh again and again, as if its answer had been lost. The server does everything except what
    /// only a stored refresh needs.
    Again,
    /// Each sends a request that costs one signature at least.
    Signature,
    /// All together refresh all sessions.
    Spread,
    /// Each signs in.
    SignIn,
    /// Each signs in on the pages in a new browser, each time as another user, and redeems the code. The password's hash is
    /// not counted as the server's CPU time.
    PageSignIn,
    /// Each asks for a code in a browser in which nobody is signed in, and is sent to log in.
    Anonymous,
    /// Each gets codes in a browser in which a person is signed in.
    Authorize,
    /// Each gets a code like that and redeems it for an access token, a refresh token and an ID token.
    Redeem,
    /// Each refreshes its own chain of such a sign-in, and gets an ID token too.
    OpenidRefresh,
    /// Each gets an access token for the client itself: the same one again, signed anew.
    ClientCredentials,
    /// Each introspects an access token.
    Introspection,
    /// Each fetches the JWKS.
    Jwks,
    /// Each requests userinfo.
    Userinfo,
}

/// The number of connections in the rows about many sessions and about the storm.
pub(crate) const MANY: usize = 64;
/// A number of connections that keeps all processors busy without long queues.
const FEW: usize = 16;
/// The number of connections in the row about sign-ins: few enough that none is told to come back later.
const SIGN_INS: usize = FEW;
/// The numbers of connections that refresh.
const CONNECTIONS: [usize; 4] = [1, FEW, MANY, 256];

/// All rows for heirloom.
pub(crate) fn of_heirloom(sizes: &[usize]) -> Vec<Row> {
    let [rs256, es256] = [Algorithm::Rs256, Algorithm::Es256];
    let mut rows = refreshes(Place::Signing(rs256), rs256.name(), Limit::Rsa2048);
    // Beside the refreshes that they are parts of.
    for connections in [FEW, MANY] {
        let refresh = rows.iter().position(|row| row.connections == connections).unwrap_or_default();
        rows.splice(refresh..refresh, parts(Place::Signing(rs256), connections));
    }
    rows.extend(others(Place::Signing(rs256), rs256.name(), Limit::Rsa2048));
    rows.extend(refreshes(Place::Signing(es256), es256.name(), Limit::P256));
    rows.extend(sizes.iter().map(|size| Row {
        name: format!("refresh at {} sessions, {MANY} conn.", size_text(*size)),
        place: Place::Size(*size),
        kind: Kind::Spread,
        connections: MANY,
        storm: 0,
        limit: Limit::None,
    }));
    rows
}

/// All rows that another server has endpoints for.
pub(crate) fn of_target(target: &Target) -> Vec<Row> {
    let limit = match target.algorithm.as_str() {
        "RS256" => Limit::Rsa2048,
        "ES256" => Limit::P256,
        _ => Limit::None,
    };
    let mut rows = refreshes(Place::Target, &target.algorithm, limit);
    rows.extend(others(Place::Target, &target.algorithm, limit).into_iter().filter(|row| match row.kind {
        Kind::ClientCredentials => target.client_credentials.is_some(),
        Kind::Introspection => target.introspects(),
        Kind::Userinfo => target.has_userinfo(),
        Kind::Jwks => target.jwks.is_some(),
        // Every server has pages of its own.
        Kind::PageSignIn | Kind::Anonymous | Kind::Authorize | Kind::Redeem | Kind::OpenidRefresh => false,
        Kind::Refresh | Kind::Again | Kind::Signature | Kind::Spread | Kind::SignIn => true,
    }));
    rows
}

fn refreshes(place: Place, algorithm: &str, limit: Limit) -> Vec<Row> {
    let row = |connections| {
        let name = format!("refresh {algorithm}, {connections} conn.");
        Row { name, place, kind: Kind::Refresh, connections, storm: 0, limit }
    };
    CONNECTIONS.into_iter().map(row).collect()
}

/// The rows that show what a refresh by RS256 is made of: servers that know no OAuth, each of which does more than the
/// one before it, and heirloom without storing.
fn parts(place: Place, connections: usize) -> Vec<Row> {
    let row = |name, place, kind| {
        let name = format!("{name}, {connections} conn.");
        Row { name, place, kind, connections, storm: 0, limit: Limit::Rsa2048 }
    };
    vec![
        row("RS256, HTTP by hand", Place::Bare(Bare::Hand), Kind::Signature),
        row("RS256, the framework", Place::Bare(Bare::Framework), Kind::Signature),
        row("RS256, the framework and a log", Place::Bare(Bare::Log), Kind::Signature),
        row("RS256, the framework and sled", Place::Bare(Bare::Store), Kind::Signature),
        row("RS256, all but storing", place, Kind::Again),
    ]
}

fn others(place: Place, algorithm: &str, limit: Limit) -> Vec<Row> {
    let row = |name: &str, kind, connections, limit| {
        let name = format!("{name}, {connections} conn.");
        Row { name, place, kind, connections, storm: 0, limit }
    };
    let storm = format!("refresh {algorithm}, {MANY} conn., storm");
    vec![
        Row { name: storm, place, kind: Kind::Refresh, connections: MANY, storm: MANY, limit },
        // Another server may have few users, and its throttle is unknown.
        row(
            "sign-in",
            Kind::SignIn,
            SIGN_INS,
            if place == Place::Target { Limit::None } else { Limit::Argon2 },
        ),
        row("sign-in on the pages, no hash", Kind::PageSignIn, SIGN_INS, limit),
        row("authorize without a login", Kind::Anonymous, FEW, Limit::None),
        row("authorize with a login", Kind::Authorize, FEW, Limit::None),
        row("authorize and redeem", Kind::Redeem, FEW, limit),
        row("refresh with an ID token", Kind::OpenidRefresh, FEW, limit),
        row("client credentials", Kind::ClientCredentials, FEW, limit),
        row("introspection", Kind::Introspection, FEW, Limit::None),
        row("JWKS", Kind::Jwks, FEW, Limit::None),
        row("userinfo", Kind::Userinfo, FEW, Limit::None),
    ]
}
