//! A rule written out as a document again, with every default filled in.

use serde_json::{Map, Value, json};

use crate::calendar::quiet::QuietHours;
use crate::model::class::Role;
use crate::rules::condition::Condition;
use crate::rules::lead::Lead;
use crate::rules::rule::{Rule, Step};
use crate::rules::trigger::{MonthDay, Trigger};

impl Rule {
    /// The rule as its document would say it, with the keys that are left out there.
    pub fn written(&self) -> Value {
        let mut all = Map::new();
        let mut put = |key: &str, value: Value| {
            if !value.is_null() {
                all.insert(key.to_owned(), value);
            }
        };
        put("title", json!(self.title));
        put("department", json!(self.department));
        put("class", json!(self.class));
        put("mode", json!(self.mode));
        put("timezone", json!(self.timezone.iana_name()));
        put("quiet", self.quiet.map_or(Value::Null, quiet));
        put("min_useful", json!(minutes(self.min_useful.as_mins())));
        put("leap_day", json!(self.leap_day));
        put(
            "effective_from",
            json!(self.effective_from.map(|day| day.to_string())),
        );
        put("trigger", trigger(self));
        put("audience", audience(self));
        put(
            "family",
            without_null(
                json!({"from_age": self.family.from_age, "copy": self.family.copy, "fallback": self.family.fallback}),
            ),
        );
        let stop = self.stop.as_ref().map(|stop| {
            let code = Some(&stop.codes).filter(|codes| !codes.is_empty());
            without_null(json!({"fact": stop.fact, "code": code, "since": stop.since.to_string()}))
        });
        put("stop", stop.unwrap_or(Value::Null));
        put("step", self.steps.iter().map(step).collect());
        Value::Object(all)
    }
}

impl Trigger {
    /// In a few words, for people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Birthday | Self::Manual | Self::Occasion { .. } => self.word().to_owned(),
            Self::Holiday { id, .. } => format!("holiday {id}"),
            Self::Season { from, until } => {
                format!("season {} to {}", month_day(*from), month_day(*until))
            }
            Self::Every { pattern, .. } => format!("every {pattern}"),
        }
    }
}

fn month_day(day: MonthDay) -> String {
    format!("{:02}-{:02}", day.month, day.day)
}

fn minutes(minutes: i64) -> String {
    if minutes % 60 == 0 {
        format!("{}h", minutes / 60)
    } else {
        format!("{minutes}m")
    }
}

fn quiet(quiet: QuietHours) -> Value {
    let clock = |time: jiff::civil::Time| time.strftime("%H:%M").to_string();
    json!({"from": clock(quiet.from), "to": clock(quiet.to), "pull_back_to": clock(quiet.pull_back_to)})
}

fn trigger(rule: &Rule) -> Value {
    let mut all = match &rule.trigger {
        Trigger::Birthday | Trigger::Manual => json!({}),
        Trigger::Holiday { id, .. } => json!({"holiday": id}),
        Trigger::Season { from, until } => {
            json!({"from": month_day(*from), "until": month_day(*until)})
        }
        Trigger::Every { pattern, .. } => json!({"cron": pattern}),
        Trigger::Occasion { codes, .. } if codes.is_empty() => json!({}),
        Trigger::Occasion { codes, .. } => json!({"code": codes}),
    };
    all["on"] = json!(rule.trigger.word());
    if let Some(cap) = rule.daily_cap {
        all["daily_cap"] = json!(cap);
    }
    all
}

fn audience(rule: &Rule) -> Value {
    let audience = &rule.audience;
    let mut all = json!({});
    for (key, list) in [("diagnosis", &audience.diagnosis), ("tags", &audience.tags)] {
        // An empty list is refused where it is read: it looks as if it named somebody.
        if !list.is_empty() {
            all[key] = json!(list);
        }
    }
    if audience.min_age.is_some() || audience.max_age.is_some() {
        all["age"] = without_null(json!({"min": audience.min_age, "max": audience.max_age}));
    }
    if let Some(sex) = audience.sex {
        all["sex"] = json!(sex.as_str());
    }
    if let Some(condition) = &audience.condition {
        all["where"] = json!(Condition::source(condition));
    }
    all
}

fn step(step: &Step) -> Value {
    let (mut before, mut after, mut on) = (Vec::new(), Vec::new(), Value::Null);
    let mut is_clocked = true;
    for lead in &step.leads {
        match lead {
            Lead::Before(distance) => {
                is_clocked &= distance.is_calendar();
                before.push(distance.to_string());
            }
            Lead::After(distance) => {
                is_clocked &= distance.is_calendar();
                after.push(distance.to_string());
            }
            Lead::Created | Lead::Moved => {
                is_clocked = false;
                on = json!(lead.to_string());
            }
            Lead::Now => is_clocked = false,
        }
    }
    let mut all = json!({"id": step.id, "to": step.to});
    let list = |list: Vec<String>| {
        if list.is_empty() {
            Value::Null
        } else {
            json!(list)
        }
    };
    all["before"] = list(before);
    all["after"] = list(after);
    all["on"] = on;
    if is_clocked {
        all["at"] = json!(step.at.strftime("%H:%M").to_string());
    }
    let send = match step.templates.as_slice() {
        [one] => json!(one),
        many => json!(many),
    };
    all["send"] = send;
    all["by"] = json!(step.by);
    all["unless"] = json!(step.unless);
    all["group"] = json!(step.group);
    if step.to == Role::Staff {
        all["department"] = json!(step.department);
        all["cc"] = list(step.cc.clone());
        all["doctor"] = json!(step.doctor);
        all["digest"] = json!(step.digest);
        if step.previous_workday {
            all["workday"] = json!("previous");
        }
    } else {
        all["ask"] = json!(step.ask);
        all["family_send"] = json!(step.family_template);
    }
    without_null(all)
}

fn without_null(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::tz::TimeZone;

    use crate::rules::document;
    use crate::rules::site::Site;

    #[test]
    fn every_shipped_rule_means_the_same_when_it_is_written_out() {
        let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let rule = document::parse(&id, "rule.toml", &text, &site).unwrap();
            let toml = toml::to_string(&rule.written()).unwrap();
            let again = document::parse(&id, "written.toml", &toml, &site);
            let again = again.unwrap_or_else(|faults| panic!("{id}: {faults:?}\n{toml}"));
            assert_eq!(again.timing_hash(), rule.timing_hash(), "{id}\n{toml}");
            assert_eq!(again.written(), rule.written());
            count += 1;
        }
        assert!(count > 0);
    }
}
