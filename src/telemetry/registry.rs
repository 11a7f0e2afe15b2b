//! Counters and histograms of the process, and how they are written for Prometheus (text format 0.0.4).
//!
//! One process is one daemon, so its families are statics: a stage counts without being handed anything. The values of
//! labels are closed or configured words, never anything about a person, and a family has a bounded number of series.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How many series a family has at most; what would be more is counted as `other`.
const MOST_SERIES: usize = 1000;
/// Stands between the values of the labels of a series; no word holds it.
const BETWEEN: char = '\u{1f}';

/// The values of its labels, joined, and what is counted.
type Series<T> = RwLock<BTreeMap<String, Arc<T>>>;

/// A number that only rises, by labels.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: Series<AtomicU64>,
}

/// How long something takes, by labels.
#[derive(Debug)]
pub struct Histogram {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    /// Upper ends of its buckets, in seconds, rising.
    ends: &'static [f64],
    series: Series<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    /// How many fell into each bucket; the last is for what is above all ends.
    counts: Vec<AtomicU64>,
    micros: AtomicU64,
}

impl Counter {
    /// A counter without series yet.
    pub const fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            help,
            labels,
            series: RwLock::new(BTreeMap::new()),
        }
    }

    /// One more with these values of its labels.
    pub fn one(&self, values: &[&str]) {
        self.add(values, 1);
    }

    /// So many more.
    pub fn add(&self, values: &[&str], more: u64) {
        series(&self.series, values, AtomicU64::default).fetch_add(more, Ordering::Relaxed);
    }

    /// What it stands at with these values; 0 where it never counted.
    pub fn value(&self, values: &[&str]) -> u64 {
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&key(values))
            .map_or(0, |one| one.load(Ordering::Relaxed))
    }

    /// Writes the family.
    pub fn write(&self, page: &mut Page) {
        page.family(self.name, self.help, "counter");
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in all.iter() {
            let labels = labels(self.labels, key);
            page.line(
                self.name,
                &labels,
                &value.load(Ordering::Relaxed).to_string(),
            );
        }
    }
}

impl Histogram {
    /// A histogram without series yet.
    pub const fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        ends: &'static [f64],
    ) -> Self {
        Self {
            name,
            help,
            labels,
            ends,
            series: RwLock::new(BTreeMap::new()),
        }
    }

    /// One that took so long.
    pub fn took(&self, values: &[&str], time: Duration) {
        let fresh = || Buckets {
            counts: (0..=self.ends.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
        };
        let buckets = series(&self.series, values, fresh);
        let seconds = time.as_secs_f64();
        let at = self.ends.partition_point(|end| *end < seconds);
        if let Some(count) = buckets.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        buckets.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes the family.
    pub fn write(&self, page: &mut Page) {
        page.family(self.name, self.help, "histogram");
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        for (key, buckets) in all.iter() {
            let own = labels(self.labels, key);
            let mut sum = 0;
            let ends = self.ends.iter().map(ToString::to_string);
            for (count, end) in buckets.counts.iter().zip(ends.chain(["+Inf".to_owned()])) {
                sum += count.load(Ordering::Relaxed);
                let mut labels = own.clone();
                labels.push(("le", end));
                page.line(&format!("{}_bucket", self.name), &labels, &sum.to_string());
            }
            let whole = Duration::from_micros(buckets.micros.load(Ordering::Relaxed));
            let seconds = whole.as_secs_f64().to_string();
            page.line(&format!("{}_sum", self.name), &own, &seconds);
            page.line(&format!("{}_count", self.name), &own, &sum.to_string());
        }
    }
}

fn key(values: &[&str]) -> String {
    let mut key = String::with_capacity(values.iter().map(|value| value.len() + 1).sum());
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            key.push(BETWEEN);
        }
        key.push_str(value);
    }
    key
}

/// The series with these values, made where it is missing.
fn series<T>(all: &Series<T>, values: &[&str], fresh: impl Fn() -> T) -> Arc<T> {
    let mut key = key(values);
    if let Some(one) = all.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(one);
    }
    let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MOST_SERIES && !all.contains_key(&key) {
        key = vec!["other"; values.len()].join(&BETWEEN.to_string());
    }
    Arc::clone(all.entry(key).or_insert_with(|| Arc::new(fresh())))
}

fn labels<'a>(names: &[&'a str], key: &str) -> Vec<(&'a str, String)> {
    let values = key.split(BETWEEN).map(str::to_owned);
    names.iter().copied().zip(values).collect()
}

/// A page of metrics on its way to whoever asks.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family: a `counter`, `gauge` or `histogram`.
    pub fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A gauge of one series without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl ToString) {
        self.family(name, help, "gauge");
        self.plain(name, value);
    }

    /// A gauge with one label.
    pub fn gauges<V: ToString>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        all: impl IntoIterator<Item = (String, V)>,
    ) {
        self.family(name, help, "gauge");
        for (value, number) in all {
            self.sample(name, label, &value, number);
        }
    }

    /// A number of a family, with one label.
    pub fn sample(&mut self, name: &str, label: &str, value: &str, number: impl ToString) {
        self.line(name, &[(label, value.to_owned())], &number.to_string());
    }

    /// A number of a family, without labels.
    pub fn plain(&mut self, name: &str, number: impl ToString) {
        self.line(name, &[], &number.to_string());
    }

    fn line(&mut self, name: &str, labels: &[(&str, String)], value: &str) {
        let escaped = |text: &str| {
            text.replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
        };
        let pairs: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let _ = match pairs.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{}}} {value}", pairs.join(",")),
        };
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counter, Histogram, MOST_SERIES, Page};

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        static SEEN: Counter = Counter::new("seen_total", "What was seen.", &["kind", "by"]);
        static TOOK: Histogram = Histogram::new("took_seconds", "How long.", &["by"], &[0.01, 0.5]);
        SEEN.one(&["a \"b\"\\", "main"]);
        SEEN.add(&["c", "main"], 2);
        TOOK.took(&["main"], Duration::from_millis(10));
        TOOK.took(&["main"], Duration::from_millis(11));
        TOOK.took(&["main"], Duration::from_secs(2));
        let mut page = Page::default();
        SEEN.write(&mut page);
        TOOK.write(&mut page);
        page.gauge("up", "Whether.", 1);
        let expected = "# HELP seen_total What was seen.\n# TYPE seen_total counter\n\
            seen_total{kind=\"a \\\"b\\\"\\\\\",by=\"main\"} 1\nseen_total{kind=\"c\",by=\"main\"} 2\n\
            # HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
            took_seconds_bucket{by=\"main\",le=\"0.01\"} 1\ntook_seconds_bucket{by=\"main\",le=\"0.5\"} 2\n\
            took_seconds_bucket{by=\"main\",le=\"+Inf\"} 3\n\
            took_seconds_sum{by=\"main\"} 2.021\ntook_seconds_count{by=\"main\"} 3\n\
            # HELP up Whether.\n# TYPE up gauge\nup 1\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_family_does_not_grow_without_end() {
        static SEEN: Counter = Counter::new("many_total", "Many.", &["by"]);
        for n in 0..MOST_SERIES + 50 {
            SEEN.one(&[&n.to_string()]);
        }
        assert_eq!((SEEN.value(&["7"]), SEEN.value(&["other"])), (1, 50));
    }
}
