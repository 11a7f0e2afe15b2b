//! A reply to a message about several visits: yes is meant for all of them, anything else only where it says so.

use super::act::Case;
use super::titles::Title;
use super::which;
use crate::intents::Intent;
use crate::model::id::ReplyId;
use crate::model::message::Ask;
use crate::model::occasion::Occasion;
use crate::model::reply::ReplyOutcome;
use crate::model::task::{Priority, TaskKind};
use crate::store::{StoreError, Tx};

/// What a reply means, and of which visits.
#[derive(Debug)]
pub(super) enum Meant {
    /// This, of these.
    Act(Intent, Vec<Occasion>),
    /// It is of one or some of them, and they are to be asked which.
    Which(Ask),
    /// A person has to find out.
    Doubt,
}

/// What the reply of `case` means.
pub(super) fn meant(case: &Case<'_>) -> Meant {
    let (intent, all) = (case.reading.intent, &case.bound.occasions);
    let question = case.bound.question.as_ref();
    let is_which = question.is_some_and(|question| question.kind.is_ours());
    let text = case.text.text.text.reveal();
    let asked = question.map_or(0, |question| question.occasions.len());
    let one = |place: usize| {
        let id = &question?.occasions.get(place.checked_sub(1)?)?.id;
        all.iter().find(|occasion| occasion.id == *id).cloned()
    };
    let named = which::named(text, asked).map(one);
    match intent {
        Intent::Choice if is_which => {
            let place = case.reading.slots.choice;
            let chosen = place.and_then(|n| one(usize::try_from(n).ok()?));
            match (chosen, question.map(|question| question.kind)) {
                (Some(chosen), Some(Ask::WhichToCancel)) => {
                    Meant::Act(Intent::Cancel, vec![chosen])
                }
                (Some(chosen), Some(Ask::WhichToMove)) => {
                    Meant::Act(Intent::Reschedule, vec![chosen])
                }
                (Some(_) | None, _) => Meant::Doubt,
            }
        }
        Intent::Cancel | Intent::Reschedule if asked > 1 => match named {
            _ if which::says_all(text) => Meant::Act(intent, all.clone()),
            Some(Some(chosen)) => Meant::Act(intent, vec![chosen]),
            Some(None) => Meant::Doubt,
            // What is left of several is meant, and nobody is asked twice.
            None if all.len() == 1 && !is_which => Meant::Act(intent, all.clone()),
            None if is_which => Meant::Doubt,
            None if intent == Intent::Cancel => Meant::Which(Ask::WhichToCancel),
            None => Meant::Which(Ask::WhichToMove),
        },
        Intent::OptOut if asked > 1 && which::cancels_all(text) => {
            Meant::Act(Intent::Cancel, all.clone())
        }
        // "I come to the second one" says nothing good about the first.
        Intent::Confirm if asked > 1 && named.is_some() && !which::says_all(text) => Meant::Doubt,
        other => Meant::Act(other, all.clone()),
    }
}

impl Case<'_> {
    /// Asks which of the visits is meant; the staff know that somebody is being asked, should no answer come.
    pub(super) async fn which(
        &self,
        tx: &mut Tx,
        reply: &ReplyId,
        ask: Ask,
    ) -> Result<ReplyOutcome, StoreError> {
        self.close(tx).await?;
        self.ask(tx, reply, "answer_which", ask).await?;
        let title = if ask == Ask::WhichToCancel {
            Title::CancelsOneOf
        } else {
            Title::MovesOneOf
        };
        self.task(tx, reply, TaskKind::Reply, Priority::Normal, title)
            .await?;
        Ok(ReplyOutcome::AskedWhich)
    }
}
