//! The steps of the story with their proofs. Every figure was read back: from the database, from the carrier's own
//! counts, or from the phones. No step prints a name, a number or a text of a patient.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use super::hospital::{self, Moved};
use super::instant;
use super::people::{BOOKINGS, PEOPLE, Who, chinese_number, person};
use super::set::Set;
use crate::intake::record::RecordKind;
use crate::model::class::Role;
use crate::model::id::PatientId;
use crate::model::message::MessageState;
use crate::model::occasion::Confirmation;
use crate::model::reminder::ReminderState;
use crate::simulator::carrier::Side;
use crate::store::board::{self, ReminderLine, Said, TaskLine, Which};
use crate::store::{Tx, patients};

/// The name that the hospital's files give their system.
const HIS: &str = "his";
/// More than the story ever makes.
const ALL: i64 = 1000;

type Proof = anyhow::Result<String>;

/// Whoever reads the database for a proof.
async fn tx(set: &Set) -> anyhow::Result<Tx> {
    Ok(set.app().house.store.read().await?)
}

async fn totals(set: &Set) -> anyhow::Result<BTreeMap<String, i64>> {
    Ok(board::totals(&mut tx(set).await?).await?)
}

fn of(totals: &BTreeMap<String, i64>, word: &str) -> i64 {
    totals.get(word).copied().unwrap_or(0)
}

async fn patient(set: &Set, key: &str) -> anyhow::Result<Option<PatientId>> {
    Ok(patients::find(&mut tx(set).await?, HIS, key).await?)
}

async fn said(set: &Set, booking: &str) -> anyhow::Result<Said> {
    board::said(&mut tx(set).await?, HIS, booking)
        .await?
        .with_context(|| format!("booking {booking} is not in the database"))
}

async fn reminders(set: &Set, key: &str) -> anyhow::Result<Vec<ReminderLine>> {
    let id = patient(set, key)
        .await?
        .with_context(|| format!("patient {key} is not in the database"))?;
    Ok(board::reminders(&mut tx(set).await?, Some(id.as_str()), ALL).await?)
}

/// Open tasks about a patient.
async fn tasks(set: &Set, key: &str) -> anyhow::Result<Vec<TaskLine>> {
    let id = patient(set, key)
        .await?
        .with_context(|| format!("patient {key} is not in the database"))?;
    Ok(board::tasks(&mut tx(set).await?, Some(id.as_str()), ALL).await?)
}

fn number(key: &str) -> String {
    person(key).number().unwrap_or_default()
}

/// The texts that a phone has got.
fn got(set: &Set, number: &str) -> Vec<String> {
    let thread = set.carrier.phone(number).thread();
    thread
        .into_iter()
        .filter(|bubble| bubble.side == Side::Received)
        .map(|bubble| bubble.text.into_revealed())
        .collect()
}

/// The texts that all phones have got.
fn got_by_all(set: &Set) -> Vec<String> {
    let mut all: Vec<String> = set
        .carrier
        .phones()
        .iter()
        .flat_map(|phone| got(set, phone.number.reveal()))
        .collect();
    all.sort();
    all
}

fn go_to(set: &Set, days: i64, clock: &str) -> anyhow::Result<()> {
    set.place.clock.set(instant(set.place.today, days, clock)?);
    set.hurry();
    Ok(())
}

pub(super) async fn bound(set: &Set) -> Proof {
    set.until("a bind", async |set| {
        Ok((set.carrier.counts().binds > 0).then_some(()))
    })
    .await?;
    Ok(format!(
        "the carrier counts {} bind",
        set.carrier.counts().binds
    ))
}

pub(super) async fn imported(set: &Set) -> Proof {
    let reports = set.import_books().await?;
    let new = |kind| {
        reports
            .iter()
            .map(|report| report.of(kind).new)
            .sum::<u64>()
    };
    let totals = totals(set).await?;
    let patients = of(&totals, "patients");
    let expected = i64::try_from(PEOPLE.len())? - 1;
    ensure!(
        patients == expected,
        "{patients} patients are in the database, {expected} were expected"
    );
    ensure!(
        u64::try_from(patients)? == new(RecordKind::Patient),
        "the report tells of other patients than the database has"
    );
    let occasions = of(&totals, "occasions");
    let booked = i64::try_from(
        BOOKINGS
            .iter()
            .filter(|booking| person(booking.patient).who != Who::Sensitive)
            .count(),
    )?;
    ensure!(
        occasions == booked,
        "{occasions} bookings are in the database, {booked} were expected"
    );
    Ok(format!(
        "in the database: {patients} patients, {} family members, {occasions} bookings, {} diagnoses, {} doctors; rejected rows: 0",
        of(&totals, "relations"),
        of(&totals, "facts"),
        of(&totals, "staff"),
    ))
}

pub(super) async fn sensitive(set: &Set) -> Proof {
    let hidden = PEOPLE
        .iter()
        .find(|person| person.who == Who::Sensitive)
        .context("the hospital has no sensitive patient")?;
    ensure!(
        patient(set, hidden.key).await?.is_none(),
        "there is a row of the sensitive patient"
    );
    let number = hidden.number().unwrap_or_default();
    let needles = [hidden.name(), number.trim_start_matches("+86").to_owned()];
    let mut searched = 0;
    for entry in std::fs::read_dir(&set.place.folder)? {
        let path = entry?.path();
        let is_database = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("carebell.db"));
        if path.is_file() && is_database {
            let bytes = std::fs::read(&path)?;
            searched += bytes.len();
            let found = needles.iter().any(|needle| {
                bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes())
            });
            ensure!(
                !found,
                "the database's files hold the name or number of the sensitive patient"
            );
        }
    }
    ensure!(searched > 0, "no file of the database was found");
    Ok(format!(
        "no row, and neither name nor number among the {searched} bytes of the database's files"
    ))
}

pub(super) async fn planned(set: &Set) -> Proof {
    set.settle().await?;
    let planned = of(&totals(set).await?, "reminders.planned");
    ensure!(planned > 0, "nothing is planned");
    let waits_for_patient =
        |line: &ReminderLine| line.state == ReminderState::Planned && line.role != Role::Staff;
    for (key, who) in [("P21", "who has died"), ("P20", "who opted out")] {
        ensure!(
            !reminders(set, key).await?.iter().any(waits_for_patient),
            "something is planned for the patient {who}"
        );
    }
    for key in ["P16", "P17"] {
        let own = |line: &ReminderLine| {
            line.state == ReminderState::Planned && line.role == Role::Patient
        };
        ensure!(
            !reminders(set, key).await?.iter().any(own),
            "something is planned for a child itself"
        );
    }
    Ok(format!(
        "{planned} reminders wait; none for who has died or opted out, none for a child itself"
    ))
}

pub(super) async fn staff(set: &Set) -> Proof {
    go_to(set, 0, "08:30:00")?;
    set.settle().await?;
    let totals = totals(set).await?;
    let tasks_made = of(&totals, "tasks");
    ensure!(tasks_made > 0, "staff got no work");
    ensure!(
        !tasks(set, "P25").await?.is_empty(),
        "nobody was told of the recheck in four days"
    );
    ensure!(
        got_by_all(set).is_empty(),
        "a patient was written to before nine"
    );
    Ok(format!(
        "{tasks_made} tasks are open; no phone has got anything yet"
    ))
}

pub(super) async fn morning(set: &Set) -> Proof {
    go_to(set, 0, "09:00:00")?;
    set.settle().await?;
    let messages = board::messages(&mut tx(set).await?, Which::Latest, ALL).await?;
    let odd = messages
        .iter()
        .find(|line| line.state != MessageState::Delivered);
    if let Some(line) = odd {
        anyhow::bail!("message {} is {} and not delivered", line.id, line.state);
    }
    let mut sent: Vec<String> = messages
        .iter()
        .map(|line| line.text.reveal().clone())
        .collect();
    sent.sort();
    ensure!(
        sent == got_by_all(set),
        "the phones did not get exactly the texts that the database has"
    );
    let counts = set.carrier.counts();
    let segments: i64 = messages.iter().map(|line| line.segments).sum();
    ensure!(
        u64::try_from(segments)? == counts.taken,
        "{segments} segments were counted, the carrier took {}",
        counts.taken
    );
    ensure!(
        counts.receipts == counts.taken && counts.handed_over == counts.receipts,
        "a receipt is missing"
    );
    ensure!(sent.len() >= 20, "only {} texts left", sent.len());
    for key in ["P13", "P14", "E09"] {
        ensure!(
            got(set, &number(key)).len() == 1,
            "a birthday went by without a greeting"
        );
    }
    Ok(format!(
        "{} messages, all delivered; {segments} segments taken by the carrier, {} receipts acknowledged; the phones hold exactly these texts",
        sent.len(),
        counts.handed_over,
    ))
}

pub(super) async fn family(set: &Set) -> Proof {
    let mut told = 0;
    for one in PEOPLE {
        let own = one.number().map_or(0, |number| got(set, &number).len());
        match one.who {
            Who::Minor(_, nr) | Who::ByFamily(_, nr) => {
                ensure!(own == 0, "{} was written to and not the family", one.key);
                told += got(set, &chinese_number(nr)).len();
            }
            Who::OptedOut | Who::Deceased | Who::Sensitive => {
                ensure!(own == 0, "{} was written to", one.key)
            }
            Who::Plain | Who::Diabetic | Who::Lunar(..) => {}
        }
    }
    ensure!(told == 4, "{told} texts went to families, 4 were expected");
    let unreachable = tasks(set, "P35").await?;
    ensure!(
        !unreachable.is_empty(),
        "nobody was told of the patient without a phone"
    );
    Ok(format!(
        "{told} texts on phones of guardians and family, 0 on those of two children and two old people; 0 for who opted out, has died or is \
        sensitive; who has no phone is a task for staff"
    ))
}

pub(super) async fn fresh(set: &Set) -> Proof {
    go_to(set, 0, "09:05:00")?;
    let before = of(&totals(set).await?, "tasks");
    set.import_morning().await?;
    set.settle().await?;
    let popups = of(&totals(set).await?, "tasks") - before;
    ensure!(popups == 4, "{popups} notices for four new bookings");
    for key in ["P32", "P33", "E17"] {
        ensure!(
            got(set, &number(key)).len() == 1,
            "the late booking of {key} was not caught up"
        );
    }
    ensure!(
        got(set, &number("E19")).is_empty(),
        "who comes in six days was written to now"
    );
    let wants = got(set, &number("P32"));
    ensure!(
        wants[0].contains("空腹") && wants[0].contains("医保卡"),
        "the text does not say what to bring and to come fasting"
    );
    Ok(format!(
        "{popups} notices for staff; 3 late bookings caught up at once, with what to bring; the one in six days waits"
    ))
}

/// A patient answers the question about a booking.
pub(super) async fn answer(
    set: &Set,
    booking: &str,
    text: &str,
    expected: Confirmation,
    wishes: &[&str],
) -> Proof {
    let who = BOOKINGS
        .iter()
        .find(|one| one.key == booking)
        .context("the story names a booking that is not there")?
        .patient;
    let number = number(who);
    let before = got(set, &number).len();
    let asked = said(set, booking).await?.confirmation;
    set.carrier.phone(&number).reply(text);
    let now = set
        .until("the booking to follow the answer", async |set| {
            Ok(Some(said(set, booking).await?).filter(|now| now.confirmation == expected))
        })
        .await?;
    set.settle().await?;
    ensure!(now.wishes == wishes, "the wishes are {:?}", now.wishes);
    let answers = got(set, &number).len() - before;
    ensure!(answers == 1, "the patient got {answers} answers");
    let wish = if wishes.is_empty() {
        String::new()
    } else {
        format!("; change request: {}", wishes.join(", "))
    };
    Ok(format!(
        "booking {booking}: {asked} → {}{wish}; one answer is on the phone",
        now.confirmation
    ))
}

pub(super) async fn stop(set: &Set) -> Proof {
    let number = number("E06");
    let before = (
        of(&totals(set).await?, "suppressions"),
        got(set, &number).len(),
    );
    set.carrier.phone(&number).reply("STOP");
    set.until("the suppression", async |set| {
        Ok((of(&totals(set).await?, "suppressions") > before.0).then_some(()))
    })
    .await?;
    set.settle().await?;
    let answers = got(set, &number).len() - before.1;
    ensure!(answers == 1, "{answers} confirmations of STOP");
    let waiting = reminders(set, "E06")
        .await?
        .iter()
        .filter(|line| line.state == ReminderState::Planned && line.role != Role::Staff)
        .count();
    Ok(format!(
        "a suppression stands; one confirmation is on the phone; {waiting} reminders to it still planned, to be withheld when they are due"
    ))
}

pub(super) async fn wrong_number(set: &Set) -> Proof {
    set.carrier.phone(&number("P03")).reply("打错了");
    let id = patient(set, "P03")
        .await?
        .context("the patient is not there")?;
    let status = set
        .until("the number to be marked", async |set| {
            let card = board::card(&mut tx(set).await?, id.as_str())
                .await?
                .context("the patient is not there")?;
            Ok(card
                .contacts
                .first()
                .map(|contact| contact.status.as_str())
                .filter(|status| *status == "wrong_number"))
        })
        .await?;
    set.settle().await?;
    let work = tasks(set, "P03").await?;
    ensure!(
        work.iter().any(|task| task.kind == "reply"),
        "nobody was told to correct the record"
    );
    ensure!(
        said(set, "A03").await?.confirmation != Confirmation::Declined,
        "a wrong number is no refusal of the booking"
    );
    Ok(format!(
        "the number is marked {status}; a task asks staff to correct the record; the booking stands"
    ))
}

pub(super) async fn question(set: &Set) -> Proof {
    let before = said(set, "A04").await?.confirmation;
    let work = tasks(set, "P04").await?.len();
    set.carrier
        .phone(&number("P04"))
        .reply("请问可以带家属一起来吗？");
    set.until("a task", async |set| {
        Ok((tasks(set, "P04").await?.len() > work).then_some(()))
    })
    .await?;
    set.settle().await?;
    let after = said(set, "A04").await?.confirmation;
    ensure!(before == after, "the booking went from {before} to {after}");
    Ok(format!(
        "booking A04 stays {after}; a task holds the question"
    ))
}

pub(super) async fn emergency(set: &Set) -> Proof {
    set.carrier
        .phone(&number("P05"))
        .reply("胸口很痛，喘不上气");
    set.until("an urgent task", async |set| {
        Ok(tasks(set, "P05")
            .await?
            .into_iter()
            .find(|task| task.urgent))
    })
    .await?;
    set.settle().await?;
    let first = board::tasks(&mut tx(set).await?, None, 1).await?;
    let first = first.first().context("there is no open task")?;
    ensure!(
        first.urgent && first.kind == "emergency",
        "the emergency does not stand before all other work"
    );
    ensure!(
        said(set, "A05").await?.confirmation != Confirmation::Confirmed,
        "an emergency is no confirmation"
    );
    Ok("an urgent task stands before all others; the booking is as it was".to_owned())
}

pub(super) async fn moved(set: &Set) -> Proof {
    let before = (said(set, "A01").await?, said(set, "A20").await?);
    let texts = || {
        (
            got(set, &number("P01")).len(),
            got(set, &number("P09")).len(),
        )
    };
    let had = texts();
    let moves = [
        Moved {
            key: "A01",
            days: 5,
            clock: "14:00",
        },
        Moved {
            key: "A20",
            days: 6,
            clock: "15:00",
        },
    ];
    hospital::bookings(&set.files, set.place.today, &moves)?;
    set.import_books().await?;
    set.settle().await?;
    let after = (said(set, "A01").await?, said(set, "A20").await?);
    ensure!(
        after.0.epoch == before.0.epoch + 1 && after.1.epoch == before.1.epoch + 1,
        "a booking was not moved"
    );
    ensure!(
        after.0.confirmation == Confirmation::Awaiting,
        "the answer to the old date still counts: {}",
        after.0.confirmation
    );
    let has = texts();
    ensure!(
        has == (had.0 + 1, had.1),
        "who was told the old date hears of the new one at once, and nobody else: {had:?} → {has:?}"
    );
    let states = |said: &Said| {
        let states = said.reminders.iter().map(|(state, _)| state.clone());
        let mut states: Vec<String> = states.collect();
        states.sort();
        states
    };
    ensure!(
        states(&after.0) == ["composed", "composed", "planned"],
        "reminders of A01: {:?}",
        after.0.reminders
    );
    ensure!(
        states(&after.1) == ["planned", "skipped", "superseded"],
        "reminders of A20: {:?}",
        after.1.reminders
    );
    Ok(format!(
        "A01 (reminded and confirmed): {} → {}; told of the new date at once and asked again, one more reminder planned\nA20 (not reminded yet): hears nothing now; the old reminder is superseded, a new one planned",
        before.0.confirmation, after.0.confirmation,
    ))
}

pub(super) async fn again(set: &Set) -> Proof {
    let (before, taken) = (totals(set).await?, set.carrier.counts().taken);
    let mut reports = set.import_books().await?;
    reports.push(set.import_morning().await?);
    set.settle().await?;
    ensure!(
        !reports
            .iter()
            .any(crate::intake::report::Report::changed_anything),
        "an import reports changes"
    );
    let after = totals(set).await?;
    ensure!(
        before == after,
        "the tables changed from {before:?} to {after:?}"
    );
    ensure!(set.carrier.counts().taken == taken, "something was sent");
    let unchanged: u64 = reports
        .iter()
        .flat_map(|report| report.counts.values())
        .map(|counts| counts.unchanged)
        .sum();
    Ok(format!(
        "{unchanged} records unchanged, 0 new; every table counts as before; nothing was sent"
    ))
}

pub(super) async fn restarted(set: &mut Set) -> Proof {
    let (before, counts) = (totals(set).await?, set.carrier.counts());
    set.restart().await?;
    set.until("a new bind", async |set| {
        Ok((set.carrier.counts().binds > counts.binds).then_some(()))
    })
    .await?;
    set.settle().await?;
    let after = totals(set).await?;
    ensure!(
        before == after,
        "the tables changed from {before:?} to {after:?}"
    );
    ensure!(
        set.carrier.counts().taken == counts.taken,
        "something was sent again"
    );
    let rows: i64 = after.values().sum();
    Ok(format!(
        "bind number {}; {rows} counted rows are the same; nothing was sent again",
        set.carrier.counts().binds
    ))
}

pub(super) async fn later(set: &Set) -> Proof {
    let quiet = [number("P07"), number("E06")];
    let before: Vec<usize> = quiet.iter().map(|number| got(set, number).len()).collect();
    let reminded = got(set, &number("P11")).len();
    go_to(set, 1, "09:00:00")?;
    set.settle().await?;
    go_to(set, 2, "09:00:00")?;
    set.settle().await?;
    for (number, before) in quiet.iter().zip(before) {
        ensure!(
            got(set, number).len() == before,
            "somebody who answered or stopped was written to again"
        );
    }
    ensure!(
        got(set, &number("P11")).len() == reminded + 1,
        "who did not answer was not reminded a second time"
    );
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for key in ["P07", "E06"] {
        for line in reminders(set, key)
            .await?
            .into_iter()
            .filter(|line| line.role != Role::Staff)
        {
            if let Some(reason) = line.reason {
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    ensure!(
        reasons.contains_key("already_answered") || reasons.contains_key("opted_out"),
        "no reason is named: {reasons:?}"
    );
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(reason, n)| format!("{reason} ({n})"))
        .collect();
    Ok(format!(
        "the second reminder went to who had not answered; withheld by name: {}",
        reasons.join(", ")
    ))
}
