//! The PDUs of SMPP 3.4 as types.
//!
//! Wide rather than strict: an address is any octets, a response may lack its body. `codec` reads and writes them.

use super::octets::Octets;
use super::status::Status;
use super::tlv::{MESSAGE_PAYLOAD, Tlvs};

/// `interface_version` of SMPP 3.4.
pub const VERSION: u8 = 0x34;

/// The bit of a command id that makes it a response.
pub const RESPONSE: u32 = 0x8000_0000;

/// `esm_class`: the text begins with a user data header.
pub const ESM_UDHI: u8 = 0x40;

/// The largest sequence number that we give (SMPP 3.4 §3.2).
pub const MAX_SEQUENCE: u32 = 0x7FFF_FFFF;

/// A PDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// `ESME_ROK` in requests.
    pub status: Status,
    /// What pairs a response with its request.
    pub sequence: u32,
    /// The command and its body.
    pub body: Body,
}

/// Which way a bind lets messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindKind {
    /// From the carrier to us.
    Receiver,
    /// From us to the carrier.
    Transmitter,
    /// Both.
    Transceiver,
}

impl BindKind {
    /// Whether the ESME may submit.
    pub const fn transmits(self) -> bool {
        matches!(self, Self::Transmitter | Self::Transceiver)
    }

    /// Whether the ESME takes `deliver_sm`.
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receiver | Self::Transceiver)
    }
}

/// A command with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4")]
pub enum Body {
    Bind(BindKind, Bind),
    BindResp(BindKind, BindResp),
    /// A carrier asks us to bind; tolerated.
    Outbind,
    Unbind,
    UnbindResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    SubmitSm(Box<Sm>),
    SubmitSmResp(SmResp),
    DeliverSm(Box<Sm>),
    DeliverSmResp(SmResp),
    DataSm(Box<Sm>),
    DataSmResp(SmResp),
    QuerySm(Query),
    QuerySmResp(QueryResp),
    CancelSm(Query),
    CancelSmResp,
    /// Needs no answer; tolerated.
    AlertNotification(Octets),
    /// A response that we know no command for.
    OtherResp(u32, Octets),
}

/// Who binds, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4.1")]
pub struct Bind {
    pub system_id: Octets,
    pub password: Octets,
    pub system_type: Octets,
    pub interface_version: u8,
    pub addr_ton: u8,
    pub addr_npi: u8,
    pub address_range: Octets,
}

/// The carrier's answer to a bind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4.1")]
pub struct BindResp {
    pub system_id: Octets,
    pub tlvs: Tlvs,
}

/// An address with its type and plan (SMPP 3.4 §5.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in SMPP 3.4")]
pub struct Address {
    pub ton: u8,
    pub npi: u8,
    pub addr: Octets,
}

/// What `submit_sm`, `deliver_sm` and `data_sm` carry; `data_sm` leaves out some (SMPP 3.4 §4.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4.4")]
pub struct Sm {
    pub service_type: Octets,
    pub source: Address,
    pub dest: Address,
    pub esm_class: u8,
    pub protocol_id: u8,
    pub priority_flag: u8,
    pub schedule_delivery_time: Octets,
    pub validity_period: Octets,
    pub registered_delivery: u8,
    pub replace_if_present_flag: u8,
    pub data_coding: u8,
    pub sm_default_msg_id: u8,
    pub short_message: Octets,
    pub tlvs: Tlvs,
    /// What stood behind the last parameter that could be read.
    pub trailing: Octets,
}

impl Sm {
    /// The text's octets, wherever they are carried, with the user data header if there is one.
    pub fn user_data(&self) -> &[u8] {
        match self.tlvs.get(MESSAGE_PAYLOAD) {
            Some(payload) if self.short_message.is_empty() => payload.reveal(),
            Some(_) | None => self.short_message.reveal(),
        }
    }
}

/// The answer to a message: its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmResp {
    /// The carrier's id of the message; empty where there is none.
    pub message_id: Octets,
    /// Optional parameters.
    pub tlvs: Tlvs,
}

/// Which message is asked about or called off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4.8, §4.9")]
pub struct Query {
    /// Only in `cancel_sm`.
    pub service_type: Octets,
    pub message_id: Octets,
    pub source: Address,
    /// Only in `cancel_sm`.
    pub dest: Address,
}

/// What became of a message that was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in SMPP 3.4 §4.8")]
pub struct QueryResp {
    pub message_id: Octets,
    pub final_date: Octets,
    pub message_state: u8,
    pub error_code: u8,
}

impl Pdu {
    /// A request; the session gives it its number.
    pub const fn request(sequence: u32, body: Body) -> Self {
        Self {
            status: Status::ROK,
            sequence,
            body,
        }
    }
}

impl Body {
    /// The command id on the wire.
    pub const fn command(&self) -> u32 {
        match self {
            Self::Bind(kind, _) => bind_command(*kind),
            Self::BindResp(kind, _) => bind_command(*kind) | RESPONSE,
            Self::QuerySm(_) => 0x03,
            Self::QuerySmResp(_) => 0x03 | RESPONSE,
            Self::SubmitSm(_) => 0x04,
            Self::SubmitSmResp(_) => 0x04 | RESPONSE,
            Self::DeliverSm(_) => 0x05,
            Self::DeliverSmResp(_) => 0x05 | RESPONSE,
            Self::Unbind => 0x06,
            Self::UnbindResp => 0x06 | RESPONSE,
            Self::CancelSm(_) => 0x08,
            Self::CancelSmResp => 0x08 | RESPONSE,
            Self::Outbind => 0x0B,
            Self::EnquireLink => 0x15,
            Self::EnquireLinkResp => 0x15 | RESPONSE,
            Self::AlertNotification(_) => 0x0102,
            Self::DataSm(_) => 0x0103,
            Self::DataSmResp(_) => 0x0103 | RESPONSE,
            Self::GenericNack => RESPONSE,
            Self::OtherResp(command, _) => *command,
        }
    }

    /// Whether it answers something.
    pub const fn is_response(&self) -> bool {
        self.command() & RESPONSE != 0
    }

    /// The empty answer to this request; `generic_nack` where the protocol has no other.
    pub fn answer(&self) -> Self {
        empty_answer(self.command()).unwrap_or(Self::GenericNack)
    }
}

/// The empty answer to a request with this command id, if it is a request that has one.
pub fn empty_answer(command: u32) -> Option<Body> {
    Some(match command {
        0x01 => Body::BindResp(BindKind::Receiver, BindResp::default()),
        0x02 => Body::BindResp(BindKind::Transmitter, BindResp::default()),
        0x09 => Body::BindResp(BindKind::Transceiver, BindResp::default()),
        0x03 => Body::QuerySmResp(QueryResp::default()),
        0x04 => Body::SubmitSmResp(SmResp::default()),
        0x05 => Body::DeliverSmResp(SmResp::default()),
        0x06 => Body::UnbindResp,
        0x08 => Body::CancelSmResp,
        0x15 => Body::EnquireLinkResp,
        0x0103 => Body::DataSmResp(SmResp::default()),
        _ => return None,
    })
}

const fn bind_command(kind: BindKind) -> u32 {
    match kind {
        BindKind::Receiver => 0x01,
        BindKind::Transmitter => 0x02,
        BindKind::Transceiver => 0x09,
    }
}
