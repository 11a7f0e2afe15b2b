//! Optional parameters (SMPP 3.4 §5.3): tag, length, value. Unknown ones are kept as they came.

use super::octets::Octets;

/// `user_message_reference`: ours, and good networks echo it in receipts.
pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
/// `sar_msg_ref_num`: the reference that parts of a long text share.
pub const SAR_MSG_REF_NUM: u16 = 0x020C;
/// `sar_total_segments`.
pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
/// `sar_segment_seqnum`, from 1.
pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
/// `sc_interface_version` in bind responses.
pub const SC_INTERFACE_VERSION: u16 = 0x0210;
/// `receipted_message_id`: whose receipt it is.
pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
/// `network_error_code`: the network's kind and its error.
pub const NETWORK_ERROR_CODE: u16 = 0x0423;
/// `message_payload`: a text too long for `short_message`.
pub const MESSAGE_PAYLOAD: u16 = 0x0424;
/// `message_state`: what became of the message.
pub const MESSAGE_STATE: u16 = 0x0427;

/// One optional parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// What it is.
    pub tag: u16,
    /// Its value as it came.
    pub value: Octets,
}

/// The optional parameters of a PDU, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tlvs(pub Vec<Tlv>);

impl Tlvs {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the first parameter `tag`.
    pub fn get(&self, tag: u16) -> Option<&Octets> {
        self.0
            .iter()
            .find(|tlv| tlv.tag == tag)
            .map(|tlv| &tlv.value)
    }

    /// An integer of one or two octets; carriers are not exact about the width.
    pub fn integer(&self, tag: u16) -> Option<u16> {
        match self.get(tag)?.reveal() {
            [one] => Some(u16::from(*one)),
            [high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// A text without the NUL that ends it, if one does.
    pub fn text(&self, tag: u16) -> Option<String> {
        let octets = self.get(tag)?.reveal();
        let end = octets
            .iter()
            .position(|octet| *octet == 0)
            .unwrap_or(octets.len());
        Some(Octets::from(&octets[..end]).to_text())
    }

    /// Adds a parameter.
    pub fn push(&mut self, tag: u16, value: impl Into<Octets>) {
        self.0.push(Tlv {
            tag,
            value: value.into(),
        });
    }
}
