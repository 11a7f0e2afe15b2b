//! Work for staff that a reminder becomes, or that it leaves behind when it cannot be sent.

use crate::calendar::wall;
use crate::model::class::{Channel, Class};
use crate::model::id::{PatientId, StaffId, TaskId};
use crate::model::reminder::SkipReason;
use crate::model::task::{Priority, TaskKind};
use crate::planning::material::Material;
use crate::render::{RenderError, Rendered};
use crate::scheduler::make::{Made, Piece};
use crate::scheduler::notes::{self, Note};
use crate::store::tasks::NewTask;

impl Piece<'_> {
    pub(super) fn as_task(
        &self,
        channel: Channel,
        rendered: &Rendered,
        staff: Option<StaffId>,
        material: &Material,
    ) -> Made {
        let plan = &self.about.reminder.plan;
        let title = rendered
            .subject
            .as_ref()
            .map_or_else(|| self.title(), |subject| subject.reveal().clone());
        let text = rendered.text.reveal().clone();
        let count = material
            .many
            .get(&self.about.reminder.id)
            .copied()
            .unwrap_or(1);
        let task = NewTask {
            channel,
            count,
            staff,
            ..self.task(
                plan.plan_key.clone(),
                TaskKind::Reminder,
                Note { title, text },
            )
        };
        Made::work(task)
    }

    /// The task that stands in for a patient who cannot be reached.
    pub(super) fn stand_in(&self, why: SkipReason) -> Made {
        let task = self.unreachable(why);
        Made::work(task)
    }

    pub(super) fn unreachable(&self, reason: SkipReason) -> NewTask {
        let name = self
            .about
            .patient
            .map_or("", |patient| patient.name.reveal().full.as_str());
        let note = notes::unreachable(&self.bench.house.language, &self.title(), reason, name);
        // One for each lead, whether the composer finds nobody or the planner did, and whoever it was meant for.
        let plan = &self.about.reminder.plan;
        let patient = plan.patient.as_ref().map_or("", PatientId::as_str);
        let key = format!(
            "unreachable:{}:{patient}:{}:{}:{}:{}",
            plan.rule, plan.occurrence, plan.epoch, plan.step, plan.lead
        );
        self.task(key, TaskKind::Unreachable, note)
    }

    /// No way has a text: the first fault says why.
    pub(super) fn no_text(&self, faults: Vec<RenderError>) -> Made {
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
    pub(super) fn fault_task(&self, fault: &RenderError, has_other_way: bool) -> Option<NewTask> {
        let day = wall::date(self.zone(), self.bench.now);
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
            staff: None,
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
    pub(super) fn owner(&self) -> String {
        let of_rule = self.about.rule.and_then(|rule| rule.department.clone());
        of_rule.unwrap_or_else(|| self.bench.settings.department.clone())
    }

    fn title(&self) -> String {
        self.about
            .rule
            .map_or_else(|| self.template.to_owned(), |rule| rule.title.clone())
    }
}
