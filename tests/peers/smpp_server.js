// An SMSC on the npm package `smpp`, to test against: it was written by others and shares no code with us.
//
// Listens on a free port of loopback. Tells on stdout, one JSON object a line, what it hears; does what the text of a
// submit says, after answering it:
//
//   throttle, reject, nack   answers with that refusal
//   silent, drop             does not answer; drops the line
//   mo ucs2, mo udh, mo sar  the phone writes back, in UCS-2 or in parts
//   tlv                      the receipt names id and state in parameters too
//   enquire                  asks whether we are alive
//   unbind                   takes leave
//
// Arguments: [certificate key] for TLS.

'use strict';

const fs = require('fs');
const smpp = require('smpp');

const [certificate, key] = process.argv.slice(2);
const options = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

let lastId = 0xa0;

function bind(session, kind, pdu) {
    const known = pdu.system_id === 'clinic' && pdu.password === 'secret';
    tell({ bind: kind, known });
    if (!known) {
        session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }), () => session.close());
        return;
    }
    session.send(pdu.response({ system_id: 'node' }));
}

function submit(session, pdu) {
    const text = pdu.short_message.message || (pdu.message_payload && pdu.message_payload.message) || '';
    tell({
        submit: String(text),
        udh: (pdu.short_message.udh || []).map((element) => element.toString('hex')),
        data_coding: pdu.data_coding,
        esm_class: pdu.esm_class,
        source: pdu.source_addr,
        source_ton: pdu.source_addr_ton,
        dest: pdu.destination_addr,
        dest_ton: pdu.dest_addr_ton,
        registered_delivery: pdu.registered_delivery,
        umr: pdu.user_message_reference,
    });
    const refusals = {
        throttle: smpp.ESME_RTHROTTLED,
        reject: smpp.ESME_RINVDSTADR,
    };
    if (text in refusals) return session.send(pdu.response({ command_status: refusals[text] }));
    if (text === 'nack') {
        const nack = new smpp.PDU('generic_nack', { command_status: smpp.ESME_RINVCMDLEN, sequence_number: pdu.sequence_number });
        return session.send(nack);
    }
    if (text === 'silent') return undefined;
    if (text === 'drop') return session.destroy();
    const id = ++lastId;
    // Hexadecimal here and decimal in the receipt, as some carriers do.
    session.send(pdu.response({ message_id: '00' + id.toString(16).toUpperCase() }));
    if (pdu.registered_delivery) receipt(session, pdu, id, text);
    if (text.startsWith('mo ')) phoneWrites(session, pdu, text.slice(3));
    if (text === 'enquire') session.enquire_link({}, (resp) => tell({ alive: resp.command_status === 0 }));
    if (text === 'unbind') session.unbind({}, () => session.close());
    return undefined;
}

function deliver(session, fields) {
    session.deliver_sm(fields, (resp) => tell({ deliver_resp: resp.command_status }));
}

function back(pdu) {
    return {
        source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr,
        dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi, destination_addr: pdu.source_addr,
    };
}

function receipt(session, pdu, id, text) {
    const fields = Object.assign(back(pdu), {
        esm_class: 4,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:2603300930 done date:2603300931 stat:DELIVRD err:000 text:Hi`,
    });
    if (text === 'tlv') {
        Object.assign(fields, { receipted_message_id: id.toString(16), message_state: 5, user_message_reference: pdu.user_message_reference });
    }
    deliver(session, fields);
}

function phoneWrites(session, pdu, how) {
    if (how === 'ucs2') {
        return deliver(session, Object.assign(back(pdu), { data_coding: 8, short_message: '你好，1 👍' }));
    }
    ['first half, ', 'second half'].forEach((message, at) => {
        const fields = back(pdu);
        if (how === 'udh') {
            fields.esm_class = 0x40;
            fields.short_message = { udh: Buffer.from([5, 0, 3, 42, 2, at + 1]), message };
        } else {
            Object.assign(fields, { short_message: message, sar_msg_ref_num: 4242, sar_total_segments: 2, sar_segment_seqnum: at + 1 });
        }
        deliver(session, fields);
    });
    return undefined;
}

const server = smpp.createServer(options, (session) => {
    for (const kind of ['transceiver', 'transmitter', 'receiver']) {
        session.on(`bind_${kind}`, (pdu) => bind(session, kind, pdu));
    }
    session.on('submit_sm', (pdu) => submit(session, pdu));
    session.on('enquire_link', (pdu) => {
        tell({ enquire_link: true });
        session.send(pdu.response());
    });
    session.on('unbind', (pdu) => {
        tell({ unbind: true });
        session.send(pdu.response(), () => session.close());
    });
    // A line that breaks is part of the tests.
    session.on('error', () => undefined);
});

// The test that started us holds our stdin: we end with it.
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));
