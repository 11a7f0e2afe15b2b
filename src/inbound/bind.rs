//! Whose text it is and what it answers: the question that was asked last, else the one upcoming booking.

use jiff::Timestamp;

use crate::model::id::{OccasionId, PatientId, RelationId};
use crate::model::message::Ask;
use crate::model::occasion::{Occasion, OccasionStatus};
use crate::model::patient::Patient;
use crate::store::inbox::WaitingText;
use crate::store::questions::{self, Question};
use crate::store::{StoreError, Tx, occasions, patients};

/// What a text is bound to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    /// Whose it is, where that can be told.
    pub(crate) patient: Option<Patient>,
    /// The relation who wrote, if it was family.
    pub(crate) relation: Option<RelationId>,
    /// What was asked last.
    pub(crate) question: Option<Question>,
    /// Asked before that and still unanswered.
    pub(crate) prior: Option<Question>,
    /// The occasions it is about, as they stand: those of the question, else the one that comes.
    pub(crate) occasions: Vec<Occasion>,
    /// Those of the prior question.
    pub(crate) prior_occasions: Vec<Occasion>,
}

/// Finds what `text` is bound to.
pub(crate) async fn bind(
    tx: &mut Tx,
    text: &WaitingText,
    now: Timestamp,
) -> Result<Bound, StoreError> {
    let hash = &text.text.from_hash;
    let open = questions::open(tx, hash, now).await?;
    let mut asked = standing(tx, open).await?.into_iter();
    let (mut question, prior) = (asked.next(), asked.next());
    if question.is_none() {
        // Whoever answered may think better of it while the question's time lasts.
        let before = questions::answered_before(tx, hash, now).await?;
        question = standing(tx, before).await?.into_iter().next();
    }
    let (patient, relation) = match &question {
        Some((asked, _)) => (Some(asked.patient.clone()), asked.relation.clone()),
        None => holder(tx, hash).await?,
    };
    let patient = match patient {
        Some(id) => patients::load(tx, &[id]).await?.pop(),
        None => None,
    };
    let occasions = match (&question, &patient) {
        (Some((_, occasions)), _) => occasions.clone(),
        (None, Some(patient)) => upcoming(tx, &patient.id, now).await?.into_iter().collect(),
        (None, None) => Vec::new(),
    };
    let (prior, prior_occasions) = prior.map_or((None, Vec::new()), |(q, o)| (Some(q), o));
    Ok(Bound {
        patient,
        relation,
        question: question.map(|(q, _)| q),
        prior,
        occasions,
        prior_occasions,
    })
}

/// Questions whose occasions still stand as they were asked about: a moved or cancelled booking takes its question along.
async fn standing(
    tx: &mut Tx,
    asked: Vec<Question>,
) -> Result<Vec<(Question, Vec<Occasion>)>, StoreError> {
    let mut all = Vec::new();
    for question in asked {
        let ids: Vec<OccasionId> = question.occasions.iter().map(|o| o.id.clone()).collect();
        let mut found = occasions::load(tx, &ids).await?;
        let same_epoch = |o: &Occasion| {
            question
                .occasions
                .iter()
                .any(|asked| asked.id == o.id && asked.epoch == o.epoch)
        };
        // How it was may be told of what is over, whether they come only of what stands.
        let stands = |o: &Occasion| match o.status {
            OccasionStatus::Booked => true,
            OccasionStatus::Arrived | OccasionStatus::Fulfilled => question.kind == Ask::Survey,
            OccasionStatus::Cancelled | OccasionStatus::NoShow => false,
        };
        found.retain(|o| same_epoch(o) && stands(o));
        if ids.is_empty() || !found.is_empty() {
            all.push((question, found));
        }
    }
    Ok(all)
}

/// Whose number it is, if it is one patient's alone.
async fn holder(
    tx: &mut Tx,
    address_hash: &str,
) -> Result<(Option<PatientId>, Option<RelationId>), StoreError> {
    let holders = patients::by_address(tx, address_hash).await?;
    let mut patients: Vec<&PatientId> = holders.iter().map(|(patient, _)| patient).collect();
    patients.dedup();
    match patients.as_slice() {
        [patient] => {
            // A number that is the patient's own and a relation's is read as the patient's.
            let own = holders.iter().any(|(_, relation)| relation.is_none());
            let relation = if own {
                None
            } else {
                holders.first().and_then(|(_, relation)| relation.clone())
            };
            Ok((Some((*patient).clone()), relation))
        }
        _ => Ok((None, None)),
    }
}

/// The one booking that comes, if it is one alone.
async fn upcoming(
    tx: &mut Tx,
    patient: &PatientId,
    now: Timestamp,
) -> Result<Option<Occasion>, StoreError> {
    let all = occasions::of(tx, std::slice::from_ref(patient)).await?;
    let coming = |o: &&Occasion| {
        let zone = jiff::tz::TimeZone::get(&o.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        o.status == OccasionStatus::Booked && o.when.instant(&zone).is_ok_and(|at| at > now)
    };
    let mut coming = all.get(patient).into_iter().flatten().filter(coming);
    let first = coming.next().cloned();
    Ok(if coming.next().is_none() { first } else { None })
}
