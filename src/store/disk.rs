//! Room on the disk that an SQLite file lies on: when it gets low nothing new is taken in, and what is there goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known of the disk. Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// 0 until the first look.
    free_bytes: AtomicU64,
    is_low: std::sync::atomic::AtomicBool,
}

/// Bytes that we may still write where `path` lies.
///
/// # Errors
/// When the system does not know.
pub fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let place = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let room = rustix::fs::statvfs(place)?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

impl Disk {
    /// Keeps that so much is free; low is less than `least`, until there is a tenth more than that again.
    /// Says whether low became enough or enough low.
    pub fn keep(&self, free_bytes: u64, least: u64) -> bool {
        self.0.free_bytes.store(free_bytes, Ordering::Relaxed);
        let was_low = self.is_low();
        let enough = if was_low {
            least.saturating_add(least / 10)
        } else {
            least
        };
        let is_low = free_bytes < enough;
        self.0.is_low.store(is_low, Ordering::Relaxed);
        is_low != was_low
    }

    /// Whether nothing new should be taken in.
    pub fn is_low(&self) -> bool {
        self.0.is_low.load(Ordering::Relaxed)
    }

    /// What was free at the last look; `None` before it, or where the database has no disk of ours.
    pub fn free(&self) -> Option<u64> {
        Some(self.0.free_bytes.load(Ordering::Relaxed)).filter(|free| *free > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Disk;

    #[test]
    fn low_stays_low_until_there_is_clearly_more() {
        let disk = Disk::default();
        assert!(!disk.is_low() && disk.free().is_none());
        assert!(!disk.keep(1000, 1000) && !disk.is_low());
        assert!(disk.keep(999, 1000) && disk.is_low());
        assert!(!disk.keep(1099, 1000) && disk.is_low());
        assert!(disk.keep(1100, 1000) && !disk.is_low());
    }

    #[test]
    fn the_system_knows_how_much_is_free() {
        let here = std::env::temp_dir().join("carebell.db");
        assert!(super::free_bytes(&here).is_ok_and(|free| free > 0));
    }
}
