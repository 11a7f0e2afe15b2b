//! The guard against inner hosts: which addresses requests of ours may reach.
//!
//! Whoever may set a URL must not thereby reach what only this machine can: the guard looks at the address that is
//! really connected to, so that a name which leads elsewhere a moment later changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::Host;

use super::target::Target;

/// A host that may be reached although it is not public: one entry of `allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All addresses whose first `bits` are those of `base`.
    Net {
        /// The first address.
        base: IpAddr,
        /// How many bits count.
        bits: u8,
    },
    /// The host of that name, wherever it leads.
    Name(String),
    /// All hosts below that name.
    Below(String),
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "`{text}`: expected an address, a net such as 10.20.0.0/16, a host name, or *.name for all below it"
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        if let Ok(base) = address.parse::<IpAddr>() {
            let most = if base.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(most), str::parse).map_err(|_| expected())?;
            return if bits <= most {
                Ok(Self::Net { base, bits })
            } else {
                Err(expected())
            };
        }
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        match Host::parse(name) {
            Ok(Host::Domain(name)) if is_below => Ok(Self::Below(format!(".{name}"))),
            Ok(Host::Domain(name)) => Ok(Self::Name(name)),
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => Err(expected()),
        }
    }
}

impl Allowed {
    fn has_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        match self {
            Self::Net { .. } => false,
            Self::Name(own) => own == name,
            Self::Below(suffix) => name.ends_with(suffix.as_str()),
        }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        let Self::Net { base, bits } = self else {
            return false;
        };
        let first = |value: u128, width: u32| {
            let rest = width - u32::from(*bits);
            value.checked_shr(rest).unwrap_or(0)
        };
        match (base.to_canonical(), address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                first(u128::from(base.to_bits()), 32) == first(u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                first(base.to_bits(), 128) == first(address.to_bits(), 128)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Why a request may not go where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The host is none of the public internet.
    #[error("an inner host, which `[webhooks] allow` does not name")]
    InnerHost,
    /// The port is not for the web.
    #[error("a port that `[webhooks] ports` does not name")]
    Port,
    /// Only allowed hosts are spoken to without TLS.
    #[error("plain http, which is for hosts that `[webhooks] allow` names")]
    PlainHttp,
}

/// The guard.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Inner hosts that may be reached, on any port, with or without TLS.
    pub allowed: Vec<Allowed>,
    /// Ports of public hosts that may be reached.
    pub ports: Vec<u16>,
}

impl Guard {
    /// Whether the URL alone tells that it must not be reached; names are looked at again when they are resolved.
    ///
    /// # Errors
    /// With the reason.
    pub fn look_at(&self, target: &Target) -> Result<(), Refused> {
        match &target.host {
            Host::Ipv4(address) => self.admit(target, IpAddr::V4(*address)),
            Host::Ipv6(address) => self.admit(target, IpAddr::V6(*address)),
            Host::Domain(name) => {
                if self.allowed.iter().any(|one| one.has_name(name)) {
                    return Ok(());
                }
                let bare = name.trim_end_matches('.');
                if bare == "localhost" || bare.ends_with(".localhost") {
                    return Err(Refused::InnerHost);
                }
                // A name may lead to an allowed address: only then the rest does not count.
                if self
                    .allowed
                    .iter()
                    .any(|one| matches!(one, Allowed::Net { .. }))
                {
                    return Ok(());
                }
                self.public(target)
            }
        }
    }

    /// Whether `address`, which is what the host of `target` leads to, may be connected to.
    ///
    /// # Errors
    /// With the reason.
    pub fn admit(&self, target: &Target, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        let is_allowed = self.allowed.iter().any(|one| {
            one.has_address(address)
                || matches!(&target.host, Host::Domain(name) if one.has_name(name))
        });
        if is_allowed {
            return Ok(());
        }
        if !is_public(address) {
            return Err(Refused::InnerHost);
        }
        self.public(target)
    }

    fn public(&self, target: &Target) -> Result<(), Refused> {
        if !target.is_https {
            return Err(Refused::PlainHttp);
        }
        if self.ports.contains(&target.port) {
            Ok(())
        } else {
            Err(Refused::Port)
        }
    }
}

/// Whether an address is of the public internet (the IANA registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // First address, bits.
    const SPECIAL: &[([u8; 4], u32)] = &[
        ([0, 0, 0, 0], 8),        // this network
        ([10, 0, 0, 0], 8),       // private
        ([100, 64, 0, 0], 10),    // shared by carriers; clouds keep metadata there as well
        ([127, 0, 0, 0], 8),      // this machine
        ([169, 254, 0, 0], 16),   // link-local, cloud metadata
        ([172, 16, 0, 0], 12),    // private
        ([192, 0, 0, 0], 24),     // protocol assignments
        ([192, 0, 2, 0], 24),     // documentation
        ([192, 88, 99, 0], 24),   // 6to4 relays
        ([192, 168, 0, 0], 16),   // private
        ([198, 18, 0, 0], 15),    // benchmarks
        ([198, 51, 100, 0], 24),  // documentation
        ([203, 0, 113, 0], 24),   // documentation
        ([224, 0, 0, 0], 4),      // multicast
        ([240, 0, 0, 0], 4),      // reserved, broadcast
        ([168, 63, 129, 16], 32), // metadata of a cloud on an address that looks public
    ];
    let is_in = |(base, bits): &([u8; 4], u32)| {
        let rest = 32 - bits;
        Ipv4Addr::from(*base).to_bits() >> rest == address.to_bits() >> rest
    };
    !SPECIAL.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    // NAT64 says an IPv4 address: what counts is where that leads.
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [g, h] = [g.to_be_bytes(), h.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(g[0], g[1], h[0], h[1]));
    }
    let is_global = a & 0xe000 == 0x2000;
    // Protocol assignments with Teredo, and documentation.
    let is_special = (a == 0x2001 && (b < 0x200 || b == 0xdb8))
        || a == 0x2002 // 6to4 says an IPv4 address
        || (a == 0x3fff && b < 0x1000); // documentation
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Allowed, Guard, Refused};
    use crate::outward::Target;

    fn guard(allow: &[&str]) -> Guard {
        Guard {
            allowed: allow.iter().map(|one| one.parse().unwrap()).collect(),
            ports: vec![443, 8443],
        }
    }

    #[track_caller]
    fn check(allow: &[&str], url: &str, leads_to: &str, expected: Result<(), Refused>) {
        let target = Target::parse(url).unwrap();
        let address: IpAddr = leads_to.parse().unwrap();
        assert_eq!(
            guard(allow).admit(&target, address),
            expected,
            "{url} at {leads_to}, allowed {allow:?}"
        );
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_wherever_that_is() {
        for inner in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.9.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "100::1",
            "5f00::1",
        ] {
            check(
                &[],
                "https://his.example.org/",
                inner,
                Err(Refused::InnerHost),
            );
        }
    }

    #[test]
    fn a_name_that_leads_outside_may_be_reached_by_https_on_ports_of_the_web() {
        for outer in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            check(&[], "https://his.example.org/", outer, Ok(()));
        }
        check(&[], "https://his.example.org:8443/", "1.1.1.1", Ok(()));
        check(
            &[],
            "https://his.example.org:22/",
            "1.1.1.1",
            Err(Refused::Port),
        );
        check(
            &[],
            "https://his.example.org:6379/",
            "1.1.1.1",
            Err(Refused::Port),
        );
        check(
            &[],
            "http://his.example.org/",
            "1.1.1.1",
            Err(Refused::PlainHttp),
        );
        check(
            &[],
            "http://his.example.org:443/",
            "1.1.1.1",
            Err(Refused::PlainHttp),
        );
    }

    #[test]
    fn what_is_allowed_may_be_reached_on_any_port_and_without_tls() {
        let inner = "http://his.example.org:8080/";
        check(&["10.20.0.0/16"], inner, "10.20.255.1", Ok(()));
        check(&["10.20.0.0/16"], inner, "::ffff:10.20.255.1", Ok(()));
        check(
            &["10.20.0.0/16"],
            inner,
            "10.21.0.1",
            Err(Refused::InnerHost),
        );
        check(&["10.20.0.0/16"], inner, "1.1.1.1", Err(Refused::PlainHttp));
        check(&["10.20.30.40"], inner, "10.20.30.40", Ok(()));
        check(
            &["10.20.30.40"],
            inner,
            "10.20.30.41",
            Err(Refused::InnerHost),
        );
        check(&["0.0.0.0/0"], inner, "127.0.0.1", Ok(()));
        check(&["0.0.0.0/0"], inner, "::1", Err(Refused::InnerHost));
        check(&["::/0"], inner, "::1", Ok(()));
        check(&["fd00:1234::/32"], inner, "fd00:1234::1", Ok(()));
        check(
            &["fd00:1234::/32"],
            inner,
            "fd00:1235::1",
            Err(Refused::InnerHost),
        );
        check(&["his.example.org"], inner, "10.0.0.1", Ok(()));
        check(&["HIS.example.org"], inner, "10.0.0.1", Ok(()));
        check(&["*.example.org"], inner, "10.0.0.1", Ok(()));
        check(&["example.org"], inner, "10.0.0.1", Err(Refused::InnerHost));
        check(
            &["*.xample.org"],
            inner,
            "10.0.0.1",
            Err(Refused::InnerHost),
        );
        check(
            &["is.example.org"],
            inner,
            "10.0.0.1",
            Err(Refused::InnerHost),
        );
    }

    #[test]
    fn a_url_that_tells_it_by_itself_is_refused_before_anything_is_resolved() {
        for (url, allow, expected) in [
            ("https://127.0.0.1/", &[][..], Err(Refused::InnerHost)),
            ("https://0x7f.1/", &[], Err(Refused::InnerHost)),
            ("https://[::ffff:127.0.0.1]/", &[], Err(Refused::InnerHost)),
            ("https://localhost/", &[], Err(Refused::InnerHost)),
            ("https://a.localhost./", &[], Err(Refused::InnerHost)),
            ("https://localhost/", &["localhost"], Ok(())),
            ("http://his.example.org/", &[], Err(Refused::PlainHttp)),
            ("https://his.example.org:25/", &[], Err(Refused::Port)),
            ("https://his.example.org/", &[], Ok(())),
            // It may lead into that net, which is looked at when it is resolved.
            ("http://his.example.org/", &["10.0.0.0/8"], Ok(())),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(guard(allow).look_at(&target), expected, "{url}");
        }
    }

    #[test]
    fn what_names_no_host_is_no_entry() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "a b",
            "*.",
            "http://a/",
        ] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}
