//! The writing half: takes what gathered, writes it at once, and knows to the octet what has left.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Shared;
use super::outcome::End;

/// So many frames go out with one write.
const BATCH: usize = 256;
/// So long may the last words of a connection take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A frame on its way out.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its octets.
    pub(super) octets: Bytes,
    /// Its number, if it is a request of ours.
    pub(super) request: Option<u32>,
}

/// Where a frame ends in the batch, and whose it is.
struct Span {
    end: usize,
    request: Option<u32>,
}

#[derive(Default)]
struct Batch {
    octets: Vec<u8>,
    spans: Vec<Span>,
    /// Octets that were handed over.
    handed: usize,
}

impl Batch {
    fn fill(&mut self, frames: &mut Vec<Frame>) {
        self.octets.clear();
        self.spans.clear();
        self.handed = 0;
        for frame in frames.drain(..) {
            self.octets.extend_from_slice(&frame.octets);
            self.spans.push(Span {
                end: self.octets.len(),
                request: frame.request,
            });
        }
    }

    fn requests(&self) -> impl Iterator<Item = u32> {
        self.spans.iter().filter_map(|span| span.request)
    }

    /// Requests of which no octet was handed over, and the octets that still have to follow:
    /// the rest of a half-written frame and the responses.
    fn leftover(&self) -> (Vec<u32>, Vec<u8>) {
        let (mut unsent, mut rest) = (Vec::new(), Vec::new());
        let mut start = 0;
        for span in &self.spans {
            let begun = start < self.handed;
            match span.request {
                Some(sequence) if !begun => unsent.push(sequence),
                Some(_) | None => rest.extend_from_slice(
                    &self.octets[start.max(self.handed).min(span.end)..span.end],
                ),
            }
            start = span.end;
        }
        (unsent, rest)
    }
}

/// Writes until the connection ends; then settles what never left.
pub(super) async fn run<W: AsyncWrite + Unpin>(
    shared: &Shared,
    writer: &mut W,
    queue: &mut mpsc::Receiver<Frame>,
    exact: bool,
) {
    let mut frames = Vec::with_capacity(BATCH);
    let mut batch = Batch::default();
    loop {
        let taken = tokio::select! {
            biased;
            () = shared.ended() => 0,
            taken = queue.recv_many(&mut frames, BATCH) => taken,
        };
        batch.fill(&mut frames);
        if taken == 0 {
            break;
        }
        if let Err(end) = write(shared, writer, &mut batch, exact).await {
            shared.end(end);
            break;
        }
        shared.pending.written(batch.requests());
    }
    finish(shared, writer, queue, &mut batch).await;
}

async fn write<W: AsyncWrite + Unpin>(
    shared: &Shared,
    writer: &mut W,
    batch: &mut Batch,
    exact: bool,
) -> Result<(), End> {
    let stall = shared.options.response_timeout;
    while batch.handed < batch.octets.len() {
        let written = tokio::select! {
            biased;
            () = shared.ended() => return Err(End::Torn),
            written = timeout(stall, writer.write(&batch.octets[batch.handed..])) => written,
        };
        match written {
            Ok(Ok(taken)) if taken > 0 => batch.handed += taken,
            Ok(Ok(_)) => return Err(End::Torn),
            Ok(Err(_)) => {
                // A TLS stream may have sent part of what the failing call was given.
                if !exact {
                    batch.handed = batch.octets.len();
                }
                return Err(End::Torn);
            }
            Err(_) => return Err(End::Stalled),
        }
    }
    tokio::select! {
        biased;
        () = shared.ended() => Err(End::Torn),
        flushed = timeout(stall, writer.flush()) => match flushed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Torn),
            Err(_) => Err(End::Stalled),
        },
    }
}

/// Settles what never left, says the last words where the end is a polite one, and hangs up.
async fn finish<W: AsyncWrite + Unpin>(
    shared: &Shared,
    writer: &mut W,
    queue: &mut mpsc::Receiver<Frame>,
    batch: &mut Batch,
) {
    queue.close();
    let (unsent, mut last) = batch.leftover();
    shared.pending.not_sent(unsent.into_iter());
    while let Some(frame) = queue.recv().await {
        match frame.request {
            Some(sequence) => shared.pending.not_sent(std::iter::once(sequence)),
            None => last.extend_from_slice(&frame.octets),
        }
    }
    if shared.why_ended().is_some_and(End::is_polite) {
        let farewell = async {
            writer.write_all(&last).await?;
            writer.shutdown().await
        };
        // The peer may be gone already: nothing depends on it.
        let _ = timeout(FAREWELL, farewell).await;
    }
}
