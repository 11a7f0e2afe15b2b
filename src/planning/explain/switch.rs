//! Whether a rule that was switched on or changed may act yet, in words.

use crate::model::campaign::SwitchState;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Line, Said, Section};
use crate::rules::rule::{Mode, Rule};
use crate::store::rule_switches::Switch;

/// What holds the rule, or who let it go. Nothing where it has acted for long.
pub(super) fn lines(
    rule: &Rule,
    switch: Option<&Switch>,
    is_planned: bool,
    language: Language,
) -> Option<Line> {
    if rule.mode != Mode::Live {
        return None;
    }
    let said = match switch {
        Some(switch) => said(rule, switch, language)?,
        None if is_planned => return None,
        None => Said::yes(
            Section::Rule,
            "not_planned_yet",
            language.word(
                "规则是新放进来的，还没有排过计划；为所有患者排完之后才开始发。",
                "The rule is new and nothing is planned by it yet; it sends once it is planned for everybody.",
            ),
        ),
    };
    Some(said.line("", "", ""))
}

fn said(rule: &Rule, switch: &Switch, language: Language) -> Option<Said> {
    let since = language.moment(switch.since, &rule.timezone);
    let reach = switch.reach;
    let said = match switch.state {
        SwitchState::Checking => Said::no(
            Section::Rule,
            "checking",
            language.pick(
                format!("规则在{since}启用或修改过，正在重新为所有患者排计划；排完之前什么也不发。"),
                format!(
                    "The rule was switched on or changed on {since} and is being planned anew for everybody; nothing goes out before that is done."
                ),
            ),
        ),
        SwitchState::Waiting => Said::no(
            Section::Rule,
            "waiting",
            language.pick(
                format!(
                    "规则在{since}启用或修改过，一天之内会发给{reach}位患者，人数太多，要等另一个人同意；同意之前什么也不发。"
                ),
                format!(
                    "The rule was switched on or changed on {since} and would tell {reach} patients within a day. That is so many that another person has to agree; nothing goes out before."
                ),
            ),
        )
        .by(reach),
        SwitchState::Approved => {
            let who = switch.approver.as_deref()?;
            let at = switch.approved_at.unwrap_or(switch.since);
            let at = language.moment(at, &rule.timezone);
            let name = language.actor(who);
            let text = language.pick(
                format!("规则会一次发给很多人，{name}已于{at}同意。"),
                format!("The rule tells many at once; {name} agreed to that on {at}."),
            );
            Said::yes(Section::Rule, "approved", text).by(who)
        }
        SwitchState::Open => return None,
    };
    Some(said.at(switch.since))
}
