//! What every page of ours needs: the reader's language, headers that keep it safe, and answers that only
//! change when the page does.
//!
//! Knows no page; `console` and `simulator` make theirs with it.

use axum::extract::{Query, Request};
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, ETAG, HOST,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Nothing from elsewhere: no script, style, picture or font that is not our own, and nobody else's frame around us.
const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'self'; img-src 'self' data:";
/// Colours, type and the parts that all pages share.
pub const BASE_STYLE: &str = include_str!("base.css");
/// Asks for the page again and puts in what changed.
pub const LIVE_SCRIPT: &str = include_str!("live.js");
/// The bell.
pub const MARK: &str = include_str!("mark.svg");

/// The languages of our own pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese, simplified.
    Chinese,
}

impl Language {
    /// BCP 47.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language a tag such as `zh-Hans-CN` means, if we have it.
    pub fn parse(tag: &str) -> Option<Self> {
        let first = tag.trim().split(['-', '_']).next()?;
        match first.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// What the reader chose, else the best of what their browser asks for, else `fallback`.
    pub fn of(headers: &HeaderMap, fallback: Self) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let cookies = text(COOKIE).unwrap_or_default().split(';');
        let chosen = cookies
            .filter_map(|pair| pair.trim().strip_prefix("language="))
            .find_map(Self::parse);
        chosen
            .or_else(|| Self::wanted(text(ACCEPT_LANGUAGE)?))
            .unwrap_or(fallback)
    }

    /// The best of an `Accept-Language` (RFC 9110 §12.5.4).
    fn wanted(accept: &str) -> Option<Self> {
        let weighed = accept.split(',').take(20).filter_map(|part| {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters
                .trim()
                .strip_prefix("q=")
                .and_then(|q| q.parse::<f32>().ok())
                .unwrap_or(1.0);
            Some((weight, Self::parse(tag)?)).filter(|_| weight > 0.0)
        });
        // Of equal weights the first counts, and `max_by` would take the last.
        weighed
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, language)| language)
    }

    /// What is right in this language of an English and a Chinese word.
    pub const fn pick<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// Who may read the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Programs on this machine that name it as such: another site cannot point its own name here and read along.
    Loopback,
    /// Anybody who reaches the port: for data that nobody needs to hide.
    Open,
}

impl Guard {
    /// Lets a request through, or not, and puts the safety headers on every answer.
    pub async fn check(self, request: Request, next: Next) -> Response {
        let headers = request.headers();
        let refused = match self {
            Self::Loopback if !names_loopback(headers) => Some((
                StatusCode::MISDIRECTED_REQUEST,
                "this page is for http://127.0.0.1 alone",
            )),
            Self::Loopback | Self::Open if !is_read(request.method()) && !is_own(headers) => {
                Some((
                    StatusCode::FORBIDDEN,
                    "this form was sent from another site",
                ))
            }
            Self::Loopback | Self::Open => None,
        };
        let mut response = match refused {
            Some(refusal) => refusal.into_response(),
            None => next.run(request).await,
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}

const fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether the `Host` is this machine's own name or address.
fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether a form was sent from a page of this very site, as far as the browser tells.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, own)| own.eq_ignore_ascii_case(host)),
        // Neither told: no browser.
        (None, _, _) => true,
    }
}

/// A page, or the news that the reader has it already.
pub fn page(headers: &HeaderMap, html: String) -> Response {
    answer(headers, "text/html; charset=utf-8", html)
}

/// A style, script or picture of ours.
pub fn asset(headers: &HeaderMap, kind: &'static str, body: &'static str) -> Response {
    answer(headers, kind, body.to_owned())
}

fn answer(headers: &HeaderMap, kind: &'static str, body: String) -> Response {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in Sha256::digest(body.as_bytes()).iter().take(12) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // Names of patients are in it: kept by the page that shows it, not on the disk.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// The question of a switch of language.
#[derive(Debug, serde::Deserialize)]
pub struct Switch {
    to: String,
    #[serde(default)]
    back: String,
}

/// Remembers the reader's language and goes back to where they were.
pub async fn switch(Query(switch): Query<Switch>) -> Response {
    let language = Language::parse(&switch.to).unwrap_or_default();
    let cookie = format!(
        "language={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
        language.code()
    );
    let mut response = redirect(own_path(&switch.back));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// A path on this site; anything else is the first page.
fn own_path(path: &str) -> &str {
    let foreign =
        !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '\r', '\n']);
    if foreign { "/" } else { path }
}

/// Goes to `path` with a fresh GET.
pub fn redirect(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::{Language, is_own, names_loopback, own_path};

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_language_is_the_readers() {
        let of =
            |all: &[(&'static str, &'static str)]| Language::of(&headers(all), Language::Chinese);
        assert_eq!(of(&[]), Language::Chinese);
        assert_eq!(
            of(&[("accept-language", "fr, en;q=0.8, zh;q=0.9")]),
            Language::Chinese
        );
        assert_eq!(of(&[("accept-language", "en-GB,zh-CN")]), Language::English);
        assert_eq!(of(&[("accept-language", "en;q=0")]), Language::Chinese);
        assert_eq!(
            of(&[("accept-language", "zh-CN"), ("cookie", "a=b; language=en")]),
            Language::English
        );
    }

    #[test]
    fn only_this_machines_own_names_are_loopback() {
        for (host, own) in [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("127.9.9.9", true),
            ("evil.example:8080", false),
            ("192.168.1.5:8080", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(names_loopback(&headers(&[("host", host)])), own, "{host}");
        }
    }

    #[test]
    fn forms_of_other_sites_are_known() {
        assert!(is_own(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(!is_own(&headers(&[
            ("sec-fetch-site", "cross-site"),
            ("host", "a"),
            ("origin", "http://a")
        ])));
        assert!(is_own(&headers(&[
            ("host", "a:1"),
            ("origin", "http://a:1")
        ])));
        assert!(!is_own(&headers(&[
            ("host", "a:1"),
            ("origin", "http://b")
        ])));
        assert!(!is_own(&headers(&[("host", "a:1"), ("origin", "null")])));
    }

    #[test]
    fn the_way_back_stays_on_this_site() {
        for (path, kept) in [
            ("/console/tasks?x=1", "/console/tasks?x=1"),
            ("//evil", "/"),
            ("https://evil", "/"),
            ("/\\evil", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_path(path), kept);
        }
    }
}
