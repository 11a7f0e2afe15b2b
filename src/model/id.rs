//! Identifiers: a prefix that says what they name, and a UUIDv7 that sorts by time.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every such id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than all before it.
            pub fn generate() -> Self {
                Self(format!("{}{}", $prefix, uuid::Uuid::now_v7().simple()))
            }

            /// The id in `text`, if it has this kind's prefix.
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix($prefix)?;
                let plain = !rest.is_empty() && rest.len() <= 64 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                plain.then(|| Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// Names a patient.
    PatientId = "pat_";
    /// Names a contact point.
    ContactPointId = "con_";
    /// Names a relation of a patient.
    RelationId = "rel_";
    /// Names a fact about a patient.
    FactId = "fac_";
    /// Names an occasion.
    OccasionId = "occ_";
    /// Names a planned reminder.
    ReminderId = "rem_";
    /// Names a message.
    MessageId = "msg_";
    /// Names one try of a message at one provider.
    AttemptId = "att_";
    /// Names a row of the inbox.
    InboxId = "inb_";
    /// Names what we asked a recipient.
    QuestionId = "que_";
    /// Names a reply.
    ReplyId = "rep_";
    /// Names work for staff.
    TaskId = "tsk_";
    /// Names a patient's wish that the hospital system or a clerk has to apply.
    ChangeRequestId = "chg_";
    /// Names something that happened and that others may hear of.
    EventId = "evt_";
    /// Names a suppression.
    SuppressionId = "sup_";
    /// Names a member of staff.
    StaffId = "sta_";
    /// Names an API key.
    ApiKeyId = "key_";
    /// Names a campaign.
    CampaignId = "cmp_";
    /// Names an import.
    ImportId = "imp_";
    /// Names a webhook: another system that is told of events.
    WebhookId = "whk_";
    /// Names one try to tell a webhook.
    WebhookDeliveryId = "whd_";
    /// Names an event that goes to a webhook beside its turn.
    AsideId = "wha_";
}

#[cfg(test)]
mod tests {
    use super::MessageId;

    #[test]
    fn ids_sort_by_time_and_parse_back() {
        let (a, b) = (MessageId::generate(), MessageId::generate());
        assert!(a < b);
        assert_eq!(MessageId::parse(a.as_str()), Some(a));
        assert_eq!(MessageId::parse("att_1"), None);
        assert_eq!(MessageId::parse("msg_' OR 1"), None);
    }
}
