"""An SMSC made of Python's asyncio and smpplib's PDUs. See README.md for how it is called."""

import asyncio
import json
import struct
import sys

from smpplib import gsm
from smpplib.smpp import make_pdu, parse_pdu

ENCODINGS = {
    "gsm": (0, gsm.gsm_encode),
    "ucs2": (8, lambda text: text.encode("utf-16-be")),
}


class Numbers:
    """What smpplib asks a client for."""

    sequence = 0

    def next_sequence(self):
        self.sequence += 1
        return self.sequence


def respond(writer, request, **fields):
    response = make_pdu(request.command + "_resp", client=Numbers(), **fields)
    response.sequence = request.sequence
    writer.write(response.generate())


def deliver(writer, numbers, messages):
    """The subscribers' texts, once somebody receives."""
    for message in messages:
        data_coding, encode = ENCODINGS[message["encoding"]]
        payload = {"short_message": encode(message["text"])}
        if message["form"] == "payload":
            payload = {"message_payload": encode(message["text"])}
        pdu = make_pdu(
            "deliver_sm", client=numbers, source_addr_ton=1, source_addr_npi=1, source_addr=message["from"],
            dest_addr_ton=0, dest_addr_npi=1, destination_addr=message["to"], esm_class=0, data_coding=data_coding,
            **payload,
        )
        # smpplib numbers a PDU when a client sends it.
        pdu.sequence = numbers.next_sequence()
        writer.write(pdu.generate())


async def main():
    scenario = json.load(sys.stdin)
    done = asyncio.get_running_loop().create_future()
    taken = 0

    async def serve(reader, writer):
        nonlocal taken
        numbers = Numbers()
        try:
            while True:
                length = await reader.readexactly(4)
                rest = await reader.readexactly(struct.unpack(">L", length)[0] - 4)
                request = parse_pdu(length + rest, client=numbers, allow_unknown_opt_params=True)
                if request.command.startswith("bind_") and not request.command.endswith("_resp"):
                    said = (request.system_id.decode(), request.password.decode())
                    assert said == (scenario["system_id"], scenario["password"]), said
                    respond(writer, request, system_id="smpplib")
                    if request.command != "bind_transmitter":
                        deliver(writer, numbers, scenario["messages"])
                elif request.command == "submit_sm":
                    taken += 1
                    respond(writer, request, message_id=f"py-{taken}")
                    # Replies are in UCS-2 or in letters that are the same in GSM and in ASCII, or come as their octets.
                    coding = "utf-16-be" if request.data_coding == 8 else "latin-1"
                    text = request.short_message.decode(coding)
                    reply = {"from": request.source_addr.decode(), "to": request.destination_addr.decode(), "text": text}
                    print(json.dumps(reply), flush=True)
                elif request.command in ("enquire_link", "unbind"):
                    respond(writer, request)
                elif request.command == "deliver_sm_resp":
                    assert request.status == 0, request.status
                await writer.drain()
                if taken == scenario["replies"] and not done.done():
                    done.set_result(None)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            done.set_exception(error)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.wait_for(done, scenario["timeout_s"])


asyncio.run(main())
