//! Where a request goes: a URL that is taken apart once.

use url::{Host, Url};

/// The longest URL, in bytes.
const LONGEST: usize = 2000;

/// A place on the web that can be posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it speaks TLS.
    pub is_https: bool,
    /// Its name or address. Odd spellings of addresses, such as `0x7f.1`, are read as browsers read them.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: String,
    text: String,
}

/// Why a text is no place to post to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It cannot be read at all.
    #[error("expected a URL such as https://his.example.org/carebell")]
    NoUrl,
    /// It is a URL of another kind.
    #[error("expected https:// or, for allowed hosts, http://")]
    Scheme,
    /// It holds a name and a password.
    #[error("expected a URL without a user name or a password: what we send is signed")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("expected a URL without #")]
    Fragment,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, or one that we do not post to. The error repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        if text.len() > LONGEST {
            return Err(BadTarget::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| BadTarget::NoUrl)?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(BadTarget::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadTarget::Fragment);
        }
        let host = url.host().ok_or(BadTarget::NoUrl)?.to_owned();
        let port = url.port_or_known_default().ok_or(BadTarget::NoUrl)?;
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            is_https,
            host,
            port,
            path,
            text: url.into(),
        })
    }

    /// The URL in one spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands in the `Host` header.
    pub fn authority(&self) -> String {
        let is_usual = self.port == if self.is_https { 443 } else { 80 };
        if is_usual {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadTarget, Target};

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("https://His.Example.org:8443/in?x=1").unwrap();
        assert_eq!(target.as_str(), "https://his.example.org:8443/in?x=1");
        assert_eq!((target.is_https, target.port), (true, 8443));
        assert_eq!(target.authority(), "his.example.org:8443");
        assert_eq!(target.path, "/in?x=1");
        let plain = Target::parse("http://[::1]").unwrap();
        assert_eq!(
            (plain.authority(), plain.path),
            ("[::1]".to_owned(), "/".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused() {
        for (text, why) in [
            ("", BadTarget::NoUrl),
            ("his.example.org/in", BadTarget::NoUrl),
            ("https://", BadTarget::NoUrl),
            ("ftp://his.example.org/", BadTarget::Scheme),
            ("file:///etc/passwd", BadTarget::Scheme),
            (
                "https://user:secret@his.example.org/",
                BadTarget::Credentials,
            ),
            ("https://his.example.org/#here", BadTarget::Fragment),
        ] {
            assert_eq!(Target::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn odd_spellings_of_an_address_are_that_address() {
        for text in [
            "http://0x7f.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://①②⑦.0.0.1/",
        ] {
            assert_eq!(
                Target::parse(text).unwrap().host.to_string(),
                "127.0.0.1",
                "{text}"
            );
        }
    }
}
