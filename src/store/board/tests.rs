//! The board's queries on a database with something of everything, and on an empty one.

use jiff::Timestamp;

use super::{
    Confirmation, MessageState, Which, card, figures, messages, occasions, occasions_of, reminders,
    replies, tasks,
};
use crate::model::occasion::OccasionTime;
use crate::store::testing::stores;
use crate::store::{Store, StoreError, on};

/// The moment that `sample.sql` lies around.
pub(crate) const NOW: &str = "2026-12-01T09:30:00+08:00";

/// Fills `store` with `sample.sql`.
pub(crate) async fn fill(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    on!(&mut tx, conn => sqlx::raw_sql(include_str!("sample.sql")).execute(conn).await.map(|_| ()))?;
    tx.commit().await
}

fn days() -> (Timestamp, Timestamp, Timestamp, Timestamp) {
    let at = |text: &str| text.parse().unwrap();
    (
        at("2026-12-01T00:00:00+08:00"),
        at("2026-12-02T00:00:00+08:00"),
        at(NOW),
        at("2026-12-15T00:00:00+08:00"),
    )
}

#[tokio::test]
async fn an_empty_board_is_all_zero() -> Result<(), StoreError> {
    let (start, end, now, ahead) = days();
    for test in stores().await {
        let mut tx = test.store.read().await?;
        assert_eq!(
            figures(&mut tx, start, end, now, ahead).await?,
            super::Figures::default()
        );
        assert!(occasions(&mut tx, start, ahead, 10).await?.is_empty());
        assert!(replies(&mut tx, None, 10).await?.is_empty());
        assert!(tasks(&mut tx, None, 10).await?.is_empty());
        assert!(reminders(&mut tx, None, 10).await?.is_empty());
        assert!(messages(&mut tx, Which::Latest, 10).await?.is_empty());
        assert!(card(&mut tx, "pat_1").await?.is_none());
    }
    Ok(())
}

#[tokio::test]
async fn the_figures_of_the_day_are_those_of_the_rows() -> Result<(), StoreError> {
    let (start, end, now, ahead) = days();
    for test in stores().await {
        fill(&test.store).await?;
        let mut tx = test.store.read().await?;
        let figures = figures(&mut tx, start, end, now, ahead).await?;
        assert_eq!(
            (figures.planned, figures.replies, figures.tasks),
            ((5, 3), (7, 4), (4, 1))
        );
        assert!(figures.messages.contains(&(MessageState::Delivered, 3)));
        assert!(figures.confirmations.contains(&(Confirmation::Awaiting, 2)));
        assert_eq!(
            figures.confirmations.iter().map(|(_, n)| n).sum::<i64>(),
            7,
            "the cancelled one does not count"
        );
    }
    Ok(())
}

#[tokio::test]
async fn lists_come_in_their_order_and_no_longer_than_asked() -> Result<(), StoreError> {
    let (start, _, _, ahead) = days();
    for test in stores().await {
        fill(&test.store).await?;
        let mut tx = test.store.read().await?;
        let ids = |all: Vec<String>| all.join(" ");
        let soon = occasions(&mut tx, start, ahead, 3).await?;
        assert_eq!(
            ids(soon.iter().map(|o| o.id.clone()).collect()),
            "occ_7 occ_2 occ_5"
        );
        assert!(matches!(soon[0].when, OccasionTime::At(_)));
        assert_eq!(
            ids(replies(&mut tx, None, 2)
                .await?
                .into_iter()
                .map(|r| r.id)
                .collect()),
            "rep_7 rep_6"
        );
        assert_eq!(
            ids(tasks(&mut tx, None, 9)
                .await?
                .into_iter()
                .map(|t| t.id)
                .collect()),
            "tsk_1 tsk_3 tsk_2 tsk_4"
        );
        assert_eq!(
            ids(reminders(&mut tx, None, 2)
                .await?
                .into_iter()
                .map(|r| r.id)
                .collect()),
            "rem_1 rem_2"
        );
        assert_eq!(
            ids(messages(&mut tx, Which::Latest, 2)
                .await?
                .into_iter()
                .map(|m| m.id)
                .collect()),
            "msg_6 msg_3"
        );
        let undelivered = messages(&mut tx, Which::In(MessageState::Undelivered), 2).await?;
        assert_eq!(
            ids(undelivered.into_iter().map(|m| m.id).collect()),
            "msg_5"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_patients_page_has_what_is_theirs_alone() -> Result<(), StoreError> {
    for test in stores().await {
        fill(&test.store).await?;
        let mut tx = test.store.read().await?;
        let card = card(&mut tx, "pat_6").await?.unwrap();
        assert_eq!(
            (
                card.contacts.len(),
                card.family.len(),
                card.family[0].contacts.len()
            ),
            (1, 1, 1)
        );
        let stopped = super::card(&mut tx, "pat_4").await?.unwrap();
        assert_eq!(
            stopped.contacts[0].suppressed,
            Some(("all".to_owned(), "stop".to_owned()))
        );
        assert_eq!(stopped.refused, ["greeting"]);
        assert_eq!(occasions_of(&mut tx, "pat_1", 10).await?.len(), 2);
        assert_eq!(messages(&mut tx, Which::About("pat_1"), 10).await?.len(), 1);
        assert_eq!(
            replies(&mut tx, Some("pat_1"), 10).await?[0]
                .occasion
                .as_ref()
                .map(|o| o.id.as_str()),
            Some("occ_1")
        );
        assert_eq!(tasks(&mut tx, Some("pat_5"), 10).await?.len(), 1);
        assert_eq!(
            reminders(&mut tx, Some("pat_8"), 10).await?[0]
                .reason
                .as_deref(),
            Some("deceased")
        );
    }
    Ok(())
}

#[tokio::test]
async fn lists_are_read_by_their_indexes() -> Result<(), StoreError> {
    let test = crate::store::testing::sqlite().await?;
    fill(&test.store).await?;
    let mut tx = test.store.read().await?;
    for (query, index) in [
        (
            "EXPLAIN QUERY PLAN SELECT * FROM reply ORDER BY received_at DESC, id DESC LIMIT 5",
            "reply_received",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT * FROM message ORDER BY created_at DESC, id DESC LIMIT 5",
            "message_created",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT * FROM message WHERE state = 'x' ORDER BY id DESC LIMIT 5",
            "message_state",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT * FROM reminder WHERE state = 'planned' ORDER BY due_at, id LIMIT 5",
            "reminder_due",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT * FROM occasion WHERE kind = 'x' AND at >= 1 AND at < 2",
            "occasion_at",
        ),
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            on!(&mut tx, conn => sqlx::query_as(query).fetch_all(conn).await)?;
        assert!(
            plan.iter().any(|step| step.3.contains(index)),
            "{query}: {plan:?}"
        );
        assert!(
            !plan.iter().any(|step| step.3.contains("TEMP B-TREE")),
            "{query}: {plan:?}"
        );
    }
    Ok(())
}
