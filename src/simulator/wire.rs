//! Between PDUs and what the carrier knows: reads submits, writes receipts and texts.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

use super::carrier::{Delivery, Load, Submitted, Wanted};
use super::conduct::{Conduct, LongText};
use super::dialect::Paper;
use crate::channels::sms::coding::{self, Concat};
use crate::channels::sms::smpp::octets::Octets;
use crate::channels::sms::smpp::pdu::{Address, ESM_UDHI, Sm};
use crate::channels::sms::smpp::tlv;
use crate::model::private::Private;
use crate::segments::split::{self, DefaultAlphabet, Reference};
use crate::segments::{Alphabet, encode_ucs2};

/// `esm_class`: a receipt (SMPP 3.4 §5.2.12).
const ESM_RECEIPT: u8 = 0x04;
/// Type of number: international; plan: ISDN.
const INTERNATIONAL: (u8, u8) = (1, 1);
/// Code units of a part in UCS-2, with an 8-bit reference and with a 16-bit one.
const UCS2_UNITS: (usize, usize) = (67, 66);

/// What `sm` of `account` asks for.
pub(super) fn read(account: &str, sm: &Sm, alphabet: DefaultAlphabet, now: Timestamp) -> Submitted {
    let user_data = sm.user_data();
    let (in_header, text) = if sm.esm_class & ESM_UDHI == 0 {
        (None, user_data)
    } else {
        coding::take_header(user_data)
    };
    let octet = |tag| sm.tlvs.integer(tag).and_then(|n| u8::try_from(n).ok());
    let in_parameters = || {
        let reference = sm.tlvs.integer(tlv::SAR_MSG_REF_NUM)?;
        Concat::new(
            reference,
            octet(tlv::SAR_TOTAL_SEGMENTS)?,
            octet(tlv::SAR_SEGMENT_SEQNUM)?,
        )
    };
    Submitted {
        account: account.to_owned(),
        from: sm.source.addr.to_text(),
        to: Private::new(sm.dest.addr.to_text()),
        text: Private::new(coding::decode(text, sm.data_coding, alphabet)),
        concat: in_header.or_else(in_parameters),
        receipt: match sm.registered_delivery & 0x03 {
            0x01 => Wanted::Always,
            0x02 => Wanted::OnFailure,
            _ => Wanted::Never,
        },
        umr: sm.tlvs.integer(tlv::USER_MESSAGE_REFERENCE),
        expires_at: validity_end(&sm.validity_period.to_text(), now),
    }
}

/// The end of a `validity_period` (SMPP 3.4 §7.1.1): `YYMMDDhhmmss000R`, or an instant with quarters of an hour from UTC.
fn validity_end(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let number = |from: usize| text[from..from + 2].parse::<i8>().ok();
    let fields: Vec<i8> = (0..6).map(|n| number(n * 2)).collect::<Option<_>>()?;
    let [year, month, day, hour, minute, second] = *fields.as_slice() else {
        return None;
    };
    let sign = match text.as_bytes()[15] {
        b'R' => {
            let span = Span::new()
                .years(year)
                .months(month)
                .days(day)
                .hours(hour)
                .minutes(minute)
                .seconds(second);
            return now
                .to_zoned(TimeZone::UTC)
                .checked_add(span)
                .ok()
                .map(|end| end.timestamp());
        }
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let quarters: i32 = number(13)?.into();
    let wall = DateTime::new(2000 + i16::from(year), month, day, hour, minute, second, 0).ok()?;
    let offset = Offset::from_seconds(sign * quarters * 15 * 60).ok()?;
    offset.to_timestamp(wall).ok()
}

/// The `deliver_sm`s that carry `delivery`; several for a long text.
pub(super) fn write(delivery: &Delivery, conduct: &Conduct) -> Vec<Sm> {
    let (ton, npi) = INTERNATIONAL;
    let base = Sm {
        source: Address {
            ton,
            npi,
            addr: delivery.from.reveal().as_str().into(),
        },
        dest: Address {
            ton: 0,
            npi: 0,
            addr: delivery.to.as_str().into(),
        },
        ..Sm::default()
    };
    match &delivery.load {
        Load::Receipt { paper, umr } => vec![receipt(base, paper, *umr)],
        Load::Text { n, text } => {
            let mut parts = texts(&base, *n, text.reveal(), conduct);
            if conduct.texts.backwards {
                parts.reverse();
            }
            parts
        }
    }
}

fn receipt(mut sm: Sm, paper: &Paper, umr: Option<u16>) -> Sm {
    sm.esm_class = ESM_RECEIPT;
    sm.short_message = paper.body.as_str().into();
    if let Some(id) = &paper.receipted_id {
        // A C-octet string: with the NUL that ends it.
        sm.tlvs.push(tlv::RECEIPTED_MESSAGE_ID, format!("{id}\0"));
    }
    if let Some(state) = paper.state {
        sm.tlvs.push(tlv::MESSAGE_STATE, vec![state]);
    }
    if let Some(umr) = umr {
        sm.tlvs
            .push(tlv::USER_MESSAGE_REFERENCE, umr.to_be_bytes().to_vec());
    }
    sm
}

fn texts(base: &Sm, n: u64, text: &str, conduct: &Conduct) -> Vec<Sm> {
    let form = conduct.texts.form;
    let reference = if form == LongText::Udh16 {
        Reference::Bits16
    } else {
        Reference::Bits8
    };
    let (alphabet, payloads) = cut(text, reference, conduct);
    let data_coding = match alphabet {
        Alphabet::Gsm7 => coding::DEFAULT,
        Alphabet::Ucs2 => coding::UCS2,
    };
    let base = Sm {
        data_coding,
        ..base.clone()
    };
    if let [one] = payloads.as_slice() {
        return vec![Sm {
            short_message: one.as_slice().into(),
            ..base
        }];
    }
    if form == LongText::Payload {
        let mut sm = base;
        sm.tlvs.push(tlv::MESSAGE_PAYLOAD, payloads.concat());
        return vec![sm];
    }
    let low = n.to_be_bytes();
    let (high, low) = (low[6], low[7]);
    // `cut` gives 255 parts at most.
    let total = u8::try_from(payloads.len()).unwrap_or(u8::MAX);
    (1..=total)
        .zip(payloads)
        .map(|(number, payload)| {
            let mut sm = base.clone();
            let header: &[u8] = match form {
                LongText::Udh8 => &[5, 0, 3, low, total, number],
                LongText::Udh16 => &[6, 8, 4, high, low, total, number],
                LongText::Sar | LongText::Payload => &[],
            };
            if header.is_empty() {
                sm.tlvs.push(tlv::SAR_MSG_REF_NUM, vec![high, low]);
                sm.tlvs.push(tlv::SAR_TOTAL_SEGMENTS, vec![total]);
                sm.tlvs.push(tlv::SAR_SEGMENT_SEQNUM, vec![number]);
            } else {
                sm.esm_class = ESM_UDHI;
            }
            sm.short_message = Octets::from([header, &payload].concat());
            sm
        })
        .collect()
}

fn cut(text: &str, reference: Reference, conduct: &Conduct) -> (Alphabet, Vec<Vec<u8>>) {
    let options = split::Options {
        default_alphabet: conduct.alphabet,
        reference,
    };
    match split::split(text, options) {
        Ok(parts) if parts.alphabet == Alphabet::Ucs2 || !conduct.texts.always_ucs2 => {
            (parts.alphabet, parts.payloads)
        }
        // A text that is too long for 255 parts ends where they end, as on a handset.
        Ok(_) | Err(_) => (Alphabet::Ucs2, cut_ucs2(text, reference)),
    }
}

fn cut_ucs2(text: &str, reference: Reference) -> Vec<Vec<u8>> {
    if text.encode_utf16().count() <= 70 {
        return vec![encode_ucs2(text)];
    }
    let room = match reference {
        Reference::Bits8 => UCS2_UNITS.0,
        Reference::Bits16 => UCS2_UNITS.1,
    };
    let mut parts = vec![String::new()];
    let mut units = 0;
    for c in text.chars() {
        units += c.len_utf16();
        if units > room {
            units = c.len_utf16();
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .iter()
        .take(255)
        .map(|part| encode_ucs2(part))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{read, validity_end, write};
    use crate::model::private::Private;
    use crate::segments::split::DefaultAlphabet;
    use crate::simulator::carrier::{Delivery, Load};
    use crate::simulator::conduct::{Conduct, LongText, Texts};
    use crate::simulator::parts::Parts;

    fn now() -> jiff::Timestamp {
        "2026-12-01T01:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_validity_is_read_in_both_forms() {
        let end = |text: &str| validity_end(text, now()).map(|end| end.to_string());
        assert_eq!(
            end("000001020000000R"),
            Some("2026-12-02T03:00:00Z".to_owned())
        );
        assert_eq!(
            end("261201120000000+"),
            Some("2026-12-01T12:00:00Z".to_owned())
        );
        assert_eq!(
            end("261201120000032+"),
            Some("2026-12-01T04:00:00Z".to_owned())
        );
        for bad in [
            "",
            "000001020000000",
            "000001020000000X",
            "2612xx120000000+",
            "十二月一日",
        ] {
            assert_eq!(end(bad), None, "{bad}");
        }
    }

    #[test]
    fn long_texts_survive_every_form_alphabet_and_order() {
        let texts = [
            "好的，我会准时到。".repeat(20),
            "Yes, I will be there on time. ".repeat(20),
            "👍".repeat(100),
            "1".to_owned(),
        ];
        let forms = [
            LongText::Udh8,
            LongText::Udh16,
            LongText::Sar,
            LongText::Payload,
        ];
        for (text, form) in texts.iter().flat_map(|text| forms.map(|form| (text, form))) {
            for (backwards, always_ucs2) in [(false, false), (true, false), (true, true)] {
                let conduct = Conduct {
                    texts: Texts {
                        form,
                        backwards,
                        always_ucs2,
                        ..Texts::default()
                    },
                    ..Conduct::default()
                };
                let load = Load::Text {
                    n: 0x1234,
                    text: Private::new(text.clone()),
                };
                let delivery = Delivery::new(
                    Private::new("8613800000001".to_owned()),
                    "1069".to_owned(),
                    load,
                );
                let mut parts = Parts::default();
                let mut whole = None;
                for sm in write(&delivery, &conduct) {
                    assert!(sm.short_message.len() <= 160);
                    let submitted = read("x", &sm, DefaultAlphabet::Gsm7, now());
                    whole = parts.take("a", "b", submitted.concat, submitted.text.into_revealed());
                }
                assert_eq!(
                    whole.as_ref(),
                    Some(text),
                    "{form:?} {backwards} {always_ucs2}"
                );
            }
        }
    }
}
