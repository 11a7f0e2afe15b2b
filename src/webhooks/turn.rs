//! One turn of one webhook: what is due beside its turn, then what follows its cursor, then one commit.
//!
//! A crash before the commit tells again what was told since the last one: the ids stay the same.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::judge::{self, Before, Verdict};
use super::{Webhooks, sign};
use crate::model::class::Channel;
use crate::model::id::{EventId, TaskId, WebhookDeliveryId, WebhookId};
use crate::model::private::Private;
use crate::model::task::{Priority, TaskKind};
use crate::model::webhook::{AsideKind, DisabledReason, Include, TEST_EVENT, TryOutcome};
use crate::outward::{Answer, Failure, Target};
use crate::store::StoreError;
use crate::store::events::Event;
use crate::store::tasks::{self, NewTask};
use crate::store::webhook_details::Details;
use crate::store::webhook_turns::{
    self, Aside, AsideEnd, Lease, Material, Settled, Standing, Try, Turn,
};
use crate::store::webhooks::Webhook;

/// How many events a turn looks at.
const LOOKED_AT: i64 = 500;
/// How long a turn goes on: then what was told is committed, and others have theirs.
const LASTS: Duration = Duration::from_secs(1);
/// From how many events on that are not for it the cursor is moved past them.
const FAR: i64 = 1_000;
/// How much longer than two requests a lease lasts.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// What a turn leaves to the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Where the cursor stands.
    pub(super) cursor: i64,
    /// Up to where nothing more is for it.
    pub(super) seen: i64,
    /// The right to tell it, if this process took it.
    pub(super) lease: Option<Lease>,
    /// Whether another process has that right.
    pub(super) is_elsewhere: bool,
}

impl Taken {
    const fn here(cursor: i64, seen: i64, lease: Option<Lease>) -> Self {
        Self {
            cursor,
            seen,
            lease,
            is_elsewhere: false,
        }
    }

    const fn elsewhere(cursor: i64, seen: i64) -> Self {
        Self {
            cursor,
            seen,
            lease: None,
            is_elsewhere: true,
        }
    }
}

/// What is sent.
struct Letter {
    event: EventId,
    kind: String,
    at: Timestamp,
    seq: Option<i64>,
    data: Value,
}

/// What came back, and what there is to write down of it.
struct Told {
    result: Result<Answer, Failure>,
    id: WebhookDeliveryId,
    at: Timestamp,
    took_ms: i64,
}

impl Told {
    fn entry(&self, letter: &Letter, number: i64, outcome: TryOutcome) -> Try {
        Try {
            id: self.id.clone(),
            event_id: letter.event.clone(),
            event_type: letter.kind.clone(),
            number,
            at: self.at.as_millisecond(),
            took_ms: self.took_ms,
            outcome,
            problem: judge::problem(&self.result).map(str::to_owned),
            status: self.status(),
        }
    }

    fn status(&self) -> Option<i64> {
        self.result
            .as_ref()
            .ok()
            .map(|answer| i64::from(answer.status))
    }

    fn problem(&self) -> Option<(&'static str, Option<i64>)> {
        Some((judge::problem(&self.result)?, self.status()))
    }

    /// The id ends in random digits: they spread as well as a die.
    fn dice(&self) -> u16 {
        let text = self.id.as_str();
        let tail = text.get(text.len().saturating_sub(4)..);
        tail.and_then(|digits| u16::from_str_radix(digits, 16).ok())
            .unwrap_or(0)
    }
}

impl Webhooks {
    /// Tells webhook `id` what it has to hear. Nothing up to `seen` is for it, as an earlier turn found.
    pub(super) async fn turn(
        &self,
        id: &WebhookId,
        seen: i64,
        lease: Option<Lease>,
    ) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        let Some(mut material) = self.look(id, seen, now).await? else {
            return Ok(Taken::here(0, seen, None));
        };
        if !has_letters(&material) && last_of(&material, seen) - material.webhook.cursor < FAR {
            return Ok(Taken::here(
                material.webhook.cursor,
                last_of(&material, seen),
                lease,
            ));
        }
        let lease = match lease.filter(|lease| self.is_good(lease, now)) {
            Some(lease) => lease,
            None => {
                let Some(lease) = self.claim(id, now).await? else {
                    return Ok(Taken::elsewhere(material.webhook.cursor, seen));
                };
                // Another process may have told it some meanwhile.
                match self.look(id, seen, now).await? {
                    Some(fresh) => material = fresh,
                    None => return Ok(Taken::here(0, seen, None)),
                }
                lease
            }
        };
        let turn = self.tell(&material, seen, lease.fence).await;
        self.settle(&material.webhook, &turn, lease).await
    }

    async fn look(
        &self,
        id: &WebhookId,
        seen: i64,
        now: Timestamp,
    ) -> Result<Option<Material>, StoreError> {
        let mut tx = self.store.read().await?;
        webhook_turns::material(&mut tx, id, seen, LOOKED_AT, now).await
    }

    /// Whether a lease lasts for a whole turn.
    fn is_good(&self, lease: &Lease, now: Timestamp) -> bool {
        let turn = self
            .settings
            .timeout
            .saturating_add(SignedDuration::from_secs(10));
        !self.store.is_shared() || lease.until.duration_since(now) > turn
    }

    async fn claim(&self, id: &WebhookId, now: Timestamp) -> Result<Option<Lease>, StoreError> {
        let lasts = self
            .settings
            .timeout
            .saturating_mul(2)
            .saturating_add(LEASE_MARGIN);
        let until = now.checked_add(lasts).unwrap_or(Timestamp::MAX);
        let mut tx = self.store.write().await?;
        let lease = webhook_turns::claim(&mut tx, id, &self.owner, until, now).await?;
        tx.commit().await?;
        Ok(lease)
    }

    async fn tell(&self, material: &Material, seen: i64, fence: i64) -> Turn {
        let webhook = &material.webhook;
        let mut turn = Turn {
            id: webhook.id.clone(),
            fence,
            from: webhook.cursor,
            to: webhook.cursor,
            standing: Standing::Same,
            problem: None,
            asides: Vec::new(),
            tries: Vec::new(),
        };
        let Ok(target) = Target::parse(&webhook.wish.url) else {
            // It was read when it was set: a later version of ours takes less.
            turn.standing = Standing::Disabled(DisabledReason::Failing);
            return turn;
        };
        let begun = Instant::now();
        self.tell_asides(material, &target, begun, &mut turn).await;
        if !matches!(turn.standing, Standing::Disabled(_)) {
            self.tell_events(material, seen, &target, begun, &mut turn)
                .await;
        }
        turn
    }

    fn goes_on(&self, begun: Instant) -> bool {
        begun.elapsed() < LASTS && !self.stop.is_said()
    }

    async fn tell_asides(
        &self,
        material: &Material,
        target: &Target,
        begun: Instant,
        turn: &mut Turn,
    ) {
        for aside in &material.asides {
            if !self.goes_on(begun) {
                return;
            }
            let Some(letter) = letter_of(aside, material) else {
                // It is older than what we keep.
                turn.asides.push(AsideEnd::Done(aside.id.clone()));
                continue;
            };
            let told = self.post(&material.webhook, target, &letter).await;
            let number = aside.tries + 1;
            let (disable_after, now) = (self.settings.disable_after, told.at);
            let again = judge::aside_again(
                &told.result,
                aside.tries,
                aside.first_at,
                disable_after,
                told.dice(),
                now,
            );
            let outcome = match (judge::problem(&told.result), again) {
                (None, _) => TryOutcome::Taken,
                (Some(_), Some(due_at)) if aside.kind != AsideKind::Test => {
                    let (id, event) = (aside.id.clone(), aside.event_id.clone());
                    turn.asides.push(AsideEnd::Again {
                        id,
                        event,
                        tries: number,
                        due_at,
                    });
                    TryOutcome::Refused
                }
                (Some(_), _) => TryOutcome::GivenUp,
            };
            if outcome != TryOutcome::Refused {
                turn.asides.push(AsideEnd::Done(aside.id.clone()));
            }
            turn.tries.push(told.entry(&letter, number, outcome));
            if told.status() == Some(410) && aside.kind != AsideKind::Test {
                turn.problem = told.problem();
                turn.standing = Standing::Disabled(DisabledReason::Gone);
                return;
            }
        }
    }

    async fn tell_events(
        &self,
        material: &Material,
        seen: i64,
        target: &Target,
        begun: Instant,
        turn: &mut Turn,
    ) {
        let webhook = &material.webhook;
        let events = material.events.iter();
        let wanted: Vec<Event> = events
            .filter(|event| webhook.wish.filter.takes(&event.kind))
            .cloned()
            .collect();
        let count = wanted.len();
        let at_once = usize::try_from(webhook.wish.in_flight).unwrap_or(1).max(1);
        // Looked at when the event before is on its way, so that a turn ends in time.
        let posts = wanted.into_iter().map_while(move |event| {
            let post = async move {
                let letter = letter(&event, material);
                let told = self.post(webhook, target, &letter).await;
                (event, letter, told)
            };
            self.goes_on(begun).then_some(post)
        });
        let mut posts = std::pin::pin!(stream::iter(posts).buffered(at_once));
        let (mut done, mut before) = (
            0,
            Before {
                tries: webhook.tries,
                failing_since: webhook.failing_since,
                asides: material.refused,
            },
        );
        while let Some((event, letter, told)) = posts.next().await {
            let verdict = judge::judge(
                &told.result,
                before,
                self.settings.disable_after,
                told.dice(),
                told.at,
            );
            let (number, outcome) = (before.tries + 1, outcome_of(verdict));
            turn.tries.push(told.entry(&letter, number, outcome));
            match verdict {
                Verdict::Taken => {
                    (turn.standing, turn.to) = (Standing::Well, event.seq);
                    (before.tries, before.failing_since) = (0, None);
                    done += 1;
                    continue;
                }
                Verdict::Later(due_at) => {
                    turn.standing = Standing::Waits {
                        tries: number,
                        due_at,
                    }
                }
                Verdict::Aside(due_at) => {
                    let event_id = event.id.clone();
                    turn.asides.push(AsideEnd::Put {
                        event: event_id,
                        tries: number,
                        due_at,
                    });
                    (turn.standing, turn.to) = (Standing::PutAside, event.seq);
                }
                Verdict::Disable(reason) => turn.standing = Standing::Disabled(reason),
            }
            turn.problem = told.problem();
            return;
        }
        if done == count {
            turn.to = last_of(material, seen);
        }
    }

    async fn post(&self, webhook: &Webhook, target: &Target, letter: &Letter) -> Told {
        let at = self.clock.now();
        let body = body(letter).to_string();
        let signature = sign::signatures(
            webhook.secrets(at),
            letter.event.as_str(),
            at.as_second(),
            body.as_bytes(),
        );
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", letter.event.to_string()),
            ("webhook-timestamp", at.as_second().to_string()),
            ("webhook-signature", signature),
        ];
        let begun = Instant::now();
        let result = self.outward.post(target, &headers, body.into()).await;
        Told {
            result,
            id: WebhookDeliveryId::generate(),
            at,
            took_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
        }
    }

    async fn settle(
        &self,
        webhook: &Webhook,
        turn: &Turn,
        lease: Lease,
    ) -> Result<Taken, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let settled = webhook_turns::settle(&mut tx, turn, now).await?;
        if let (Settled::Disabled, Standing::Disabled(reason)) = (settled, &turn.standing) {
            let text = match reason {
                DisabledReason::Gone => "It answered 410 Gone.",
                DisabledReason::Failing => "It took nothing for days.",
                DisabledReason::Person => "Somebody wished it.",
            };
            let task = self.task(
                webhook,
                &format!("Webhook {} is disabled", webhook.wish.name),
                text,
            );
            tasks::add(&mut tx, &[task], now).await?;
        }
        tx.commit().await?;
        tell_the_log(webhook, turn, settled);
        Ok(match settled {
            Settled::Lost => Taken::elsewhere(turn.from, turn.from),
            Settled::Kept | Settled::Disabled => Taken::here(turn.to, turn.to, Some(lease)),
        })
    }

    fn task(&self, webhook: &Webhook, title: &str, text: &str) -> NewTask {
        NewTask {
            id: TaskId::generate(),
            dedupe_key: format!("webhook/{}", webhook.id),
            channel: Channel::Task,
            kind: TaskKind::Fault,
            priority: Priority::Normal,
            department: self.department.to_string(),
            staff: None,
            title: title.to_owned().into(),
            text: format!(
                "{text} `carebell webhook enable {}` has it told on from where it stopped.",
                webhook.id
            )
            .into(),
            patient: None,
            occasion: None,
            reminder: None,
            reply: None,
            count: 1,
        }
    }
}

/// Whether anything is to be sent.
fn has_letters(material: &Material) -> bool {
    let filter = &material.webhook.wish.filter;
    !material.asides.is_empty()
        || material
            .events
            .iter()
            .any(|event| filter.takes(&event.kind))
}

/// The number of the last event that was looked at.
fn last_of(material: &Material, seen: i64) -> i64 {
    let looked_at = material.events.last().map(|event| event.seq);
    looked_at.unwrap_or(seen).max(material.webhook.cursor)
}

const fn outcome_of(verdict: Verdict) -> TryOutcome {
    match verdict {
        Verdict::Taken => TryOutcome::Taken,
        // A disabled webhook keeps its place: the event is tried again when it is enabled.
        Verdict::Later(_) | Verdict::Aside(_) | Verdict::Disable(_) => TryOutcome::Refused,
    }
}

fn letter(event: &Event, material: &Material) -> Letter {
    let mut data = event.data.clone();
    for include in &material.webhook.wish.include {
        add(&mut data, *include, material.details.get(&event.id));
    }
    Letter {
        event: event.id.clone(),
        kind: event.kind.clone(),
        at: event.at,
        seq: Some(event.seq),
        data,
    }
}

/// Adds what the webhook asked for; null where it is not known, or kept no more.
fn add(data: &mut Value, include: Include, details: Option<&Details>) {
    let show = |read: fn(&Details) -> &Option<Private<String>>| {
        json!(
            details
                .and_then(|all| read(all).as_ref())
                .map(Private::reveal)
        )
    };
    match include {
        Include::Keys => {
            data["patient_key"] = show(|all| &all.patient_key);
            data["occasion_key"] = show(|all| &all.occasion_key);
        }
        Include::Address => data["address"] = show(|all| &all.address),
        Include::Text => data["text"] = show(|all| &all.text),
    }
}

fn letter_of(aside: &Aside, material: &Material) -> Option<Letter> {
    if aside.kind == AsideKind::Test {
        return Some(Letter {
            event: aside.event_id.clone(),
            kind: TEST_EVENT.to_owned(),
            at: aside.first_at,
            seq: None,
            data: json!({"id": material.webhook.id}),
        });
    }
    aside.event.as_ref().map(|event| letter(event, material))
}

/// The body: what Standard Webhooks wants, and the event's place in `/v1/events`.
fn body(letter: &Letter) -> Value {
    let mut body = json!({"type": letter.kind, "timestamp": letter.at});
    if let Some(seq) = letter.seq {
        body["sequence"] = seq.into();
    }
    body["data"] = letter.data.clone();
    body
}

fn tell_the_log(webhook: &Webhook, turn: &Turn, settled: Settled) {
    let id = &webhook.id;
    let problem = turn.problem.map_or("", |(word, _)| word);
    match (&turn.standing, settled) {
        (_, Settled::Disabled) => {
            warn!(webhook.id = %id, webhook.problem = problem, "Webhook {id} is disabled: {problem}")
        }
        (_, Settled::Lost) => {
            info!(webhook.id = %id, "Webhook {id} was taken over by another process")
        }
        (Standing::Waits { .. }, Settled::Kept) if webhook.failing_since.is_none() => {
            warn!(webhook.id = %id, webhook.problem = problem, "Webhook {id} takes nothing and is tried again: {problem}");
        }
        (Standing::PutAside, Settled::Kept) => {
            warn!(webhook.id = %id, webhook.problem = problem, "Webhook {id} refuses an event, which is put aside: {problem}");
        }
        (Standing::Well, Settled::Kept) if webhook.failing_since.is_some() => {
            info!(webhook.id = %id, "Webhook {id} takes events again")
        }
        (
            Standing::Same | Standing::Well | Standing::Waits { .. } | Standing::Disabled(_),
            Settled::Kept,
        ) => {}
    }
}
