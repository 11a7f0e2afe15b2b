//! Brings commands into the database: in their order, and in runs of one kind, so that hundreds share a commit.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::Bells;
use super::command::{Cancel, Command, Reader, Which, invalid};
use crate::clock::Clock;
use crate::intake::IntakeError;
use crate::intake::apply::{Apply, UNKNOWN_PATIENT, apply};
use crate::intake::messages::{self, Accepted, Fault, Order, Refusal};
use crate::intake::record::{Key, RecordUpdate};
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::store::lookups::{self, SourceKey};
use crate::store::message_admin::{self, Cancel as Cancelled};
use crate::store::writer::Writer;
use crate::store::{Store, StoreError, called_off, sinks};

/// What taking commands works with.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// How they are read; it holds the store.
    pub(super) reader: Reader,
    /// Where messages go to be committed.
    pub(super) writer: Writer,
    /// The source of now.
    pub(super) clock: Clock,
    /// The stages that may have work afterwards.
    pub(super) bells: Bells,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is committed.
    Done,
    /// It can never be done.
    Refused(Fault),
    /// It names a patient or an occasion that may still be on its way in another queue.
    Waits(Fault),
}

/// What became of commands; those without an outcome were not reached, for the `problem`.
pub(super) struct Taken {
    pub(super) outcomes: Vec<Option<Outcome>>,
    pub(super) problem: Option<StoreError>,
}

/// Commands of one kind that came one after the other.
enum Run {
    Sends(Vec<(usize, Order)>),
    Cancels(Vec<(usize, Cancel)>),
    Records(Vec<Record>),
    /// Apart from records: an occasion that is stored, cancelled and stored again must end as stored.
    Removals(Vec<Record>),
}

/// What one command tells of a record.
struct Record {
    place: usize,
    /// The occasion that it is about, if that is what it is about.
    about: Option<Key>,
    updates: Vec<RecordUpdate>,
}

type Outcomes = Vec<Option<Outcome>>;

impl Ground {
    pub(super) fn store(&self) -> &Store {
        &self.reader.intake.store
    }

    /// Takes `commands` in order. What is refused harms no other; where the database fails it stops.
    ///
    /// Behind a word on an occasion that has to wait the later ones on the same wait as well: `held` are these
    /// occasions, and those that come to wait are added.
    pub(super) async fn take(
        &self,
        commands: Vec<Result<Command, Fault>>,
        held: &mut HashSet<Key>,
    ) -> Taken {
        let mut outcomes: Outcomes = commands.iter().map(|_| None).collect();
        let mut run: Option<Run> = None;
        for (n, command) in commands.into_iter().enumerate() {
            let command = match command {
                Ok(command) => command,
                Err(fault) => {
                    put(&mut outcomes, n, Outcome::Refused(fault));
                    continue;
                }
            };
            let Some(other) = join(&mut run, n, command) else {
                continue;
            };
            if let Some(done) = run.replace(other)
                && let Err(problem) = self.run(done, &mut outcomes, held).await
            {
                return Taken {
                    outcomes,
                    problem: Some(problem),
                };
            }
        }
        let problem = match run {
            Some(last) => self.run(last, &mut outcomes, held).await.err(),
            None => None,
        };
        Taken { outcomes, problem }
    }

    /// Whether the database takes writes, found out by one.
    pub(super) async fn can_write(&self) -> Result<(), StoreError> {
        let mut tx = self.store().write().await?;
        sinks::touch(&mut tx).await?;
        tx.commit().await
    }

    async fn run(
        &self,
        run: Run,
        outcomes: &mut Outcomes,
        held: &mut HashSet<Key>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        match run {
            Run::Sends(sends) => self.sends(sends, outcomes, now).await,
            Run::Cancels(cancels) => self.cancels(cancels, outcomes, now).await,
            Run::Records(records) | Run::Removals(records) => {
                self.records(records, outcomes, held, now).await
            }
        }
    }

    async fn sends(
        &self,
        sends: Vec<(usize, Order)>,
        outcomes: &mut Outcomes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (places, mut orders): (Vec<usize>, Vec<Order>) = sends.into_iter().unzip();
        let key =
            |order: &Order| Some((order.source.clone(), order.request.idempotency_key.clone()?));
        let keys: Vec<Option<(String, String)>> = orders.iter().map(key).collect();
        let before = self.called_off(&keys).await?;
        for (order, key) in orders.iter_mut().zip(&keys) {
            order.request.called_off = key.as_ref().is_some_and(|key| before.contains(key));
        }
        let answers = messages::accept(&self.reader.intake, &self.writer, orders, now).await;
        // Somebody may have called one off while it was being stored.
        let off = self.called_off(&keys).await?;
        let mut too_late = Vec::new();
        let (mut is_new, mut problem) = (false, None);
        for ((place, key), answer) in places.into_iter().zip(keys).zip(answers) {
            match answer {
                Ok(accepted) => {
                    is_new |= accepted.state == MessageState::Queued && !accepted.is_repeat;
                    put(outcomes, place, Outcome::Done);
                    if let Some(key) = key.filter(|key| off.contains(key)) {
                        too_late.extend(overtaken(accepted, key.0));
                    }
                }
                Err(refusal) => match judge(refusal) {
                    Ok(outcome) => put(outcomes, place, outcome),
                    Err(failure) => problem = Some(failure),
                },
            }
        }
        self.call_off(&too_late, now).await?;
        if is_new {
            self.bells.delivery.ring();
        }
        self.bells.outbox.ring();
        problem.map_or(Ok(()), Err)
    }

    /// Which of `keys` were called off.
    async fn called_off(
        &self,
        keys: &[Option<(String, String)>],
    ) -> Result<HashSet<(String, String)>, StoreError> {
        let keys: Vec<SourceKey<'_>> = keys.iter().flatten().map(source_key).collect();
        let mut tx = self.store().read().await?;
        Ok(called_off::among(&mut tx, &keys)
            .await?
            .into_iter()
            .collect())
    }

    async fn cancels(
        &self,
        cancels: Vec<(usize, Cancel)>,
        outcomes: &mut Outcomes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let keys: Vec<(String, String)> = cancels
            .iter()
            .filter_map(|(_, cancel)| key_of(cancel))
            .collect();
        let known = self.formers(&keys).await?;
        let mut tx = self.store().write().await?;
        let (mut done, mut unknown) = (Vec::new(), Vec::new());
        for (place, cancel) in cancels {
            let id = match &cancel.which {
                Which::Id(id) => Some(id.clone()),
                Which::Key(key) => known
                    .iter()
                    .find(|(source, former, _)| *source == cancel.source && former == key)
                    .map(|(_, _, id)| id.clone()),
            };
            let Some(id) = id else {
                unknown.extend(key_of(&cancel));
                done.push((place, Outcome::Done));
                continue;
            };
            // One that comes too late has had its events: whoever called it off sees them.
            let outcome = match message_admin::cancel(&mut tx, &id, &cancel.source, now).await? {
                Cancelled::Done { .. } | Cancelled::TooLate { .. } => Outcome::Done,
                Cancelled::NotFound => Outcome::Refused(Fault {
                    code: "not_found",
                    path: "id".to_owned(),
                    expected: "the id of a message that is there".to_owned(),
                }),
            };
            done.push((place, outcome));
        }
        let notes: Vec<SourceKey<'_>> = unknown.iter().map(source_key).collect();
        called_off::add(&mut tx, &notes, now).await?;
        tx.commit().await?;
        // One of them may have been stored meanwhile, by somebody who did not see the note yet.
        let met = self.formers(&unknown).await?;
        let met: Vec<(MessageId, String)> = met
            .into_iter()
            .map(|(source, _, id)| (id, source))
            .collect();
        self.call_off(&met, now).await?;
        for (place, outcome) in done {
            put(outcomes, place, outcome);
        }
        self.bells.outbox.ring();
        Ok(())
    }

    /// The messages that came under these keys: source, key, id.
    async fn formers(
        &self,
        keys: &[(String, String)],
    ) -> Result<Vec<(String, String, MessageId)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<SourceKey<'_>> = keys.iter().map(source_key).collect();
        let mut tx = self.store().read().await?;
        let found = lookups::formers(&mut tx, &keys).await?;
        Ok(found
            .into_iter()
            .map(|former| (former.source, former.key, former.id))
            .collect())
    }

    async fn call_off(
        &self,
        those: &[(MessageId, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if those.is_empty() {
            return Ok(());
        }
        let mut tx = self.store().write().await?;
        for (id, actor) in those {
            message_admin::cancel(&mut tx, id, actor, now).await?;
        }
        tx.commit().await
    }

    async fn records(
        &self,
        records: Vec<Record>,
        outcomes: &mut Outcomes,
        held: &mut HashSet<Key>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut those, mut updates) = (Vec::new(), Vec::new());
        for record in records {
            if record.about.as_ref().is_some_and(|key| held.contains(key)) {
                put(outcomes, record.place, waits());
                continue;
            }
            // Records were told apart by where they stood when they were read.
            let line = record.updates.first().map(|update| update.origin().line);
            updates.extend(record.updates);
            those.push((record.place, record.about, line));
        }
        let applied = apply(
            self.store(),
            updates,
            &self.reader.records,
            Apply::default(),
            now,
        )
        .await;
        let report = applied.map_err(|problem| match problem {
            IntakeError::Store(problem) => problem,
            IntakeError::Unreadable { .. }
            | IntakeError::Mapping { .. }
            | IntakeError::Input { .. }
            | IntakeError::Timezone(_) => StoreError::Database(problem.to_string()),
        })?;
        for (place, about, line) in those {
            let mut faults = report.faults.iter().filter(|fault| fault.row_rejected);
            let found = faults.find(|fault| Some(fault.origin.line) == line);
            // A sensitive patient's data goes nowhere, not even to the dead letters: it is dropped.
            let outcome = match found {
                None => Outcome::Done,
                Some(found) if found.expected == UNKNOWN_PATIENT => {
                    held.extend(about);
                    waits()
                }
                Some(found) => {
                    let path = found.at.as_deref().unwrap_or_default();
                    Outcome::Refused(invalid(path, &found.expected))
                }
            };
            put(outcomes, place, outcome);
        }
        if report.changed_anything() {
            self.bells.plan.ring();
            self.bells.outbox.ring();
        }
        Ok(())
    }
}

fn put(outcomes: &mut Outcomes, place: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(place) {
        *slot = Some(outcome);
    }
}

/// The outcome of a word on an occasion whose patient nobody told of yet.
fn waits() -> Outcome {
    Outcome::Waits(Fault {
        code: "unknown_patient",
        path: "patient".to_owned(),
        expected: "a patient that was told of before".to_owned(),
    })
}

/// Puts a command into the run it continues; else it begins another, which comes back.
fn join(run: &mut Option<Run>, place: usize, command: Command) -> Option<Run> {
    let record = |about, updates| Record {
        place,
        about,
        updates,
    };
    let next = match command {
        Command::Send(order) => Run::Sends(vec![(place, *order)]),
        Command::Cancel(cancel) => Run::Cancels(vec![(place, cancel)]),
        Command::Patient(updates) => Run::Records(vec![record(None, updates)]),
        Command::Occasion(key, updates) => Run::Records(vec![record(Some(key), updates)]),
        Command::NoOccasion(key, updates) => Run::Removals(vec![record(Some(key), updates)]),
    };
    match (run, next) {
        (Some(Run::Sends(run)), Run::Sends(more)) => run.extend(more),
        (Some(Run::Cancels(run)), Run::Cancels(more)) => run.extend(more),
        (Some(Run::Records(run)), Run::Records(more))
        | (Some(Run::Removals(run)), Run::Removals(more)) => run.extend(more),
        (_, next) => return Some(next),
    }
    None
}

fn source_key(key: &(String, String)) -> SourceKey<'_> {
    SourceKey {
        source: &key.0,
        key: &key.1,
    }
}

fn key_of(cancel: &Cancel) -> Option<(String, String)> {
    match &cancel.which {
        Which::Id(_) => None,
        Which::Key(key) => Some((cancel.source.clone(), key.clone())),
    }
}

/// A message that was stored although somebody had called it off by then.
fn overtaken(accepted: Accepted, source: String) -> Option<(MessageId, String)> {
    (accepted.state != MessageState::Cancelled).then_some((accepted.id, source))
}

/// What a refusal means for a command; an error when it is to be tried again.
fn judge(refusal: Refusal) -> Result<Outcome, StoreError> {
    match refusal {
        Refusal::Fault(fault) if matches!(fault.code, "unknown_patient" | "unknown_occasion") => {
            Ok(Outcome::Waits(fault))
        }
        Refusal::Fault(fault) => Ok(Outcome::Refused(fault)),
        Refusal::KeyReused => Ok(Outcome::Refused(Fault {
            code: "idempotency_key_reused",
            path: "message_id".to_owned(),
            expected: "a key that no other request used".to_owned(),
        })),
        Refusal::InFlight => Err(StoreError::Busy),
        Refusal::Store(problem) => Err(problem),
        Refusal::Unavailable(problem) => Err(match Arc::try_unwrap(problem) {
            Ok(problem) => problem,
            Err(problem) => StoreError::Database(problem.to_string()),
        }),
    }
}
