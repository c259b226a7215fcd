//! The address of the client behind a request.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::header::HeaderMap;
use ipnet::IpNet;

/// The networks whose hosts are our own proxies, and whose `X-Forwarded-For` is believed. Empty: nobody's is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What is no network: an address, or one with a prefix length (`10.0.0.0/8`, `::1`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network (like 10.0.0.0/8 or ::1)")]
pub struct NotANetwork(String);

/// By what a proxy says for whom it speaks.
const FORWARDED: [&str; 2] = ["x-forwarded-for", "forwarded"];

impl TrustedProxies {
    /// The address of the client behind a connection from `socket`: the socket's own, unless it is a trusted proxy;
    /// then the rightmost address of `X-Forwarded-For` that is not a trusted proxy. Addresses further left could be
    /// made up by the client. IPv4 inside IPv6 counts as IPv4.
    ///
    /// If the chain ends with a trusted proxy or with something that is not an address, the last address before that
    /// counts.
    #[must_use]
    pub fn client_addr(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = socket.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
        let mut hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        while self.contains(client) {
            let Some(hop) = hops.next().and_then(parse_hop) else { break };
            client = hop;
        }
        client
    }

    /// The address of the client that sent `request`.
    #[must_use]
    pub fn peer(&self, request: &poem::Request) -> IpAddr {
        let socket = request.remote_addr().as_socket_addr();
        let socket = socket.map_or(IpAddr::from([0, 0, 0, 0]), std::net::SocketAddr::ip);
        self.client_addr(socket, request.headers())
    }

    /// The peer's address, if it sends forwarding headers and is not a trusted proxy: either a proxy that is missing in
    /// the configuration, or somebody who pretends to be one.
    #[must_use]
    pub fn undeclared(&self, request: &poem::Request) -> Option<IpAddr> {
        let headers = request.headers();
        FORWARDED.iter().any(|name| headers.contains_key(*name)).then_some(())?;
        let socket = request.remote_addr().as_socket_addr()?.ip().to_canonical();
        (!self.contains(socket)).then_some(socket)
    }

    /// Whether `request` comes from a trusted proxy.
    #[must_use]
    pub fn is_one(&self, request: &poem::Request) -> bool {
        request.remote_addr().as_socket_addr().is_some_and(|socket| self.contains(socket.ip().to_canonical()))
    }

    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// Parses networks separated by commas.
impl FromStr for TrustedProxies {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse_network).collect()
    }
}

fn parse_network(text: &str) -> Result<IpNet, NotANetwork> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse().map_err(|_| NotANetwork(text.to_owned()))?,
    };
    Ok(network.trunc())
}

/// Parses an address, or an address with a port, which some proxies write.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse())
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, socket: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client_addr(socket.parse().unwrap(), &headers).to_string()
    }

    /// A forged `X-Forwarded-For` is the usual way to evade limits by address.
    #[test]
    fn a_forwarded_address_from_an_untrusted_peer_is_ignored() {
        assert_eq!(client("", "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("", "127.0.0.1", &["203.0.113.9"]), "127.0.0.1");
    }

    /// Addresses further left were written by the sender of the request.
    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let trusted = "10.0.0.0/8, ::1";
        assert_eq!(client(trusted, "10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.2.2.2"]), "203.0.113.9");
        assert_eq!(client(trusted, "10.0.0.1", &["1.1.1.1", "203.0.113.9", "10.2.2.2"]), "203.0.113.9");
        assert_eq!(client(trusted, "::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client(trusted, "10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(trusted, "10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client(trusted, "10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn a_chain_that_ends_or_breaks_gives_its_last_address() {
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["10.0.0.7"]), "10.0.0.7");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &["203.0.113.9, , 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        assert_eq!(client("10.0.0.0/8", "::ffff:10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("::ffff:10.0.0.1", "10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("", "::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["10.0.0.0/33", "proxy", "10.0.0", "10.0.0.0/8;::1"] {
            let error = text.parse::<TrustedProxies>().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
