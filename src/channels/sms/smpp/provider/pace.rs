//! How fast segments go out: the configured limit, and half of it whenever the carrier says so.

use std::time::Duration;

use tokio::time::Instant;

/// What was not used within this time is lost, so that no burst follows a pause.
const BURST: Duration = Duration::from_millis(100);
/// Answers to what was under way arrive together: one halving covers them.
const ONE_THROTTLE: Duration = Duration::from_secs(1);
/// A share of the lost pace that comes back each second.
const REGAIN: f64 = 0.05;
/// Nothing is slower than this.
const SLOWEST: f64 = 1.0;
/// Without a configured limit, so many times the pace at the last throttle is free again.
const FREE_ABOVE: f64 = 4.0;

/// The pace of one account.
#[derive(Debug)]
pub(super) struct Pace {
    /// Configured segments a second, if there is a limit.
    limit: Option<f64>,
    /// The pace now; `None` is free.
    now: Option<f64>,
    /// When the bucket will be level with the segments promised so far.
    level: Instant,
    throttled: Option<Throttled>,
    counted: Counted,
}

#[derive(Debug)]
struct Throttled {
    at: Instant,
    /// The pace that was too fast.
    pace: f64,
    /// Up to when it was regained.
    regained: Instant,
}

/// Segments of the running second, to know a pace that has no limit.
#[derive(Debug)]
struct Counted {
    since: Instant,
    segments: u32,
    last_pace: f64,
}

impl Pace {
    /// A pace of `limit` segments a second; 0 is none.
    pub(super) fn new(limit: u32, now: Instant) -> Self {
        let limit = (limit > 0).then(|| f64::from(limit));
        let counted = Counted {
            since: now,
            segments: 0,
            last_pace: 0.0,
        };
        Self {
            limit,
            now: limit,
            level: now,
            throttled: None,
            counted,
        }
    }

    /// Takes one segment: how long it has to wait.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        self.count(now);
        self.regain(now);
        let Some(pace) = self.now else {
            return Duration::ZERO;
        };
        let each = Duration::from_secs_f64(1.0 / pace);
        let earliest = now.checked_sub(BURST.max(each)).unwrap_or(now);
        self.level = self.level.max(earliest) + each;
        self.level.saturating_duration_since(now)
    }

    /// The carrier said that we are too fast.
    pub(super) fn throttle(&mut self, now: Instant) {
        if self
            .throttled
            .as_ref()
            .is_some_and(|last| now.duration_since(last.at) < ONE_THROTTLE)
        {
            return;
        }
        let pace = self.now.unwrap_or_else(|| self.counted.pace(now));
        self.now = Some((pace / 2.0).max(SLOWEST));
        self.throttled = Some(Throttled {
            at: now,
            pace,
            regained: now,
        });
    }

    fn regain(&mut self, now: Instant) {
        let (Some(throttled), Some(pace)) = (&mut self.throttled, self.now) else {
            return;
        };
        let seconds = now.duration_since(throttled.regained).as_secs();
        if seconds == 0 {
            return;
        }
        throttled.regained += Duration::from_secs(seconds);
        let step = (throttled.pace * REGAIN).max(SLOWEST);
        let faster = Duration::from_secs(seconds)
            .as_secs_f64()
            .mul_add(step, pace);
        let free_at = self.limit.unwrap_or(throttled.pace * FREE_ABOVE);
        if faster >= free_at {
            self.now = self.limit;
            self.throttled = None;
        } else {
            self.now = Some(faster);
        }
    }

    fn count(&mut self, now: Instant) {
        if now.duration_since(self.counted.since) >= Duration::from_secs(1) {
            self.counted = Counted {
                since: now,
                segments: 0,
                last_pace: self.counted.pace(now),
            };
        }
        self.counted.segments = self.counted.segments.saturating_add(1);
    }
}

impl Counted {
    fn pace(&self, now: Instant) -> f64 {
        let seconds = now.duration_since(self.since).as_secs_f64();
        // Too little to judge by yet: what went in the second before counts.
        if seconds < 0.1 {
            self.last_pace.max(f64::from(self.segments))
        } else {
            f64::from(self.segments) / seconds
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    /// Segments that may go within `seconds` from `start` on.
    fn flow(pace: &mut Pace, start: Instant, seconds: u64) -> u32 {
        let mut now = start;
        let mut count = 0;
        loop {
            now += pace.take(now);
            if now >= start + Duration::from_secs(seconds) {
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn a_limit_is_kept() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        let count = flow(&mut pace, start, 10);
        assert!((990..=1011).contains(&count), "{count}");
    }

    #[test]
    fn no_limit_never_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(0, start);
        assert!((0..100_000).all(|_| pace.take(start).is_zero()));
    }

    #[test]
    fn a_throttle_halves_once_and_the_pace_comes_back_slowly() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        pace.take(start);
        for _ in 0..50 {
            pace.throttle(start);
        }
        assert_eq!(pace.now, Some(50.0));
        pace.take(start + Duration::from_secs(4));
        assert_eq!(pace.now, Some(70.0));
        pace.take(start + Duration::from_secs(60));
        assert_eq!(pace.now, Some(100.0));
    }

    #[test]
    fn without_a_limit_a_throttle_halves_what_was_seen() {
        let start = Instant::now();
        let mut pace = Pace::new(0, start);
        for at in 0..1000 {
            pace.take(start + Duration::from_millis(at));
        }
        let now = start + Duration::from_millis(1000);
        pace.throttle(now);
        let halved = pace.now.unwrap();
        assert!((450.0..550.0).contains(&halved), "{halved}");
        pace.take(now + Duration::from_secs(600));
        assert_eq!(pace.now, None);
    }
}
