//! URLs of HTTP requests: as much of the grammar as it takes to say where a request would go, and no more. What is not
//! understood is an error, so that no request goes anywhere else than the reader of a runbook thinks.

use std::fmt::Write;

use crate::model::visible::literal;

/// Where a plain HTTP request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpUrl<'t> {
    /// Address or name; an IPv6 address without its brackets.
    pub host: &'t str,
    /// The port; 80 where none is written.
    pub port: u16,
    /// Path and query, from the first `/`; `/` where none is written.
    pub path: &'t str,
}

/// A URL that no request can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// TLS.
    #[error("https is not built yet: only http:// URLs can be asked")]
    Https,
    /// Any other scheme, or none.
    #[error("`{0}` does not begin with http://")]
    Scheme(String),
    /// Blanks, control characters, non-ASCII.
    #[error("{0:?} does not belong in a URL: percent-encode it")]
    Character(char),
    /// `user:password@`.
    #[error("a URL carries no user and no password here")]
    Credentials,
    /// `#…` is never sent.
    #[error("the part after # is never sent: leave it out")]
    Fragment,
    /// Nothing between `//` and the path, or no name or address.
    #[error("`{0}` is no host name and no address")]
    Host(String),
    /// Not from 1 to 65535.
    #[error("`{0}` is no port from 1 to 65535")]
    Port(String),
}

impl<'t> HttpUrl<'t> {
    /// Takes a URL apart.
    pub fn parse(text: &'t str) -> Result<Self, UrlError> {
        if text.starts_with("https:") {
            return Err(UrlError::Https);
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| UrlError::Scheme(literal(text).into_owned()))?;
        if let Some(bad) = rest.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(*c)) {
            return Err(UrlError::Character(bad));
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        if path.starts_with('?') {
            return Err(UrlError::Host(format!("{authority}{path}")));
        }
        let (host, port) = split_authority(authority)?;
        Ok(Self { host, port, path: if path.is_empty() { "/" } else { path } })
    }

    /// Whether it names the loopback of the machine where the request starts, by address: `localhost` may be either
    /// of two.
    pub fn is_loopback(&self) -> bool {
        self.host == "127.0.0.1" || self.host == "::1"
    }
}

fn split_authority(authority: &str) -> Result<(&str, u16), UrlError> {
    let bad_host = || UrlError::Host(authority.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or_else(bad_host)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| bad_host())?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(bad_host)?) };
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if host.is_empty() || host.starts_with(['-', '.']) || !host.chars().all(plain) {
        return Err(bad_host());
    }
    let port = match port {
        None => 80,
        Some(digits) => digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())
            .flatten()
            .filter(|port| *port > 0)
            .ok_or_else(|| UrlError::Port(digits.to_owned()))?,
    };
    Ok((host, port))
}

/// A value as it stands in a path or a query: everything but `A-Z a-z 0-9 - . _ ~` percent-encoded.
pub fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // writing to a String does not fail
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{HttpUrl, UrlError, encode};

    fn parts(text: &str) -> Result<(&str, u16, &str), UrlError> {
        HttpUrl::parse(text).map(|url| (url.host, url.port, url.path))
    }

    #[test]
    fn a_url_says_where_a_request_goes() {
        assert_eq!(parts("http://127.0.0.1:3000/api/status?x=1"), Ok(("127.0.0.1", 3000, "/api/status?x=1")));
        assert_eq!(parts("http://[::1]:3000"), Ok(("::1", 3000, "/")));
        assert_eq!(parts("http://web-1.eu/"), Ok(("web-1.eu", 80, "/")));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let bad = |text: &str| parts(text).expect_err("it must not parse").to_string();
        assert_eq!(bad("https://127.0.0.1/"), "https is not built yet: only http:// URLs can be asked");
        assert_eq!(bad("127.0.0.1:3000"), "`127.0.0.1:3000` does not begin with http://");
        assert_eq!(bad("http://"), "`` is no host name and no address");
        assert_eq!(bad("http://user:pw@127.0.0.1/"), "a URL carries no user and no password here");
        assert_eq!(bad("http://127.0.0.1/a b"), "' ' does not belong in a URL: percent-encode it");
        assert_eq!(bad("http://127.0.0.1/\r\nX: y"), "'\\r' does not belong in a URL: percent-encode it");
        assert_eq!(bad("http://127.0.0.1/#top"), "the part after # is never sent: leave it out");
        assert_eq!(bad("http://127.0.0.1:0/"), "`0` is no port from 1 to 65535");
        assert_eq!(bad("http://127.0.0.1:+80/"), "`+80` is no port from 1 to 65535");
        assert_eq!(bad("http://127.0.0.1:70000/"), "`70000` is no port from 1 to 65535");
        assert_eq!(bad("http://[::g]/"), "`[::g]` is no host name and no address");
        assert_eq!(bad("http://127.0.0.1?x=1"), "`127.0.0.1?x=1` is no host name and no address");
    }

    #[test]
    fn only_the_two_addresses_are_loopback() {
        let loopback = |text: &str| HttpUrl::parse(text).expect("it parses").is_loopback();
        assert!(loopback("http://127.0.0.1:3000/") && loopback("http://[::1]/"));
        for other in ["http://localhost/", "http://127.0.0.2/", "http://[::]/", "http://127.0.0.1.example.com/"] {
            assert!(!loopback(other), "{other}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        assert_eq!(encode("a/b?c=d&é #%"), "a%2Fb%3Fc%3Dd%26%C3%A9%20%23%25");
        assert_eq!(encode("false"), "false");
    }
}
