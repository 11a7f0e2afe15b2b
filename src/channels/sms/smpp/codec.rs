//! Cuts the stream into frames and reads them, leniently.
//!
//! A frame is cut by its length before its body is looked at, so a bad body costs that PDU and never the stream.
//! Read are: fields longer than the standard allows, non-ASCII addresses, a last string without its NUL, responses
//! without a body, unknown optional parameters, and octets behind the last one. What the standard needs to place the
//! next field has to be right.

use bytes::{Buf, Bytes, BytesMut};

use super::octets::Octets;
use super::pdu::{
    Address, Bind, BindKind, BindResp, Body, Pdu, Query, QueryResp, RESPONSE, Sm, SmResp,
    empty_answer,
};
use super::status::Status;
use super::tlv::{Tlv, Tlvs};

/// Octets in a header, which is also the shortest frame.
pub const HEADER_LEN: usize = 16;
/// The longest frame we take: a `message_payload` of 64 KiB is far above any SMS.
pub const MAX_FRAME_LEN: usize = 64 * 1024;

/// The length of a frame makes no sense: where the next one begins is unknown, and the stream is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PDU claims a length of {length} octets")]
pub struct BadLength {
    /// What it claims.
    pub length: u32,
    /// Its number, as far as it had come.
    pub sequence: u32,
}

/// Takes the next whole frame off `stream`, or `None` when it has not all come yet.
///
/// # Errors
/// When its length is below a header's or above [`MAX_FRAME_LEN`].
pub fn next_frame(stream: &mut BytesMut) -> Result<Option<Bytes>, BadLength> {
    let Some(claimed) = stream
        .first_chunk::<4>()
        .map(|length| u32::from_be_bytes(*length))
    else {
        return Ok(None);
    };
    let length = usize::try_from(claimed)
        .ok()
        .filter(|length| (HEADER_LEN..=MAX_FRAME_LEN).contains(length));
    let Some(length) = length else {
        let sequence = stream.get(12..16).map_or(0, |mut octets| octets.get_u32());
        return Err(BadLength {
            length: claimed,
            sequence,
        });
    };
    if stream.len() < length {
        stream.reserve(length - stream.len());
        return Ok(None);
    }
    Ok(Some(stream.split_to(length).freeze()))
}

/// A frame that is no PDU we can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PDU 0x{command:08X} refused with {status}")]
pub struct BadPdu {
    /// Its command id.
    pub command: u32,
    /// Its number.
    pub sequence: u32,
    /// What to answer it with.
    pub status: Status,
}

impl BadPdu {
    /// What to send back: the command's own response, else `generic_nack`. A bad response is not answered.
    pub fn answer(self) -> Option<Pdu> {
        if self.command & RESPONSE != 0 {
            return None;
        }
        let body = empty_answer(self.command).unwrap_or(Body::GenericNack);
        Some(Pdu {
            status: self.status,
            sequence: self.sequence,
            body,
        })
    }
}

/// Reads a whole frame.
///
/// # Errors
/// When the command is unknown, or its body ends before its last field.
pub fn decode(frame: Bytes) -> Result<Pdu, BadPdu> {
    let mut rest = Rest(frame);
    let header = [rest.u32(), rest.u32(), rest.u32(), rest.u32()];
    let [Ok(_), Ok(command), Ok(status), Ok(sequence)] = header else {
        return Err(BadPdu {
            command: 0,
            sequence: 0,
            status: Status::RINVCMDLEN,
        });
    };
    match body(command, &mut rest) {
        Ok(Some(body)) => Ok(Pdu {
            status: Status(status),
            sequence,
            body,
        }),
        Ok(None) => Err(BadPdu {
            command,
            sequence,
            status: Status::RINVCMDID,
        }),
        Err(Short) => Err(BadPdu {
            command,
            sequence,
            status: Status::RINVMSGLEN,
        }),
    }
}

/// The body ended before its last field.
struct Short;

fn body(command: u32, rest: &mut Rest) -> Result<Option<Body>, Short> {
    if command & RESPONSE != 0 {
        return Ok(Some(response(command, rest)));
    }
    Ok(Some(match command {
        0x01 => Body::Bind(BindKind::Receiver, rest.bind()?),
        0x02 => Body::Bind(BindKind::Transmitter, rest.bind()?),
        0x09 => Body::Bind(BindKind::Transceiver, rest.bind()?),
        0x03 => Body::QuerySm(rest.query()?),
        0x04 => Body::SubmitSm(Box::new(rest.sm()?)),
        0x05 => Body::DeliverSm(Box::new(rest.sm()?)),
        0x06 => Body::Unbind,
        0x08 => Body::CancelSm(rest.cancel()?),
        0x0B => Body::Outbind,
        0x15 => Body::EnquireLink,
        0x0102 => Body::AlertNotification(rest.all()),
        0x0103 => Body::DataSm(Box::new(rest.data()?)),
        _ => return Ok(None),
    }))
}

/// Responses are read whatever they hold: a refusal often has no body, and an id counts even without its NUL.
fn response(command: u32, rest: &mut Rest) -> Body {
    let bind = |rest: &mut Rest| BindResp {
        system_id: rest.last_cstring(),
        tlvs: rest.tlvs(),
    };
    match command & !RESPONSE {
        0x00 => Body::GenericNack,
        0x01 => Body::BindResp(BindKind::Receiver, bind(rest)),
        0x02 => Body::BindResp(BindKind::Transmitter, bind(rest)),
        0x09 => Body::BindResp(BindKind::Transceiver, bind(rest)),
        0x03 => Body::QuerySmResp(QueryResp {
            message_id: rest.last_cstring(),
            final_date: rest.last_cstring(),
            message_state: rest.u8().unwrap_or(0),
            error_code: rest.u8().unwrap_or(0),
        }),
        0x04 => Body::SubmitSmResp(rest.sm_resp()),
        0x05 => Body::DeliverSmResp(rest.sm_resp()),
        0x06 => Body::UnbindResp,
        0x08 => Body::CancelSmResp,
        0x15 => Body::EnquireLinkResp,
        0x0103 => Body::DataSmResp(rest.sm_resp()),
        _ => Body::OtherResp(command, rest.all()),
    }
}

/// What of a frame is not read yet. Every string shares the frame's memory.
struct Rest(Bytes);

impl Rest {
    fn u8(&mut self) -> Result<u8, Short> {
        self.0.try_get_u8().map_err(|_| Short)
    }

    fn u32(&mut self) -> Result<u32, Short> {
        self.0.try_get_u32().map_err(|_| Short)
    }

    fn take(&mut self, length: usize) -> Result<Octets, Short> {
        if self.0.len() < length {
            return Err(Short);
        }
        Ok(Octets::from(self.0.split_to(length)))
    }

    fn all(&mut self) -> Octets {
        Octets::from(std::mem::take(&mut self.0))
    }

    fn cstring(&mut self) -> Result<Octets, Short> {
        let end = self.0.iter().position(|octet| *octet == 0).ok_or(Short)?;
        let octets = self.take(end)?;
        self.0.advance(1);
        Ok(octets)
    }

    /// A string that may end with the PDU instead of a NUL.
    fn last_cstring(&mut self) -> Octets {
        self.cstring().unwrap_or_else(|Short| self.all())
    }

    fn address(&mut self) -> Result<Address, Short> {
        Ok(Address {
            ton: self.u8()?,
            npi: self.u8()?,
            addr: self.cstring()?,
        })
    }

    fn bind(&mut self) -> Result<Bind, Short> {
        Ok(Bind {
            system_id: self.cstring()?,
            password: self.cstring()?,
            system_type: self.cstring()?,
            interface_version: self.u8()?,
            addr_ton: self.u8()?,
            addr_npi: self.u8()?,
            address_range: self.last_cstring(),
        })
    }

    fn sm(&mut self) -> Result<Sm, Short> {
        let mut sm = Sm {
            service_type: self.cstring()?,
            source: self.address()?,
            dest: self.address()?,
            esm_class: self.u8()?,
            protocol_id: self.u8()?,
            priority_flag: self.u8()?,
            schedule_delivery_time: self.cstring()?,
            validity_period: self.cstring()?,
            registered_delivery: self.u8()?,
            replace_if_present_flag: self.u8()?,
            data_coding: self.u8()?,
            sm_default_msg_id: self.u8()?,
            ..Sm::default()
        };
        let length = self.u8()?;
        sm.short_message = self.take(usize::from(length))?;
        sm.tlvs = self.tlvs();
        sm.trailing = self.all();
        Ok(sm)
    }

    fn data(&mut self) -> Result<Sm, Short> {
        let mut sm = Sm {
            service_type: self.cstring()?,
            source: self.address()?,
            dest: self.address()?,
            esm_class: self.u8()?,
            registered_delivery: self.u8()?,
            data_coding: self.u8()?,
            ..Sm::default()
        };
        sm.tlvs = self.tlvs();
        sm.trailing = self.all();
        Ok(sm)
    }

    fn query(&mut self) -> Result<Query, Short> {
        Ok(Query {
            message_id: self.cstring()?,
            source: self.address()?,
            ..Query::default()
        })
    }

    fn cancel(&mut self) -> Result<Query, Short> {
        Ok(Query {
            service_type: self.cstring()?,
            message_id: self.cstring()?,
            source: self.address()?,
            dest: self.address()?,
        })
    }

    fn sm_resp(&mut self) -> SmResp {
        SmResp {
            message_id: self.last_cstring(),
            tlvs: self.tlvs(),
        }
    }

    /// The optional parameters as far as they are whole; what is not stays in the rest.
    fn tlvs(&mut self) -> Tlvs {
        let mut tlvs = Tlvs::new();
        while let Some([tag_high, tag_low, length_high, length_low]) =
            self.0.first_chunk::<4>().copied()
        {
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            if self.0.len() < 4 + length {
                break;
            }
            self.0.advance(4);
            let value = Octets::from(self.0.split_to(length));
            tlvs.0.push(Tlv {
                tag: u16::from_be_bytes([tag_high, tag_low]),
                value,
            });
        }
        tlvs
    }
}
