//! The languages explanations are written in, and the words they share.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::calendar::quiet::QuietHours;
use crate::model::class::{Channel, Class, Role};
use crate::rules::lead::{Distance, Lead, Unit};

/// A language that explanations are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The nearest to a BCP 47 tag: Chinese for `zh-…`, else English.
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }

    /// One of two.
    pub fn pick<T>(self, chinese: T, english: T) -> T {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// One of two texts.
    pub fn word(self, chinese: &str, english: &str) -> String {
        self.pick(chinese, english).to_owned()
    }

    /// `2026年7月24日（周五）`, `Friday 24 July 2026`.
    pub fn day(self, day: Date) -> String {
        let at = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        let (year, month, number) = (day.year(), day.month(), day.day());
        match self {
            Self::Chinese => {
                let week = ["一", "二", "三", "四", "五", "六", "日"];
                format!("{year}年{month}月{number}日（周{}）", week[at % 7])
            }
            Self::English => day.strftime("%A %-d %B %Y").to_string(),
        }
    }

    /// `09:00`.
    pub fn clock(self, time: Time) -> String {
        time.strftime("%H:%M").to_string()
    }

    /// A day with a clock.
    pub fn wall(self, at: DateTime) -> String {
        let (day, clock) = (self.day(at.date()), self.clock(at.time()));
        self.pick(format!("{day}{clock}"), format!("{day} at {clock}"))
    }

    /// An instant as people of `zone` read it.
    pub fn moment(self, at: Timestamp, zone: &TimeZone) -> String {
        self.wall(zone.to_datetime(at))
    }

    /// `21:00–08:00`.
    pub fn hours(self, quiet: QuietHours) -> String {
        let (from, to) = (self.clock(quiet.from), self.clock(quiet.to));
        self.pick(format!("{from}至{to}"), format!("{from} to {to}"))
    }

    /// `3天`, `3 days`.
    pub fn distance(self, distance: Distance) -> String {
        let count = distance.count;
        let (chinese, english) = match distance.unit {
            Unit::Months => ("个月", "month"),
            Unit::Weeks => ("周", "week"),
            Unit::Days => ("天", "day"),
            Unit::Hours => ("小时", "hour"),
            Unit::Minutes => ("分钟", "minute"),
        };
        let many = if count == 1 { "" } else { "s" };
        self.pick(
            format!("{count}{chinese}"),
            format!("{count} {english}{many}"),
        )
    }

    /// When a lead acts: `提前3天`, `3 days before`.
    pub fn lead(self, lead: Lead) -> String {
        match lead {
            Lead::Created => self.word("登记时立即", "as soon as it is booked"),
            Lead::Moved => self.word("改期时立即", "as soon as it is moved"),
            Lead::Now => self.word("届时立即", "at that very moment"),
            Lead::Before(distance) if distance.count == 0 => self.word("当天", "the same day"),
            Lead::After(distance) if distance.count == 0 => self.word("当天", "the same day"),
            Lead::Before(distance) => {
                let much = self.distance(distance);
                self.pick(format!("提前{much}"), format!("{much} before"))
            }
            Lead::After(distance) => {
                let much = self.distance(distance);
                self.pick(format!("之后{much}"), format!("{much} after"))
            }
        }
    }

    /// What a channel is called.
    pub const fn channel(self, channel: Channel) -> &'static str {
        let (chinese, english) = match channel {
            Channel::Sms => ("短信", "SMS"),
            Channel::Email => ("邮件", "email"),
            Channel::Voice => ("电话语音", "phone call"),
            Channel::Popup => ("弹窗", "pop-up"),
            Channel::Task => ("待办事项", "task"),
        };
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// Channels in their order.
    pub fn channels(self, channels: &[Channel]) -> String {
        let words: Vec<&str> = channels.iter().map(|one| self.channel(*one)).collect();
        words.join(self.pick("，不行再用", ", and if that fails by "))
    }

    /// What a class is called.
    pub const fn class(self, class: Class) -> &'static str {
        let (chinese, english) = match class {
            Class::Urgent => ("紧急通知", "urgent notices"),
            Class::Appointment => ("预约提醒", "appointment reminders"),
            Class::Clinical => ("诊疗提醒", "treatment reminders"),
            Class::Survey => ("满意度调查", "surveys"),
            Class::HealthTip => ("健康提示", "health tips"),
            Class::Invitation => ("活动邀请", "invitations"),
            Class::Greeting => ("问候祝福", "greetings"),
            Class::Promotion => ("宣传推广", "advertising"),
            Class::Reply => ("自动答复", "our own answers"),
        };
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// Who gets it.
    pub const fn role(self, role: Role) -> &'static str {
        let (chinese, english) = match role {
            Role::Patient => ("患者本人", "the patient"),
            Role::Family => ("患者家属", "the family"),
            Role::Staff => ("科室人员", "the department's staff"),
        };
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// What kind of occasion, fact or day the trigger names; an unknown one as it is written.
    pub fn kind(self, kind: &str) -> String {
        let known = [
            ("appointment", "预约", "appointment"),
            ("revisit", "复诊", "return visit"),
            ("recheck", "复查", "recheck"),
            ("prescription_end", "处方到期", "end of a prescription"),
            ("pickup", "取药", "medication pick-up"),
            ("discharge", "出院", "discharge"),
            ("encounter", "就诊", "visit"),
            ("diagnosis", "诊断", "diagnosis"),
            ("result", "检查结果", "result"),
            ("vaccination", "疫苗接种", "vaccination"),
            ("medication", "用药", "medication"),
            ("birthday", "生日", "birthday"),
            ("holiday", "节日", "holiday"),
            ("season", "季节", "season"),
            ("new_year", "元旦", "New Year's Day"),
            ("spring_festival", "春节", "Spring Festival"),
            (
                "spring_festival_eve",
                "除夕",
                "New Year's Eve of the lunar year",
            ),
            ("lantern", "元宵节", "Lantern Festival"),
            ("qingming", "清明节", "Qingming"),
            ("dragon_boat", "端午节", "Dragon Boat Festival"),
            ("qixi", "七夕", "Qixi"),
            ("mid_autumn", "中秋节", "Mid-Autumn"),
            ("double_ninth", "重阳节", "Double Ninth"),
            ("laba", "腊八节", "Laba"),
            ("national_day", "国庆节", "National Day"),
            ("nurses_day", "护士节", "Nurses' Day"),
            ("doctors_day", "医师节", "Doctors' Day"),
        ];
        let found = known.iter().find(|(word, ..)| *word == kind);
        found.map_or_else(
            || self.pick(format!("“{kind}”"), format!("\"{kind}\"")),
            |(_, chinese, english)| self.word(chinese, english),
        )
    }

    /// What a family member is to the patient.
    pub fn relation(self, kind: &str) -> String {
        let known = [
            ("child", "子女", "child"),
            ("parent", "父母", "parent"),
            ("mother", "母亲", "mother"),
            ("father", "父亲", "father"),
            ("spouse", "配偶", "spouse"),
            ("guardian", "监护人", "guardian"),
            ("sibling", "兄弟姐妹", "sibling"),
        ];
        let found = known.iter().find(|(word, ..)| *word == kind);
        found.map_or_else(
            || self.pick(format!("家属“{kind}”"), format!("relation \"{kind}\"")),
            |(_, chinese, english)| self.word(chinese, english),
        )
    }
}
