//! Each gate by tables; that they are asked at the right moment is the scheduler's to prove.

use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;

use super::*;
use crate::model::id::{ContactPointId, RelationId};
use crate::model::patient::{ContactPoint, ContactStatus};
use crate::model::phone::address_hash;
use crate::model::private::Private;

const NIGHT: QuietHours = QuietHours {
    from: time(21, 0, 0, 0),
    to: time(8, 0, 0, 0),
    pull_back_to: time(20, 0, 0, 0),
};

fn at(text: &str) -> Timestamp {
    format!("{text}+08:00").parse().unwrap()
}

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn contact(kind: ContactKind, address: &str) -> ContactPoint {
    ContactPoint {
        id: ContactPointId::generate(),
        kind,
        address: Private::new(address.to_owned()),
        rank: 0,
        status: ContactStatus::Ok,
    }
}

fn patient() -> Patient {
    Patient {
        id: PatientId::generate(),
        source: "his".to_owned(),
        source_key: Private::new("1".to_owned()),
        name: Private::default(),
        sex: None,
        birth_on: Some(Private::new("1975-04-02".parse().unwrap())),
        lunar_birthday: None,
        language: None,
        deceased: false,
        special: false,
        held: false,
        tags: Vec::new(),
        prefer: Vec::new(),
        attributes: Private::default(),
        contacts: vec![
            contact(ContactKind::Phone, "+8613800000001"),
            contact(ContactKind::Email, "a@example.org"),
        ],
        family: Vec::new(),
        opt_outs: Vec::new(),
        consents: Vec::new(),
    }
}

fn case<'a>(patient: &'a Patient, zone: &'a TimeZone) -> Case<'a> {
    Case {
        class: Class::Appointment,
        role: Role::Patient,
        patient: Some(patient),
        relation: None,
        channels: &[Channel::Sms, Channel::Email],
        answer_to: None,
        occasion: None,
        unless: None,
        ask: Some(Ask::Confirm),
        earlier: Earlier::default(),
        need_consent: &[],
        suppressions: &[],
        address_key: b"key",
        quiet: Some(NIGHT),
        zone,
        counts: Counts::default(),
        caps: Caps::default(),
        planned_at: at("2026-07-01T09:00"),
        due_at: at("2026-07-21T09:00"),
        expires_at: at("2026-07-24T08:00"),
    }
}

#[track_caller]
fn check_channels(
    change: impl FnOnce(&mut Patient),
    class: Class,
    expected: Result<&[Channel], SkipReason>,
) {
    let mut patient = patient();
    change(&mut patient);
    let zone = shanghai();
    let case = Case {
        class,
        ..case(&patient, &zone)
    };
    let expected = match expected {
        Ok(channels) => Ok(channels.to_vec()),
        Err(reason) => Err(reason),
    };
    let found = match may_send(&case, at("2026-07-21T09:00")) {
        Verdict::Go(open) => Ok(open.iter().map(|open| open.channel).collect()),
        Verdict::No(reason) => Err(reason),
        Verdict::Wait(_) => panic!("not at nine in the morning"),
    };
    assert_eq!(found, expected);
}

#[test]
fn refusals_close_what_they_name_and_nothing_else() {
    use Channel::{Email, Sms};
    let refuse = |refusal: OptOut| move |patient: &mut Patient| patient.opt_outs.push(refusal);
    check_channels(|_| {}, Class::Appointment, Ok(&[Sms, Email]));
    check_channels(
        refuse(OptOut::Channel(Sms)),
        Class::Appointment,
        Ok(&[Email]),
    );
    check_channels(
        refuse(OptOut::Class(Class::Promotion)),
        Class::Appointment,
        Ok(&[Sms, Email]),
    );
    check_channels(
        refuse(OptOut::Class(Class::Appointment)),
        Class::Appointment,
        Err(SkipReason::OptedOut),
    );
    check_channels(
        refuse(OptOut::All),
        Class::Urgent,
        Err(SkipReason::OptedOut),
    );
    check_channels(
        |p| p.contacts[0].status = ContactStatus::Invalid,
        Class::Appointment,
        Ok(&[Email]),
    );
    check_channels(
        |p| p.contacts.clear(),
        Class::Appointment,
        Err(SkipReason::NoContactPoint),
    );
    check_channels(
        |p| {
            p.contacts
                .insert(0, contact(ContactKind::Phone, "+8613800000002"))
        },
        Class::Appointment,
        Ok(&[Sms, Email]),
    );
}

#[track_caller]
fn check_standing(
    scope: OptOut,
    of: Option<PatientId>,
    reason: SkipReason,
    expected: Option<SkipReason>,
) {
    let patient = patient();
    let zone = shanghai();
    let standing = [Standing {
        address_hash: address_hash(b"key", "+8613800000001"),
        patient: of,
        scope,
        reason,
        since: at("2026-07-02T09:00"),
    }];
    let case = Case {
        channels: &[Channel::Sms],
        suppressions: &standing,
        ..case(&patient, &zone)
    };
    let expected = expected.map(Verdict::No);
    let found = Some(may_send(&case, at("2026-07-21T09:00")))
        .filter(|verdict| matches!(verdict, Verdict::No(_)));
    assert_eq!(found, expected);
}

#[test]
fn a_suppression_binds_its_scope_and_its_patient() {
    let stop = SkipReason::OptedOut;
    check_standing(OptOut::All, None, stop, Some(stop));
    check_standing(OptOut::Channel(Channel::Sms), None, stop, Some(stop));
    check_standing(OptOut::Class(Class::Appointment), None, stop, Some(stop));
    check_standing(OptOut::Class(Class::Promotion), None, stop, None);
    check_standing(OptOut::Channel(Channel::Voice), None, stop, None);
    check_standing(OptOut::All, Some(PatientId::generate()), stop, None);
    check_standing(
        OptOut::All,
        None,
        SkipReason::NoContactPoint,
        Some(SkipReason::NoContactPoint),
    );
}

#[track_caller]
fn check_quiet(due: &str, now: &str, expected: Option<&str>) {
    let until = quiet_until(Some(&NIGHT), &shanghai(), at(due), at(now));
    assert_eq!(until, expected.map(at));
}

#[test]
fn quiet_hours_are_asked_of_the_present_but_not_by_seconds() {
    check_quiet("2026-07-21T09:00", "2026-07-21T09:00", None);
    check_quiet("2026-07-21T20:59", "2026-07-21T21:01", None);
    check_quiet(
        "2026-07-21T20:50",
        "2026-07-21T21:01",
        Some("2026-07-22T08:00"),
    );
    check_quiet(
        "2026-07-21T09:00",
        "2026-07-21T23:00",
        Some("2026-07-22T08:00"),
    );
    check_quiet(
        "2026-07-21T09:00",
        "2026-07-22T03:00",
        Some("2026-07-22T08:00"),
    );
    check_quiet(
        "2026-07-21T22:00",
        "2026-07-21T22:00",
        Some("2026-07-22T08:00"),
    );
    check_quiet("2026-07-22T08:00", "2026-07-22T08:00", None);
}

#[test]
fn staff_know_no_quiet_hours_and_no_caps() {
    let patient = patient();
    let zone = shanghai();
    let night = at("2026-07-21T23:00");
    let full = Counts { today: 5, week: 9 };
    let staff = Case {
        role: Role::Staff,
        class: Class::Greeting,
        counts: full,
        ..case(&patient, &zone)
    };
    assert_eq!(may_send(&staff, night), Verdict::Go(Vec::new()));
    let morning = at("2026-07-22T09:00");
    let greeted = Case {
        class: Class::Greeting,
        counts: full,
        ..case(&patient, &zone)
    };
    assert_eq!(
        may_send(&greeted, morning),
        Verdict::No(SkipReason::FrequencyCap)
    );
    let told = Case {
        counts: full,
        ..case(&patient, &zone)
    };
    assert!(
        matches!(may_send(&told, morning), Verdict::Go(_)),
        "appointments are not capped"
    );
}

#[track_caller]
fn check_cap(today: u32, week: u32, expected: bool) {
    assert_eq!(over(Counts { today, week }, Caps::default()), expected);
}

#[test]
fn one_a_day_and_three_a_week() {
    check_cap(0, 0, false);
    check_cap(1, 1, true);
    check_cap(0, 2, false);
    check_cap(0, 3, true);
}

#[test]
fn family_is_told_with_consent_only() {
    let patient = patient();
    let zone = shanghai();
    let mut relation = Relation {
        id: RelationId::generate(),
        kind: "child".to_owned(),
        name: None,
        language: None,
        consented: true,
        contacts: vec![contact(ContactKind::Phone, "+8613800000007")],
        opt_outs: Vec::new(),
        consents: Vec::new(),
    };
    let told = |relation: Option<&Relation>| {
        let case = Case {
            role: Role::Family,
            relation,
            ..case(&patient, &zone)
        };
        match may_send(&case, at("2026-07-21T09:00")) {
            Verdict::Go(_) => Ok(()),
            Verdict::No(reason) => Err(reason),
            Verdict::Wait(_) => panic!("not at nine in the morning"),
        }
    };
    assert_eq!(told(Some(&relation)), Ok(()));
    assert_eq!(told(None), Err(SkipReason::NoConsent));
    relation.consented = false;
    assert_eq!(told(Some(&relation)), Err(SkipReason::NoConsent));
    relation.consented = true;
    relation.opt_outs.push(OptOut::All);
    assert_eq!(told(Some(&relation)), Err(SkipReason::OptedOut));
}

#[test]
fn what_others_enqueue_knows_death_blocks_and_stops_but_no_hours() {
    let night = at("2026-07-21T23:00");
    let ask =
        |patient: &Patient| enqueued(Class::Promotion, Channel::Sms, Some(patient), &[], night);
    let mut ana = patient();
    assert_eq!(ask(&ana), Ok(()));
    ana.opt_outs.push(OptOut::Class(Class::Promotion));
    assert_eq!(ask(&ana), Err(SkipReason::OptedOut));
    ana.held = true;
    assert_eq!(ask(&ana), Err(SkipReason::Held));
    ana.deceased = true;
    assert_eq!(ask(&ana), Err(SkipReason::Deceased));
    let stop = |scope| Standing {
        address_hash: "h".to_owned(),
        patient: None,
        scope,
        reason: SkipReason::OptedOut,
        since: night,
    };
    let to = |class, scope| enqueued(class, Channel::Sms, None, &[stop(scope)], night);
    assert_eq!(to(Class::Urgent, OptOut::All), Err(SkipReason::OptedOut));
    assert_eq!(to(Class::Urgent, OptOut::Class(Class::Survey)), Ok(()));
    assert_eq!(
        to(Class::Survey, OptOut::Class(Class::Survey)),
        Err(SkipReason::OptedOut)
    );
}
