//! The hosts of a database, one by one.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The port, unless another one is set.
const PORT: u16 = 5432;

/// The same configuration for each of the hosts alone, in their order.
pub(super) fn one_by_one(all: &Config) -> Vec<Config> {
    (0..all.get_hosts().len()).filter_map(|at| one_host(all, at)).collect()
}

/// The host and the port of the host with this number.
pub(super) fn host_and_port(all: &Config, at: usize) -> Option<String> {
    let port = port(all, at);
    Some(match all.get_hosts().get(at)? {
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(folder) => format!("{} (port {port})", folder.display()),
    })
}

fn port(all: &Config, at: usize) -> u16 {
    let ports = all.get_ports();
    ports.get(at).or_else(|| ports.first()).copied().unwrap_or(PORT)
}

/// The configuration for the host with this number alone.
fn one_host(all: &Config, at: usize) -> Option<Config> {
    let mut one = Config::new();
    match all.get_hosts().get(at)? {
        Host::Tcp(name) => one.host(name),
        Host::Unix(folder) => one.host_path(folder),
    };
    one.port(port(all, at));
    if let Some(address) = all.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    one.application_name(all.get_application_name().unwrap_or("heirloom"))
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding());
    Some(one)
}

/// Whether the connection to the host with this number stays on this machine.
pub(super) fn is_here(all: &Config, at: usize) -> bool {
    match (all.get_hosts().get(at), all.get_hostaddrs().get(at)) {
        (Some(Host::Unix(_)), _) => true,
        (_, Some(address)) => address.is_loopback(),
        (Some(Host::Tcp(name)), None) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PostgresSettings, TlsMode};
    use super::*;

    #[test]
    fn each_server_of_several_has_its_host_port_and_all_that_they_share() {
        let url = "postgresql://ann:tulip@one:1,%2Frun:2,three/db?application_name=x&channel_binding=require";
        let settings = PostgresSettings::new(url.parse().unwrap(), "s");
        assert_eq!(settings.place(), "schema s of database db at one:1, /run (port 2), three:5432");
        let servers = one_by_one(&settings.server);
        let hosts: Vec<_> =
            servers.iter().map(|one| (one.get_hosts().to_vec(), one.get_ports()[0])).collect();
        assert_eq!(
            hosts,
            [
                (vec![Host::Tcp("one".to_owned())], 1),
                (vec![Host::Unix("/run".into())], 2),
                (vec![Host::Tcp("three".to_owned())], 5432)
            ]
        );
        for one in servers {
            assert_eq!((one.get_user(), one.get_password()), (Some("ann"), Some(&b"tulip"[..])));
            assert_eq!((one.get_dbname(), one.get_application_name()), (Some("db"), Some("x")));
            assert_eq!(one.get_channel_binding(), tokio_postgres::config::ChannelBinding::Require);
        }
    }

    #[test]
    fn what_leaves_the_machine_is_told_by_the_address_if_there_is_one() {
        let mode = |url: &str| TlsMode::usual(&url.parse().unwrap());
        for here in ["localhost", "127.0.0.1", "[::1]", "%2Frun", "localhost,%2Frun"] {
            assert_eq!(mode(&format!("postgresql://{here}/db")), TlsMode::Prefer, "{here}");
        }
        for there in ["db.example", "localhost,db.example", "localhost/db?hostaddr=192.0.2.1"] {
            assert_eq!(mode(&format!("postgresql://{there}")), TlsMode::VerifyFull, "{there}");
        }
        assert_eq!(mode("postgresql://db.example/db?hostaddr=127.0.0.1"), TlsMode::Prefer);
    }
}
