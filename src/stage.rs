//! What every stage shares: a bell that carries no data, a wish to stop, a pulse, and the loop of passes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
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

/// The wish to stop, heard by everybody who holds a copy; it also keeps the pulses of all who have to hear it.
#[derive(Clone, Debug)]
pub struct Stop {
    said: watch::Receiver<bool>,
    /// The wish that everybody stops, where this one is for some of them.
    of_all: Option<watch::Receiver<bool>>,
    pulses: Pulses,
}

/// The hand that says stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// A wish to stop and the hand that utters it.
pub fn stop() -> (Stopper, Stop) {
    let (sender, said) = watch::channel(false);
    let stop = Stop {
        said,
        of_all: None,
        pulses: Pulses::default(),
    };
    (Stopper(sender), stop)
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
        *self.said.borrow() || self.of_all.as_ref().is_some_and(|all| *all.borrow())
    }

    /// Waits until somebody says stop, or the hand is gone.
    pub async fn said(&self) {
        let mut own = self.said.clone();
        let mut all = self.of_all.clone().unwrap_or_else(|| self.said.clone());
        // An error means that the hand is gone: that is a stop as well.
        tokio::select! {
            _ = own.wait_for(|stop| *stop) => {}
            _ = all.wait_for(|stop| *stop) => {}
        }
    }

    /// A wish for some of those who hear this one, and its hand: they stop by either.
    pub fn some(&self) -> (Stopper, Self) {
        let (sender, said) = watch::channel(false);
        let of_all = Some(self.of_all.clone().unwrap_or_else(|| self.said.clone()));
        let pulses = self.pulses.clone();
        (
            Stopper(sender),
            Self {
                said,
                of_all,
                pulses,
            },
        )
    }

    /// The pulses of all who hear it.
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }
}

/// How each loop of the process is doing.
#[derive(Clone, Debug, Default)]
pub struct Pulses(Arc<Mutex<BTreeMap<String, Life>>>);

#[derive(Clone, Copy, Debug)]
struct Life {
    beat: Beat,
    /// How many pieces of work failed.
    failures: u64,
}

#[derive(Clone, Copy, Debug)]
enum Beat {
    /// It waits for work.
    Rests,
    /// At one piece of work since then.
    Works(Instant),
    /// It ended though nobody told it to.
    Gone,
}

/// The pulse of one loop. It counts as gone when it is dropped before the loop says that it ends.
#[derive(Debug)]
pub struct Pulse {
    name: String,
    pulses: Pulses,
    has_ended: bool,
}

/// A loop that does not turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its name.
    pub name: String,
    /// How long it has been at one piece of work; `None`: it is gone.
    pub since: Option<Duration>,
}

impl Pulses {
    /// The pulse of the loop `name`, which rests.
    pub fn begin(&self, name: &str) -> Pulse {
        let pulse = Pulse {
            name: name.to_owned(),
            pulses: self.clone(),
            has_ended: false,
        };
        pulse.beat(Beat::Rests);
        pulse
    }

    /// The loops that are at one piece of work for longer than `limit`, or gone.
    pub fn stuck(&self, limit: Duration) -> Vec<Stuck> {
        let now = Instant::now();
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = |(name, life): (&String, &Life)| {
            let since = match &life.beat {
                Beat::Rests => return None,
                Beat::Works(since) => Some(now.duration_since(*since)).filter(|it| *it > limit)?,
                Beat::Gone => {
                    return Some(Stuck {
                        name: name.clone(),
                        since: None,
                    });
                }
            };
            Some(Stuck {
                name: name.clone(),
                since: Some(since),
            })
        };
        all.iter().filter_map(stuck).collect()
    }

    /// The names of all loops, and how often each failed.
    pub fn failures(&self) -> Vec<(String, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(name, life)| (name.clone(), life.failures))
            .collect()
    }
}

impl Pulse {
    /// It works from now on.
    pub fn works(&self) {
        self.beat(Beat::Works(Instant::now()));
    }

    /// It waits for work.
    pub fn rests(&self) {
        self.beat(Beat::Rests);
    }

    /// What it worked on failed; it goes on.
    pub fn failed(&self) {
        let mut all = self.pulses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(life) = all.get_mut(&self.name) {
            life.failures += 1;
        }
    }

    /// It ends in good order.
    pub fn ends(mut self) {
        self.has_ended = true;
        let mut all = self.pulses.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.name);
    }

    fn beat(&self, beat: Beat) {
        let mut all = self.pulses.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.name) {
            Some(life) => life.beat = beat,
            None => drop(all.insert(self.name.clone(), Life { beat, failures: 0 })),
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !self.has_ended {
            self.beat(Beat::Gone);
        }
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
    let pulse = stop.pulses().begin(name);
    while !stop.is_said() {
        pulse.works();
        match pass().await {
            Ok(0) => {}
            Ok(done) => {
                debug!(stage.name = name, rows = done, "Stage {name} did {done}");
                continue;
            }
            Err(problem) => {
                pulse.failed();
                error!(
                    stage.name = name,
                    "Stage {name} failed and will try again: {problem}"
                );
            }
        }
        pulse.rests();
        tokio::select! {
            () = bell.heard() => {}
            () = tokio::time::sleep(every) => {}
            () = stop.said() => {}
        }
    }
    pulse.ends();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bell, Stuck, run, stop};

    const LIMIT: Duration = Duration::from_secs(90);

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_hangs_is_told_by_its_name() {
        let (stopper, stop) = stop();
        let waits = run("waits", Bell::default(), LIMIT, stop.clone(), || async {
            Ok::<_, std::fmt::Error>(0)
        });
        let hangs = run("hangs", Bell::default(), LIMIT, stop.clone(), || {
            std::future::pending::<Result<usize, std::fmt::Error>>()
        });
        let all = [tokio::spawn(waits), tokio::spawn(hangs)];
        tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
        assert_eq!(stop.pulses().stuck(LIMIT), []);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let stuck = stop.pulses().stuck(LIMIT);
        assert!(matches!(&stuck[..], [Stuck { name, since: Some(_) }] if name == "hangs"));
        stopper.stop();
        all[1].abort();
    }

    #[tokio::test]
    async fn a_stage_that_panics_is_told_as_gone() {
        let (_stopper, stop) = stop();
        let pass = || async {
            assert!(stop_is_far(), "it breaks");
            Ok::<_, std::fmt::Error>(0)
        };
        let broken = tokio::spawn(run("breaks", Bell::default(), LIMIT, stop.clone(), pass));
        assert!(broken.await.is_err());
        let gone = Stuck {
            name: "breaks".to_owned(),
            since: None,
        };
        assert_eq!(stop.pulses().stuck(LIMIT), [gone]);
    }

    fn stop_is_far() -> bool {
        false
    }

    #[tokio::test]
    async fn some_may_stop_before_all() {
        let (all, everybody) = stop();
        let (some, few) = everybody.some();
        let (_other, others) = everybody.some();
        some.stop();
        few.said().await;
        assert!(few.is_said() && !others.is_said() && !everybody.is_said());
        all.stop();
        others.said().await;
        assert!(others.is_said() && everybody.is_said());
    }
}
