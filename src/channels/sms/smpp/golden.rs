//! Every command once, octet by octet as SMPP 3.4 §4 has it.

use super::pdu::{Address, Bind, BindKind, BindResp, Body, Pdu, Query, QueryResp, Sm, SmResp};
use super::status::Status;
use super::tlv::Tlvs;

/// A PDU in hexadecimal, and what it means.
pub(super) type Golden = (&'static str, Pdu);

/// All of them.
pub(super) fn golden() -> Vec<Golden> {
    [links(), binds(), messages(), receipts(), queries()].concat()
}

pub(super) fn ok(sequence: u32, body: Body) -> Pdu {
    Pdu {
        status: Status::ROK,
        sequence,
        body,
    }
}

pub(super) fn tlvs(list: &[(u16, &[u8])]) -> Tlvs {
    let mut tlvs = Tlvs::new();
    for (tag, value) in list {
        tlvs.push(*tag, *value);
    }
    tlvs
}

pub(super) fn address(ton: u8, npi: u8, addr: &str) -> Address {
    Address {
        ton,
        npi,
        addr: addr.into(),
    }
}

fn binds() -> Vec<Golden> {
    let bind = Bind {
        system_id: "SMPP3TEST".into(),
        password: "secret08".into(),
        system_type: "SUBMIT1".into(),
        interface_version: 0,
        addr_ton: 1,
        addr_npi: 1,
        address_range: "".into(),
    };
    vec![
        (
            // The standard's own sample.
            "0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00",
            ok(1, Body::Bind(BindKind::Transmitter, bind.clone())),
        ),
        (
            "0000002F 00000009 00000000 7FFFFFFF 534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00",
            ok(0x7FFF_FFFF, Body::Bind(BindKind::Transceiver, bind)),
        ),
        (
            "0000001A 80000009 00000000 00000002 534D534300 0210 0001 34",
            ok(
                2,
                Body::BindResp(
                    BindKind::Transceiver,
                    BindResp {
                        system_id: "SMSC".into(),
                        tlvs: tlvs(&[(0x0210, &[0x34])]),
                    },
                ),
            ),
        ),
        (
            "00000010 80000002 0000000E 00000002",
            Pdu {
                status: Status::RINVPASWD,
                sequence: 2,
                body: Body::BindResp(BindKind::Transmitter, BindResp::default()),
            },
        ),
    ]
}

fn links() -> Vec<Golden> {
    vec![
        ("00000010 00000006 00000000 00000003", ok(3, Body::Unbind)),
        (
            "00000010 80000006 00000000 00000003",
            ok(3, Body::UnbindResp),
        ),
        (
            "00000010 00000015 00000000 00000004",
            ok(4, Body::EnquireLink),
        ),
        (
            "00000010 80000015 00000000 00000004",
            ok(4, Body::EnquireLinkResp),
        ),
        (
            "00000010 80000000 00000003 00000005",
            Pdu {
                status: Status::RINVCMDID,
                sequence: 5,
                body: Body::GenericNack,
            },
        ),
    ]
}

fn messages() -> Vec<Golden> {
    let submit = Sm {
        source: address(3, 0, "10690000"),
        dest: address(1, 1, "8613800000001"),
        esm_class: 0x40,
        validity_period: "000002000000000R".into(),
        registered_delivery: 1,
        data_coding: 8,
        short_message: vec![5, 0, 3, 7, 2, 1, 0x4F, 0x60].into(),
        tlvs: tlvs(&[(0x0204, &[0x12, 0x34])]),
        ..Sm::default()
    };
    vec![
        (
            "00000054 00000004 00000000 00000006 00 03 00 3130363930303030 00 01 01 38363133383030303030303031 00 \
             40 00 00 00 30303030303230303030303030303052 00 01 00 08 00 08 0500030702014F60 0204 0002 1234",
            ok(6, Body::SubmitSm(Box::new(submit))),
        ),
        (
            "00000013 80000004 00000000 00000006 4131 00",
            ok(6, Body::SubmitSmResp(answer())),
        ),
        (
            "00000010 80000004 00000058 00000006",
            Pdu {
                status: Status::RTHROTTLED,
                sequence: 6,
                body: Body::SubmitSmResp(SmResp::default()),
            },
        ),
    ]
}

fn receipts() -> Vec<Golden> {
    let deliver = Sm {
        service_type: "CMT".into(),
        source: address(1, 1, "8613800000001"),
        dest: address(0, 1, "10690000"),
        esm_class: 4,
        short_message: "id:7".into(),
        tlvs: tlvs(&[(0x001E, b"7\0"), (0x0427, &[2])]),
        ..Sm::default()
    };
    let data = Sm {
        source: address(5, 0, "Clinic"),
        dest: address(1, 1, "1"),
        data_coding: 3,
        registered_delivery: 1,
        tlvs: tlvs(&[(0x0424, b"Hi")]),
        ..Sm::default()
    };
    vec![
        (
            "00000048 00000005 00000000 00000007 434D5400 01 01 38363133383030303030303031 00 00 01 3130363930303030 00 \
             04 00 00 00 00 00 00 00 00 04 69643A37 001E 0002 3700 0427 0001 02",
            ok(7, Body::DeliverSm(Box::new(deliver))),
        ),
        (
            "00000011 80000005 00000000 00000007 00",
            ok(7, Body::DeliverSmResp(SmResp::default())),
        ),
        (
            "00000027 00000103 00000000 00000008 00 05 00 436C696E6963 00 01 01 31 00 00 01 03 0424 0002 4869",
            ok(8, Body::DataSm(Box::new(data))),
        ),
        (
            "00000013 80000103 00000000 00000008 4131 00",
            ok(8, Body::DataSmResp(answer())),
        ),
    ]
}

fn queries() -> Vec<Golden> {
    let query = Query {
        message_id: "A1".into(),
        source: address(0, 0, "9"),
        ..Query::default()
    };
    vec![
        (
            "00000017 00000003 00000000 00000009 413100 00 00 3900",
            ok(9, Body::QuerySm(query.clone())),
        ),
        (
            "00000016 80000003 00000000 00000009 413100 00 02 00",
            ok(
                9,
                Body::QuerySmResp(QueryResp {
                    message_id: "A1".into(),
                    final_date: "".into(),
                    message_state: 2,
                    error_code: 0,
                }),
            ),
        ),
        (
            "0000001C 00000008 00000000 0000000A 00 413100 00 00 3900 01 01 3100",
            ok(
                10,
                Body::CancelSm(Query {
                    dest: address(1, 1, "1"),
                    ..query
                }),
            ),
        ),
        (
            "00000010 80000008 00000000 0000000A",
            ok(10, Body::CancelSmResp),
        ),
    ]
}

fn answer() -> SmResp {
    SmResp {
        message_id: "A1".into(),
        tlvs: Tlvs::new(),
    }
}
