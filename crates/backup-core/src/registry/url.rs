use crate::{Error, ErrorKind, Result, SecretRef};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Longer texts are no URLs of anybody.
const MAX_BYTES: usize = 64 * 1024;

/// Where a driver finds its thing: `SCHEME://[USER@][HOST][:PORT][/PATH][?NAME=VALUE&…]`, or a scheme alone (`local`),
/// or `SCHEME:REST` (`docker:shop-db`), whose rest is the path.
///
/// User, host, path, names and values are percent-decoded. A password has no place in it: secrets are values of the
/// form that [`SecretRef`] reads (`?password=env:DB_PASSWORD`). `Display` gives a text that parses to the same.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// Before the `@`.
    pub user: Option<String>,
    /// A name or address, an IPv6 address without its brackets.
    pub host: Option<String>,
    /// Behind the host.
    pub port: Option<u16>,
    /// With its leading slash where there is a host part, `""` when there is none.
    pub path: String,
    /// What stands behind the `?`, each name once.
    pub query: BTreeMap<String, String>,
}

impl Url {
    /// A secret that a value of the query refers to.
    ///
    /// # Errors
    /// `InvalidInput` when the value is no reference; it is not repeated.
    pub fn secret(&self, name: &str) -> Result<Option<SecretRef>> {
        self.query.get(name).map(|value| value.parse()).transpose()
    }
}

/// No part of the text: it may hold a secret in the wrong place.
fn wrong(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| wrong("a URL is not UTF-8 once it is decoded"))?;
    if decoded.contains('\0') {
        return Err(wrong("a URL holds a zero byte"));
    }
    Ok(decoded.into_owned())
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(wrong("a URL is too long"));
        }
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts_well || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return Err(wrong("a URL begins with a scheme of letters, digits, +, - and ."));
        }
        if rest.contains('#') {
            return Err(wrong("a URL has a fragment (#), which means nothing here: write %23 for the character"));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let mut url = Url {
            scheme: scheme.to_ascii_lowercase(),
            user: None,
            host: None,
            port: None,
            path: String::new(),
            query: query.map(parse_query).transpose()?.unwrap_or_default(),
        };
        match rest.strip_prefix("//") {
            None => url.path = decoded(rest)?,
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                url.path = decoded(path)?;
                url.parse_authority(authority)?;
            }
        }
        Ok(url)
    }
}

impl Url {
    fn parse_authority(&mut self, authority: &str) -> Result<()> {
        let host = match authority.rsplit_once('@') {
            None => authority,
            Some((user, _)) if user.contains(':') => {
                return Err(wrong("a URL holds a password: refer to it instead (?password=env:NAME)"));
            }
            Some((user, host)) => {
                self.user = Some(decoded(user)?);
                host
            }
        };
        let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => {
                (address, rest.strip_prefix(':').map_or(rest.is_empty().then_some(None), |p| Some(Some(p))))
            }
            None => host.split_once(':').map_or((host, Some(None)), |(host, port)| (host, Some(Some(port)))),
        };
        let port = port.ok_or_else(|| wrong("a URL has something odd behind its host"))?;
        self.port =
            port.map(|port| port.parse().map_err(|_| wrong("a URL's port is not a number below 65536"))).transpose()?;
        self.host = if host.is_empty() { None } else { Some(decoded(host)?) };
        if self.host.is_none() && (self.port.is_some() || self.user.is_some()) {
            return Err(wrong("a URL has a user or a port, but no host"));
        }
        Ok(())
    }
}

fn parse_query(query: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if values.insert(decoded(name)?, decoded(value)?).is_some() {
            return Err(wrong("a URL gives a value twice").context("name", name));
        }
    }
    Ok(values)
}

const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &USER.remove(b'/').remove(b'@').remove(b'+').remove(b'=').remove(b',');
const VALUE: &AsciiSet = &PATH.add(b'=').remove(b':');

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        if self.host.is_some() || self.path.starts_with('/') {
            f.write_str("://")?;
            if let Some(user) = &self.user {
                write!(f, "{}@", utf8_percent_encode(user, USER))?;
            }
            match self.host.as_deref() {
                Some(host) if host.contains(':') => write!(f, "[{host}]")?,
                Some(host) => write!(f, "{}", utf8_percent_encode(host, USER))?,
                None => {}
            }
            if let Some(port) = self.port {
                write!(f, ":{port}")?;
            }
        } else if !self.path.is_empty() {
            f.write_str(":")?;
        }
        write!(f, "{}", utf8_percent_encode(&self.path, PATH))?;
        for (mark, (name, value)) in std::iter::once('?').chain(std::iter::repeat('&')).zip(&self.query) {
            if mark == '?' && self.host.is_none() && self.path.is_empty() {
                f.write_str(":")?;
            }
            write!(f, "{mark}{}={}", utf8_percent_encode(name, USER), utf8_percent_encode(value, VALUE))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_found() {
        let parsed = url("SFTP://ann%40home@db1.example:2222/srv/a%20b?known_hosts=/etc/k&password=env:PW");
        assert_eq!((parsed.scheme.as_str(), parsed.user.as_deref()), ("sftp", Some("ann@home")));
        assert_eq!(
            (parsed.host.as_deref(), parsed.port, parsed.path.as_str()),
            (Some("db1.example"), Some(2222), "/srv/a b")
        );
        assert_eq!(parsed.secret("password").unwrap(), Some(SecretRef::Env("PW".into())));
        assert_eq!(parsed.secret("other").unwrap(), None);
        let v6 = url("mysql://[::1]:3306/shop");
        assert_eq!((v6.host.as_deref(), v6.port), (Some("::1"), Some(3306)));
        assert_eq!(url("file:///srv/x").path, "/srv/x");
        assert_eq!((url("docker:shop-db").path.as_str(), url("local").path.as_str()), ("shop-db", ""));
        assert_eq!(url("s3://bucket").host.as_deref(), Some("bucket"));
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for text in [
            "mysql://ann:hunter2@db/x",
            "mysql://:hunter2@db",
            "://hunter2",
            "",
            "a b://hunter2",
            "s3://hunter2#x",
            "ssh://h:hunter2",
            "ssh://h:99999",
            "ssh://[::1]hunter2",
            "ssh://@hunter2:x",
            "ssh://:22",
            "ssh://ann@/x",
            "s3://b/%ff%fe",
            "s3://b/hunter2%00",
            "1s://x",
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = url("mysql://db/x?password=hunter2").secret("password").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!("s3://b?a=1&a=2".parse::<Url>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    fn text() -> impl Strategy<Value = String> {
        "[ -~äß€]{1,6}"
    }

    proptest! {
        #[test]
        fn display_parses_to_the_same(
            scheme in "[a-z][a-z0-9+.-]{0,4}",
            user in prop::option::of(text()),
            host in prop::option::of("[a-z0-9.-]{1,8}|[0-9a-f]{0,3}::[0-9a-f]{1,3}"),
            port in prop::option::of(any::<u16>()),
            path in prop::option::of(text()),
            query in prop::collection::btree_map(text(), "[ -~äß€]{0,6}", 0..3),
        ) {
            let there = host.is_some();
            let path = match path {
                Some(path) if there => format!("/{path}"),
                Some(path) => path,
                None => String::new(),
            };
            let (user, port) = (user.filter(|_| there), port.filter(|_| there));
            // Without a host, two leading slashes of a path would read as one.
            prop_assume!(there || !path.starts_with("//"));
            let url = Url { scheme, user, host, port, path, query };
            prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,40}") {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
            }
        }
    }
}
