//! The campaign: a manual rule that somebody started; and whether a rule that was switched on may act.

use super::words::words;

words! {
    /// Where a campaign stands.
    CampaignState {
        /// It is being found out how many it reaches.
        Counting = "counting",
        /// It reaches so many that a second person has to agree.
        Waiting = "waiting",
        /// Its audience is being planned, or will be when its moment is near.
        Planning = "planning",
        /// Everybody is planned; what becomes of them their reminders tell.
        Planned = "planned",
        /// It was called off.
        Cancelled = "cancelled",
    }
}

/// What can happen to a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignEvent {
    /// It reaches few enough.
    Allowed,
    /// It reaches more than one person may start.
    TooMany,
    /// A second person agreed.
    Approved,
    /// Its last page is planned.
    Planned,
    /// Its rule changed: it is planned anew.
    RuleChanged,
    /// Somebody called it off.
    Cancelled,
}

impl CampaignState {
    /// The state after `event`, or `None` if that cannot follow.
    pub const fn after(self, event: CampaignEvent) -> Option<Self> {
        use CampaignEvent as E;
        match (self, event) {
            (Self::Counting, E::Allowed) | (Self::Waiting, E::Approved) => Some(Self::Planning),
            (Self::Counting, E::TooMany) => Some(Self::Waiting),
            (Self::Planning, E::Planned) => Some(Self::Planned),
            (Self::Planning | Self::Planned, E::RuleChanged) => Some(Self::Planning),
            (Self::Counting | Self::Waiting | Self::Planning | Self::Planned, E::Cancelled) => {
                Some(Self::Cancelled)
            }
            _ => None,
        }
    }
}

words! {
    /// Whether what a rule planned may go out.
    SwitchState {
        /// It was switched on and is being planned; nothing of it goes out meanwhile.
        Checking = "checking",
        /// It reaches so many at once that a second person has to agree.
        Waiting = "waiting",
        /// It may.
        Open = "open",
        /// It may, since somebody agreed.
        Approved = "approved",
    }
}

impl SwitchState {
    /// Whether nothing of the rule goes out.
    pub const fn holds(self) -> bool {
        match self {
            Self::Checking | Self::Waiting => true,
            Self::Open | Self::Approved => false,
        }
    }
}

/// The name by which two acts are told to be the same person's: without the way it came, case and blanks.
pub fn person(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{CampaignEvent, CampaignState, person};

    #[test]
    fn a_campaign_that_was_called_off_or_never_agreed_to_is_not_planned() {
        use CampaignState as S;
        for state in [S::Counting, S::Waiting, S::Cancelled] {
            assert_eq!(state.after(CampaignEvent::Planned), None);
            assert_eq!(state.after(CampaignEvent::RuleChanged), None);
        }
        assert_eq!(S::Waiting.after(CampaignEvent::Allowed), None);
        assert_eq!(S::Cancelled.after(CampaignEvent::Approved), None);
        assert_eq!(S::Waiting.after(CampaignEvent::Approved), Some(S::Planning));
    }

    #[test]
    fn a_person_is_the_same_however_the_name_is_written() {
        assert_eq!(person(" Wang Fang"), person("wang fang "));
        assert_ne!(person("wang fang"), person("wang fan"));
    }
}
