//! What we asked the peer and have no answer to: sequence number → who waits.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::channels::sms::smpp::pdu::{Body, MAX_SEQUENCE, Pdu, RESPONSE};

/// So many requests may stay unanswered for good before the connection is made anew.
const MAX_KEPT: usize = 10_000;

/// How a request ended.
#[derive(Debug)]
pub(super) enum Settled {
    /// The peer answered.
    Answer(Pdu),
    /// Not one octet of it left.
    NotSent,
    /// The line ended after it had left, or while it did.
    Unknown,
}

/// What giving up on a request came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GaveUp {
    /// It is still waiting to be written: the answer cannot have been late yet.
    NotWritten,
    /// It stays known, so that a late answer is understood.
    Kept,
    /// It stays known, but there are so many that the peer seems to answer nothing.
    TooMany,
    /// It is settled already.
    Settled,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Queued,
    Written,
    Late,
}

#[derive(Debug)]
struct Entry {
    settle: oneshot::Sender<Settled>,
    command: u32,
    stage: Stage,
    /// Held until the answer or the time-out: that is what bounds the window, whoever still waits.
    slot: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Default)]
struct Table {
    last: u32,
    entries: HashMap<u32, Entry>,
    kept: usize,
}

/// The table of open requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Table>);

impl Pending {
    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0
            .lock()
            .expect("no code panics while it holds the table")
    }

    /// Opens a request: its number, and where its end will be told.
    pub(super) fn open(
        &self,
        command: u32,
        slot: Option<OwnedSemaphorePermit>,
    ) -> (u32, oneshot::Receiver<Settled>) {
        let (settle, settled) = oneshot::channel();
        let mut table = self.table();
        let mut sequence = table.last;
        loop {
            sequence = if sequence >= MAX_SEQUENCE {
                1
            } else {
                sequence + 1
            };
            if !table.entries.contains_key(&sequence) {
                break;
            }
        }
        table.last = sequence;
        table.entries.insert(
            sequence,
            Entry {
                settle,
                command,
                stage: Stage::Queued,
                slot,
            },
        );
        (sequence, settled)
    }

    /// Requests that were handed to the wire whole.
    pub(super) fn written(&self, sequences: impl Iterator<Item = u32>) {
        let mut table = self.table();
        for sequence in sequences {
            if let Some(entry) = table.entries.get_mut(&sequence) {
                entry.stage = Stage::Written;
            }
        }
    }

    /// The peer answered. What nobody asked, or answers another command, is let go.
    pub(super) fn answered(&self, pdu: Pdu) {
        let mut table = self.table();
        let fits = table.entries.get(&pdu.sequence).is_some_and(|entry| {
            matches!(pdu.body, Body::GenericNack) || pdu.body.command() == entry.command | RESPONSE
        });
        if !fits {
            return;
        }
        let Some(entry) = table.entries.remove(&pdu.sequence) else {
            return;
        };
        if entry.stage == Stage::Late {
            table.kept -= 1;
        }
        drop(table);
        let Entry { settle, slot, .. } = entry;
        // The slot first: who waits for one need not wait for the asker to run.
        drop(slot);
        // Nobody may wait any more; that is their choice.
        let _ = settle.send(Settled::Answer(pdu));
    }

    /// Its time is over. Once written it stays known until the connection ends.
    pub(super) fn give_up(&self, sequence: u32) -> GaveUp {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&sequence) else {
            return GaveUp::Settled;
        };
        match entry.stage {
            Stage::Queued => GaveUp::NotWritten,
            Stage::Late => GaveUp::Kept,
            Stage::Written => {
                entry.stage = Stage::Late;
                let slot = entry.slot.take();
                table.kept += 1;
                let kept = table.kept;
                drop(table);
                drop(slot);
                if kept >= MAX_KEPT {
                    GaveUp::TooMany
                } else {
                    GaveUp::Kept
                }
            }
        }
    }

    /// Forgets a request whose late answer is of no use.
    pub(super) fn forget(&self, sequence: u32) {
        let mut table = self.table();
        if let Some(entry) = table.entries.remove(&sequence)
            && entry.stage == Stage::Late
        {
            table.kept -= 1;
        }
    }

    /// Requests that never left.
    pub(super) fn not_sent(&self, sequences: impl Iterator<Item = u32>) {
        for sequence in sequences {
            let entry = self.table().entries.remove(&sequence);
            if let Some(entry) = entry {
                let _ = entry.settle.send(Settled::NotSent);
            }
        }
    }

    /// The connection is over: what is still open may or may not have arrived.
    pub(super) fn lost(&self) {
        let entries = std::mem::take(&mut self.table().entries);
        for entry in entries.into_values() {
            let _ = entry.settle.send(Settled::Unknown);
        }
    }

    #[cfg(test)]
    pub(super) fn start_after(&self, sequence: u32) {
        self.table().last = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use crate::channels::sms::smpp::pdu::MAX_SEQUENCE;

    #[test]
    fn numbers_wrap_and_skip_what_is_open() {
        let pending = Pending::default();
        assert_eq!(pending.open(0x04, None).0, 1);
        pending.start_after(MAX_SEQUENCE - 1);
        assert_eq!(pending.open(0x04, None).0, MAX_SEQUENCE);
        assert_eq!(pending.open(0x04, None).0, 2);
    }
}
