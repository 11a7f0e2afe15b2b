//! What an intent does, in the one transaction that also keeps the reply (promises 6 and 7).
//!
//! In doubt the booking stays as it is and a person gets a task. Answers to the patient are planned reminders,
//! so that they pass the same composer and the same gates as everything else.

use jiff::Timestamp;

use super::bind::Bound;
use super::several::{self, Meant};
use super::titles::Title;
use crate::intents::{Intent, Reading, StopReason};
use crate::model::class::Channel;
use crate::model::id::{PatientId, ReplyId, TaskId};
use crate::model::message::Ask;
use crate::model::occasion::{ConfirmationEvent, Occasion};
use crate::model::patient::{ContactStatus, OptOut};
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::model::reply::ReplyOutcome;
use crate::model::task::{Priority, TaskKind};
use crate::store::inbox::{self, WaitingText};
use crate::store::reminders::{self, Answer};
use crate::store::replies::{self, NewChangeRequest, NewReply};
use crate::store::suppressions::{self, NewSuppression, SuppressionReason};
use crate::store::tasks::{self, NewTask};
use crate::store::{
    StoreError, Tx, consents, contact_points, marks, occasions, patients, questions, withdraw,
};

/// The highest score, of the ten that our texts ask for, that somebody should look into: the words for it are "dissatisfied".
const LOW: u8 = 4;

/// What a person says of messages at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consent {
    Given,
    Withdrawn,
}

/// A text with all that is known about it.
pub(crate) struct Case<'a> {
    pub(crate) text: &'a WaitingText,
    pub(crate) bound: &'a Bound,
    pub(crate) reading: &'a Reading,
    /// The department that gets what no other is named for.
    pub(crate) department: &'a str,
    /// The language of the staff, BCP 47.
    pub(crate) language: &'a str,
    pub(crate) now: Timestamp,
}

/// Acts on one text. `false` when another reader had it already.
pub(crate) async fn act(tx: &mut Tx, case: &Case<'_>) -> Result<bool, StoreError> {
    if inbox::done(tx, &[&case.text.id]).await? == 0 {
        return Ok(false);
    }
    let reply = ReplyId::generate();
    let (intent, occasions) = match several::meant(case) {
        Meant::Act(intent, occasions) => (intent, occasions),
        other => {
            let outcome = match other {
                Meant::Which(ask) => case.which(tx, &reply, ask).await?,
                Meant::Doubt | Meant::Act(..) => {
                    case.to_people(tx, &reply, ReplyOutcome::Task).await?
                }
            };
            replies::add(tx, &case.kept(reply, outcome), case.now).await?;
            return Ok(true);
        }
    };
    let bound = Bound {
        occasions,
        ..case.bound.clone()
    };
    let case = Case {
        bound: &bound,
        ..*case
    };
    let outcome = case.carry_out(tx, &reply, intent).await?;
    replies::add(tx, &case.kept(reply, outcome), case.now).await?;
    Ok(true)
}

impl Case<'_> {
    async fn carry_out(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        intent: Intent,
    ) -> Result<ReplyOutcome, StoreError> {
        match intent {
            Intent::Emergency => self.emergency(tx, reply).await,
            Intent::StopWrongNumber => self.wrong_number(tx, reply).await,
            Intent::OptOut => self.opt_out(tx, reply).await,
            Intent::OptIn => self.opt_in(tx).await,
            Intent::Confirm => self.confirm(tx, reply).await,
            Intent::Cancel => self.decline(tx, reply).await,
            Intent::Reschedule => self.reschedule(tx, reply).await,
            Intent::Choice => self.answered(tx, reply).await,
            Intent::Rating => self.rated(tx, reply).await,
            Intent::Help => {
                self.answer(tx, reply, "answer_help").await?;
                Ok(ReplyOutcome::Helped)
            }
            Intent::Gratitude => Ok(ReplyOutcome::Noted),
            Intent::RunningLate | Intent::Complaint | Intent::Question => {
                self.to_people(tx, reply, ReplyOutcome::Task).await
            }
            Intent::Unknown => self.unclear(tx, reply).await,
        }
    }

    fn patient(&self) -> Option<&PatientId> {
        self.bound.patient.as_ref().map(|patient| &patient.id)
    }

    fn first(&self) -> Option<&Occasion> {
        self.bound.occasions.first()
    }

    async fn emergency(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        self.task(
            tx,
            reply,
            TaskKind::Emergency,
            Priority::Urgent,
            Title::Emergency,
        )
        .await?;
        Ok(ReplyOutcome::Emergency)
    }

    /// The number is in other hands, or the patient has died: nothing automatic goes there again for this patient.
    async fn wrong_number(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        let (hash, patient) = (&self.text.text.from_hash, self.patient());
        let died = self.reading.stop_reason == Some(StopReason::Deceased);
        let reason = if died {
            SuppressionReason::Deceased
        } else {
            SuppressionReason::WrongNumber
        };
        let new = NewSuppression {
            address_hash: hash.clone(),
            patient: patient.cloned(),
            scope: OptOut::All,
            reason,
        };
        suppressions::add(tx, &new, self.now).await?;
        withdraw::stop_address(tx, hash, patient, reason.as_str(), self.now).await?;
        if died && let Some(patient) = patient {
            // Until a person has corrected the record nobody is written to about this patient.
            patients::hold(tx, patient, self.now).await?;
            patients::stop_all(
                tx,
                std::slice::from_ref(patient),
                SkipReason::Deceased,
                self.now,
            )
            .await?;
        } else {
            let changed =
                contact_points::mark(tx, hash, patient, ContactStatus::WrongNumber).await?;
            marks::add(tx, &changed, self.now).await?;
        }
        let title = if died {
            Title::Deceased
        } else {
            Title::WrongNumber
        };
        self.task(tx, reply, TaskKind::Reply, Priority::Normal, title)
            .await?;
        Ok(if died {
            ReplyOutcome::Deceased
        } else {
            ReplyOutcome::WrongNumber
        })
    }

    async fn opt_out(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        let hash = &self.text.text.from_hash;
        let new = NewSuppression {
            address_hash: hash.clone(),
            patient: None,
            scope: OptOut::All,
            reason: SuppressionReason::Stop,
        };
        suppressions::add(tx, &new, self.now).await?;
        withdraw::stop_address(tx, hash, None, "opted_out", self.now).await?;
        self.consent(tx, Consent::Withdrawn).await?;
        self.answer(tx, reply, "answer_stop").await?;
        if self.reading.needs_human {
            self.task(
                tx,
                reply,
                TaskKind::Reply,
                Priority::Normal,
                Title::StopsAndMore,
            )
            .await?;
        }
        Ok(ReplyOutcome::OptedOut)
    }

    async fn opt_in(&self, tx: &mut Tx) -> Result<ReplyOutcome, StoreError> {
        let hash = &self.text.text.from_hash;
        let standing = suppressions::standing(tx, &[hash]).await?;
        if standing.iter().any(|s| s.reason != SuppressionReason::Stop) || standing.is_empty() {
            return Ok(ReplyOutcome::Noted);
        }
        suppressions::lift(tx, hash, None, None, self.now).await?;
        self.consent(tx, Consent::Given).await?;
        self.answer(tx, &ReplyId::generate(), "answer_start")
            .await?;
        Ok(ReplyOutcome::OptedIn)
    }

    /// Keeps what they said of messages at all in their record, where we know whose it is.
    async fn consent(&self, tx: &mut Tx, consent: Consent) -> Result<(), StoreError> {
        let Some(patient) = self.patient() else {
            return Ok(());
        };
        let relation = self.bound.relation.as_ref();
        let granted = consent == Consent::Given;
        consents::set(
            tx,
            patient,
            relation,
            OptOut::All,
            granted,
            "reply",
            self.now,
        )
        .await?;
        marks::add(tx, std::slice::from_ref(patient), self.now).await
    }

    async fn confirm(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        if !self.set(tx, ConfirmationEvent::SaidYes).await? {
            if self.is_about_no_booking() {
                return self.answered(tx, reply).await;
            }
            return self.to_people(tx, reply, ReplyOutcome::Task).await;
        }
        for occasion in &self.bound.occasions {
            replies::withdraw_change(tx, &occasion.id, self.now).await?;
        }
        self.answer(tx, reply, "answer_confirmed").await?;
        self.person_too(tx, reply, Title::ConfirmsAndMore).await?;
        Ok(ReplyOutcome::Confirmed)
    }

    async fn decline(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        if !self.set(tx, ConfirmationEvent::SaidNo).await? {
            if self.is_about_no_booking() {
                // Who does not want to come to what nobody booked needs no call.
                self.close(tx).await?;
                return Ok(ReplyOutcome::Answered);
            }
            return self.to_people(tx, reply, ReplyOutcome::Task).await;
        }
        self.wish(tx, reply, "cancel").await?;
        for occasion in &self.bound.occasions {
            withdraw::withdraw_occasion(tx, &occasion.id, self.now).await?;
        }
        self.answer(tx, reply, "answer_declined").await?;
        self.task(
            tx,
            reply,
            TaskKind::ChangeRequest,
            Priority::Normal,
            Title::Cancels,
        )
        .await?;
        Ok(ReplyOutcome::Declined)
    }

    async fn reschedule(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        if !self.set(tx, ConfirmationEvent::WantsChange).await? {
            return self.to_people(tx, reply, ReplyOutcome::Task).await;
        }
        self.wish(tx, reply, "reschedule").await?;
        self.answer(tx, reply, "answer_change").await?;
        self.task(
            tx,
            reply,
            TaskKind::ChangeRequest,
            Priority::Normal,
            Title::WantsAnotherTime,
        )
        .await?;
        Ok(ReplyOutcome::ChangeRequested)
    }

    async fn answered(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        self.close(tx).await?;
        self.to_people(tx, reply, ReplyOutcome::Answered).await
    }

    /// A low score is for a person to look into, and so is a complaint beside it; any other is kept with the reply.
    async fn rated(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        self.close(tx).await?;
        let is_low = self.reading.slots.rating.is_some_and(|score| score <= LOW);
        if is_low || self.reading.needs_human {
            return self.to_people(tx, reply, ReplyOutcome::Answered).await;
        }
        Ok(ReplyOutcome::Answered)
    }

    /// Says once a day that we did not understand; a person reads it in any case that is not a machine's.
    async fn unclear(&self, tx: &mut Tx, reply: &ReplyId) -> Result<ReplyOutcome, StoreError> {
        if !self.reading.needs_human {
            return Ok(ReplyOutcome::Noted);
        }
        if self.bound.question.is_some() {
            let day = self.now.to_string();
            let key = format!(
                "unclear:{}:{}",
                self.text.text.from_hash,
                day.get(..10).unwrap_or_default()
            );
            self.answer_once(tx, key, "answer_unclear", None).await?;
        }
        self.to_people(tx, reply, ReplyOutcome::Task).await
    }

    /// Sets the confirmation of every occasion it is about; `false` when there is none that stands.
    async fn set(&self, tx: &mut Tx, event: ConfirmationEvent) -> Result<bool, StoreError> {
        let mut any = false;
        for occasion in &self.bound.occasions {
            any |= occasions::answer(tx, &occasion.id, occasion.epoch, event, self.now)
                .await?
                .is_some();
        }
        if any {
            self.close(tx).await?;
        }
        Ok(any)
    }

    /// Whether it answers an invitation to something that has no booking yet.
    fn is_about_no_booking(&self) -> bool {
        let question = self.bound.question.as_ref();
        question.is_some_and(|question| question.occasions.is_empty())
    }

    /// Which of several was meant is known for good; what they were asked themselves they may answer anew.
    pub(super) async fn close(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match &self.bound.question {
            Some(question) if question.kind.is_ours() => {
                questions::close(tx, &question.message).await
            }
            Some(question) => questions::answered(tx, &question.id).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn wish(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        wish: &'static str,
    ) -> Result<(), StoreError> {
        for occasion in &self.bound.occasions {
            let new = NewChangeRequest {
                occasion: occasion.id.clone(),
                epoch: occasion.epoch,
                patient: occasion.patient.clone(),
                reply: reply.clone(),
                wish,
                slots: slots(self.reading),
            };
            replies::request_change(tx, &new, self.now).await?;
        }
        Ok(())
    }

    async fn person_too(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        title: Title,
    ) -> Result<(), StoreError> {
        if self.reading.needs_human {
            self.task(tx, reply, TaskKind::Reply, Priority::Normal, title)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn to_people(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        outcome: ReplyOutcome,
    ) -> Result<ReplyOutcome, StoreError> {
        let title = match self.reading.intent {
            Intent::RunningLate => Title::RunningLate,
            Intent::Complaint => Title::Complains,
            Intent::Question => Title::Asks,
            Intent::Choice => Title::Chose,
            Intent::Rating => Title::Rated,
            Intent::Confirm if self.is_about_no_booking() => Title::Accepts,
            _ => Title::NeedsPerson,
        };
        self.task(tx, reply, TaskKind::Reply, Priority::Normal, title)
            .await?;
        Ok(outcome)
    }

    pub(super) async fn task(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        kind: TaskKind,
        priority: Priority,
        title: Title,
    ) -> Result<(), StoreError> {
        let task = NewTask {
            id: TaskId::generate(),
            dedupe_key: format!("reply:{reply}"),
            channel: Channel::Task,
            kind,
            priority,
            department: self
                .first()
                .and_then(|o| o.department.clone())
                .unwrap_or_else(|| self.department.to_owned()),
            staff: None,
            title: Private::new(title.words(self.language).to_owned()),
            text: self.text.text.text.clone(),
            patient: self.patient().cloned(),
            occasion: self.first().map(|o| o.id.clone()),
            reminder: None,
            reply: Some(reply.clone()),
            count: 1,
        };
        tasks::add(tx, &[task], self.now).await?;
        Ok(())
    }

    async fn answer(&self, tx: &mut Tx, reply: &ReplyId, template: &str) -> Result<(), StoreError> {
        self.answer_once(tx, reply.to_string(), template, None)
            .await
    }

    /// Answers with a question of our own.
    pub(super) async fn ask(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        template: &str,
        ask: Ask,
    ) -> Result<(), StoreError> {
        let key = reply.to_string();
        self.answer_once(tx, key, template, Some(ask)).await
    }

    async fn answer_once(
        &self,
        tx: &mut Tx,
        key: String,
        template: &str,
        ask: Option<Ask>,
    ) -> Result<(), StoreError> {
        let all = &self.bound.occasions;
        let mut data = serde_json::Map::new();
        if all.len() > 1 {
            let ids = all.iter().map(|occasion| occasion.id.as_str());
            data.insert(reminders::OCCASIONS.to_owned(), ids.collect());
        }
        if let Some(ask) = ask {
            data.insert("which".to_owned(), ask.as_str().into());
        }
        let answer = Answer {
            patient: self.patient().cloned(),
            relation: self.bound.relation.clone(),
            occasion: self.first().map(|o| (o.id.clone(), o.epoch)),
            template: template.to_owned(),
            ask,
            channel: self.text.text.channel,
            address: self.text.text.from.clone(),
            address_hash: self.text.text.from_hash.clone(),
            key,
            language: self.bound.patient.as_ref().and_then(|p| p.language.clone()),
            data,
        };
        reminders::answer(tx, &answer, self.now).await
    }

    fn kept(&self, id: ReplyId, outcome: ReplyOutcome) -> NewReply {
        let text = &self.text.text;
        NewReply {
            id,
            inbox: self.text.id.clone(),
            channel: text.channel,
            provider: text.provider.clone(),
            address: text.from.clone(),
            address_hash: text.from_hash.clone(),
            sent_to: text.to.clone(),
            text: text.text.clone(),
            patient: self.patient().cloned(),
            relation: self.bound.relation.clone(),
            question: self.bound.question.as_ref().map(|q| q.id.clone()),
            occasion: self.first().map(|o| o.id.clone()),
            message: self.bound.question.as_ref().map(|q| q.message.clone()),
            intent: self.reading.intent.as_str(),
            slots: Private::new(slots(self.reading)),
            needs_human: self.reading.needs_human,
            outcome,
            received_at: self.text.received_at,
        }
    }
}

fn slots(reading: &Reading) -> serde_json::Value {
    serde_json::to_value(reading.slots).expect("slots are plain JSON")
}
