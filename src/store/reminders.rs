//! Reminders as they stand, and our own answers among them.
//!
//! The plan's differences are `plans`, what is due and what became of it is `due`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{StoreError, Tx, execute, id_set, on, rows};
use crate::model::class::{Channel, Class, Role};
use crate::model::id::{OccasionId, PatientId, RelationId, ReminderId};
use crate::model::message::Ask;
use crate::model::private::Private;
use crate::model::reminder::{ReminderState, Unless};

/// The `rule_id` of our own answers, which no rule made.
pub const ANSWER_RULE: &str = "";

/// A reminder as the plan has it.
#[derive(Clone, Debug)]
pub struct NewReminder {
    /// The computed key (promise 1).
    pub plan_key: String,
    /// The rule that plans it.
    pub rule: String,
    /// The rule's version.
    pub rule_version: String,
    /// Hash of what decides when and to whom.
    pub timing: String,
    /// Consent, hours, caps and lane hang on it.
    pub class: Class,
    /// Who it is about; `None` where one stands for many.
    pub patient: Option<PatientId>,
    /// The relation that gets it, for family.
    pub relation: Option<RelationId>,
    /// The occasion it hangs on.
    pub occasion: Option<OccasionId>,
    /// The occasion's epoch.
    pub epoch: i64,
    /// The occasion's id, or the civil date of a computed one.
    pub occurrence: String,
    /// The step's id.
    pub step: String,
    /// The lead, such as `3d`.
    pub lead: String,
    /// Who gets it.
    pub role: Role,
    /// Whose staff.
    pub department: Option<String>,
    /// Channels in order.
    pub channels: Vec<Channel>,
    /// What it says.
    pub template: String,
    /// What a reply answers.
    pub ask: Option<Ask>,
    /// What makes it needless.
    pub unless: Option<Unless>,
    /// Whether it makes up for leads that were past.
    pub catch_up: bool,
    /// When.
    pub due_at: Timestamp,
    /// After this it is of no use.
    pub expires_at: Timestamp,
}

/// A reminder as it stands.
#[derive(Clone, Debug)]
pub struct Reminder {
    /// Its id.
    pub id: ReminderId,
    /// The plan it came of.
    pub plan: NewReminder,
    /// Where it stands.
    pub state: ReminderState,
    /// Why it was not sent.
    pub reason: Option<String>,
    /// The moment it was planned for, where the composer put it off.
    pub planned_for: Option<Timestamp>,
    /// Our own answers: the address that wrote.
    pub answer_to: Option<Private<String>>,
    /// Our own answers: language and values for the template.
    pub data: Option<Private<AnswerData>>,
    /// When it was first planned.
    pub created_at: Timestamp,
}

/// What an answer's template gets beside the usual.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
pub struct AnswerData {
    /// The language to answer in.
    pub language: Option<String>,
    /// Values, by name.
    pub data: serde_json::Map<String, serde_json::Value>,
    /// The hash of the address that wrote.
    pub address_hash: String,
}

impl AnswerData {
    /// The occasions that the answer speaks of, where they are several.
    pub fn occasions(&self) -> impl Iterator<Item = OccasionId> {
        let ids = self.data.get(OCCASIONS).and_then(|ids| ids.as_array());
        let ids = ids.into_iter().flatten();
        ids.filter_map(|id| OccasionId::parse(id.as_str()?))
    }
}

/// The name in an answer's data for the ids of the occasions that it speaks of.
pub const OCCASIONS: &str = "occasion_ids";

/// Our own answer to what somebody wrote, to go out now.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who it is about, if that is known.
    pub patient: Option<PatientId>,
    /// The relation who wrote, for family.
    pub relation: Option<RelationId>,
    /// The occasion it speaks of, with its epoch.
    pub occasion: Option<(OccasionId, i64)>,
    /// `answer_…`.
    pub template: String,
    /// What it asks in its turn.
    pub ask: Option<Ask>,
    /// The channel the text came by.
    pub channel: Channel,
    /// The address that wrote.
    pub address: Private<String>,
    /// Its hash.
    pub address_hash: String,
    /// Unique: the same text is answered once.
    pub key: String,
    /// The language to answer in.
    pub language: Option<String>,
    /// Values for the template.
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// How long our own answer is of use.
const ANSWER_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Plans our own answer, due now; the same key is answered once.
///
/// It passes the suppression that is made at the same `now`: it confirms that one.
/// # Errors
/// When the database fails.
pub async fn answer(tx: &mut Tx, answer: &Answer, now: Timestamp) -> Result<(), StoreError> {
    let (occasion, epoch) = answer
        .occasion
        .clone()
        .map_or((None, 0), |(id, epoch)| (Some(id), epoch));
    let plan = NewReminder {
        plan_key: format!("answer:{}", answer.key),
        rule: ANSWER_RULE.to_owned(),
        rule_version: String::new(),
        timing: String::new(),
        class: Class::Reply,
        patient: answer.patient.clone(),
        relation: answer.relation.clone(),
        occurrence: occasion
            .as_ref()
            .map_or(String::new(), |id| id.as_str().to_owned()),
        occasion,
        epoch,
        step: answer.template.clone(),
        lead: "now".to_owned(),
        role: if answer.relation.is_some() {
            Role::Family
        } else {
            Role::Patient
        },
        department: None,
        channels: vec![answer.channel],
        template: answer.template.clone(),
        ask: answer.ask,
        unless: None,
        catch_up: false,
        due_at: now,
        expires_at: now.saturating_add(ANSWER_AGE).unwrap_or(now),
    };
    let data = AnswerData {
        language: answer.language.clone(),
        data: answer.data.clone(),
        address_hash: answer.address_hash.clone(),
    };
    let mut row = Row::of(&plan);
    row.answer_to = Some(answer.address.reveal());
    row.data = Some(serde_json::to_string(&data).expect("a map of JSON values is plain JSON"));
    const SQL: &str = "INSERT INTO reminder (id, plan_key, rule_id, rule_version, timing, class, patient_id, relation_id, occasion_id, epoch,
          occurrence, step, lead, role, channels, template, ask, catch_up, due_at, expires_at, state, answer_to, data, created_at, updated_at)
        SELECT j.value ->> 'id', j.value ->> 'plan_key', j.value ->> 'rule_id', '', '', j.value ->> 'class', j.value ->> 'patient_id',
          j.value ->> 'relation_id', j.value ->> 'occasion_id', CAST(j.value ->> 'epoch' AS BIGINT), j.value ->> 'occurrence',
          j.value ->> 'step', j.value ->> 'lead', j.value ->> 'role', j.value ->> 'channels', j.value ->> 'template', j.value ->> 'ask', FALSE,
          CAST(j.value ->> 'due_at' AS BIGINT), CAST(j.value ->> 'expires_at' AS BIGINT), 'planned', j.value ->> 'answer_to',
          j.value ->> 'data', $2, $2
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (plan_key) DO NOTHING";
    let set = rows(&[row]);
    execute!(tx, sqlx::query(SQL).bind(&set).bind(now.as_millisecond()))?;
    Ok(())
}

/// What stands of these patients' reminders, due since `since` and not superseded, for the planner to know of.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    patients: &[PatientId],
    since: Timestamp,
) -> Result<BTreeMap<PatientId, Vec<Reminder>>, StoreError> {
    of_rule(tx, patients, since, None).await
}

/// The same, of one rule alone; of all with `None`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_rule(
    tx: &mut Tx,
    patients: &[PatientId],
    since: Timestamp,
    rule: Option<&str>,
) -> Result<BTreeMap<PatientId, Vec<Reminder>>, StoreError> {
    const SQL: &str = "SELECT r.id, r.plan_key, r.rule_id, r.rule_version, r.timing, r.class, r.patient_id, r.relation_id, r.occasion_id, r.epoch,
          r.occurrence, r.step, r.lead, r.role, r.department, r.channels, r.template, r.ask, r.unless, r.catch_up, r.due_at, r.planned_for,
          r.expires_at, r.state, r.reason, NULL AS answer_to, NULL AS data, r.created_at
        FROM json_each($1) AS j CROSS JOIN reminder AS r WHERE r.patient_id = j.atom
          AND r.due_at >= $2 AND r.state <> 'superseded' AND r.rule_id <> '' AND ($3 = '' OR r.rule_id = $3)
        ORDER BY r.patient_id, r.due_at, r.id";
    if patients.is_empty() {
        return Ok(BTreeMap::new());
    }
    let set = id_set(patients.iter().map(PatientId::as_str));
    let found: Vec<ReminderRow> = on!(tx, conn => sqlx::query_as(SQL).bind(set)
        .bind(since.as_millisecond()).bind(rule.unwrap_or_default()).fetch_all(conn).await)?;
    by_patient(found)
}

/// The same of what hangs on these occasions.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_occasions(
    tx: &mut Tx,
    occasions: &[OccasionId],
) -> Result<BTreeMap<PatientId, Vec<Reminder>>, StoreError> {
    const SQL: &str = "SELECT r.id, r.plan_key, r.rule_id, r.rule_version, r.timing, r.class, r.patient_id, r.relation_id, r.occasion_id, r.epoch,
          r.occurrence, r.step, r.lead, r.role, r.department, r.channels, r.template, r.ask, r.unless, r.catch_up, r.due_at, r.planned_for,
          r.expires_at, r.state, r.reason, NULL AS answer_to, NULL AS data, r.created_at
        FROM json_each($1) AS j CROSS JOIN reminder AS r WHERE r.occasion_id = j.atom
          AND r.state <> 'superseded' AND r.rule_id <> '' ORDER BY r.patient_id, r.due_at, r.id";
    let set = id_set(occasions.iter().map(OccasionId::as_str));
    let found: Vec<ReminderRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(set).fetch_all(conn).await)?;
    by_patient(found)
}

fn by_patient(found: Vec<ReminderRow>) -> Result<BTreeMap<PatientId, Vec<Reminder>>, StoreError> {
    let mut all: BTreeMap<PatientId, Vec<Reminder>> = BTreeMap::new();
    for row in found {
        let reminder = row.into_reminder()?;
        if let Some(patient) = reminder.plan.patient.clone() {
            all.entry(patient).or_default().push(reminder);
        }
    }
    Ok(all)
}

/// Channels as a row keeps them.
pub(super) fn channels(channels: &[Channel]) -> String {
    serde_json::to_string(channels).expect("words are plain JSON")
}

#[derive(Serialize)]
struct Row<'a> {
    id: ReminderId,
    plan_key: &'a str,
    rule_id: &'a str,
    rule_version: &'a str,
    timing: &'a str,
    class: Class,
    patient_id: Option<&'a PatientId>,
    relation_id: Option<&'a RelationId>,
    occasion_id: Option<&'a OccasionId>,
    epoch: i64,
    occurrence: &'a str,
    step: &'a str,
    lead: &'a str,
    role: Role,
    department: Option<&'a str>,
    channels: String,
    template: &'a str,
    ask: Option<Ask>,
    unless: Option<Unless>,
    catch_up: bool,
    due_at: i64,
    expires_at: i64,
    answer_to: Option<&'a str>,
    data: Option<String>,
}

impl<'a> Row<'a> {
    fn of(plan: &'a NewReminder) -> Self {
        Self {
            id: ReminderId::generate(),
            plan_key: &plan.plan_key,
            rule_id: &plan.rule,
            rule_version: &plan.rule_version,
            timing: &plan.timing,
            class: plan.class,
            patient_id: plan.patient.as_ref(),
            relation_id: plan.relation.as_ref(),
            occasion_id: plan.occasion.as_ref(),
            epoch: plan.epoch,
            occurrence: &plan.occurrence,
            step: &plan.step,
            lead: &plan.lead,
            role: plan.role,
            department: plan.department.as_deref(),
            channels: channels(&plan.channels),
            template: &plan.template,
            ask: plan.ask,
            unless: plan.unless,
            catch_up: plan.catch_up,
            due_at: plan.due_at.as_millisecond(),
            expires_at: plan.expires_at.as_millisecond(),
            answer_to: None,
            data: None,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct ReminderRow {
    id: ReminderId,
    plan_key: String,
    rule_id: String,
    rule_version: String,
    timing: String,
    class: String,
    patient_id: Option<PatientId>,
    relation_id: Option<RelationId>,
    occasion_id: Option<OccasionId>,
    epoch: i64,
    occurrence: String,
    step: String,
    lead: String,
    role: String,
    department: Option<String>,
    channels: String,
    template: String,
    ask: Option<String>,
    unless: Option<String>,
    catch_up: bool,
    due_at: i64,
    planned_for: Option<i64>,
    expires_at: i64,
    state: String,
    reason: Option<String>,
    answer_to: Option<String>,
    data: Option<String>,
    created_at: i64,
}

impl ReminderRow {
    pub(super) fn into_reminder(self) -> Result<Reminder, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "reminder",
            what,
        };
        let instant = |ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant"));
        let plan = NewReminder {
            plan_key: self.plan_key,
            rule: self.rule_id,
            rule_version: self.rule_version,
            timing: self.timing,
            class: Class::parse(&self.class).ok_or(bad("class"))?,
            patient: self.patient_id,
            relation: self.relation_id,
            occasion: self.occasion_id,
            epoch: self.epoch,
            occurrence: self.occurrence,
            step: self.step,
            lead: self.lead,
            role: Role::parse(&self.role).ok_or(bad("role"))?,
            department: self.department,
            channels: serde_json::from_str(&self.channels).map_err(|_| bad("channels"))?,
            template: self.template,
            ask: self
                .ask
                .map(|word| Ask::parse(&word).ok_or(bad("ask")))
                .transpose()?,
            unless: self
                .unless
                .map(|word| Unless::parse(&word).ok_or(bad("unless")))
                .transpose()?,
            catch_up: self.catch_up,
            due_at: instant(self.due_at)?,
            expires_at: instant(self.expires_at)?,
        };
        Ok(Reminder {
            id: self.id,
            plan,
            state: ReminderState::parse(&self.state).ok_or(bad("state"))?,
            reason: self.reason,
            planned_for: self.planned_for.map(instant).transpose()?,
            answer_to: self.answer_to.map(Private::new),
            data: self
                .data
                .map(|data| {
                    serde_json::from_str(&data)
                        .map(Private::new)
                        .map_err(|_| bad("data"))
                })
                .transpose()?,
            created_at: instant(self.created_at)?,
        })
    }
}
