"""openleadr's VTN as a process on a free port; argument 1 more arguments of its server as JSON, and who the VEN is.

JSON lines: commands in, what happens out.

Runs in openleadr's own Python, not in this project's.
"""

import asyncio
import json
import socket
import sys
from datetime import UTC, datetime, timedelta

from openleadr import OpenADRServer


def tell(kind, **facts):
    print(json.dumps({"kind": kind, **facts}), flush=True)


MORE = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
FINGERPRINT = MORE.pop("ven_fingerprint", None)
REGISTERED = []


async def on_create_party_registration(info):
    tell("registration", name=info["ven_name"], fingerprint=info.get("fingerprint"))
    if info.get("fingerprint") != FINGERPRINT:
        return False
    REGISTERED.append("VEN-1")
    return "VEN-1", "REG-1"


async def on_cancel_party_registration(ven_id, registration_id=None):
    tell("cancelled", ven=ven_id)
    return True


def ven_lookup(ven_id):
    known = ven_id in REGISTERED
    return {"ven_id": ven_id, "fingerprint": FINGERPRINT, "registration_id": "REG-1"} if known else None


async def on_register_report(
    ven_id, resource_id, measurement, unit, scale, min_sampling_interval, max_sampling_interval
):
    tell("metadata", resource=str(resource_id), measurement=measurement)

    async def on_data(values):
        tell("data", resource=str(resource_id), values=[value for _, value in values])

    return on_data, timedelta(seconds=1), timedelta(seconds=2)


async def on_answer(ven_id, event_id, opt_type):
    tell("answer", event=event_id, opt=opt_type)


def add_event(server, command):
    return server.add_event(
        ven_id="VEN-1",
        event_id=command["id"],
        signal_name=command.get("signal", "simple"),
        signal_type=command.get("type", "level"),
        intervals=[
            {
                "dtstart": datetime.now(UTC) + timedelta(seconds=command["delay"]),
                "duration": timedelta(seconds=command["duration"]),
                "signal_payload": command["value"],
            }
        ],
        callback=on_answer,
    )


def modify_event(server, command):
    """A change, which openleadr's VTN has no verb for: the next modification of the event as it keeps it."""
    (event,) = [one for one in server.events["VEN-1"] if one.event_descriptor.event_id == command["id"]]
    event.event_descriptor.modification_number += 1
    (interval,) = event.event_signals[0].intervals
    interval["signal_payload"] = command["value"]
    server.event_callbacks[command["id"]] = (event, on_answer)
    server.events_updated["VEN-1"] = True


async def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if FINGERPRINT is not None:
        MORE["ven_lookup"] = ven_lookup
    server = OpenADRServer(
        vtn_id="VTN-1", http_port=port, requested_poll_freq=timedelta(seconds=1), http_host="127.0.0.1", **MORE
    )
    server.add_handler("on_create_party_registration", on_create_party_registration)
    server.add_handler("on_cancel_party_registration", on_cancel_party_registration)
    server.add_handler("on_register_report", on_register_report)
    await server.run_async()
    tell("listening", url=f"{'http' if FINGERPRINT is None else 'https'}://127.0.0.1:{port}")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        if command["do"] == "event":
            add_event(server, command)
        elif command["do"] == "modify":
            modify_event(server, command)
        elif command["do"] == "cancel":
            server.cancel_event("VEN-1", command["id"])
        elif command["do"] == "poll":
            tell("polled")


asyncio.run(main())
