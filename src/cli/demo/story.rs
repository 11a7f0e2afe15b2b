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
            let (steps, taken, receipts, texts) = (told.steps, counts.taken, counts.receipts, counts.texts);
            told.end(true, &format!("All {steps} steps held. The carrier took {taken} segments, sent {receipts} receipts and {texts} texts from phones."))?;
            Ok(0)
        }
        Err(problem) => {
            told.end(false, &format!("Step {} did not hold: {problem:#}", told.steps + 1))?;
            Ok(1)
        }
    }
}

async fn all(set: &mut Set, told: &mut Told) -> anyhow::Result<()> {
    told.step("The daemon is bound to the carrier, by SMPP over TCP", proofs::bound(set).await?)?;
    told.step("The hospital's books are imported, from FHIR and from a table", proofs::imported(set).await?)?;
    told.step("A sensitive patient never reaches the disk", proofs::sensitive(set).await?)?;
    told.step("The rules have planned what to say, and what not", proofs::planned(set).await?)?;
    told.step("At half past eight staff get their work", proofs::staff(set).await?)?;
    told.step("At nine the reminders leave, reach the phones and are receipted", proofs::morning(set).await?)?;
    told.step("Guardians and family are told instead of those who must not be", proofs::family(set).await?)?;
    told.step("What is booked this morning: staff see it at once, late ones are caught up", proofs::fresh(set).await?)?;
    told.step("A patient answers 1: confirmed", proofs::answer(set, "A01", "1", Confirmation::Confirmed, &[]).await?)?;
    told.step("A patient answers 2: declined, with a wish for the hospital's system", proofs::answer(set, "A02", "2", Confirmation::Declined, &["cancel"]).await?)?;
    told.step("A patient answers 3: wants another time", proofs::answer(set, "A13", "3", Confirmation::ChangeRequested, &["reschedule"]).await?)?;
    told.step("A follow-up visit is confirmed in words", proofs::answer(set, "V01", "好的，我会来", Confirmation::Confirmed, &[]).await?)?;
    told.step("A patient writes STOP: told so once, then silence", proofs::stop(set).await?)?;
    told.step("\"Wrong number\": the number is out of use, staff correct the record", proofs::wrong_number(set).await?)?;
    told.step("A question in free words: the booking stays, a person reads it", proofs::question(set).await?)?;
    told.step("An emergency reaches people first", proofs::emergency(set).await?)?;
    told.step("Two bookings are moved: plans are replaced, an answer to the old date counts no more", proofs::moved(set).await?)?;
    told.step("The same files again change nothing", proofs::again(set).await?)?;
    told.step("A restart keeps everything and repeats nothing", proofs::restarted(set).await?)?;
    told.step("Two days later: who answered or stopped is left in peace, the others are reminded again", proofs::later(set).await?)?;
    Ok(())
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
            writeln!(out, "{}", json!({"step": self.steps, "title": title, "ok": true, "proof": proof}))?;
        } else {
            writeln!(out, "{:>3}  {title}\n       {}", self.steps, proof.replace('\n', "\n       "))?;
        }
        Ok(())
    }

    fn end(&self, ok: bool, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!({"ok": ok, "steps": self.steps, "text": text}))?;
        } else {
            writeln!(out, "\n{text}")?;
        }
        Ok(())
    }
}
