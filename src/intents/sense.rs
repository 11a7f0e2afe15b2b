//! What a phrase can mean; the names of the lists in `rules/replies/<lang>.toml`.

macro_rules! senses {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a phrase means by itself; what a reply means is decided from all of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Sense {
            $($(#[$doc])* $name,)*
        }

        impl Sense {
            /// Every one, in order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of its list.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The sense of a list.
            pub(crate) fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|sense| sense.as_str() == word)
            }
        }
    };
}

senses! {
    /// Acute danger.
    Emergency = "emergency",
    /// Sounds like danger and is none.
    NotEmergency = "not_emergency",
    /// Danger that is over.
    Past = "past",
    /// Danger that is now, whatever was before.
    Present = "present",
    /// The patient has died.
    Deceased = "deceased",
    /// Somebody else has died, or nobody.
    NotDeceased = "not_deceased",
    /// The number is not the patient's.
    WrongNumber = "wrong_number",
    /// Sounds so and is not.
    NotWrongNumber = "not_wrong_number",
    /// No more messages.
    OptOut = "opt_out",
    /// No more messages, when it is all that is said.
    OptOutAlone = "opt_out_alone",
    /// Sounds so and is not.
    NotOptOut = "not_opt_out",
    /// Messages again.
    OptIn = "opt_in",
    /// Another time.
    Reschedule = "reschedule",
    /// Will not come.
    Cancel = "cancel",
    /// Will not come, when it is all that is said.
    CancelAlone = "cancel_alone",
    /// Asks how or whether to cancel.
    CancelAsk = "cancel_ask",
    /// Does not want to cancel or change.
    Keep = "keep",
    /// Will come, in so many words.
    Coming = "coming",
    /// A yes.
    Yes = "yes",
    /// Neither yes nor no.
    Hedge = "hedge",
    /// On the way, or late.
    Late = "late",
    /// Something was bad.
    Complaint = "complaint",
    /// Something was good.
    Praise = "praise",
    /// A question.
    Question = "question",
    /// Wants to know what this number does.
    Help = "help",
    /// Thanks.
    Thanks = "thanks",
    /// Greetings, names and softeners that change nothing.
    Filler = "filler",
    /// What was said before is taken back.
    Correction = "correction",
    /// Written by a machine.
    Machine = "machine",
    /// A time that does not suit.
    Refuse = "refuse",
    /// The same time is not wanted, of what was offered.
    NoneFit = "none_fit",
    /// Wants a booking that is not there yet.
    Book = "book",
    /// The day of the booking, without naming it.
    SameDay = "same_day",
    /// A before or after that leaves the day open.
    OpenRange = "open_range",
    /// Some later day: next week, another day.
    Someday = "someday",
    /// A time too vague for a calendar: a person must ask.
    Vague = "vague",
    /// Something else than another time: another doctor, a call instead.
    OtherWish = "other_wish",
    /// One thing or another.
    Or = "or",
    /// From here on the wanted time is named.
    Toward = "toward",
    /// Up to here the old time is named.
    Away = "away",
    /// The first that was offered.
    First = "first",
    /// The second.
    Second = "second",
    /// The third.
    Third = "third",
    /// The fourth.
    Fourth = "fourth",
    /// The last.
    Last = "last",
    /// The earlier in time.
    Earlier = "earlier",
    /// The later in time.
    Later = "later",
    /// Full marks.
    RatingBest = "rating_best",
    /// Very satisfied.
    RatingVeryGood = "rating_very_good",
    /// Satisfied.
    RatingGood = "rating_good",
    /// Neutral.
    RatingFair = "rating_fair",
    /// Dissatisfied.
    RatingBad = "rating_bad",
    /// Very dissatisfied.
    RatingVeryBad = "rating_very_bad",
}

impl Sense {
    /// Senses that hide `self` where they cover it, however short it is.
    pub(crate) const fn hidden_by(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Emergency, Self::NotEmergency)
                | (Self::Present, Self::Past)
                | (Self::Deceased, Self::NotDeceased)
                | (Self::WrongNumber, Self::NotWrongNumber)
                | (Self::OptOut | Self::OptOutAlone, Self::NotOptOut)
        )
    }

    /// Whether a person's safety or leave hangs on it: no longer phrase of another kind hides it.
    pub(crate) const fn is_safety(self) -> bool {
        matches!(
            self,
            Self::Emergency | Self::Deceased | Self::WrongNumber | Self::OptOut
        )
    }

    /// Whether a longer phrase of this meaning takes away the meaning of shorter ones inside of it.
    pub(crate) const fn hides_others(self) -> bool {
        !matches!(
            self,
            Self::NotEmergency
                | Self::NotDeceased
                | Self::NotWrongNumber
                | Self::NotOptOut
                | Self::Filler
                | Self::Question
                | Self::Past
                | Self::Present
                | Self::Toward
                | Self::Away
                | Self::Someday
                | Self::OtherWish
                | Self::Vague
                | Self::OpenRange
                | Self::Or
                | Self::SameDay
                | Self::Book
                | Self::Machine
                | Self::Correction
        )
    }
}
