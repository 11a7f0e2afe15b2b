//! The outbox stage: gives committed events their numbers, so that others can follow them by a cursor.

use crate::stage::Bell;
use crate::store::{Store, StoreError, outbox};

/// How many events one pass numbers.
const CHUNK: i64 = 2_000;

/// Numbers events. Several processes may run one; a row lock lets them number in turn.
#[derive(Clone, Debug)]
pub struct Publisher {
    store: Store,
    told: Option<Bell>,
}

impl Publisher {
    /// A publisher of what `store` holds.
    pub fn new(store: Store) -> Self {
        Self { store, told: None }
    }

    /// The same; it rings `told` when events have their numbers.
    #[must_use]
    pub fn telling(self, told: Bell) -> Self {
        Self {
            told: Some(told),
            ..self
        }
    }

    /// One pass: committed events that have no number get the next ones. Returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        // Looking costs a reader only; the writer is asked when there is something to write.
        let mut tx = self.store.read().await?;
        let has_fresh = outbox::has_fresh(&mut tx).await?;
        drop(tx);
        if !has_fresh {
            return Ok(0);
        }
        let mut tx = self.store.write().await?;
        let numbered = outbox::number(&mut tx, CHUNK).await?;
        tx.commit().await?;
        if let Some(told) = &self.told {
            told.ring();
        }
        Ok(usize::try_from(numbered).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::Publisher;
    use crate::store::{Store, StoreError, Tx, events, testing};

    async fn tell(tx: &mut Tx, what: &str) -> Result<(), StoreError> {
        let event = events::NewEvent {
            kind: format!("message.{what}"),
            data: json!({}),
        };
        events::add(tx, &[event], Timestamp::UNIX_EPOCH).await
    }

    async fn feed(store: &Store, after: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let mut tx = store.read().await?;
        let all = events::after(&mut tx, after, 100).await?;
        Ok(all
            .into_iter()
            .map(|event| (event.seq, event.kind))
            .collect())
    }

    #[tokio::test]
    async fn a_late_commit_is_not_missed() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let publisher = Publisher::new(test.store.clone());
            if !test.store.is_shared() {
                continue;
            }
            let mut slow = test.store.write().await?;
            tell(&mut slow, "first_but_late").await?;
            let mut quick = test.store.write().await?;
            tell(&mut quick, "second_but_early").await?;
            quick.commit().await?;
            assert_eq!(publisher.pass().await?, 1);
            assert_eq!(
                feed(&test.store, 0).await?,
                [(1, "message.second_but_early".to_owned())]
            );
            slow.commit().await?;
            assert_eq!(publisher.pass().await?, 1);
            assert_eq!(
                feed(&test.store, 1).await?,
                [(2, "message.first_but_late".to_owned())]
            );
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_is_rolled_back_takes_no_number() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let publisher = Publisher::new(test.store.clone());
            let mut tx = test.store.write().await?;
            tell(&mut tx, "lost").await?;
            tx.rollback().await?;
            let mut tx = test.store.write().await?;
            tell(&mut tx, "kept").await?;
            tell(&mut tx, "kept_too").await?;
            tx.commit().await?;
            assert_eq!((publisher.pass().await?, publisher.pass().await?), (2, 0));
            let kinds: Vec<i64> = feed(&test.store, 0)
                .await?
                .into_iter()
                .map(|(seq, _)| seq)
                .collect();
            assert_eq!(kinds, [1, 2]);
        }
        Ok(())
    }

    #[tokio::test]
    async fn two_publishers_never_give_one_number_twice() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let writers = (0..4).map(|_| async {
                for _ in 0..25 {
                    let mut tx = test.store.write().await?;
                    tell(&mut tx, "queued").await?;
                    tx.commit().await?;
                }
                Ok::<_, StoreError>(())
            });
            let publishers = (0..3).map(|_| async {
                let publisher = Publisher::new(test.store.clone());
                while feed(&test.store, 0).await?.len() < 100 {
                    publisher.pass().await?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, StoreError>(())
            });
            let (written, published) = futures::join!(
                futures::future::join_all(writers),
                futures::future::join_all(publishers)
            );
            written
                .into_iter()
                .chain(published)
                .collect::<Result<(), _>>()?;
            let numbers: Vec<i64> = feed(&test.store, 0)
                .await?
                .into_iter()
                .map(|(seq, _)| seq)
                .collect();
            assert_eq!(numbers, (1..=100).collect::<Vec<i64>>());
        }
        Ok(())
    }
}
