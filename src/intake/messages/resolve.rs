//! Resolves requests against what we know: one snapshot for all of them, then pure decisions one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::fields::Fault;
use super::reach::{self, Against, Target};
use super::refusal::Refusal;
use super::request::{MessageRequest, RecordKey};
use super::wording::{self, Wording};
use super::{Intake, Order, when};
use crate::calendar::wall;
use crate::gates::{self, Counts};
use crate::model::class::Role;
use crate::model::id::{MessageId, OccasionId, PatientId};
use crate::model::occasion::Occasion;
use crate::model::patient::Patient;
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;
use crate::store::lookups::{self, Former, SourceKey};
use crate::store::messages::{NewMessage, Way};
use crate::store::suppressions;
use crate::store::{StoreError, Tx, occasions, patients};

/// How long an idempotency key tells a repetition.
const KEY_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A request that is resolved.
#[derive(Clone, Debug)]
pub enum Ready {
    /// A message to be stored.
    New(Box<NewMessage>),
    /// The same request came before under its key, and made this message.
    Repeated(MessageId),
}

/// What we know about all orders of a call.
struct Known {
    formers: HashMap<(String, String), Former>,
    patients: BTreeMap<PatientId, Patient>,
    patient_keys: HashMap<(String, String), PatientId>,
    occasions: BTreeMap<OccasionId, Occasion>,
    occasion_keys: HashMap<(String, String), OccasionId>,
    against: Against,
    /// When a recipient got, or will get, messages of the capped classes.
    capped: HashMap<String, Vec<Timestamp>>,
}

/// Resolves `orders` at `now`; the answers are in order. Writes nothing, but for freeing keys past their time.
///
/// # Errors
/// When the database fails.
pub async fn ready(
    intake: &Intake,
    orders: Vec<Order>,
    now: Timestamp,
) -> Result<Vec<Result<Ready, Refusal>>, StoreError> {
    let mut known = look_up(intake, &orders, now).await?;
    Ok(orders
        .into_iter()
        .map(|order| decide(intake, &mut known, order, now))
        .collect())
}

async fn look_up(intake: &Intake, orders: &[Order], now: Timestamp) -> Result<Known, StoreError> {
    let mut tx = intake.store.read().await?;
    let formers = lookups::formers(&mut tx, &idempotency_keys(orders)).await?;
    let of_patient = record_keys(orders, |request| request.patient.as_ref());
    let patient_keys = lookups::patients(&mut tx, &of_patient).await?;
    let of_occasion = record_keys(orders, |request| request.occasion.as_ref());
    let occasion_keys = lookups::occasions(&mut tx, &of_occasion).await?;
    let wanted: Vec<OccasionId> = occasion_keys.iter().map(|row| row.2.clone()).collect();
    let occasions = occasions::load(&mut tx, &wanted).await?;
    let mut wanted: BTreeSet<PatientId> = patient_keys.iter().map(|row| row.2.clone()).collect();
    wanted.extend(occasions.iter().map(|occasion| occasion.patient.clone()));
    let wanted: Vec<PatientId> = wanted.into_iter().collect();
    let patients = patients::load(&mut tx, &wanted).await?;
    let requests = orders.iter().map(|order| &order.request);
    let hashes = hashes(intake, requests, &patients);
    let standing = suppressions::standing(&mut tx, &hashes).await?;
    let lost = lost(intake, &mut tx, orders).await?;
    let mut capped = HashMap::new();
    if orders.iter().any(|order| order.request.class.is_capped()) {
        capped = moments(&mut tx, &wanted, &hashes, now).await?;
    }
    drop(tx);
    Ok(Known {
        formers: fresh(intake, formers, now).await?,
        patients: patients
            .into_iter()
            .map(|one| (one.id.clone(), one))
            .collect(),
        patient_keys: patient_keys
            .into_iter()
            .map(|(source, key, id)| ((source, key), id))
            .collect(),
        occasions: occasions
            .into_iter()
            .map(|one| (one.id.clone(), one))
            .collect(),
        occasion_keys: occasion_keys
            .into_iter()
            .map(|(source, key, id)| ((source, key), id))
            .collect(),
        against: Against { standing, lost },
        capped,
    })
}

fn idempotency_keys(orders: &[Order]) -> Vec<SourceKey<'_>> {
    let mut keys = Vec::new();
    for Order { request, source } in orders {
        keys.extend(
            request
                .idempotency_key
                .as_deref()
                .map(|key| SourceKey { source, key }),
        );
    }
    keys
}

/// When each recipient got, or will get, messages of the capped classes.
async fn moments(
    tx: &mut Tx,
    patients: &[PatientId],
    hashes: &[String],
    now: Timestamp,
) -> Result<HashMap<String, Vec<Timestamp>>, StoreError> {
    let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
    let since = now
        .saturating_sub(SignedDuration::from_hours(8 * 24))
        .unwrap_or(Timestamp::MIN);
    let mut all: HashMap<String, Vec<Timestamp>> = HashMap::new();
    for (patient, hash, at) in lookups::capped(tx, patients, &hashes, since).await? {
        let recipient = patient.map_or(hash, |id| id.as_str().to_owned());
        all.entry(recipient)
            .or_default()
            .extend(Timestamp::from_millisecond(at));
    }
    Ok(all)
}

/// The formers whose keys still count; keys past their time are freed.
async fn fresh(
    intake: &Intake,
    formers: Vec<Former>,
    now: Timestamp,
) -> Result<HashMap<(String, String), Former>, StoreError> {
    let oldest = now
        .saturating_sub(KEY_KEPT)
        .unwrap_or(Timestamp::MIN)
        .as_millisecond();
    let (gone, kept): (Vec<Former>, Vec<Former>) = formers
        .into_iter()
        .partition(|former| former.created_at < oldest);
    if !gone.is_empty() {
        let gone: Vec<MessageId> = gone.into_iter().map(|former| former.id).collect();
        let mut tx = intake.store.write().await?;
        lookups::free_keys(&mut tx, &gone).await?;
        tx.commit().await?;
    }
    Ok(kept
        .into_iter()
        .map(|former| ((former.source.clone(), former.key.clone()), former))
        .collect())
}

fn record_keys<'a>(
    orders: &'a [Order],
    of: impl Fn(&'a MessageRequest) -> Option<&'a RecordKey>,
) -> Vec<SourceKey<'a>> {
    let keys: BTreeSet<&RecordKey> = orders
        .iter()
        .filter_map(|order| of(&order.request))
        .collect();
    keys.into_iter()
        .map(|key| SourceKey {
            source: &key.source,
            key: key.key.reveal(),
        })
        .collect()
}

/// Of the addresses that stand alone, those whose holders died or said that they are wrong.
async fn lost(
    intake: &Intake,
    tx: &mut Tx,
    orders: &[Order],
) -> Result<HashMap<String, SkipReason>, StoreError> {
    let is_bare =
        |request: &MessageRequest| request.patient.is_none() && request.occasion.is_none();
    let bare = orders
        .iter()
        .map(|order| &order.request)
        .filter(|request| is_bare(request));
    let bare = hashes(intake, bare, &[]);
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    let mut lost = HashMap::new();
    for (hash, has_died, is_wrong) in lookups::lost_addresses(tx, &bare).await? {
        match (has_died, is_wrong) {
            (true, _) => lost.insert(hash, SkipReason::Deceased),
            (false, true) => lost.insert(hash, SkipReason::NoContactPoint),
            (false, false) => None,
        };
    }
    Ok(lost)
}

/// The hashes of all addresses that any of the orders may go to.
fn hashes<'a>(
    intake: &Intake,
    requests: impl Iterator<Item = &'a MessageRequest>,
    patients: &'a [Patient],
) -> Vec<String> {
    let to = requests.flat_map(|request| {
        let phone = request.to.phone.iter().map(|phone| phone.reveal());
        phone.chain(request.to.email.iter().map(|email| email.reveal().as_str()))
    });
    let own = patients
        .iter()
        .flat_map(|patient| &patient.contacts)
        .map(|contact| contact.address.reveal().as_str());
    let all: BTreeSet<&str> = to.chain(own).collect();
    all.into_iter()
        .map(|address| address_hash(&intake.desk.address_key, address))
        .collect()
}

fn decide(
    intake: &Intake,
    known: &mut Known,
    order: Order,
    now: Timestamp,
) -> Result<Ready, Refusal> {
    let request = &order.request;
    if let Some(key) = &request.idempotency_key
        && let Some(former) = known.formers.get(&(order.source.clone(), key.clone()))
    {
        let is_same = former.body_hash == request.body_hash;
        return if is_same {
            Ok(Ready::Repeated(former.id.clone()))
        } else {
            Err(Refusal::KeyReused)
        };
    }
    let (patient, occasion) = subject(known, request)?;
    let targets = reach::targets(intake, &known.against, request, patient, now)?;
    let wording = wording::write(intake, request, patient, occasion, &targets, now)?;
    let times = when::times(&intake.site, request, occasion, now)?;
    let recipient = recipient(intake, patient, &targets);
    let mut suppressed = if request.called_off {
        Some(SkipReason::Cancelled)
    } else {
        barred(request, patient, &targets, now)
    };
    if suppressed.is_none() && times.is_only_in_quiet_hours {
        suppressed = Some(SkipReason::QuietHours);
    }
    if let (None, true, Some(recipient)) = (suppressed, request.class.is_capped(), recipient) {
        if gates::over(
            counts(intake, known, &recipient, times.send_at),
            intake.site.caps,
        ) {
            suppressed = Some(SkipReason::FrequencyCap);
        } else {
            known
                .capped
                .entry(recipient)
                .or_default()
                .push(times.send_at);
        }
    }
    let (patient, occasion) = subject(known, request)?;
    let subject = (
        patient.map(|patient| patient.id.clone()),
        occasion.map(|occasion| (occasion.id.clone(), occasion.epoch)),
    );
    Ok(Ready::New(Box::new(message(
        order, subject, targets, wording, &times, suppressed,
    ))))
}

fn message(
    order: Order,
    (patient, occasion): (Option<PatientId>, Option<(OccasionId, i64)>),
    targets: Vec<Target>,
    wording: Wording,
    times: &when::Times,
    suppressed: Option<SkipReason>,
) -> NewMessage {
    let (id, request) = (MessageId::generate(), order.request);
    // A message that goes takes the ways that are open; one that does not keeps them all, to show what was meant.
    let is_going = suppressed.is_none();
    let ways: Vec<Way> = targets
        .iter()
        .zip(wording.ways)
        .filter(|(target, _)| !is_going || target.barred.is_none())
        .map(|(_, way)| way)
        .collect();
    NewMessage {
        source: order.source,
        dedupe_key: request
            .idempotency_key
            .unwrap_or_else(|| id.as_str().to_owned()),
        id,
        body_hash: request.body_hash,
        class: request.class,
        lane: request.lane.unwrap_or(request.class.lane()),
        suppressed: suppressed.map(|reason| reason.as_str().to_owned()),
        patient,
        relation: None,
        occasion,
        reminder: None,
        rule: None,
        role: Role::Patient,
        ways,
        language: wording.language,
        template: wording.template,
        ask: request.ask,
        sender: None,
        reference: request.reference,
        send_at: times.send_at,
        expires_at: times.expires_at,
    }
}

/// The patient and the occasion that a request names; an occasion names its patient too.
fn subject<'a>(
    known: &'a Known,
    request: &MessageRequest,
) -> Result<(Option<&'a Patient>, Option<&'a Occasion>), Fault> {
    let unknown = |code, path: &str, expected: &str| Fault {
        code,
        path: path.to_owned(),
        expected: expected.to_owned(),
    };
    let key = |key: &RecordKey| (key.source.clone(), key.key.reveal().clone());
    let occasion = match &request.occasion {
        Some(name) => {
            let found = known
                .occasion_keys
                .get(&key(name))
                .and_then(|id| known.occasions.get(id));
            Some(found.ok_or_else(|| {
                unknown(
                    "unknown_occasion",
                    "occasion",
                    "an occasion that was told of before",
                )
            })?)
        }
        None => None,
    };
    let patient = match &request.patient {
        Some(name) => {
            let found = known
                .patient_keys
                .get(&key(name))
                .and_then(|id| known.patients.get(id));
            Some(found.ok_or_else(|| {
                unknown(
                    "unknown_patient",
                    "patient",
                    "a patient that was told of before",
                )
            })?)
        }
        None => occasion.and_then(|occasion| known.patients.get(&occasion.patient)),
    };
    match (patient, occasion) {
        (Some(patient), Some(occasion)) if occasion.patient != patient.id => {
            Err(Fault::invalid("occasion", "an occasion of this patient"))
        }
        found => Ok(found),
    }
}

/// Why nothing of it may go at all.
fn barred(
    request: &MessageRequest,
    patient: Option<&Patient>,
    targets: &[Target],
    now: Timestamp,
) -> Option<SkipReason> {
    if targets.iter().any(|target| target.barred.is_none()) {
        return None;
    }
    // Without any address death and a block still say why.
    let of_patient = request
        .channels
        .first()
        .map(|channel| gates::enqueued(request.class, *channel, patient, &[], now));
    let first = targets.iter().find_map(|target| target.barred);
    first
        .or(of_patient.and_then(Result::err))
        .or(Some(SkipReason::NoContactPoint))
}

/// Whom the caps count for: the patient, else the address.
fn recipient(intake: &Intake, patient: Option<&Patient>, targets: &[Target]) -> Option<String> {
    let own = patient.map(|patient| patient.id.as_str().to_owned());
    own.or_else(|| {
        targets
            .first()
            .map(|target| address_hash(&intake.desk.address_key, target.address.reveal()))
    })
}

fn counts(intake: &Intake, known: &Known, recipient: &str, at: Timestamp) -> Counts {
    let zone = &intake.site.timezone;
    let today = wall::date(zone, at);
    let week = at
        .saturating_sub(SignedDuration::from_hours(7 * 24))
        .unwrap_or(Timestamp::MIN);
    let moments = known.capped.get(recipient).map_or(&[][..], Vec::as_slice);
    let count = |holds: &dyn Fn(Timestamp) -> bool| {
        u32::try_from(moments.iter().filter(|moment| holds(**moment)).count()).unwrap_or(u32::MAX)
    };
    Counts {
        today: count(&|moment| wall::date(zone, moment) == today),
        week: count(&|moment| moment > week && moment <= at),
    }
}
