"""An operator played by Python's smpplib. See README.md for how it is called."""

import json
import select
import sys
import time

from smpplib import consts, gsm
from smpplib.client import Client
from smpplib.smpp import make_pdu

ENCODINGS = {
    "gsm": (0, gsm.gsm_encode),
    "latin1": (3, lambda text: text.encode("latin-1")),
    "ucs2": (8, lambda text: text.encode("utf-16-be")),
}
UDHI = 0x40


def connect(host, port, scenario):
    """The transmitting and the receiving session; one and the same for a transceiver."""
    kinds = {"transceiver": ["bind_transceiver"], "pair": ["bind_transmitter", "bind_receiver"]}[scenario["bind"]]
    sessions = []
    for kind in kinds:
        client = Client(host, port, timeout=scenario["timeout_s"], allow_unknown_opt_params=True)
        client.connect()
        getattr(client, kind)(system_id=scenario["system_id"], password=scenario["password"])
        sessions.append(client)
    return sessions


def requests(client, number, message):
    """The PDUs that carry one message."""
    data_coding, encode = ENCODINGS[message.get("encoding", "gsm")]
    text, form = message["text"], message.get("form", "plain")
    common = {
        "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": message["from"],
        "dest_addr_ton": 0, "dest_addr_npi": 1, "destination_addr": message["to"],
        "esm_class": 0, "data_coding": data_coding, "registered_delivery": 0,
    }
    halves = [encode(text[: len(text) // 2]), encode(text[len(text) // 2 :])]

    def request(command="submit_sm", **fields):
        return make_pdu(command, client=client, **{**common, **fields})

    if form == "plain":
        return [request(short_message=encode(text))]
    if form == "payload":
        return [request(message_payload=encode(text))]
    if form == "data_sm":
        return [request("data_sm", message_payload=encode(text))]
    if form == "sar":
        return [
            request(short_message=half, sar_msg_ref_num=number, sar_total_segments=2, sar_segment_seqnum=index)
            for index, half in enumerate(halves, 1)
        ]
    header = {"udh8": bytes([5, 0, 3, number % 256]), "udh16": bytes([6, 8, 4, number // 256, number % 256])}[form]
    return [
        request(short_message=header + bytes([2, index]) + half, esm_class=UDHI)
        for index, half in enumerate(halves, 1)
    ]


def answer(client, pdu, command):
    response = make_pdu(command, client=client, status=consts.SMPP_ESME_ROK)
    response.sequence = pdu.sequence
    client.send_pdu(response)


def decode(pdu):
    octets = pdu.short_message or getattr(pdu, "message_payload", None) or b""
    if pdu.data_coding == 8:
        return octets.decode("utf-16-be")
    if pdu.data_coding in (1, 3):
        return octets.decode("latin-1")
    characters, escape = [], 0
    for octet in octets:
        if octet == 0x1B:
            escape = 0x80
        else:
            characters.append(gsm.GSM_CHARACTER_TABLE[octet + escape])
            escape = 0
    return "".join(characters)


def run(host, port, scenario):
    sessions = connect(host, port, scenario)
    by_socket = {client._socket: client for client in sessions}
    transmitter = sessions[0]
    outstanding = set()
    for number, message in enumerate(scenario["messages"], 1):
        for pdu in requests(transmitter, number, message):
            outstanding.add(pdu.sequence)
            transmitter.send_pdu(pdu)
    enquiry = make_pdu("enquire_link", client=transmitter)
    outstanding.add(enquiry.sequence)
    transmitter.send_pdu(enquiry)

    replies = 0
    deadline = time.monotonic() + scenario["timeout_s"]
    while outstanding or replies < scenario["replies"]:
        readable, _, _ = select.select(list(by_socket), [], [], max(0, deadline - time.monotonic()))
        if not readable:
            sys.exit(f"after {scenario['timeout_s']} s: {len(outstanding)} unanswered, {replies} replies")
        for socket in readable:
            client = by_socket[socket]
            pdu = client.read_pdu()
            if pdu.command == "deliver_sm":
                answer(client, pdu, "deliver_sm_resp")
                replies += 1
                reply = {
                    "from": pdu.source_addr.decode(), "to": pdu.destination_addr.decode(),
                    "text": decode(pdu), "data_coding": pdu.data_coding,
                }
                print(json.dumps(reply, ensure_ascii=False), flush=True)
            elif pdu.command == "enquire_link":
                answer(client, pdu, "enquire_link_resp")
            elif pdu.is_error():
                sys.exit(f"{pdu.command} with status {pdu.status:#010x}")
            else:
                outstanding.discard(pdu.sequence)
    for client in sessions:
        client.unbind()
        client.disconnect()


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    run(sys.argv[1], int(sys.argv[2]), json.load(sys.stdin))
