'use strict';
// An SMSC played by Node's smpp. See README.md for how it is called.

const fs = require('fs');
const smpp = require('smpp');

const ENCODINGS = {
  gsm: [0, (text) => smpp.gsmCoder.encode(text, 0)],
  ucs2: [8, (text) => Buffer.from(text, 'utf16le').swap16()],
};

const scenario = JSON.parse(fs.readFileSync(0, 'utf8'));
let replies = 0;

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

setTimeout(() => fail(`after ${scenario.timeout_s} s: ${replies} replies`), scenario.timeout_s * 1000);

// The subscribers' texts, once somebody receives.
function deliver(session) {
  for (const { from, to, text, encoding, form } of scenario.messages) {
    const [data_coding, encode] = ENCODINGS[encoding];
    const addresses = { source_addr_ton: 1, source_addr_npi: 1, source_addr: from, destination_addr: to };
    const data_sm = form === 'data_sm';
    const payload = data_sm || form === 'payload' ? { message_payload: encode(text) } : { short_message: encode(text) };
    session[data_sm ? 'data_sm' : 'deliver_sm']({ ...addresses, data_coding, ...payload }, (response) => {
      if (response.command_status !== 0) {
        fail(`${response.command} with status ${response.command_status}`);
      }
    });
  }
}

const server = smpp.createServer((session) => {
  session.on('error', (error) => fail(error.message));
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      if (pdu.system_id !== scenario.system_id || pdu.password !== scenario.password) {
        fail(`${kind} as ${pdu.system_id}`);
      }
      session.send(pdu.response({ system_id: 'node' }));
      if (kind !== 'bind_transmitter') {
        deliver(session);
      }
    });
  }
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => session.send(pdu.response()));
  session.on('submit_sm', (pdu) => {
    replies += 1;
    session.send(pdu.response({ message_id: `node-${replies}` }));
    const text = pdu.short_message.message || '';
    console.log(JSON.stringify({ from: pdu.source_addr, to: pdu.destination_addr, text }));
    if (replies === scenario.replies) {
      // Once the response is written.
      setImmediate(() => process.exit(0));
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
