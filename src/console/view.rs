//! From rows of the board to what the templates print. Private data is revealed here, for the page alone.

use minijinja::{AutoEscape, Environment, Value, context};

use super::dates::Dates;
use super::words;
use crate::model::message::MessageState as S;
use crate::model::occasion::{Confirmation, OccasionStatus};
use crate::pages::Language;
use crate::store::board::{
    COUNTED, Card, ContactLine, Figures, MessageLine, OccasionLine, Person, ReminderLine,
    ReplyLine, TaskLine,
};

/// The templates with the words of one language.
pub(super) fn templates(language: Language) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_function("t", move |key: &str| {
        words::text(language, key).unwrap_or(key.to_owned())
    });
    environment.add_function("word", move |group: &str, word: &str| {
        words::word(language, group, word)
    });
    environment.add_function("tone", |group: &str, word: &str| words::tone(group, word));
    for (name, text) in TEMPLATES {
        environment
            .add_template(name, text)
            .expect("our own templates parse: a test reads them all");
    }
    environment
}

const TEMPLATES: [(&str, &str); 9] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("board.html", include_str!("templates/board.html")),
    ("bookings.html", include_str!("templates/bookings.html")),
    ("messages.html", include_str!("templates/messages.html")),
    ("answers.html", include_str!("templates/answers.html")),
    ("tasks.html", include_str!("templates/tasks.html")),
    ("patient.html", include_str!("templates/patient.html")),
    ("beside.html", include_str!("templates/beside.html")),
];

/// A number as it is shown: nothing is counted for ever.
fn number(n: i64) -> String {
    if n >= COUNTED {
        format!("{COUNTED}+")
    } else {
        n.to_string()
    }
}

pub(super) fn figures(figures: &Figures) -> Value {
    let of = |states: &[S]| {
        figures
            .messages
            .iter()
            .filter(|(state, _)| states.contains(state))
            .map(|(_, n)| n)
            .sum::<i64>()
    };
    let said = |confirmation| {
        figures
            .confirmations
            .iter()
            .find(|(c, _)| *c == confirmation)
            .map_or(0, |(_, n)| *n)
    };
    let booked: i64 = figures.confirmations.iter().map(|(_, n)| n).sum();
    let bar = bar(&[
        ("confirmed", said(Confirmation::Confirmed)),
        ("change_requested", said(Confirmation::ChangeRequested)),
        ("declined", said(Confirmation::Declined)),
        ("awaiting", said(Confirmation::Awaiting)),
        ("none", said(Confirmation::None)),
    ]);
    context! {
        planned => number(figures.planned.0),
        planned_today => number(figures.planned.1),
        sent => number(of(&[S::Submitted, S::Sent, S::Delivered, S::Undelivered, S::Unconfirmed])),
        waiting => number(of(&[S::Scheduled, S::Queued, S::Sending, S::Uncertain])),
        withheld => number(of(&[S::Suppressed, S::Cancelled, S::Held])),
        delivered => number(of(&[S::Delivered])),
        not_delivered => number(of(&[S::Undelivered, S::Failed, S::Expired])),
        answers => number(figures.replies.0),
        for_staff => number(figures.replies.1),
        confirmed => number(said(Confirmation::Confirmed)),
        booked => number(booked),
        tasks => number(figures.tasks.0),
        urgent => number(figures.tasks.1),
        bar,
    }
}

/// Shares of a whole as pieces of a bar a thousand wide.
fn bar(shares: &[(&'static str, i64)]) -> Vec<Value> {
    let whole = shares.iter().map(|(_, n)| n).sum::<i64>().max(1);
    let mut from = 0;
    let mut pieces = Vec::new();
    for (word, n) in shares.iter().filter(|(_, n)| *n > 0) {
        let to = from + n;
        let (x, end) = (from * 1000 / whole, to * 1000 / whole);
        pieces.push(context! { word => *word, n => *n, x, width => end - x });
        from = to;
    }
    pieces
}

fn person(person: Option<&Person>) -> Value {
    match person {
        Some(person) => context! { id => &person.id, name => person.name.reveal() },
        None => Value::from(()),
    }
}

fn occasion(line: &OccasionLine, dates: &Dates) -> Value {
    // A booking that is off, over or missed says so itself; else the patient's word counts.
    let (group, said) = match line.status {
        OccasionStatus::Booked => ("confirmation", line.confirmation.as_str()),
        other => ("status", other.as_str()),
    };
    context! {
        id => &line.id, patient => person(line.patient.as_ref()), kind => &line.kind, group, said, moved => line.moves > 1,
        day => dates.short_day(line.when.date()), clock => dates.clock(line.when), machine => line.when.to_text(),
        department => &line.department, doctor => &line.doctor, place => &line.place,
    }
}

pub(super) fn occasions(lines: Vec<OccasionLine>, dates: &Dates) -> Vec<Value> {
    lines.iter().map(|line| occasion(line, dates)).collect()
}

/// Occasions under the heads of their days.
pub(super) fn by_day(lines: Vec<OccasionLine>, dates: &Dates) -> Vec<Value> {
    let mut days: Vec<(jiff::civil::Date, Vec<Value>)> = Vec::new();
    for line in &lines {
        let date = line.when.date();
        match days.last_mut() {
            Some((day, all)) if *day == date => all.push(occasion(line, dates)),
            Some(_) | None => days.push((date, vec![occasion(line, dates)])),
        }
    }
    days.into_iter().map(|(day, all)| context! { head => dates.head(day), key => day.to_string(), occasions => all }).collect()
}

fn reply(line: &ReplyLine, dates: &Dates) -> Value {
    context! {
        id => &line.id, at => dates.moment(line.at), machine => dates.machine(line.at), patient => person(line.patient.as_ref()),
        text => line.text.reveal(), intent => &line.intent, outcome => &line.outcome, needs_human => line.needs_human,
        occasion => line.occasion.as_ref().map(|line| occasion(line, dates)),
    }
}

pub(super) fn replies(lines: Vec<ReplyLine>, dates: &Dates) -> Vec<Value> {
    lines.iter().map(|line| reply(line, dates)).collect()
}

pub(super) fn tasks(lines: Vec<TaskLine>, dates: &Dates) -> Vec<Value> {
    let task = |line: &TaskLine| {
        context! {
            id => &line.id, at => dates.moment(line.at), machine => dates.machine(line.at), kind => &line.kind, urgent => line.urgent,
            channel => line.channel.as_str(), department => &line.department,
            staff => line.staff.as_ref().map(|staff| staff.reveal()), title => line.title.reveal(), text => line.text.reveal(),
            count => line.count, patient => person(line.patient.as_ref()), open => line.open,
        }
    };
    lines.iter().map(task).collect()
}

pub(super) fn reminders(lines: Vec<ReminderLine>, dates: &Dates) -> Vec<Value> {
    let reminder = |line: &ReminderLine| {
        context! {
            id => &line.id, at => dates.moment(line.due_at), machine => dates.machine(line.due_at), rule => &line.rule,
            patient => person(line.patient.as_ref()), role => line.role.as_str(), department => &line.department,
            channel => line.channel.map(|channel| channel.as_str()), state => line.state.as_str(), reason => &line.reason,
        }
    };
    lines.iter().map(reminder).collect()
}

fn message(line: &MessageLine, dates: &Dates) -> Value {
    context! {
        id => &line.id, at => dates.moment(line.at), machine => dates.machine(line.at), patient => person(line.patient.as_ref()),
        role => line.role.as_str(), channel => line.channel.as_str(), state => line.state.as_str(), reason => &line.reason,
        text => line.text.reveal(), origin => &line.origin, segments => line.segments, possible_dup => line.possible_dup,
    }
}

pub(super) fn messages(lines: Vec<MessageLine>, dates: &Dates) -> Vec<Value> {
    lines.iter().map(|line| message(line, dates)).collect()
}

/// What was said both ways, oldest first.
pub(super) fn thread(
    messages: Vec<MessageLine>,
    replies: Vec<ReplyLine>,
    dates: &Dates,
) -> Vec<Value> {
    let ours = messages
        .iter()
        .map(|line| (line.at, context! { ours => true, ..message(line, dates) }));
    let theirs = replies
        .iter()
        .map(|line| (line.at, context! { ours => false, ..reply(line, dates) }));
    let mut all: Vec<_> = ours.chain(theirs).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, value)| value).collect()
}

fn contact(line: &ContactLine) -> Value {
    context! {
        address => line.address.reveal(), kind => line.kind.as_str(), status => line.status.as_str(),
        suppressed => line.suppressed.as_ref().map(|(_, reason)| reason),
    }
}

pub(super) fn card(card: &Card, dates: &Dates) -> Value {
    let family = card.family.iter().map(|one| {
        context! {
            kind => &one.kind, name => one.name.as_ref().map(|name| name.reveal()), consented => one.consented,
            contacts => one.contacts.iter().map(contact).collect::<Vec<_>>(),
        }
    });
    context! {
        name => card.name.reveal(), sex => card.sex.map(|sex| sex.as_str()),
        birth => card.birth_on.as_ref().map(|day| dates.short_day(*day.reveal())), language => &card.language,
        deceased => card.deceased, special => card.special, held => card.held, refused => &card.refused,
        contacts => card.contacts.iter().map(contact).collect::<Vec<_>>(), family => family.collect::<Vec<_>>(),
    }
}
