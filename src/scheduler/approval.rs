//! What waits for a second person, as a task for the department that owns it.

use crate::model::class::Channel;
use crate::model::id::TaskId;
use crate::model::private::Private;
use crate::model::task::{Priority, TaskKind};
use crate::rules::rule::Rule;
use crate::scheduler::Settings;
use crate::store::campaigns::Campaign;
use crate::store::tasks::NewTask;

/// The task that a campaign waits.
pub(super) fn of_campaign(campaign: &Campaign, rule: &Rule, settings: &Settings) -> NewTask {
    let (id, reach) = (&campaign.id, campaign.reach);
    let text = format!(
        "{} started it. Another person lets it go: carebell campaign approve {id} --by NAME, or calls it off: carebell campaign cancel {id}",
        campaign.started_by
    );
    let title = format!(
        "{}: campaign for {reach} patients waits for a second person",
        rule.title
    );
    task(rule, settings, format!("approve/{id}"), title, text, reach)
}

/// The task that a rule which was switched on waits.
pub(super) fn of_rule(rule: &Rule, reach: i64, settings: &Settings) -> NewTask {
    let id = &rule.id;
    let text = format!(
        "It was switched on or changed. Nothing of it goes out until somebody lets it: carebell rules approve {id} --by NAME"
    );
    let title = format!(
        "{}: would tell {reach} patients within a day and waits for a person",
        rule.title
    );
    let key = format!("approve/{id}/{}", rule.timing_hash());
    task(rule, settings, key, title, text, reach)
}

fn task(
    rule: &Rule,
    settings: &Settings,
    dedupe_key: String,
    title: String,
    text: String,
    count: i64,
) -> NewTask {
    let department = rule.department.clone();
    NewTask {
        id: TaskId::generate(),
        dedupe_key,
        channel: Channel::Task,
        kind: TaskKind::Approval,
        priority: Priority::Normal,
        department: department.unwrap_or_else(|| settings.department.clone()),
        title: Private::new(title),
        text: Private::new(text),
        patient: None,
        occasion: None,
        reminder: None,
        reply: None,
        staff: None,
        count,
    }
}
