//! What waits for a second person, as a task for the department that owns it.

use crate::model::class::Channel;
use crate::model::id::TaskId;
use crate::model::private::Private;
use crate::model::task::{Priority, TaskKind};
use crate::rules::rule::Rule;
use crate::scheduler::Settings;
use crate::scheduler::notes::{self, Note};
use crate::scheduler::switching::Words;
use crate::store::campaigns::Campaign;
use crate::store::tasks::NewTask;

/// The task that a campaign waits.
pub(super) fn of_campaign(
    campaign: &Campaign,
    rule: &Rule,
    (settings, language): Words<'_>,
) -> NewTask {
    let (id, reach) = (&campaign.id, campaign.reach);
    let note = notes::campaign_waits(
        language,
        &rule.title,
        &campaign.started_by,
        id.as_str(),
        reach,
    );
    task(rule, settings, format!("approve/{id}"), note, reach)
}

/// The task that a rule which was switched on waits.
pub(super) fn of_rule(rule: &Rule, reach: i64, (settings, language): Words<'_>) -> NewTask {
    let id = &rule.id;
    let note = notes::rule_waits(language, &rule.title, id, reach);
    let key = format!("approve/{id}/{}", rule.timing_hash());
    task(rule, settings, key, note, reach)
}

fn task(rule: &Rule, settings: &Settings, dedupe_key: String, note: Note, count: i64) -> NewTask {
    let department = rule.department.clone();
    NewTask {
        id: TaskId::generate(),
        dedupe_key,
        channel: Channel::Task,
        kind: TaskKind::Approval,
        priority: Priority::Normal,
        department: department.unwrap_or_else(|| settings.department.clone()),
        title: Private::new(note.title),
        text: Private::new(note.text),
        patient: None,
        occasion: None,
        reminder: None,
        reply: None,
        staff: None,
        count,
    }
}
