//! The network of a scenario: the built-in carrier over real SMPP, behind a line that can be cut, and its phones.

use carebell::clock::Clock;
use carebell::simulator::carrier::{Carrier as Network, Side};
use carebell::simulator::conduct::Conduct;
use carebell::simulator::{carrier, smsc};
use carebell::stage::{self, Stopper};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::PATIENCE;
use super::line::Line;

/// A network on loopback.
pub(crate) struct Carrier {
    /// What it does and has done.
    pub(crate) network: Network,
    /// The way to it.
    pub(crate) line: Line,
    stopper: Stopper,
    serving: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Starts one on a free port.
    pub(crate) async fn start(conduct: Conduct, clock: Clock, has_small_ids: bool) -> Self {
        let now = clock.now();
        if has_small_ids {
            // A network numbers on from the moment it was made.
            clock.set(Timestamp::UNIX_EPOCH);
        }
        let network = Network::new(conduct, clock.clone());
        clock.set(now);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line::to(listener.local_addr().unwrap()).await;
        let (stopper, stop) = stage::stop();
        let serving = tokio::spawn(smsc::serve(network.clone(), listener, stop));
        Self {
            network,
            line,
            stopper,
            serving: Some(serving),
        }
    }

    /// Whether every receipt and text has been handed over.
    pub(crate) fn is_done(&self) -> bool {
        let counts = self.network.counts();
        counts.receipts + counts.texts == counts.handed_over + counts.dropped
    }

    /// How many submits came so far, whatever became of them.
    pub(crate) fn submits(&self) -> u64 {
        self.network.counts().submits
    }

    /// Waits until that many submits came.
    pub(crate) async fn has_seen(&self, submits: u64) {
        let seen = self
            .network
            .until(PATIENCE, |network| network.counts().submits >= submits)
            .await;
        assert!(
            seen,
            "{submits} submits were expected: {:?}",
            self.network.counts()
        );
    }

    /// Ends it.
    pub(crate) async fn stop(&mut self) {
        self.stopper.stop();
        self.serving.take().unwrap().await.unwrap();
    }
}

/// What the patient holds.
pub(crate) struct Phone {
    phones: Vec<carrier::Phone>,
}

impl Phone {
    pub(crate) fn new(networks: &[Network], number: &str) -> Self {
        Self {
            phones: networks
                .iter()
                .map(|network| network.phone(number))
                .collect(),
        }
    }

    /// The texts that arrived, oldest first.
    pub(crate) fn texts(&self) -> Vec<String> {
        let threads = self.phones.iter().flat_map(carrier::Phone::thread);
        threads
            .filter(|bubble| bubble.side == Side::Received)
            .map(|bubble| bubble.text.reveal().clone())
            .collect()
    }

    /// The last text.
    #[track_caller]
    pub(crate) fn last(&self) -> String {
        self.texts().pop().expect("a text on the phone")
    }

    /// Writes to whoever wrote last.
    pub(crate) fn reply(&self, text: &str) {
        let wrote = self.phones.iter().find(|phone| !phone.thread().is_empty());
        wrote
            .or(self.phones.first())
            .expect("a network")
            .reply(text);
    }
}
