//! What follows from a host's number and the lab's network, and never changes: name, addresses, hardware address.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// The port of a host's sshd as seen from this machine.
pub(crate) const SSH_PORT: u16 = 2222;
/// The port of the sample service, inside and outside.
pub(crate) const APP_PORT: u16 = 3000;
/// How many hosts a lab may have: their last octets are 11 and up.
pub(crate) const MOST_HOSTS: u16 = 120;
/// The user on the hosts.
pub(crate) const APP_UID: u32 = 1001;

/// A lab's network, by its second octet: `10.N.0.0/24` inside, `127.N.0.0/24` on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network(pub(crate) u8);

impl Network {
    /// The bridge.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, 0, 1)
    }

    /// A host's own address.
    pub(crate) fn inside(self, number: u16) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, 0, octet(number))
    }

    /// Where this machine reaches a host.
    pub(crate) fn outside(self, number: u16) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, 0, octet(number))
    }

    /// A host's sshd, from this machine.
    pub(crate) fn ssh(self, number: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.outside(number), SSH_PORT)
    }

    /// A host's service, from this machine.
    pub(crate) fn app(self, number: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.outside(number), APP_PORT)
    }

    /// The hardware address: fixed, because neighbours remember the old one for ten seconds after a reboot.
    pub(crate) fn hardware(self, number: u16) -> String {
        format!("02:77:00:00:{:02x}:{:02x}", self.0, octet(number))
    }
}

/// `proxy-N`.
pub(crate) fn name(number: u16) -> String {
    format!("proxy-{number}")
}

/// The number in `proxy-N`.
pub(crate) fn number(name: &str) -> Option<u16> {
    name.strip_prefix("proxy-")?.parse().ok()
}

fn octet(number: u16) -> u8 {
    u8::try_from(10 + number.min(MOST_HOSTS)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Network, name, number};

    #[test]
    fn everything_follows_from_the_number() {
        let network = Network(77);
        assert_eq!(network.ssh(1).to_string(), "127.77.0.11:2222");
        assert_eq!(network.app(6).to_string(), "127.77.0.16:3000");
        assert_eq!(network.inside(2).to_string(), "10.77.0.12");
        assert_eq!(network.hardware(1), "02:77:00:00:4d:0b");
        assert_eq!(number(&name(12)), Some(12));
        assert_eq!(number("web-1"), None);
    }
}
