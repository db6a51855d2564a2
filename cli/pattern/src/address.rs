//! IP addresses as Event Ruler reads them, and CIDR blocks as ranges of them.
//!
//! The spelling is looser than Rust's parser in one way (leading zeros are decimal) and IPv4-mapped IPv6 addresses are IPv4
//! ones, both as Java's `InetAddress` has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses `low..=high`, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    low: IpAddr,
    high: IpAddr,
}

impl Block {
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        // `IpAddr` orders all of IPv4 before IPv6, so a range of one family holds none of the other.
        self.low <= address && address <= self.high
    }

    /// `10.0.0.0/24`, `2001:db8::/32`; the reason in AWS's words when it is no such thing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (ip, mask) = text
            .split_once('/')
            .filter(|(_, mask)| !mask.contains('/') && !mask.is_empty())
            .ok_or("Malformed CIDR, one '/' required")?;
        let mask: i32 = mask
            .parse()
            .map_err(|_| "Malformed CIDR, mask bits must be an integer")?;
        let mask =
            u32::try_from(mask).map_err(|_| "Malformed CIDR, mask bits must not be negative")?;
        match parse(ip) {
            Some(IpAddr::V4(ip)) => {
                if mask > 31 {
                    return Err("IPv4 mask bits must be < 32".to_owned());
                }
                let host = u32::MAX >> mask;
                Ok(Self {
                    low: Ipv4Addr::from_bits(ip.to_bits() & !host).into(),
                    high: Ipv4Addr::from_bits(ip.to_bits() | host).into(),
                })
            }
            Some(IpAddr::V6(ip)) => {
                if mask > 127 {
                    return Err("IPv6 mask bits must be < 128".to_owned());
                }
                let host = u128::MAX >> mask;
                Ok(Self {
                    low: Ipv6Addr::from_bits(ip.to_bits() & !host).into(),
                    high: Ipv6Addr::from_bits(ip.to_bits() | host).into(),
                })
            }
            None if looks_like_one(ip) => Err(format!("Invalid IP address: {ip}")),
            None => Err(format!("Nonstandard IP address: {ip}")),
        }
    }
}

/// The address that a text spells, if it spells one.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    if !looks_like_one(text) {
        return None;
    }
    if text.contains(':') {
        let v6: Ipv6Addr = text.parse().ok()?;
        return Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4));
    }
    if text.len() > 15 {
        return None;
    }
    let mut octets = [0_u8; 4];
    for (octet, part) in octets.iter_mut().zip(text.split('.')) {
        *octet = part.parse().ok()?;
    }
    Some(Ipv4Addr::from(octets).into())
}

/// Whether Event Ruler would try: four groups of digits, or hexadecimal digits with at least one colon.
fn looks_like_one(text: &str) -> bool {
    let mut groups = 0;
    let v4 = text.split('.').all(|group| {
        groups += 1;
        !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit())
    }) && groups == 4;
    v4 || (text.contains(':') && text.bytes().all(|b| b == b':' || b.is_ascii_hexdigit()))
}
