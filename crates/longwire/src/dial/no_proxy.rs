//! Which hosts need no proxy: the list in `NO_PROXY`.

use std::net::IpAddr;

use super::Target;

/// Whether the list exempts the target. The entries stand between commas or spaces; each is
/// - `*`: everything;
/// - a host name: that host and everything below it, with or without a leading dot or `*.`;
/// - an IP address, or a range in CIDR form: URLs with such an address (names are not resolved);
/// - any but `*` and a range with `:port` behind it, an IPv6 address then in brackets: that port alone.
pub(super) fn exempts(list: &str, target: Target<'_>) -> bool {
    let host = target.host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(entry, &host, address, target.port))
}

fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, length)) = entry.split_once('/') {
        return address.is_some_and(|address| in_range(address, network, length));
    }
    let (name, wanted_port) = split_port(entry);
    if wanted_port.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match (name.parse::<IpAddr>(), address) {
        (Ok(wanted), Some(address)) => wanted.to_canonical() == address,
        (Ok(_), None) | (Err(_), Some(_)) => false,
        (Err(_), None) => {
            let name = name.strip_prefix('*').unwrap_or(name);
            let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
            !name.is_empty()
                && host
                    .strip_suffix(&name)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        }
    }
}

/// Splits the port off, unless the colon belongs to a bare IPv6 address.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    }
}

/// Whether the address has the network's first `length` bits. A malformed range has no members.
fn in_range(address: IpAddr, network: &str, length: &str) -> bool {
    let network = network.trim_start_matches('[').trim_end_matches(']');
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if length <= 32 => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if length <= 128 => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_exempts_what_it_names() {
        for (list, host, port, expected) in [
            ("", "example.com", 80, false),
            (" , ,", "example.com", 80, false),
            ("*", "example.com", 80, true),
            ("a.test,*", "example.com", 80, true),
            ("example.com", "example.com", 80, true),
            ("example.com", "EXAMPLE.com.", 80, true),
            ("Example.COM.", "example.com", 80, true),
            ("example.com", "www.example.com", 80, true),
            ("example.com", "badexample.com", 80, false),
            ("example.com", "example.com.evil.test", 80, false),
            (".example.com", "www.example.com", 80, true),
            (".example.com", "example.com", 80, true),
            (".example.com", "badexample.com", 80, false),
            ("*.example.com", "a.b.example.com", 80, true),
            ("*.example.com", "badexample.com", 80, false),
            ("www.example.com", "example.com", 80, false),
            ("a.test, b.test c.test", "b.test", 80, true),
            ("a.test, b.test c.test", "c.test", 80, true),
            ("a.test,b.test", "d.test", 80, false),
            ("example.com:8080", "example.com", 8080, true),
            ("example.com:8080", "www.example.com", 8080, true),
            ("example.com:8080", "example.com", 80, false),
            ("example.com:x", "example.com", 80, false),
            ("localhost", "localhost", 80, true),
            (".", "example.com", 80, false),
            ("192.0.2.1", "192.0.2.1", 80, true),
            ("192.0.2.1", "192.0.2.10", 80, false),
            ("2.1", "192.0.2.1", 80, false),
            ("192.0.2.1", "1.192.0.2.1.test", 80, false),
            ("192.0.2.1:81", "192.0.2.1", 80, false),
            ("192.0.2.1:80", "192.0.2.1", 80, true),
            ("192.0.2.1", "::ffff:192.0.2.1", 80, true),
            ("::1", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("[::1]:81", "::1", 80, false),
            ("0:0::1", "::1", 80, true),
            ("10.0.0.0/8", "10.255.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", 80, true),
            ("10.0.0.0/33", "10.0.0.0", 80, false),
            ("0.0.0.0/0", "203.0.113.9", 80, true),
            ("0.0.0.0/0", "2001:db8::1", 80, false),
            ("192.0.2.128/25", "192.0.2.127", 80, false),
            ("192.0.2.7/32", "192.0.2.7", 80, true),
            ("fd00::/8", "fd12::9", 80, true),
            ("fd00::/8", "fe80::9", 80, false),
            ("::/129", "::1", 80, false),
            ("10.0.0.0/8", "ten.test", 80, false),
            ("ten.test/8", "ten.test", 80, false),
        ] {
            let target = Target { host, port, secure: false };
            assert_eq!(exempts(list, target), expected, "{list:?} {host} {port}");
        }
    }
}
