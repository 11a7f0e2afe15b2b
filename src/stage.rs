//! What every stage shares: a bell that carries no data, a wish to stop, and the loop of passes.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{debug, error};

/// Says that there may be work. Ringing twice before anybody listens is ringing once.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Wakes the stage, now or at its next rest.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it rings.
    pub async fn heard(&self) {
        self.0.notified().await;
    }
}

/// The wish to stop, heard by everybody who holds a copy.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// The hand that says stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// A wish to stop and the hand that utters it.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks everybody to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether somebody said stop.
    pub fn is_said(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody says stop, or the hand is gone.
    pub async fn said(&self) {
        let mut receiver = self.0.clone();
        // An error means that the hand is gone: that is a stop as well.
        let _ = receiver.wait_for(|stop| *stop).await;
    }
}

/// Runs `pass` at every bell and at least `every` so often, until told to stop.
///
/// A pass returns how many rows it did; while it finds some it runs again at once.
/// One that fails is logged once and tried again at the next bell.
pub async fn run<F, E>(
    name: &'static str,
    bell: Bell,
    every: Duration,
    stop: Stop,
    mut pass: impl FnMut() -> F,
) where
    F: Future<Output = Result<usize, E>>,
    E: Display,
{
    while !stop.is_said() {
        match pass().await {
            Ok(0) => {}
            Ok(done) => {
                debug!(stage.name = name, rows = done, "Stage {name} did {done}");
                continue;
            }
            Err(problem) => error!(
                stage.name = name,
                "Stage {name} failed and will try again: {problem}"
            ),
        }
        tokio::select! {
            () = bell.heard() => {}
            () = tokio::time::sleep(every) => {}
            () = stop.said() => {}
        }
    }
}
