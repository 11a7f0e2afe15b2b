//! Digests for staff: what is due in one minute for one recipient and channel is told together.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::calendar::wall;
use crate::model::class::{Channel, Class, Role};
use crate::model::id::{MessageId, ReminderId, TaskId};
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::model::task::{Priority, TaskKind};
use crate::planning::addressee::To;
use crate::planning::book::{Book, DIGEST};
use crate::planning::material::Material;
use crate::render::{RenderError, Rendered};
use crate::rules::rule::Rule;
use crate::scheduler::make::send::{body_hash, to_way};
use crate::scheduler::make::staff::reached;
use crate::scheduler::make::{Bench, Made};
use crate::scheduler::notes;
use crate::store::digests::{self, DigestStep};
use crate::store::due::Outcome;
use crate::store::messages::NewMessage;
use crate::store::reminders::Reminder;
use crate::store::tasks::NewTask;
use crate::store::{StoreError, Tx};

/// So many reminders are taken into one transaction so that digests are whole.
const MOST: i64 = 5000;

/// One reminder that is told with others.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Names the digest.
    pub(crate) key: String,
    pub(crate) to: To,
    pub(crate) channel: Channel,
    pub(crate) department: String,
    pub(crate) due_at: Timestamp,
    pub(crate) today: Date,
    pub(crate) expires_at: Timestamp,
    pub(crate) class: Class,
    pub(crate) rule: String,
    pub(crate) reminder: ReminderId,
    /// What the template prints of it.
    pub(crate) values: Private<Value>,
    /// What is to be said about who gets it.
    pub(crate) note: Option<String>,
    /// Whether the same recipient gets a task of it as well.
    pub(crate) has_task: bool,
}

/// A digest that is ready, if what it tells stays true.
#[derive(Debug)]
pub(crate) struct Digest {
    items: Vec<Item>,
    notice: Notice,
}

/// What a digest becomes.
#[derive(Debug)]
struct Notice {
    messages: Vec<NewMessage>,
    tasks: Vec<NewTask>,
}

/// Adds to `due` what else is due of steps that are told together, so that each digest is whole.
pub(crate) async fn complete(
    tx: &mut Tx,
    book: &Book,
    held: &[String],
    mut due: Vec<Reminder>,
    now: Timestamp,
) -> Result<Vec<Reminder>, StoreError> {
    let is_gathered = |reminder: &Reminder| {
        let step = book.step(&reminder.plan);
        reminder.plan.role == Role::Staff && step.is_some_and(|step| step.digest)
    };
    if !due.iter().any(is_gathered) {
        return Ok(due);
    }
    let of_rule = |rule: &'_ Rule| {
        let gathered = rule.steps.iter().filter(|step| step.digest);
        gathered.map(|step| step.id.clone()).collect::<Vec<_>>()
    };
    let steps: Vec<(&str, String)> = book
        .active()
        .filter(|rule| !held.contains(&rule.id))
        .flat_map(|rule| {
            of_rule(rule)
                .into_iter()
                .map(|step| (rule.id.as_str(), step))
        })
        .collect();
    let steps: Vec<DigestStep<'_>> = steps
        .iter()
        .map(|(rule, step)| DigestStep { rule, step })
        .collect();
    let more = digests::due(tx, &steps, &due, now, MOST).await?;
    due.extend(more);
    Ok(due)
}

/// Makes digests of the items among `made`; each reminder learns what it became.
pub(crate) fn gather(
    bench: Bench<'_>,
    material: &Material,
    made: &mut [(ReminderId, Made)],
) -> Vec<Digest> {
    let mut by_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (_, made)) in made.iter().enumerate() {
        if let Some(item) = &made.item {
            by_key.entry(item.key.clone()).or_default().push(at);
        }
    }
    let mut all = Vec::new();
    for places in by_key.into_values() {
        let take = |at: &usize| made.get_mut(*at)?.1.item.take().map(|item| *item);
        let mut items: Vec<Item> = places.iter().filter_map(take).collect();
        items.sort_by_key(order);
        let notice = notice(bench, material, &items);
        let outcome = match &notice {
            Ok(notice) => notice.outcome(),
            Err(RenderError::MissingValue { .. }) => Outcome::Skipped(SkipReason::MissingValue),
            Err(_) => Outcome::Skipped(SkipReason::TemplateFault),
        };
        for at in &places {
            if let Some((_, made)) = made.get_mut(*at) {
                made.outcome = outcome.clone();
            }
        }
        match notice {
            Ok(notice) => all.push(Digest { items, notice }),
            Err(fault) => {
                let first = places.first().and_then(|at| made.get_mut(*at));
                if let Some(((_, made), item)) = first.zip(items.first()) {
                    made.tasks.push(fault_task(bench, item, &fault));
                }
            }
        }
    }
    all
}

/// What is to be written of `digests`, now that only `ours` are still true; they are kept in mind as made.
pub(crate) async fn write(
    tx: &mut Tx,
    bench: Bench<'_>,
    material: &Material,
    digests: Vec<Digest>,
    ours: &HashSet<ReminderId>,
) -> Result<(Vec<NewMessage>, Vec<NewTask>), StoreError> {
    let (mut messages, mut tasks, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for mut digest in digests {
        let before = digest.items.len();
        digest.items.retain(|item| ours.contains(&item.reminder));
        let Some(first) = digest.items.first() else {
            continue;
        };
        made.push((first.key.clone(), wall::minute(first.due_at)));
        let mut notice = digest.notice;
        // What was moved or called off meanwhile is not told of.
        if digest.items.len() < before
            && let Ok(anew) = self::notice(bench, material, &digest.items)
        {
            notice = anew.called(&notice);
        }
        messages.extend(notice.messages);
        tasks.extend(notice.tasks);
    }
    digests::add(tx, &made, bench.now).await?;
    Ok((messages, tasks))
}

impl Notice {
    fn outcome(&self) -> Outcome {
        match (self.messages.first(), self.tasks.first()) {
            (Some(message), _) => Outcome::Message(message.id.clone()),
            (None, Some(task)) => Outcome::Task(task.id.clone()),
            (None, None) => Outcome::Skipped(SkipReason::NoContactPoint),
        }
    }

    /// The same under the ids that reminders know already.
    fn called(mut self, known: &Self) -> Self {
        for (new, old) in self.messages.iter_mut().zip(&known.messages) {
            new.id = old.id.clone();
        }
        for (new, old) in self.tasks.iter_mut().zip(&known.tasks) {
            new.id = old.id.clone();
        }
        self
    }
}

/// By day and clock, then by name.
fn order(item: &Item) -> (Option<String>, Option<String>, Option<String>) {
    let text = |name: &str| {
        let value = item.values.reveal().get(name)?;
        value.as_str().map(str::to_owned)
    };
    (text("date"), text("clock"), text("patient"))
}

fn notice(bench: Bench<'_>, material: &Material, items: &[Item]) -> Result<Notice, RenderError> {
    let first = items.first().expect("a digest has an item");
    let mut rendered = render(bench, material, items)?;
    let notes: BTreeSet<&String> = items.iter().filter_map(|item| item.note.as_ref()).collect();
    for note in notes {
        rendered.add_line(note);
    }
    let channel = first.channel;
    let (mut messages, mut tasks) = (Vec::new(), Vec::new());
    if channel.contact_kind().is_some() {
        let day = first.today;
        for one in reached(bench, &material.roster, &first.to, channel, day) {
            let mut rendered = rendered.clone();
            if let Some(note) = &one.note {
                rendered.add_line(note);
            }
            let key = format!("digest:{}#{}", first.key, one.id);
            let way = to_way(channel, one.address, &rendered);
            messages.push(message(bench, items, key, vec![way], &rendered));
        }
    }
    let told_otherwise = channel.contact_kind().is_some() && items.iter().all(|item| item.has_task);
    if messages.is_empty() && !told_otherwise {
        if channel.contact_kind().is_some() {
            let language = &bench.house.language;
            let note = match &first.to {
                To::One(staff) => {
                    notes::no_own_address(language, staff.name.reveal(), channel.as_str())
                }
                To::Department(_) => notes::no_staff_address(language, channel.as_str()),
            };
            rendered.add_line(&note);
        }
        tasks.push(task(items, &rendered));
    }
    Ok(Notice { messages, tasks })
}

fn render(bench: Bench<'_>, material: &Material, items: &[Item]) -> Result<Rendered, RenderError> {
    let first = items.first().expect("a digest has an item");
    let name = match &first.to {
        To::One(staff) => staff.name.reveal().clone(),
        To::Department(id) => material.departments.get(id).unwrap_or(id).clone(),
    };
    let house = bench.house;
    let lines: Vec<&Value> = items.iter().map(|item| item.values.reveal()).collect();
    let values = json!({
        "site": {"name": house.name, "phone": house.phone},
        "recipient": {"role": Role::Staff, "name": name},
        "today": first.today.to_string(),
        "count": items.len(),
        "items": lines,
    });
    let catalog = &bench.book.catalog;
    catalog.render(DIGEST, &[&house.language], first.channel, &values)
}

/// The class that is pressing most: lane, hours and retention hang on it.
fn class(items: &[Item]) -> Class {
    let classes: BTreeSet<Class> = items.iter().map(|item| item.class).collect();
    let mut listed = Class::ALL.iter().copied();
    listed
        .find(|class| classes.contains(class))
        .unwrap_or(Class::Appointment)
}

fn message(
    bench: Bench<'_>,
    items: &[Item],
    dedupe_key: String,
    ways: Vec<crate::store::messages::Way>,
    rendered: &Rendered,
) -> NewMessage {
    let (first, class) = (items.first().expect("a digest has an item"), class(items));
    let expires_at = items.iter().map(|item| item.expires_at).max();
    NewMessage {
        id: MessageId::generate(),
        source: "rule".to_owned(),
        dedupe_key,
        body_hash: body_hash(&ways),
        class,
        lane: class.lane(),
        suppressed: None,
        patient: None,
        relation: None,
        occasion: None,
        reminder: Some(first.reminder.clone()),
        rule: Some(first.rule.clone()),
        role: Role::Staff,
        ways,
        language: Some(rendered.language.clone()),
        template: Some((DIGEST.to_owned(), rendered.version.clone())),
        ask: None,
        sender: None,
        reference: None,
        send_at: bench.now,
        expires_at: expires_at.unwrap_or(first.expires_at),
    }
}

fn task(items: &[Item], rendered: &Rendered) -> NewTask {
    let first = items.first().expect("a digest has an item");
    let subject = rendered.subject.clone();
    NewTask {
        id: TaskId::generate(),
        dedupe_key: format!("digest:{}", first.key),
        channel: match first.channel {
            Channel::Popup => Channel::Popup,
            Channel::Task | Channel::Email | Channel::Sms | Channel::Voice => Channel::Task,
        },
        kind: TaskKind::Reminder,
        priority: if class(items) == Class::Urgent {
            Priority::Urgent
        } else {
            Priority::Normal
        },
        department: first.department.clone(),
        staff: first.to.staff(),
        title: subject.unwrap_or_else(|| DIGEST.to_owned().into()),
        text: rendered.text.clone(),
        patient: None,
        occasion: None,
        reminder: Some(first.reminder.clone()),
        reply: None,
        count: i64::try_from(items.len()).unwrap_or(i64::MAX),
    }
}

/// The digest cannot be written: one task a day says so.
fn fault_task(bench: Bench<'_>, item: &Item, fault: &RenderError) -> NewTask {
    let language = &bench.house.language;
    let note = match fault {
        RenderError::MissingValue { path, .. } => {
            notes::missing_value(language, &item.rule, DIGEST, path)
        }
        other => notes::template_fault(language, &item.rule, DIGEST, other),
    };
    NewTask {
        id: TaskId::generate(),
        dedupe_key: format!("fault:{DIGEST}:{}", item.today),
        channel: Channel::Task,
        kind: TaskKind::Fault,
        priority: Priority::Normal,
        department: item.department.clone(),
        staff: None,
        title: note.title.into(),
        text: note.text.into(),
        patient: None,
        occasion: None,
        reminder: None,
        reply: None,
        count: 1,
    }
}
