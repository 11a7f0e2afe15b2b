//! The story of the demo on a quick clock: which steps there are, in which order, and how they are told.

use std::io::Write as _;

use serde_json::json;

use super::proofs;
use super::set::{Place, Set};
use crate::model::occasion::Confirmation;
use crate::simulator::conduct::Conduct;

/// Plays the story; 1 when a step does not hold.
///
/// # Errors
/// When it cannot run at all.
pub(super) async fn play(place: Place, json: bool) -> anyhow::Result<u8> {
    let mut told = Told { json, steps: 0 };
    let mut set = Set::open(place, Conduct::default()).await?;
    let outcome = all(&mut set, &mut told).await;
    let counts = set.carrier.counts();
    set.close().await;
    match outcome {
        Ok(()) => {
            let (steps, taken, receipts, texts) =
                (told.steps, counts.taken, counts.receipts, counts.texts);
            told.end(true, &format!("All {steps} steps held. The carrier took {taken} segments, sent {receipts} receipts and {texts} texts from phones."))?;
            Ok(0)
        }
        Err(problem) => {
            told.end(
                false,
                &format!("Step {} did not hold: {problem:#}", told.steps + 1),
            )?;
            Ok(1)
        }
    }
}

async fn all(set: &mut Set, told: &mut Told) -> anyhow::Result<()> {
    told.step(
        "The daemon is bound to the carrier, by SMPP over TCP",
        proofs::bound(set).await?,
    )?;
    reminders(set, told).await?;
    answers(set, told).await?;
    reading(set, told).await?;
    books(set, told).await
}

/// From the hospital's books to texts on phones.
async fn reminders(set: &Set, told: &mut Told) -> anyhow::Result<()> {
    let proof = proofs::imported(set).await?;
    told.step(
        "The hospital's books are imported, from FHIR and from a table",
        proof,
    )?;
    let proof = proofs::sensitive(set).await?;
    told.step("A sensitive patient never reaches the disk", proof)?;
    let proof = proofs::planned(set).await?;
    told.step("The rules have planned what to say, and what not", proof)?;
    let proof = proofs::staff(set).await?;
    told.step("At half past eight staff get their work", proof)?;
    let proof = proofs::morning(set).await?;
    told.step(
        "At nine the reminders leave, reach the phones and are receipted",
        proof,
    )?;
    let proof = proofs::family(set).await?;
    told.step(
        "Guardians and family are told instead of those who must not be",
        proof,
    )?;
    let proof = proofs::fresh(set).await?;
    told.step(
        "Booked this morning: staff see it at once, late ones are caught up",
        proof,
    )
}

/// Patients answer what they were asked.
async fn answers(set: &Set, told: &mut Told) -> anyhow::Result<()> {
    use Confirmation::{ChangeRequested, Confirmed, Declined};
    let proof = proofs::answer(set, "A01", "1", Confirmed, &[]).await?;
    told.step("A patient answers 1: confirmed", proof)?;
    let proof = proofs::answer(set, "A02", "2", Declined, &["cancel"]).await?;
    told.step(
        "A patient answers 2: declined, a wish for the hospital's system",
        proof,
    )?;
    let proof = proofs::answer(set, "A13", "3", ChangeRequested, &["reschedule"]).await?;
    told.step("A patient answers 3: wants another time", proof)?;
    let proof = proofs::answer(set, "V01", "好的，我会来", Confirmed, &[]).await?;
    told.step("A follow-up visit is confirmed in words", proof)
}

/// What is no plain answer.
async fn reading(set: &Set, told: &mut Told) -> anyhow::Result<()> {
    let proof = proofs::stop(set).await?;
    told.step("A patient writes STOP: told so once, then silence", proof)?;
    let proof = proofs::wrong_number(set).await?;
    told.step(
        "\"Wrong number\": it is out of use, staff correct the record",
        proof,
    )?;
    let proof = proofs::question(set).await?;
    told.step(
        "A question in free words: the booking stays, a person reads it",
        proof,
    )?;
    let proof = proofs::emergency(set).await?;
    told.step("An emergency reaches people first", proof)
}

/// The books change, come again, and outlive a restart.
async fn books(set: &mut Set, told: &mut Told) -> anyhow::Result<()> {
    let proof = proofs::moved(set).await?;
    told.step(
        "Two bookings are moved: plans and answers of the old date go",
        proof,
    )?;
    let proof = proofs::again(set).await?;
    told.step("The same files again change nothing", proof)?;
    let proof = proofs::restarted(set).await?;
    told.step("A restart keeps everything and repeats nothing", proof)?;
    let proof = proofs::later(set).await?;
    told.step(
        "Two days later: the answered are left in peace, the others reminded",
        proof,
    )
}

/// What was told so far.
struct Told {
    json: bool,
    steps: usize,
}

impl Told {
    fn step(&mut self, title: &str, proof: String) -> anyhow::Result<()> {
        self.steps += 1;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(
                out,
                "{}",
                json!({"step": self.steps, "title": title, "ok": true, "proof": proof})
            )?;
        } else {
            writeln!(
                out,
                "{:>3}  {title}\n       {}",
                self.steps,
                proof.replace('\n', "\n       ")
            )?;
        }
        Ok(())
    }

    fn end(&self, ok: bool, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(
                out,
                "{}",
                json!({"ok": ok, "steps": self.steps, "text": text})
            )?;
        } else {
            writeln!(out, "\n{text}")?;
        }
        Ok(())
    }
}
