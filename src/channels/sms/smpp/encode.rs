//! Writes PDUs.

use bytes::{BufMut, Bytes, BytesMut};

use super::octets::Octets;
use super::pdu::{Address, Body, Pdu, Query, Sm};
use super::tlv::Tlvs;

/// A field is longer than its length on the wire can say. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field is too long for its PDU")]
pub struct TooLong;

/// The octets of `pdu`.
///
/// # Errors
/// When a text or an optional parameter is longer than its length can say.
pub fn encode(pdu: &Pdu) -> Result<Bytes, TooLong> {
    encode_open(pdu).map(BytesMut::freeze)
}

/// The octets of `pdu`, whose number may still be set by [`set_sequence`].
pub(super) fn encode_open(pdu: &Pdu) -> Result<BytesMut, TooLong> {
    let mut out = BytesMut::with_capacity(256);
    out.put_u32(0);
    out.put_u32(pdu.body.command());
    out.put_u32(pdu.status.0);
    out.put_u32(pdu.sequence);
    put_body(&mut out, pdu)?;
    let length = u32::try_from(out.len()).map_err(|_| TooLong)?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

/// Gives an encoded PDU its number.
pub(super) fn set_sequence(octets: &mut BytesMut, sequence: u32) {
    octets[12..16].copy_from_slice(&sequence.to_be_bytes());
}

fn put_body(out: &mut BytesMut, pdu: &Pdu) -> Result<(), TooLong> {
    match &pdu.body {
        Body::Bind(_, bind) => {
            put_cstring(out, &bind.system_id);
            put_cstring(out, &bind.password);
            put_cstring(out, &bind.system_type);
            out.put_slice(&[bind.interface_version, bind.addr_ton, bind.addr_npi]);
            put_cstring(out, &bind.address_range);
        }
        Body::BindResp(_, resp) if !pdu.status.is_ok() && resp.system_id.is_empty() => {
            put_tlvs(out, &resp.tlvs)?
        }
        Body::BindResp(_, resp) => {
            put_cstring(out, &resp.system_id);
            put_tlvs(out, &resp.tlvs)?;
        }
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => put_sm(out, sm)?,
        Body::DataSm(sm) => put_data(out, sm)?,
        Body::SubmitSmResp(resp) if !pdu.status.is_ok() && resp.message_id.is_empty() => {
            // SMPP 3.4 §4.4.2: a refusal has no body.
            put_tlvs(out, &resp.tlvs)?;
        }
        Body::SubmitSmResp(resp) | Body::DeliverSmResp(resp) | Body::DataSmResp(resp) => {
            put_cstring(out, &resp.message_id);
            put_tlvs(out, &resp.tlvs)?;
        }
        Body::QuerySm(query) => {
            put_cstring(out, &query.message_id);
            put_address(out, &query.source);
        }
        Body::QuerySmResp(resp) => {
            put_cstring(out, &resp.message_id);
            put_cstring(out, &resp.final_date);
            out.put_slice(&[resp.message_state, resp.error_code]);
        }
        Body::CancelSm(query) => put_cancel(out, query),
        Body::Outbind => out.put_slice(&[0, 0]),
        Body::AlertNotification(raw) | Body::OtherResp(_, raw) => out.put_slice(raw.reveal()),
        Body::Unbind
        | Body::UnbindResp
        | Body::EnquireLink
        | Body::EnquireLinkResp
        | Body::GenericNack
        | Body::CancelSmResp => {}
    }
    Ok(())
}

fn put_sm(out: &mut BytesMut, sm: &Sm) -> Result<(), TooLong> {
    put_cstring(out, &sm.service_type);
    put_address(out, &sm.source);
    put_address(out, &sm.dest);
    out.put_slice(&[sm.esm_class, sm.protocol_id, sm.priority_flag]);
    put_cstring(out, &sm.schedule_delivery_time);
    put_cstring(out, &sm.validity_period);
    out.put_slice(&[
        sm.registered_delivery,
        sm.replace_if_present_flag,
        sm.data_coding,
        sm.sm_default_msg_id,
    ]);
    out.put_u8(u8::try_from(sm.short_message.len()).map_err(|_| TooLong)?);
    out.put_slice(sm.short_message.reveal());
    put_tlvs(out, &sm.tlvs)?;
    out.put_slice(sm.trailing.reveal());
    Ok(())
}

fn put_data(out: &mut BytesMut, sm: &Sm) -> Result<(), TooLong> {
    put_cstring(out, &sm.service_type);
    put_address(out, &sm.source);
    put_address(out, &sm.dest);
    out.put_slice(&[sm.esm_class, sm.registered_delivery, sm.data_coding]);
    put_tlvs(out, &sm.tlvs)?;
    out.put_slice(sm.trailing.reveal());
    Ok(())
}

fn put_cancel(out: &mut BytesMut, query: &Query) {
    put_cstring(out, &query.service_type);
    put_cstring(out, &query.message_id);
    put_address(out, &query.source);
    put_address(out, &query.dest);
}

fn put_address(out: &mut BytesMut, address: &Address) {
    out.put_slice(&[address.ton, address.npi]);
    put_cstring(out, &address.addr);
}

/// A C-octet string. What stands behind a NUL of its own would shift every later field: it is left out.
fn put_cstring(out: &mut BytesMut, octets: &Octets) {
    let octets = octets.reveal();
    let end = octets
        .iter()
        .position(|octet| *octet == 0)
        .unwrap_or(octets.len());
    out.put_slice(&octets[..end]);
    out.put_u8(0);
}

fn put_tlvs(out: &mut BytesMut, tlvs: &Tlvs) -> Result<(), TooLong> {
    for tlv in &tlvs.0 {
        out.put_u16(tlv.tag);
        out.put_u16(u16::try_from(tlv.value.len()).map_err(|_| TooLong)?);
        out.put_slice(tlv.value.reveal());
    }
    Ok(())
}
