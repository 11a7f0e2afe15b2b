//! How fast segments go out: the configured limit, and half of it whenever the carrier says so.
//!
//! Without a configured limit the carrier's own has to be found. A throttle after steady traffic shows it: from half
//! of that pace on, the other half comes back evenly within ten seconds. A throttle at the very start shows only that
//! the carrier's bucket is small: from there the pace grows by a quarter each second until it is throttled again.

use std::time::Duration;

use tokio::time::Instant;

/// What was not used within this time is lost, so that no burst follows a pause.
const BURST: Duration = Duration::from_millis(100);
/// Answers to what was under way arrive together: one halving covers them.
const ONE_THROTTLE: Duration = Duration::from_secs(1);
/// Traffic at one pace for this long shows something about the carrier.
const STEADY: Duration = Duration::from_secs(1);
/// A share of the throttled pace that comes back each second.
const REGAIN: f64 = 0.05;
/// How the pace grows each second while the carrier's own is not known.
const SEARCH: f64 = 1.25;
/// Nothing is slower than this.
const SLOWEST: f64 = 1.0;
/// Without a configured limit the pace is free again so long after the last throttle, and at so many times its pace.
const FREE_AFTER: (Duration, f64) = (Duration::from_secs(60), 4.0);

/// What is claimed ahead of the pace: the longest that an urgent text stands behind others.
const AHEAD: Duration = Duration::from_millis(250);

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
    /// Whether it was held long enough to show the carrier's own.
    steady: bool,
    /// Up to when it was regained.
    regained: Instant,
}

/// Segments of the running second, to know a pace that has no limit.
#[derive(Debug)]
struct Counted {
    since: Instant,
    segments: u32,
    /// Segments of the second before.
    before: u32,
}

impl Pace {
    /// A pace of `limit` segments a second; 0 is none.
    pub(super) fn new(limit: u32, now: Instant) -> Self {
        let limit = (limit > 0).then(|| f64::from(limit));
        let counted = Counted {
            since: now,
            segments: 0,
            before: 0,
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

    /// How many segments may leave within [`AHEAD`], beside those that wait already; at least one where none waits.
    pub(super) fn room(&mut self, now: Instant) -> usize {
        self.regain(now);
        let Some(pace) = self.now else {
            return usize::MAX;
        };
        let waiting = self.level.saturating_duration_since(now);
        if waiting.is_zero() {
            return whole(pace * AHEAD.as_secs_f64()).max(1);
        }
        whole(pace * AHEAD.saturating_sub(waiting).as_secs_f64())
    }

    /// The carrier said that we are too fast.
    pub(super) fn throttle(&mut self, now: Instant) {
        let last = self
            .throttled
            .as_ref()
            .map(|last| now.duration_since(last.at));
        if last.is_some_and(|ago| ago < ONE_THROTTLE) {
            return;
        }
        let seen = f64::from(self.counted.segments.max(self.counted.before));
        let steady =
            self.limit.is_some() || last.map_or(self.counted.before > 0, |ago| ago >= STEADY * 2);
        let pace = self.now.unwrap_or(seen);
        self.now = Some((pace / 2.0).max(SLOWEST));
        self.throttled = Some(Throttled {
            at: now,
            pace,
            steady,
            regained: now,
        });
    }

    fn regain(&mut self, now: Instant) {
        let (Some(throttled), Some(pace)) = (&mut self.throttled, self.now) else {
            return;
        };
        let mut pace = pace;
        let seconds = now.duration_since(throttled.regained).as_secs();
        throttled.regained += Duration::from_secs(seconds);
        // After a minute of silence the pace is its old self anyway.
        for _ in 0..seconds.min(60) {
            let even = throttled.pace.mul_add(REGAIN, pace).max(pace + SLOWEST);
            pace = if throttled.steady {
                even
            } else {
                even.max(pace * SEARCH)
            };
        }
        let quiet = now.duration_since(throttled.at) >= FREE_AFTER.0
            && pace >= throttled.pace * FREE_AFTER.1;
        let free = self.limit.map_or(quiet, |limit| pace >= limit);
        self.now = if free { self.limit } else { Some(pace) };
        if free {
            self.throttled = None;
        }
    }

    fn count(&mut self, now: Instant) {
        let ago = now.duration_since(self.counted.since);
        if ago >= Duration::from_secs(1) {
            let before = if ago < Duration::from_secs(2) {
                self.counted.segments
            } else {
                0
            };
            self.counted = Counted {
                since: now,
                segments: 0,
                before,
            };
        }
        self.counted.segments = self.counted.segments.saturating_add(1);
    }
}

/// A number of segments, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no pace comes near a billion segments, and none is negative"
)]
fn whole(segments: f64) -> usize {
    segments.clamp(0.0, 1e9) as usize
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
    fn no_more_is_claimed_than_leaves_in_a_quarter_of_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        assert_eq!(pace.room(start), 25);
        for _ in 0..20 {
            pace.take(start);
        }
        assert_eq!(pace.room(start), 5);
        assert_eq!(pace.room(start + Duration::from_secs(1)), 25);
        let mut slow = Pace::new(1, start);
        assert_eq!(slow.room(start), 1);
        slow.take(start);
        slow.take(start);
        assert_eq!(slow.room(start), 0);
        assert_eq!(Pace::new(0, start).room(start), usize::MAX);
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
        for at in 0..2500 {
            pace.take(start + Duration::from_millis(at));
        }
        let now = start + Duration::from_millis(2500);
        pace.throttle(now);
        assert_eq!(pace.now, Some(500.0));
        pace.take(now + Duration::from_secs(4));
        assert_eq!(pace.now, Some(700.0));
        for second in 5..200 {
            pace.take(now + Duration::from_secs(second));
        }
        assert_eq!(pace.now, None);
    }

    /// A carrier that takes 1000 a second with a bucket of 100, met without any knowledge.
    #[test]
    fn the_carriers_own_limit_is_found() {
        let start = Instant::now();
        let mut pace = Pace::new(0, start);
        let (mut now, mut bucket, mut filled) = (start, 100.0_f64, start);
        let (mut taken, mut refused) = (0, 0);
        while now < start + Duration::from_secs(60) {
            // Without a pace the line carries 20 in a millisecond.
            now += pace.take(now).max(Duration::from_micros(50));
            bucket = (now
                .duration_since(filled)
                .as_secs_f64()
                .mul_add(1000.0, bucket))
            .min(100.0);
            filled = now;
            if bucket >= 1.0 {
                bucket -= 1.0;
                taken += 1;
            } else {
                refused += 1;
                pace.throttle(now);
            }
        }
        assert!(taken > 60 * 1000 * 6 / 10, "{taken}");
        assert!(refused < taken / 100, "{refused}");
    }
}
