//! TLS to the database: who is believed to be the server, and what is sent without it.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use heirloom::store::Store as _;
use heirloom::store::postgres::{PostgresSettings, PostgresStore, PostgresTls, TlsMode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_postgres::config::ChannelBinding;
use tokio_postgres::{Client, NoTls};

use super::lookups::becomes_true;
use crate::contract::stream;
use crate::postgres_server::PostgresServer;
use crate::support::until::comes_about;

/// The name in the server's certificate.
const NAME: &str = "db.example";

/// An authority.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // Another authority can have the same name.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate for `name` and its key into `folder`.
    fn issue(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |kind: &str, text: String| {
            let path = folder.join(format!("{name}.{kind}"));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        (write("crt", certificate.pem()), write("key", key.serialize_pem()))
    }
}

/// A server that lets nobody in without TLS, but by its socket.
struct TlsServer {
    server: PostgresServer,
    address: IpAddr,
    authority: Authority,
    files: tempfile::TempDir,
}

/// An address of this machine that no other test uses.
pub(crate) fn own_address() -> IpAddr {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    let [high, low, ..] = std::process::id().to_le_bytes();
    IpAddr::from([127, high.max(1), low, NUMBER.fetch_add(1, Ordering::Relaxed)])
}

impl TlsServer {
    async fn start() -> Self {
        let (authority, address) = (Authority::new(), own_address());
        let server = PostgresServer::start_with(|folder| {
            let (certificate, key) = authority.issue(folder, NAME);
            let (authorities, rules) = (folder.join("authorities"), folder.join("rules"));
            fs::write(&authorities, &authority.certificate).unwrap();
            let lines = "local all all trust\nhostssl all certified all cert\n\
                         hostssl all ann all scram-sha-256\nhostssl all heirloom all trust\n";
            fs::write(&rules, lines).unwrap();
            format!(
                "listen_addresses = '{address}'\nssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n\
                 ssl_ca_file = '{}'\nhba_file = '{}'\n",
                certificate.display(),
                key.display(),
                authorities.display(),
                rules.display()
            )
        });
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("authorities"), &authority.certificate).unwrap();
        let this = Self { server, address, authority, files };
        let roles = "CREATE ROLE ann SUPERUSER LOGIN PASSWORD 'tulip'; CREATE ROLE certified SUPERUSER LOGIN";
        this.by_socket().await.batch_execute(roles).await.unwrap();
        this
    }

    async fn by_socket(&self) -> Client {
        let (client, connection) = self.server.settings("").server.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn authorities(&self) -> PathBuf {
        self.files.path().join("authorities")
    }

    /// A place on it that is reached by TCP, as a server with this name.
    fn settings(
        &self,
        name: &str,
        mode: TlsMode,
        authorities: impl Into<Option<PathBuf>>,
    ) -> PostgresSettings {
        let mut server = tokio_postgres::Config::new();
        server.host(name).hostaddr(self.address).user("heirloom").dbname("postgres");
        server.application_name("by tls");
        let tls = PostgresTls { mode, authorities: authorities.into(), identity: None };
        PostgresSettings { tls, ..PostgresSettings::new(server, "tls") }
    }
}

async fn refusal(settings: PostgresSettings) -> String {
    PostgresStore::open(settings).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_encrypted_and_the_password_is_bound_to_the_certificate() {
    let tls = TlsServer::start().await;
    let mut settings = tls.settings(NAME, TlsMode::VerifyFull, tls.authorities());
    settings.server.user("ann").password("tulip").channel_binding(ChannelBinding::Require);
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let ours = "SELECT count(*), count(*) FILTER (WHERE ssl AND version = 'TLSv1.3')
                FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'by tls'";
    let row = tls.by_socket().await.query_one(ours, &[]).await.unwrap();
    let (all, encrypted): (i64, i64) = (row.get(0), row.get(1));
    assert!(all > 1 && all == encrypted, "{encrypted} of {all} connections are encrypted");
    drop(store);
    settings.server.password("rose");
    let refused = refusal(settings).await;
    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_certificate_of_another_authority_is_refused() {
    let tls = TlsServer::start().await;
    let others = tls.files.path().join("others");
    fs::write(&others, Authority::new().certificate).unwrap();
    for mode in [TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let refused = refusal(tls.settings(NAME, mode, others.clone())).await;
        assert!(refused.contains("invalid peer certificate"), "{mode:?}: {refused}");
        assert!(refused.contains("of its authority in `sslrootcert`"), "{mode:?}: {refused}");
        PostgresStore::open(tls.settings(NAME, mode, tls.authorities())).await.unwrap();
    }
    // Nobody has named this authority to the machine.
    let refused = refusal(tls.settings(NAME, TlsMode::VerifyFull, None)).await;
    assert!(refused.contains("UnknownIssuer") || refused.contains("no certificate authority"), "{refused}");
    // libpq's meaning.
    for mode in [TlsMode::Prefer, TlsMode::Require] {
        PostgresStore::open(tls.settings(NAME, mode, None)).await.unwrap();
    }
    let missing = refusal(tls.settings(NAME, TlsMode::VerifyFull, PathBuf::from("/nowhere"))).await;
    assert!(missing.contains("cannot read /nowhere: No such file"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_refused_only_where_the_name_counts() {
    let tls = TlsServer::start().await;
    let refused = refusal(tls.settings("other.example", TlsMode::VerifyFull, tls.authorities())).await;
    assert!(refused.contains("not valid for name") && refused.contains("subjectAltName"), "{refused}");
    let by_address = refusal(tls.settings(&tls.address.to_string(), TlsMode::VerifyFull, tls.authorities()));
    assert!(by_address.await.contains("subjectAltName"));
    for mode in [TlsMode::Require, TlsMode::VerifyCa] {
        PostgresStore::open(tls.settings("other.example", mode, tls.authorities())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_side_takes_clear_text_where_it_demands_tls() {
    let tls = TlsServer::start().await;
    let refused = refusal(tls.settings(NAME, TlsMode::Disable, None)).await;
    assert!(refused.contains("no encryption"), "{refused}");
    let address = own_address();
    let bare = PostgresServer::start_with(|folder| {
        fs::write(folder.join("rules"), "local all all trust\nhost all all all trust\n").unwrap();
        format!("listen_addresses = '{address}'\nhba_file = '{}'\n", folder.join("rules").display())
    });
    let mut settings = tls.settings(NAME, TlsMode::VerifyFull, tls.authorities());
    settings.server = tokio_postgres::Config::new();
    settings.server.host(NAME).hostaddr(address).user("heirloom").dbname("postgres");
    for mode in [TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        settings.tls.mode = mode;
        let refused = refusal(settings.clone()).await;
        assert!(refused.contains("does not support TLS: turn `ssl` on"), "{refused}");
    }
    for mode in [TlsMode::Disable, TlsMode::Prefer] {
        settings.tls.mode = mode;
        PostgresStore::open(settings.clone()).await.unwrap();
    }
    // A socket needs none, and has none.
    let socket = PostgresSettings { tls: PostgresTls::default(), ..bare.settings("by socket") };
    assert_eq!(socket.tls.mode, TlsMode::VerifyFull);
    PostgresStore::open(socket).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_a_client_certificate_gets_it_and_a_renewed_one_needs_no_restart() {
    let tls = TlsServer::start().await;
    let mut settings = tls.settings(NAME, TlsMode::VerifyFull, tls.authorities());
    settings.server.user("certified");
    let refused = refusal(settings.clone()).await;
    assert!(refused.contains("client certificate"), "{refused}");
    let (certificate, key) = tls.authority.issue(tls.files.path(), "certified");
    settings.tls.identity = Some((certificate.clone(), key.clone()));
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());

    // The next connections show another certificate, which is not for this user.
    let (other, other_key) = tls.authority.issue(tls.files.path(), "other");
    fs::rename(&other, &certificate).unwrap();
    fs::rename(&other_key, &key).unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'by tls'";
    tls.by_socket().await.batch_execute(end).await.unwrap();
    let refused = super::opening::refusal(&store, "certificate authentication failed").await;
    assert!(refused.contains("certified"), "{refused}");
    tls.authority.issue(tls.files.path(), "certified");
    comes_about("the renewed certificate is read", async || store.load(stream("a")).await.is_ok()).await;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = refusal(settings).await;
    assert!(refused.contains("certified.key can be read by others"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_given_up_while_they_are_made_are_closed() {
    let tls = TlsServer::start().await;
    let settings = tls.settings(NAME, TlsMode::VerifyFull, tls.authorities());
    let mut opened = 0;
    for pause in 0..40 {
        let opening = tokio::spawn(PostgresStore::open(settings.clone()));
        tokio::time::sleep(Duration::from_millis(pause * 5)).await;
        opening.abort();
        opened += usize::from(opening.await.is_ok());
    }
    println!("{opened} of 40 were complete");
    let ours = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'by tls'";
    let client = tls.by_socket().await;
    becomes_true(&client, ours).await;
}
