//! The languages explanations are written in, and the words they share.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::quiet::QuietHours;
use crate::model::class::{Channel, Class, Role};
use crate::rules::lead::{Distance, Lead, Unit};

/// What departments are called, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Names(pub HashMap<String, String>);

impl Names {
    /// A department by its name; one without is shown by its id.
    pub fn department(&self, id: &str, language: Language) -> String {
        let named = self.0.get(id).filter(|name| *name != id);
        named
            .cloned()
            .unwrap_or_else(|| language.pick(format!("科室“{id}”"), format!("the department {id}")))
    }
}

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

    /// `2小时`, `2 hours`; what is no whole hour in minutes.
    pub fn duration(self, much: SignedDuration) -> String {
        let minutes = much.as_mins();
        let (count, unit) = if minutes > 0 && minutes % 60 == 0 {
            (minutes / 60, Unit::Hours)
        } else {
            (minutes, Unit::Minutes)
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.distance(Distance { count, unit })
    }

    /// Months by their numbers: `1月、3月`, `January and March`.
    pub fn months(self, months: &[u8]) -> String {
        let name = |month: &u8| {
            let day = i8::try_from(*month)
                .ok()
                .and_then(|m| Date::new(2024, m, 1).ok());
            let english = day.map(|day| day.strftime("%B").to_string());
            self.pick(format!("{month}月"), english.unwrap_or_default())
        };
        let names: Vec<String> = months.iter().map(name).collect();
        names.join(self.pick("、", " and "))
    }

    /// Days of the week, 0 and 7 for Sunday: `每周一、周四`, `every Monday and Thursday`.
    pub fn weekdays(self, days: &[u8]) -> Option<String> {
        let name = |day: &u8| {
            // 7 July 2024 was a Sunday.
            let day = Date::new(2024, 7, i8::try_from(7 + day % 7).ok()?).ok()?;
            let week = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
            let at = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
            let english = day.strftime("%A").to_string();
            Some(self.pick((*week.get(at)?).to_owned(), english))
        };
        let names: Option<Vec<String>> = days.iter().map(name).collect();
        let names = names?.join(self.pick("、", " and "));
        Some(self.pick(format!("每{names}"), format!("every {names}")))
    }

    /// Who did something: a person's name as it is, the shell and other systems in words.
    pub fn actor(self, name: &str) -> String {
        match name.split_once(':') {
            _ if name == "cli" => self.word("系统管理员", "an administrator"),
            Some(("api", _)) => self.word("另一个系统", "another system"),
            Some(_) | None => name.to_owned(),
        }
    }

    /// A language by its BCP 47 tag, as people call it.
    pub fn language_name(self, tag: &str) -> String {
        let known = [
            ("zh", "中文", "Chinese"),
            ("en", "英文", "English"),
            ("es", "西班牙文", "Spanish"),
        ];
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        let found = known
            .iter()
            .find(|(word, ..)| primary.eq_ignore_ascii_case(word));
        found.map_or_else(
            || tag.to_owned(),
            |(_, chinese, english)| self.word(chinese, english),
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
            ("every", "定时的一次", "a turn by the clock"),
            ("manual", "手动启动的一次", "a start by hand"),
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
