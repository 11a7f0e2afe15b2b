//! Which provider carries what: by channel, by the beginning of the address, and by weights that move with the
//! providers' health.
//!
//! A recipient stays with one provider while the weights stay: each pair of address and provider has a fixed score
//! (rendezvous hashing), so that a shift of ten points moves about a tenth of the recipients and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::class::Channel;

/// The points that the weights of one route come to.
pub const FULL: u32 = 100;

/// The routes of the config, in order. Copies share what they know of the providers' health.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    lines: Vec<Route>,
    live: Arc<RwLock<Live>>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The medium.
    pub channel: Channel,
    /// What the address must begin with; empty takes all.
    pub prefix: String,
    /// Providers, best first, each with its points at rest.
    pub providers: Vec<Share>,
}

/// A provider's part of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name in the config.
    pub provider: String,
    /// Points of [`FULL`] that it gets while all are well.
    pub weight: u32,
}

/// How the providers stand now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The points of each route that are not those at rest: its key, then one for each of its providers.
    pub weights: BTreeMap<String, Vec<u32>>,
    /// Providers that nothing can leave by at the moment.
    pub down: BTreeSet<String>,
}

impl Route {
    /// A route on which the first provider takes all, and the others stand by.
    pub fn in_order(channel: Channel, prefix: String, providers: Vec<String>) -> Self {
        let share = |(at, provider)| Share {
            provider,
            weight: if at == 0 { FULL } else { 0 },
        };
        Self {
            channel,
            prefix,
            providers: providers.into_iter().enumerate().map(share).collect(),
        }
    }

    /// What it is called in rows and events, such as `sms:+86`.
    pub fn key(&self) -> String {
        format!("{}:{}", self.channel, self.prefix)
    }

    /// The points at rest.
    pub fn rest(&self) -> Vec<u32> {
        self.providers.iter().map(|share| share.weight).collect()
    }

    /// Its providers for `address`, best first: those that are up and have points, by score; those that are up and
    /// stand by; and last those that are down, which still have to hold the queue where nobody else is there.
    fn ranked(&self, address: &str, live: &Live) -> Vec<&str> {
        let weights = live.weights.get(&self.key());
        let mut ranked: Vec<(u8, f64, &str)> = self
            .providers
            .iter()
            .enumerate()
            .map(|(at, share)| {
                let weight = weights.and_then(|all| all.get(at)).unwrap_or(&share.weight);
                let is_down = live.down.contains(&share.provider);
                let place = match (is_down, *weight) {
                    (false, 1..) => 0,
                    (false, 0) => 1,
                    (true, _) => 2,
                };
                // The smallest of -ln(u)/weight is each provider's with the probability of its weight.
                let score = if *weight > 0 {
                    -uniform(address, &share.provider).ln() / f64::from(*weight)
                } else {
                    f64::from(u32::try_from(at).unwrap_or(u32::MAX))
                };
                (place, score, share.provider.as_str())
            })
            .collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        ranked
            .into_iter()
            .map(|(_, _, provider)| provider)
            .collect()
    }
}

impl Routes {
    /// Takes `lines`; of those that fit an address the longest prefix wins.
    pub fn new(mut lines: Vec<Route>) -> Self {
        lines.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self {
            lines,
            live: Arc::default(),
        }
    }

    /// All lines, the longest prefix first.
    pub fn lines(&self) -> &[Route] {
        &self.lines
    }

    /// The provider for `address` on `channel`, if there is one.
    pub fn pick(&self, channel: Channel, address: &str) -> Option<&str> {
        let line = self.line(channel, address)?;
        if let [only] = line.providers.as_slice() {
            return Some(&only.provider);
        }
        line.ranked(address, &self.read()).into_iter().next()
    }

    /// Another provider than `current` for `address` that can take something now, best first.
    pub fn other(&self, channel: Channel, address: &str, current: &str) -> Option<&str> {
        let line = self.line(channel, address)?;
        let live = self.read();
        line.ranked(address, &live)
            .into_iter()
            .find(|provider| *provider != current && !live.down.contains(*provider))
    }

    /// Whether anything can leave on `channel`.
    pub fn has(&self, channel: Channel) -> bool {
        self.lines.iter().any(|route| route.channel == channel)
    }

    /// Takes what is known of the providers now; all copies of these routes see it.
    pub fn stand(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// What was taken last.
    pub fn live(&self) -> Live {
        self.read().clone()
    }

    fn line(&self, channel: Channel, address: &str) -> Option<&Route> {
        self.lines
            .iter()
            .find(|route| route.channel == channel && address.starts_with(&route.prefix))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number in (0, 1) that hangs on the two alone, the same on every machine and in every version.
fn uniform(address: &str, provider: &str) -> f64 {
    // FNV-1a over both, and the last step of SplitMix64, which spreads what differs in one digit only.
    let octets = address.bytes().chain([0]).chain(provider.bytes());
    let hash = octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
    (f64::from(top) + 0.5) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(weights: &[(&str, u32)]) -> Routes {
        let share = |(provider, weight): &(&str, u32)| Share {
            provider: (*provider).to_owned(),
            weight: *weight,
        };
        Routes::new(vec![Route {
            channel: Channel::Sms,
            prefix: String::new(),
            providers: weights.iter().map(share).collect(),
        }])
    }

    fn numbers() -> impl Iterator<Item = String> {
        (0..10_000).map(|n| format!("+86138{n:08}"))
    }

    fn picked(routes: &Routes) -> Vec<String> {
        let pick = |number: String| routes.pick(Channel::Sms, &number).map(str::to_owned);
        numbers().filter_map(pick).collect()
    }

    fn of<'a>(picks: &'a [String], provider: &'a str) -> usize {
        picks.iter().filter(|name| *name == provider).count()
    }

    #[test]
    fn the_longest_prefix_wins() {
        let line = |prefix: &str, name: &str| {
            Route::in_order(Channel::Sms, prefix.to_owned(), vec![name.to_owned()])
        };
        let routes = Routes::new(vec![
            line("", "all"),
            line("+86", "china"),
            line("+8613", "mobile"),
        ]);
        let pick = |number| routes.pick(Channel::Sms, number);
        assert_eq!(pick("+8613800000000"), Some("mobile"));
        assert_eq!(pick("+8610000000"), Some("china"));
        assert_eq!(pick("+34600000000"), Some("all"));
        assert_eq!(routes.pick(Channel::Email, "a@b.example"), None);
    }

    #[test]
    fn without_weights_the_first_takes_all_and_the_next_stands_by() {
        let routes = Routes::new(vec![Route::in_order(
            Channel::Sms,
            String::new(),
            vec!["first".to_owned(), "second".to_owned(), "third".to_owned()],
        )]);
        assert_eq!(of(&picked(&routes), "first"), 10_000);
        routes.stand(Live {
            down: BTreeSet::from(["first".to_owned()]),
            ..Live::default()
        });
        assert_eq!(of(&picked(&routes), "second"), 10_000);
        let all = ["first", "second", "third"].map(str::to_owned);
        routes.stand(Live {
            down: BTreeSet::from(all),
            ..Live::default()
        });
        assert_eq!(
            of(&picked(&routes), "first"),
            10_000,
            "somebody holds the queue"
        );
        assert_eq!(routes.other(Channel::Sms, "+1", "first"), None);
    }

    #[test]
    fn each_gets_its_share_and_a_recipient_stays_with_one() {
        let routes = weighted(&[("a", 70), ("b", 30)]);
        let before = picked(&routes);
        assert!(
            (6_800..7_200).contains(&of(&before, "a")),
            "{}",
            of(&before, "a")
        );
        assert_eq!(before, picked(&routes));
        let weights = BTreeMap::from([("sms:".to_owned(), vec![60, 40])]);
        routes.stand(Live {
            weights,
            ..Live::default()
        });
        let after = picked(&routes);
        assert!(
            (5_800..6_200).contains(&of(&after, "a")),
            "{}",
            of(&after, "a")
        );
        let pairs = || before.iter().zip(&after);
        assert_eq!(
            pairs()
                .filter(|(was, is)| *was == "b" && *is == "a")
                .count(),
            0
        );
        let moved = pairs().filter(|(was, is)| was != is).count();
        assert!((800..1_200).contains(&moved), "{moved}");
    }

    #[test]
    fn another_provider_is_never_the_same_and_never_one_that_is_down() {
        let routes = weighted(&[("a", 50), ("b", 50), ("c", 0)]);
        for number in numbers().take(100) {
            let first = routes.pick(Channel::Sms, &number).unwrap();
            let other = routes.other(Channel::Sms, &number, first).unwrap();
            assert!(other != first && other != "c");
        }
        routes.stand(Live {
            down: BTreeSet::from(["b".to_owned()]),
            ..Live::default()
        });
        assert_eq!(routes.other(Channel::Sms, "+1", "a"), Some("c"));
    }
}
