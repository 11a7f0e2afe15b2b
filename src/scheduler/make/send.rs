//! What leaves the house: messages to patients, family and staff, and the questions they ask.

use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::calendar::wall;
use crate::gates::Open;
use crate::model::class::Channel;
use crate::model::id::MessageId;
use crate::model::occasion::Occasion;
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::planning::context;
use crate::planning::material::Material;
use crate::render::{RenderError, Rendered};
use crate::scheduler::make::{Made, Piece};
use crate::store::due::Outcome;
use crate::store::messages::{NewMessage, Way};
use crate::store::questions::{Asked, NewQuestion};
use crate::store::reminders::ANSWER_RULE;

impl Piece<'_> {
    /// To patient or family: one message over every way there is a text for.
    pub(super) fn for_people(&self, open: &[Open<'_>], material: &Material) -> Made {
        let occasions = context::occasions(&self.about, material);
        self.for_people_about(open, &occasions, None, material)
    }

    /// The same about several occasions, in the order of time, of use until `until`.
    pub(super) fn for_people_about(
        &self,
        open: &[Open<'_>],
        occasions: &[&Occasion],
        until: Option<Timestamp>,
        material: &Material,
    ) -> Made {
        let mut ways = Vec::new();
        let mut first: Option<Rendered> = None;
        let mut faults = Vec::new();
        let must_list = occasions.len() > 1 && self.about.reminder.plan.rule != ANSWER_RULE;
        for way in open {
            // A text that would leave some of them out is none.
            if must_list && !self.lists(way.channel, occasions, material) {
                continue;
            }
            match self.render_about(way.channel, occasions, material) {
                Ok(rendered) => {
                    ways.push(to_way(
                        way.channel,
                        way.address.to_owned().into(),
                        &rendered,
                    ));
                    first.get_or_insert(rendered);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let Some(first) = first else {
            return self.no_text(faults);
        };
        let plan = &self.about.reminder.plan;
        let mut message = self.message(plan.plan_key.clone(), ways, &first);
        message.expires_at = until.unwrap_or(message.expires_at);
        let tasks = faults
            .iter()
            .filter_map(|fault| self.fault_task(fault, true))
            .collect();
        let questions = self.question(&message, occasions);
        Made {
            outcome: Outcome::Message(message.id.clone()),
            messages: vec![message],
            tasks,
            questions: questions.into_iter().collect(),
            item: None,
        }
    }

    pub(super) fn render(
        &self,
        channel: Channel,
        material: &Material,
    ) -> Result<Rendered, RenderError> {
        let occasions = context::occasions(&self.about, material);
        self.render_about(channel, &occasions, material)
    }

    fn render_about(
        &self,
        channel: Channel,
        occasions: &[&Occasion],
        material: &Material,
    ) -> Result<Rendered, RenderError> {
        let house = self.bench.house;
        let values =
            context::context_of_all(&self.about, occasions, material, house, self.bench.now);
        let languages = context::languages(&self.about, house);
        let catalog = &self.bench.book.catalog;
        catalog.render(self.template, &languages, channel, &values)
    }

    pub(super) fn message(
        &self,
        dedupe_key: String,
        ways: Vec<Way>,
        rendered: &Rendered,
    ) -> NewMessage {
        let reminder = self.about.reminder;
        let plan = &reminder.plan;
        let id = MessageId::generate();
        NewMessage {
            id,
            source: if plan.rule == ANSWER_RULE {
                "reply"
            } else {
                "rule"
            }
            .to_owned(),
            dedupe_key,
            body_hash: body_hash(&ways),
            class: plan.class,
            lane: plan.class.lane(),
            suppressed: None,
            patient: plan.patient.clone(),
            relation: plan.relation.clone(),
            occasion: plan.occasion.clone().map(|id| (id, plan.epoch)),
            reminder: Some(reminder.id.clone()),
            rule: self.about.rule.map(|rule| rule.id.clone()),
            role: plan.role,
            ways,
            language: Some(rendered.language.clone()),
            template: Some((self.template.to_owned(), rendered.version.clone())),
            ask: self.ask,
            sender: None,
            reference: None,
            send_at: self.bench.now,
            expires_at: plan.expires_at,
        }
    }

    /// What a reply to `message` about `occasions` answers; bound to the address it goes to first.
    fn question(&self, message: &NewMessage, occasions: &[&Occasion]) -> Option<NewQuestion> {
        let (kind, patient) = (self.ask?, message.patient.clone()?);
        let desk = self.bench.desk;
        let goes_to = message
            .ways
            .iter()
            .find(|way| {
                desk.routes
                    .pick(way.channel, way.address.reveal())
                    .is_some()
            })
            .or(message.ways.first())?;
        let begins = |occasion: &&Occasion| {
            let zone = wall::zone(&occasion.timezone);
            occasion
                .when
                .instant(zone.as_ref().unwrap_or(self.zone()))
                .ok()
        };
        let until = occasions.iter().filter_map(begins).min();
        let asked = occasions.iter().map(|occasion| Asked {
            id: occasion.id.clone(),
            epoch: occasion.epoch,
        });
        let times = occasions.iter().map(|occasion| occasion.when.to_text());
        Some(NewQuestion {
            message: message.id.clone(),
            address_hash: address_hash(&desk.address_key, goes_to.address.reveal()),
            patient,
            relation: message.relation.clone(),
            occasions: asked.collect(),
            kind,
            options: if kind.is_ours() {
                times.collect()
            } else {
                Vec::new()
            },
            expires_at: until.unwrap_or(message.expires_at),
        })
    }
}

pub(crate) fn to_way(channel: Channel, address: Private<String>, rendered: &Rendered) -> Way {
    Way {
        channel,
        address,
        text: rendered.text.clone(),
        subject: rendered.subject.clone(),
        segments: rendered.measure.map_or(1, |measure| measure.segments),
    }
}

pub(crate) fn body_hash(ways: &[Way]) -> String {
    let mut hash = Sha256::new();
    for way in ways {
        for part in [
            way.channel.as_str(),
            way.address.reveal(),
            way.text.reveal(),
        ] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
