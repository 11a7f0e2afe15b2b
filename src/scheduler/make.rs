//! Makes of one due reminder what is to be written: a message, tasks, or a named reason why not. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::calendar::wall;
use crate::gates::{self, Case, Open, Verdict};
use crate::model::class::{Channel, Class, ContactKind, Role};
use crate::model::id::{MessageId, TaskId};
use crate::model::message::Ask;
use crate::model::occasion::Confirmation;
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::model::reminder::{SkipReason, Unless};
use crate::model::task::{Priority, TaskKind};
use crate::planning::House;
use crate::planning::book::Book;
use crate::planning::context::{self, About};
use crate::planning::material::Material;
use crate::render::{RenderError, Rendered};
use crate::rules::rule::{Mode, Rule, Step};
use crate::scheduler::Settings;
use crate::scheduler::notes::{self, Note};
use crate::store::due::Outcome;
use crate::store::messages::{Desk, NewMessage, Way};
use crate::store::questions::{Asked, NewQuestion};
use crate::store::reminders::{ANSWER_RULE, Reminder};
use crate::store::tasks::NewTask;

/// At most so many members of staff get a mail or SMS of one reminder.
const MOST_STAFF: usize = 20;

/// What the composer works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) book: &'a Book,
    pub(crate) house: &'a House,
    pub(crate) desk: &'a Desk,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
}

/// What became of a reminder, with all that is to be written for it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) questions: Vec<NewQuestion>,
}

impl Made {
    fn skipped(reason: SkipReason) -> Self {
        Self {
            outcome: Outcome::Skipped(reason),
            messages: Vec::new(),
            tasks: Vec::new(),
            questions: Vec::new(),
        }
    }

    fn with_task(mut self, task: Option<NewTask>) -> Self {
        self.tasks.extend(task);
        self
    }
}

/// A reminder with its records, and what its rule says now: an edited wording counts at once.
struct Piece<'a> {
    bench: Bench<'a>,
    about: About<'a>,
    template: &'a str,
    ask: Option<Ask>,
    unless: Option<Unless>,
    /// A task that stands in for a patient who cannot be reached.
    stands_in: bool,
}

/// Makes of `reminder` what is to be written.
pub(crate) fn make(bench: Bench<'_>, reminder: &Reminder, material: &mut Material) -> Made {
    let made = match piece(bench, reminder, material) {
        Ok(piece) => piece.made(material),
        Err(reason) => return Made::skipped(reason),
    };
    let plan = &reminder.plan;
    if let (true, Outcome::Message(_), Some(patient)) = (
        plan.class.is_capped() && plan.role != Role::Staff,
        &made.outcome,
        &plan.patient,
    ) {
        material.count(patient, plan.relation.as_ref());
    }
    made
}

fn piece<'a>(
    bench: Bench<'a>,
    reminder: &'a Reminder,
    material: &'a Material,
) -> Result<Piece<'a>, SkipReason> {
    let plan = &reminder.plan;
    let rule = bench.book.rule(&plan.rule);
    if plan.rule != ANSWER_RULE {
        match rule.map(|rule| rule.mode) {
            Some(Mode::Live) => {}
            Some(Mode::Shadow) => return Err(SkipReason::Shadow),
            Some(Mode::Off) => return Err(SkipReason::RuleOff),
            None if bench.book.broken().contains(&plan.rule) => return Err(SkipReason::RuleFault),
            None => return Err(SkipReason::RuleOff),
        }
    }
    let patient = plan
        .patient
        .as_ref()
        .and_then(|id| material.patients.get(id));
    let relation = plan
        .relation
        .as_ref()
        .and_then(|id| patient?.family.iter().find(|relation| relation.id == *id));
    let occasion = plan
        .occasion
        .as_ref()
        .and_then(|id| material.occasions.get(id));
    let step: Option<&Step> =
        rule.and_then(|rule| rule.steps.iter().find(|step| step.id == plan.step));
    // Until HIS answers the patient's wish for another time, nobody asks again.
    let may_ask =
        occasion.is_none_or(|occasion| occasion.confirmation != Confirmation::ChangeRequested);
    let ask = step.map_or(plan.ask, |step| {
        step.ask.and_then(|ask| Ask::parse(ask.as_str()))
    });
    let ask = ask.filter(|_| may_ask && plan.role != Role::Staff);
    Ok(Piece {
        bench,
        about: About {
            reminder,
            rule,
            patient,
            relation,
            occasion,
            asks: ask.is_some(),
        },
        template: step.map_or(plan.template.as_str(), |step| step.template.as_str()),
        ask,
        unless: step.map_or(plan.unless, |step| {
            step.unless
                .and_then(|unless| Unless::parse(unless.as_str()))
        }),
        stands_in: plan.role == Role::Staff && step.is_some_and(|step| step.to != Role::Staff),
    })
}

impl Piece<'_> {
    fn made(&self, material: &Material) -> Made {
        let plan = &self.about.reminder.plan;
        let case = self.case(material);
        match gates::may_send(&case, self.bench.now) {
            Verdict::Wait(at) => Made {
                outcome: Outcome::PutOff(at),
                ..Made::skipped(SkipReason::QuietHours)
            },
            Verdict::No(reason) => {
                let hides = matches!(
                    reason,
                    SkipReason::NoContactPoint
                        | SkipReason::OptedOut
                        | SkipReason::NoGuardian
                        | SkipReason::NoConsent
                );
                let tells = hides && plan.class.is_transactional() && plan.role != Role::Staff;
                Made::skipped(reason).with_task(tells.then(|| self.unreachable(reason)))
            }
            Verdict::Go(_) if self.stands_in => self.stand_in(),
            Verdict::Go(_) if plan.role == Role::Staff => self.for_staff(material),
            Verdict::Go(open) => self.for_people(&open, material),
        }
    }

    fn case<'c>(&'c self, material: &'c Material) -> Case<'c> {
        let reminder = self.about.reminder;
        let plan = &reminder.plan;
        let counts = plan
            .patient
            .as_ref()
            .map(|patient| material.counts(patient, plan.relation.as_ref()));
        Case {
            class: plan.class,
            role: plan.role,
            patient: self.about.patient,
            relation: self.about.relation,
            channels: &plan.channels,
            answer_to: reminder
                .answer_to
                .as_ref()
                .map(|address| address.reveal().as_str()),
            occasion: plan
                .occasion
                .as_ref()
                .map(|_| (self.about.occasion, plan.epoch)),
            unless: self.unless,
            is_delivered: material.delivered.contains(&reminder.id),
            suppressions: &material.standing,
            address_key: &self.bench.house.address_key,
            quiet: self.about.rule.and_then(|rule| rule.quiet),
            zone: self
                .about
                .rule
                .map_or(&self.bench.house.timezone, |rule| &rule.timezone),
            counts: counts.unwrap_or_default(),
            caps: self.bench.settings.caps(),
            planned_at: reminder.created_at,
            due_at: plan.due_at,
            expires_at: plan.expires_at,
        }
    }

    /// To patient or family: one message over every way there is a text for.
    fn for_people(&self, open: &[Open<'_>], material: &Material) -> Made {
        let mut ways = Vec::new();
        let mut first: Option<Rendered> = None;
        let mut faults = Vec::new();
        for way in open {
            match self.render(way.channel, material) {
                Ok(rendered) => {
                    ways.push(to_way(
                        way.channel,
                        way.address.to_owned().into(),
                        &rendered,
                    ));
                    first.get_or_insert(rendered);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let Some(first) = first else {
            return self.no_text(faults);
        };
        let plan = &self.about.reminder.plan;
        let message = self.message(plan.plan_key.clone(), ways, &first);
        let tasks = faults
            .iter()
            .filter_map(|fault| self.fault_task(fault, true))
            .collect();
        let questions = self.question(&message).into_iter().collect();
        Made {
            outcome: Outcome::Message(message.id.clone()),
            messages: vec![message],
            tasks,
            questions,
        }
    }

    /// To staff: a task or pop-up, or a message to each who has an address.
    fn for_staff(&self, material: &Material) -> Made {
        let plan = &self.about.reminder.plan;
        let channel = plan.channels.first().copied().unwrap_or(Channel::Task);
        let Some(kind) = channel.contact_kind() else {
            return match self.render(channel, material) {
                Ok(rendered) => self.as_task(channel, &rendered, None, material),
                Err(fault) => self.no_text(vec![fault]),
            };
        };
        let staff = plan
            .department
            .as_ref()
            .and_then(|department| material.staff.get(department))
            .map_or(&[][..], Vec::as_slice);
        let addresses = staff.iter().filter_map(|one| match kind {
            ContactKind::Phone => one.phone.as_ref().map(|address| (&one.id, address)),
            ContactKind::Email => one.email.as_ref().map(|address| (&one.id, address)),
        });
        let routed: Vec<_> = addresses
            .filter(|(_, address)| {
                self.bench
                    .desk
                    .routes
                    .pick(channel, address.reveal())
                    .is_some()
            })
            .take(MOST_STAFF)
            .collect();
        let rendered = match self.render(channel, material) {
            Ok(rendered) => rendered,
            Err(fault) => return self.no_text(vec![fault]),
        };
        let messages: Vec<NewMessage> = routed
            .into_iter()
            .map(|(id, address)| {
                self.message(
                    format!("{}#{id}", plan.plan_key),
                    vec![to_way(channel, address.clone(), &rendered)],
                    &rendered,
                )
            })
            .collect();
        match messages.first() {
            Some(message) => Made {
                outcome: Outcome::Message(message.id.clone()),
                messages,
                tasks: Vec::new(),
                questions: Vec::new(),
            },
            None => {
                let note = notes::no_staff_address(&self.bench.house.language, channel.as_str());
                self.as_task(Channel::Task, &rendered, Some(note), material)
            }
        }
    }

    fn as_task(
        &self,
        channel: Channel,
        rendered: &Rendered,
        note: Option<String>,
        material: &Material,
    ) -> Made {
        let plan = &self.about.reminder.plan;
        let title = rendered
            .subject
            .as_ref()
            .map_or_else(|| self.title(), |subject| subject.reveal().clone());
        let text = note.map_or_else(
            || rendered.text.reveal().clone(),
            |note| format!("{}\n{note}", rendered.text.reveal()),
        );
        let count = material
            .many
            .get(&self.about.reminder.id)
            .copied()
            .unwrap_or(1);
        let task = NewTask {
            channel,
            count,
            ..self.task(
                plan.plan_key.clone(),
                TaskKind::Reminder,
                Note { title, text },
            )
        };
        Made {
            outcome: Outcome::Task(task.id.clone()),
            messages: Vec::new(),
            tasks: vec![task],
            questions: Vec::new(),
        }
    }

    /// The task that stands in for a patient who cannot be reached.
    fn stand_in(&self) -> Made {
        let task = self.unreachable(SkipReason::NoContactPoint);
        Made {
            outcome: Outcome::Task(task.id.clone()),
            messages: Vec::new(),
            tasks: vec![task],
            questions: Vec::new(),
        }
    }

    fn unreachable(&self, reason: SkipReason) -> NewTask {
        let name = self
            .about
            .patient
            .map_or("", |patient| patient.name.reveal().full.as_str());
        let note = notes::unreachable(&self.bench.house.language, &self.title(), reason, name);
        self.task(
            format!("unreachable:{}", self.about.reminder.plan.plan_key),
            TaskKind::Unreachable,
            note,
        )
    }

    /// No way has a text: the first fault says why.
    fn no_text(&self, faults: Vec<RenderError>) -> Made {
        let reason = match faults.first() {
            Some(RenderError::MissingValue { .. }) => SkipReason::MissingValue,
            Some(_) | None => SkipReason::TemplateFault,
        };
        let mut made = Made::skipped(reason);
        made.tasks.extend(
            faults
                .iter()
                .filter_map(|fault| self.fault_task(fault, false)),
        );
        made
    }

    /// The task about a text that cannot be made: one for each rule, path and day.
    ///
    /// A channel nobody wrote a text for is no fault while another way has one.
    fn fault_task(&self, fault: &RenderError, has_other_way: bool) -> Option<NewTask> {
        let zone = self
            .about
            .rule
            .map_or(&self.bench.house.timezone, |rule| &rule.timezone);
        let day = wall::date(zone, self.bench.now);
        let (language, rule, template) = (
            &self.bench.house.language,
            &self.about.reminder.plan.rule,
            self.template,
        );
        let task = match fault {
            RenderError::MissingValue { path, .. } => {
                let note = notes::missing_value(language, &self.title(), template, path);
                self.task(
                    format!("missing:{rule}:{path}:{day}"),
                    TaskKind::MissingValue,
                    note,
                )
            }
            RenderError::NoText { .. } if has_other_way => return None,
            other => {
                let note = notes::template_fault(language, &self.title(), template, other);
                self.task(
                    format!("fault:{rule}:{template}:{day}"),
                    TaskKind::Fault,
                    note,
                )
            }
        };
        // It is about the template, not about the patient it was found with.
        Some(NewTask {
            patient: None,
            occasion: None,
            reminder: None,
            department: self.owner(),
            ..task
        })
    }

    fn task(&self, dedupe_key: String, kind: TaskKind, note: Note) -> NewTask {
        let plan = &self.about.reminder.plan;
        NewTask {
            id: TaskId::generate(),
            dedupe_key,
            channel: Channel::Task,
            kind,
            priority: if plan.class == Class::Urgent {
                Priority::Urgent
            } else {
                Priority::Normal
            },
            department: plan.department.clone().unwrap_or_else(|| self.owner()),
            title: note.title.into(),
            text: note.text.into(),
            patient: plan.patient.clone(),
            occasion: plan.occasion.clone(),
            reminder: Some(self.about.reminder.id.clone()),
            reply: None,
            count: 1,
        }
    }

    /// The department that owns the rule, or the one for all that nobody owns.
    fn owner(&self) -> String {
        let of_rule = self
            .about
            .rule
            .and_then(|rule: &Rule| rule.department.clone());
        of_rule.unwrap_or_else(|| self.bench.settings.department.clone())
    }

    fn title(&self) -> String {
        self.about
            .rule
            .map_or_else(|| self.template.to_owned(), |rule| rule.title.clone())
    }

    fn render(&self, channel: Channel, material: &Material) -> Result<Rendered, RenderError> {
        let values = context::context(&self.about, material, self.bench.house, self.bench.now);
        self.bench.book.catalog.render(
            self.template,
            &context::languages(&self.about, self.bench.house),
            channel,
            &values,
        )
    }

    fn message(&self, dedupe_key: String, ways: Vec<Way>, rendered: &Rendered) -> NewMessage {
        let reminder = self.about.reminder;
        let plan = &reminder.plan;
        let id = MessageId::generate();
        NewMessage {
            id,
            source: if plan.rule == ANSWER_RULE {
                "reply"
            } else {
                "rule"
            }
            .to_owned(),
            dedupe_key,
            body_hash: body_hash(&ways),
            class: plan.class,
            lane: plan.class.lane(),
            suppressed: None,
            patient: plan.patient.clone(),
            relation: plan.relation.clone(),
            occasion: plan.occasion.clone().map(|id| (id, plan.epoch)),
            reminder: Some(reminder.id.clone()),
            rule: self.about.rule.map(|rule| rule.id.clone()),
            role: plan.role,
            ways,
            language: Some(rendered.language.clone()),
            template: Some((self.template.to_owned(), rendered.version.clone())),
            ask: self.ask,
            sender: None,
            reference: None,
            send_at: self.bench.now,
            expires_at: plan.expires_at,
        }
    }

    /// What a reply to `message` answers; bound to the address it goes to first.
    fn question(&self, message: &NewMessage) -> Option<NewQuestion> {
        let (kind, patient) = (self.ask?, message.patient.clone()?);
        let desk = self.bench.desk;
        let goes_to = message
            .ways
            .iter()
            .find(|way| {
                desk.routes
                    .pick(way.channel, way.address.reveal())
                    .is_some()
            })
            .or(message.ways.first())?;
        let zone = self
            .about
            .rule
            .map_or(&self.bench.house.timezone, |rule| &rule.timezone);
        let until = self
            .about
            .occasion
            .and_then(|occasion| occasion.when.instant(zone).ok());
        Some(NewQuestion {
            message: message.id.clone(),
            address_hash: address_hash(&desk.address_key, goes_to.address.reveal()),
            patient,
            relation: message.relation.clone(),
            occasions: message
                .occasion
                .iter()
                .map(|(id, epoch)| Asked {
                    id: id.clone(),
                    epoch: *epoch,
                })
                .collect(),
            kind,
            options: Vec::new(),
            expires_at: until.unwrap_or(message.expires_at),
        })
    }
}

fn to_way(channel: Channel, address: Private<String>, rendered: &Rendered) -> Way {
    Way {
        channel,
        address,
        text: rendered.text.clone(),
        subject: rendered.subject.clone(),
        segments: rendered.measure.map_or(1, |measure| measure.segments),
    }
}

fn body_hash(ways: &[Way]) -> String {
    let mut hash = Sha256::new();
    for way in ways {
        for part in [
            way.channel.as_str(),
            way.address.reveal(),
            way.text.reveal(),
        ] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
