//! Webhooks: which events another system hears of, what their bodies tell, and the secret they are signed with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::private::Private;
use super::words;

words! {
    /// Whether a webhook is told of events.
    WebhookState {
        /// It is.
        Enabled = "enabled",
        /// It is not; it keeps its place in the feed.
        Disabled = "disabled",
    }
}

words! {
    /// Why a webhook is disabled.
    DisabledReason {
        /// Somebody wished it.
        Person = "person",
        /// It answered 410: it is no more.
        Gone = "gone",
        /// It took nothing for days.
        Failing = "failing",
    }
}

words! {
    /// What bodies may tell beyond ids and states, for a webhook that asks for it.
    Include {
        /// `patient_key` and `occasion_key`: the hospital's own keys, as `source/key`.
        Keys = "keys",
        /// `address`: the number or mail address that a message goes to, or that a reply came from.
        Address = "address",
        /// `text`: what a message or a reply says.
        Text = "text",
    }
}

impl Include {
    /// Whether it shows what a key must have the scope `private:read` to see.
    pub const fn is_private(self) -> bool {
        match self {
            Self::Keys => false,
            Self::Address | Self::Text => true,
        }
    }
}

words! {
    /// What came of one try to tell a webhook.
    TryOutcome {
        /// It answered with a 2xx.
        Taken = "taken",
        /// It did not; another try follows.
        Refused = "refused",
        /// It did not, and no try follows.
        GivenUp = "given_up",
    }
}

words! {
    /// Why an event goes to a webhook beside its turn.
    AsideKind {
        /// It alone was refused again and again; what follows it should not wait.
        Retry = "retry",
        /// Somebody asked for it again.
        Replay = "replay",
        /// Somebody tries whether the webhook works.
        Test = "test",
    }
}

/// The event that a test sends.
pub const TEST_EVENT: &str = "webhook.test";

/// The most patterns of one webhook.
const MOST_PATTERNS: usize = 50;
/// The longest pattern, in bytes.
const LONGEST_PATTERN: usize = 64;

/// Which events a webhook hears of: whole types such as `reply.received`, or families such as `message.*`. None: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter(Vec<String>);

impl EventFilter {
    /// Reads patterns; `None` when one is no type of event.
    pub fn read<T: AsRef<str>>(patterns: &[T]) -> Option<Self> {
        let mut all: Vec<String> = patterns.iter().map(|one| one.as_ref().to_owned()).collect();
        all.sort();
        all.dedup();
        let is_fine = all.len() <= MOST_PATTERNS && all.iter().all(|one| is_pattern(one));
        is_fine.then_some(Self(all))
    }

    /// The patterns.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether events of this type are among them.
    pub fn takes(&self, kind: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(family) => kind.starts_with(family),
            None => pattern == kind,
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

/// `family.word` or `family.*`.
fn is_pattern(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let parts = text.split_once('.');
    text.len() <= LONGEST_PATTERN
        && parts.is_some_and(|(family, word)| is_word(family) && (word == "*" || is_word(word)))
}

/// What every secret begins with (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";
/// How many random bytes a new secret has.
const SECRET_BYTES: usize = 32;

/// The key that a webhook's bodies are signed with, as both sides keep it: `whsec_` and Base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret(Private<String>);

impl Secret {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = [0_u8; SECRET_BYTES];
        // The same source of randomness that TLS uses.
        let random = rustls::crypto::ring::default_provider().secure_random;
        random
            .fill(&mut bytes)
            .expect("the system gives randomness");
        Self(Private::new(format!(
            "{SECRET_PREFIX}{}",
            STANDARD.encode(bytes)
        )))
    }

    /// Reads one of 24 to 64 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let secret = Self(Private::new(text.to_owned()));
        secret.bytes().map(|_| secret)
    }

    /// The key itself.
    pub fn key(&self) -> Private<Vec<u8>> {
        Private::new(self.bytes().expect("checked when it was read"))
    }

    /// How it is written down.
    pub const fn as_written(&self) -> &Private<String> {
        &self.0
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = STANDARD
            .decode(self.0.reveal().strip_prefix(SECRET_PREFIX)?)
            .ok()?;
        (24..=64).contains(&bytes.len()).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{EventFilter, Secret};

    #[test]
    fn a_filter_takes_types_and_families() {
        let filter = EventFilter::read(&["message.*", "reply.received"]).unwrap();
        for (kind, is_taken) in [
            ("message.delivered", true),
            ("reply.received", true),
            ("reply.received_late", false),
            ("messages.delivered", false),
            ("occasion.confirmed", false),
        ] {
            assert_eq!(filter.takes(kind), is_taken, "{kind}");
        }
        assert!(EventFilter::default().takes("anything.at_all"));
    }

    #[test]
    fn what_is_no_type_of_event_is_no_filter() {
        for pattern in [
            "",
            "message",
            "message.",
            ".sent",
            "*",
            "message.se*",
            "Message.sent",
            "message.sent.twice",
            "message sent",
        ] {
            assert_eq!(EventFilter::read(&[pattern]), None, "{pattern}");
        }
        assert_eq!(
            EventFilter::read(&["a.b"; 51]).map(|f| f.patterns().len()),
            Some(1)
        );
    }

    #[test]
    fn a_secret_is_written_as_the_standard_wants_and_shown_by_nobody() {
        let secret = Secret::generate();
        let written = secret.as_written().reveal().clone();
        assert!(
            written.starts_with("whsec_") && written.len() == 50,
            "{written}"
        );
        assert_eq!(secret.key().reveal().len(), 32);
        assert_eq!(Secret::parse(&written), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(&written));
        assert_ne!(Secret::generate(), secret);
        for short in ["", "whsec_", "whsec_c2hvcnQ=", "c2hvcnQ=", "whsec_!"] {
            assert_eq!(Secret::parse(short), None);
        }
    }
}
