// The GSM 7-bit default alphabet as npm's smpp has it: each code point that it encodes with its octets, then each octet, alone and
// behind an escape, with what it decodes to. One JSON array a line.
'use strict';

const { encodings } = require('smpp');

for (let point = 0; point < 0x10000; point++) {
  const text = String.fromCharCode(point);
  if (encodings.ASCII.match(text)) {
    console.log(JSON.stringify(['encode', point, encodings.ASCII.encode(text).toString('hex')]));
  }
}
for (let octet = 0; octet < 0x80; octet++) {
  console.log(JSON.stringify(['decode', octet, encodings.ASCII.decode(Buffer.from([octet]))]));
  console.log(JSON.stringify(['escape', octet, encodings.ASCII.decode(Buffer.from([0x1b, octet]))]));
}
