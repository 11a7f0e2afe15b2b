//! Which provider carries what: by channel and by the beginning of the address.

use super::class::Channel;

/// The routes of the config, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(Vec<Route>);

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The medium.
    pub channel: Channel,
    /// What the address must begin with; empty takes all.
    pub prefix: String,
    /// Providers, best first.
    pub providers: Vec<String>,
}

impl Routes {
    /// Takes `routes`; of those that fit an address the longest prefix wins.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self(routes)
    }

    /// The provider for `address` on `channel`, if there is one.
    pub fn pick(&self, channel: Channel, address: &str) -> Option<&str> {
        let fits = |route: &&Route| route.channel == channel && address.starts_with(&route.prefix);
        self.0
            .iter()
            .find(fits)
            .and_then(|route| route.providers.first())
            .map(String::as_str)
    }

    /// Whether anything can leave on `channel`.
    pub fn has(&self, channel: Channel) -> bool {
        self.0.iter().any(|route| route.channel == channel)
    }
}
