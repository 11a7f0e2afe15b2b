//! What tasks about replies are called, in the language of the staff.

/// The title of a task about a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Title {
    /// It sounds like an emergency.
    Emergency,
    /// Somebody writes that the patient has died.
    Deceased,
    /// The number is in other hands.
    WrongNumber,
    /// A stop with something besides.
    StopsAndMore,
    /// A yes with something besides.
    ConfirmsAndMore,
    /// A booking is cancelled.
    Cancels,
    /// Another time is wanted.
    WantsAnotherTime,
    /// Somebody is late.
    RunningLate,
    /// A complaint.
    Complains,
    /// A question.
    Asks,
    /// One of the times offered.
    Chose,
    /// A score.
    Rated,
    /// A yes to what nobody booked.
    Accepts,
    /// One of several bookings is cancelled.
    CancelsOneOf,
    /// One of several bookings is to be moved.
    MovesOneOf,
    /// Anything else.
    NeedsPerson,
}

impl Title {
    #[cfg(test)]
    const ALL: &[Self] = &[
        Self::Emergency,
        Self::Deceased,
        Self::WrongNumber,
        Self::StopsAndMore,
        Self::ConfirmsAndMore,
        Self::Cancels,
        Self::WantsAnotherTime,
        Self::RunningLate,
        Self::Complains,
        Self::Asks,
        Self::Chose,
        Self::Rated,
        Self::Accepts,
        Self::CancelsOneOf,
        Self::MovesOneOf,
        Self::NeedsPerson,
    ];

    /// In words: Chinese for `zh-…`, else English.
    pub(super) fn words(self, language: &str) -> &'static str {
        let (chinese, english) = match self {
            Self::Emergency => (
                "紧急：有回复需要马上处理",
                "Emergency: a reply needs a person now",
            ),
            Self::Deceased => (
                "回复称患者已去世：请核对并更正病历",
                "A reply says that the patient has died: please correct the record",
            ),
            Self::WrongNumber => (
                "号码已不是本人使用：请核对并更正病历",
                "A number is in other hands: please correct the record",
            ),
            Self::StopsAndMore => (
                "患者退订，还说了别的",
                "A patient wants no more messages and says something besides",
            ),
            Self::ConfirmsAndMore => (
                "患者确认会来，还问了别的",
                "A patient confirms and asks something besides",
            ),
            Self::Cancels => ("患者表示不来了", "A patient cancels"),
            Self::WantsAnotherTime => ("患者想改时间", "A patient wants another time"),
            Self::RunningLate => ("患者会晚到", "A patient is running late"),
            Self::Complains => ("患者投诉", "A patient complains"),
            Self::Asks => ("患者提问", "A patient asks something"),
            Self::Chose => (
                "患者选了一个时间",
                "A patient chose one of the times offered",
            ),
            Self::Rated => ("患者对就诊作了评分", "A patient rated a visit"),
            Self::Accepts => ("患者接受了邀请", "A patient accepts an invitation"),
            Self::CancelsOneOf => (
                "患者要取消其中一次就诊，已询问是哪一次",
                "A patient cancels one of several visits and is asked which",
            ),
            Self::MovesOneOf => (
                "患者要改其中一次就诊的时间，已询问是哪一次",
                "A patient wants another time for one of several visits and is asked which",
            ),
            Self::NeedsPerson => ("有回复需要人工处理", "A reply needs a person"),
        };
        let primary = language.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            chinese
        } else {
            english
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Title;

    #[test]
    fn every_title_reads_in_the_language_of_the_staff() {
        for title in Title::ALL {
            assert!(title.words("en").is_ascii(), "{title:?}");
            assert!(!title.words("zh-CN").is_ascii(), "{title:?}");
        }
        let words: BTreeSet<&str> = Title::ALL.iter().map(|title| title.words("zh")).collect();
        assert_eq!(words.len(), Title::ALL.len(), "no two are called alike");
    }
}
