'use strict';
// An operator played by Node's smpp. See README.md for how it is called.

const fs = require('fs');
const smpp = require('smpp');

const ENCODINGS = {
  gsm: [0, (text) => smpp.gsmCoder.encode(text, 0)],
  latin1: [3, (text) => Buffer.from(text, 'latin1')],
  ucs2: [8, (text) => Buffer.from(text, 'utf16le').swap16()],
};

const [host, port] = process.argv.slice(2);
const scenario = JSON.parse(fs.readFileSync(0, 'utf8'));
const kinds = { transceiver: ['bind_transceiver'], pair: ['bind_transmitter', 'bind_receiver'] }[scenario.bind];
let unanswered = 0;
let replies = 0;
let sessions = [];

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

setTimeout(
  () => fail(`after ${scenario.timeout_s} s: ${unanswered} unanswered, ${replies} replies`),
  scenario.timeout_s * 1000,
);

// Sends a request and waits for its response; any other status than ESME_ROK ends the run.
function ask(session, command, fields) {
  unanswered += 1;
  return new Promise((resolve) => {
    session[command](fields, (response) => {
      if (response.command_status !== 0) {
        fail(`${response.command} with status 0x${response.command_status.toString(16).padStart(8, '0')}`);
      }
      unanswered -= 1;
      resolve();
    });
  });
}

function connect(kind) {
  return new Promise((resolve) => {
    const session = smpp.connect({ host, port: Number(port) }, async () => {
      await ask(session, kind, { system_id: scenario.system_id, password: scenario.password });
      resolve(session);
    });
    session.on('error', (error) => fail(error.message));
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('deliver_sm', (pdu) => {
      session.send(pdu.response());
      const text = pdu.short_message.message || (pdu.message_payload || {}).message || '';
      const reply = { from: pdu.source_addr, to: pdu.destination_addr, text, data_coding: pdu.data_coding };
      console.log(JSON.stringify(reply));
      replies += 1;
      finish();
    });
  });
}

// The requests that carry one message, as [command, fields].
function requests(number, message) {
  const [data_coding, encode] = ENCODINGS[message.encoding || 'gsm'];
  const { text, form = 'plain' } = message;
  const middle = Math.floor(text.length / 2);
  const halves = [encode(text.slice(0, middle)), encode(text.slice(middle))];
  const common = {
    source_addr_ton: 1, source_addr_npi: 1, source_addr: message.from,
    dest_addr_ton: 0, dest_addr_npi: 1, destination_addr: message.to, data_coding,
  };
  const request = (fields, command = 'submit_sm') => [command, { ...common, ...fields }];
  switch (form) {
    case 'plain':
      return [request({ short_message: encode(text) })];
    case 'payload':
      return [request({ short_message: Buffer.alloc(0), message_payload: encode(text) })];
    case 'data_sm':
      return [request({ message_payload: encode(text) }, 'data_sm')];
    case 'sar':
      return halves.map((half, index) => request({
        short_message: half,
        sar_msg_ref_num: number,
        sar_total_segments: 2,
        sar_segment_seqnum: index + 1,
      }));
    case 'udh8':
      return halves.map((half, index) => request({
        short_message: { udh: Buffer.from([5, 0, 3, number % 256, 2, index + 1]), message: half },
      }));
    case 'udh16':
      return halves.map((half, index) => request({
        short_message: {
          udh: Buffer.from([6, 8, 4, Math.floor(number / 256), number % 256, 2, index + 1]),
          message: half,
        },
      }));
    default:
      return fail(`no form ${form}`);
  }
}

async function finish() {
  if (unanswered > 0 || replies < scenario.replies || sessions.length < kinds.length) return;
  const closing = sessions;
  sessions = [];
  for (const session of closing) await ask(session, 'unbind', {});
  process.exit(0);
}

async function run() {
  sessions = await Promise.all(kinds.map(connect));
  const [transmitter] = sessions;
  const sent = scenario.messages.flatMap((message, index) => requests(index + 1, message));
  await Promise.all([...sent, ['enquire_link', {}]].map(([command, fields]) => ask(transmitter, command, fields)));
  finish();
}

run();
