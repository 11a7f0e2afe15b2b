//! Stores what the sinks bring and only then lets it be acknowledged (promise 5).

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tracing::{error, info, warn};

use crate::channels::{Accepted, ChannelEvent, Incoming, NetworkReceipt, NetworkText, SendError};
use crate::model::class::Channel;
use crate::model::phone::{Phone, address_hash};
use crate::stage::Bell;
use crate::store::StoreError;
use crate::store::inbox::StoredText;
use crate::store::late::LateAnswer;
use crate::store::receipts::StoredReceipt;
use crate::store::writer::Writer;
use crate::telemetry::metrics;

/// How many events may be on their way into the store at once: enough to fill a commit.
const AT_ONCE: usize = 1000;

/// What accepting needs.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The way to the store.
    pub writer: Writer,
    /// The site's key for address hashes.
    pub address_key: Arc<Vec<u8>>,
    /// How a number without a prefix is read.
    pub country: String,
    /// Rung when a text waits to be read.
    pub texts: Bell,
    /// Rung when something may go again.
    pub sending: Bell,
}

/// Takes events until every sink is gone.
pub async fn run(accept: Accept, mut events: mpsc::Receiver<Incoming>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(incoming) = events.recv().await {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("the places are never closed");
        let accept = accept.clone();
        tokio::spawn(async move {
            let provider = incoming.provider.clone();
            match accept.store(&provider, incoming.event).await {
                // The provider may have gone meanwhile: the network will offer it again, and we know it then.
                Ok(()) => drop(incoming.stored.send(())),
                Err(problem) => error!(
                    provider.name = provider,
                    "An event from {provider} could not be stored: {problem}"
                ),
            }
            drop(place);
        });
    }
}

impl Accept {
    async fn store(&self, provider: &str, event: ChannelEvent) -> Result<(), StoreError> {
        match event {
            ChannelEvent::Receipt {
                receipt,
                dedupe_key,
            } => {
                let status = receipt.status;
                let receipt = self.receipt(provider, receipt, dedupe_key);
                self.writer.receipt(receipt).await?;
                metrics::RECEIPTS.one(&[provider, status.as_str()]);
                Ok(())
            }
            ChannelEvent::Text(text) => {
                self.writer.text(self.text(provider, text)).await?;
                self.texts.ring();
                Ok(())
            }
            ChannelEvent::LateAnswer { attempt, result } => {
                self.late(provider, attempt, result).await
            }
            ChannelEvent::Link { up: true } => {
                info!(provider.name = provider, "The link to {provider} is up");
                self.sending.ring();
                Ok(())
            }
            ChannelEvent::Link { up: false } => {
                warn!(provider.name = provider, "The link to {provider} is down");
                Ok(())
            }
        }
    }

    fn receipt(
        &self,
        provider: &str,
        receipt: NetworkReceipt,
        dedupe_key: String,
    ) -> StoredReceipt {
        let address_hash = receipt
            .recipient
            .as_ref()
            .map(|to| self.hash(&self.number(to.reveal())));
        StoredReceipt {
            provider: provider.to_owned(),
            spellings: receipt.provider_ids,
            status: receipt.status,
            error: receipt.error,
            umr: receipt.umr,
            address_hash,
            dedupe_key,
        }
    }

    fn text(&self, provider: &str, text: NetworkText) -> StoredText {
        let from = self.number(text.from.reveal());
        StoredText {
            provider: provider.to_owned(),
            channel: Channel::Sms,
            from_hash: self.hash(&from),
            from: from.into(),
            to: text.to,
            text: text.text,
            incomplete: text.incomplete,
            dedupe_key: text.dedupe_key,
        }
    }

    async fn late(
        &self,
        provider: &str,
        attempt: crate::model::id::AttemptId,
        result: Result<Accepted, SendError>,
    ) -> Result<(), StoreError> {
        let parts = match result {
            Ok(accepted) => accepted.parts,
            Err(SendError::Rejected { parts, .. }) => parts,
            // It is as unknown as it was.
            Err(SendError::NotSent { .. } | SendError::Unknown { .. }) => return Ok(()),
        };
        let parts = parts
            .into_iter()
            .map(|part| (part.part, part.provider_id))
            .collect();
        self.writer
            .late(LateAnswer {
                attempt,
                provider: provider.to_owned(),
                parts,
            })
            .await?;
        self.sending.ring();
        Ok(())
    }

    /// The number as our rows spell it; what is no number (a mail address, a short code) stays as it is.
    fn number(&self, text: &str) -> String {
        Phone::from_network(text, &self.country)
            .map_or_else(|| text.trim().to_owned(), |phone| phone.reveal().to_owned())
    }

    fn hash(&self, address: &str) -> String {
        address_hash(&self.address_key, address)
    }
}
