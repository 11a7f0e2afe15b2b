//! Composes: due reminders become messages, tasks, or a named reason why not.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::gates;
use crate::model::id::ReminderId;
use crate::planning::book::Book;
use crate::planning::material::Material;
use crate::planning::{House, spread};
use crate::scheduler::Settings;
use crate::scheduler::make::{Bench, make_all};
use crate::scheduler::{digest, plan};
use crate::stage::Bell;
use crate::store::due::{self, Outcome};
use crate::store::messages::{self, Desk};
use crate::store::reminders::Reminder;
use crate::store::{Store, StoreError, Tx, questions, rule_switches, tasks};

/// Names this work among processes that share a database.
const WORK: i64 = 0x6361_7262_0002;

/// The stage that composes.
#[derive(Clone, Debug)]
pub struct ComposeStage {
    /// Where reminders wait and messages go.
    pub store: Store,
    /// Rules and templates.
    pub book: Arc<Book>,
    /// What texts tell of the house.
    pub house: Arc<House>,
    /// Which provider carries what.
    pub desk: Arc<Desk>,
    /// Caps and chunk.
    pub settings: Settings,
    /// What needs consent.
    pub gates: gates::Settings,
    /// The one source of now.
    pub clock: Clock,
    /// Rung when messages wait to be delivered.
    pub delivery: Bell,
}

impl ComposeStage {
    /// What is due, with what belongs to it; nothing while another process composes.
    async fn ready(&self, tx: &mut Tx, now: Timestamp) -> Result<Vec<Reminder>, StoreError> {
        if !due::alone(tx, WORK).await? {
            return Ok(Vec::new());
        }
        let held = rule_switches::held(tx, self.book.broken()).await?;
        let mut ready = due::due(tx, &held, now, self.settings.limit()).await?;
        let beside = due::beside(tx, &ready, &held, now).await?;
        ready.extend(beside);
        let ready = digest::complete(tx, &self.book, &held, ready, now).await?;
        due::hold(tx, ready).await
    }

    /// Gives another day to reminders whose day went by; says how many got one, or nothing while the planner gives days.
    async fn give_again(
        &self,
        tx: &mut Tx,
        late: &[&Reminder],
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        if self.store.is_shared() {
            if !due::alone(tx, plan::WORK).await? {
                return Ok(None);
            }
            let given = spread::give_again(tx, &self.book, late, now).await?;
            return Ok(Some(given));
        }
        let mut tx = self.store.write().await?;
        let given = spread::give_again(&mut tx, &self.book, late, now).await?;
        tx.commit().await?;
        Ok(Some(given))
    }

    /// One pass: a chunk of due reminders. Says how many were settled.
    ///
    /// # Errors
    /// When the database fails; nothing of the chunk is written then.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        // Several processes on one server take turns, so that caps are counted right. On SQLite there is one.
        let mut tx = if self.store.is_shared() {
            self.store.write().await?
        } else {
            self.store.read().await?
        };
        let mut reminders = self.ready(&mut tx, now).await?;
        let late = spread::gone_by(&self.book, &reminders, now);
        if !late.is_empty() {
            let late: HashSet<ReminderId> = match self.give_again(&mut tx, &late, now).await? {
                Some(0) => HashSet::new(),
                Some(given) => {
                    tx.commit().await?;
                    return Ok(given);
                }
                // Somebody gives days at this moment: these wait for the next pass.
                None => late.iter().map(|one| one.id.clone()).collect(),
            };
            reminders.retain(|one| !late.contains(&one.id));
        }
        if reminders.is_empty() {
            // Dropped, it would give its locks back only some time later.
            tx.rollback().await?;
            return Ok(0);
        }
        let material = Material::load(&mut tx, &reminders, &self.book, &self.house, now).await?;
        let bench = Bench {
            book: &self.book,
            house: &self.house,
            desk: &self.desk,
            settings: &self.settings,
            gates: &self.gates,
            now,
        };
        let mut made = make_all(bench, &reminders, &material);
        let digests = digest::gather(bench, &material, &mut made);
        if !self.store.is_shared() {
            drop(tx);
            tx = self.store.write().await?;
        }
        let outcomes: Vec<(ReminderId, Outcome)> = made
            .iter()
            .map(|(id, made)| (id.clone(), made.outcome.clone()))
            .collect();
        // Only what is still planned and still true is ours; the rest is looked at anew in the next pass.
        let ours: HashSet<ReminderId> = due::settle(&mut tx, &outcomes, now)
            .await?
            .into_iter()
            .collect();
        let (mut to_send, mut to_do, mut to_ask) = (Vec::new(), Vec::new(), Vec::new());
        for (_, made) in made.into_iter().filter(|(id, _)| ours.contains(id)) {
            to_send.extend(made.messages);
            to_do.extend(made.tasks);
            to_ask.extend(made.questions);
        }
        let (digests_to_send, digests_to_do) =
            digest::write(&mut tx, bench, &material, digests, &ours).await?;
        to_send.extend(digests_to_send);
        to_do.extend(digests_to_do);
        messages::insert(&mut tx, &to_send, &self.desk, now).await?;
        questions::ask(&mut tx, &to_ask, now).await?;
        tasks::add(&mut tx, &to_do, now).await?;
        tx.commit().await?;
        if !to_send.is_empty() {
            self.delivery.ring();
        }
        Ok(ours.len())
    }
}
