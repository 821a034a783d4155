"""openleadr's VEN as a process: argument 1 is the VTN's base URL, 2 more arguments of its client as JSON.

JSON lines: commands in, what happens out.

Runs in openleadr's own Python, not in this project's.
"""

import asyncio
import json
import sys
from datetime import timedelta

from openleadr import OpenADRClient, objects


def tell(kind, **facts):
    print(json.dumps({"kind": kind, **facts}), flush=True)


def summary(event):
    descriptor = event["event_descriptor"]
    signal = event["event_signals"][0]
    return {
        "id": descriptor["event_id"],
        "modification": descriptor["modification_number"],
        "status": descriptor["event_status"],
        "signal": signal["signal_name"],
        "values": [float(interval["signal_payload"]) for interval in signal["intervals"]],
        "notification": str(event["active_period"].get("notification")),
    }


async def on_event(event):
    tell("event", **summary(event))
    return "optIn"


async def on_update_event(event):
    tell("update", **summary(event))
    return "optOut" if event["event_descriptor"]["event_status"] != "cancelled" else "optIn"


async def commands(client):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        if command["do"] == "opt":
            answer = await client.create_opt(
                opt_type="optOut",
                opt_reason="overrideStatus",
                targets=[objects.Target(resource_id=command["resource"])],
                event_id=command["event"],
                modification_number=command["modification"],
            )
            tell("opted", answer=str(answer))
        elif command["do"] == "cancel":
            await client.cancel_party_registration()
            tell("cancelled")


async def main():
    more = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    client = OpenADRClient(ven_name="openleadr-ven", vtn_url=sys.argv[1] + "/OpenADR2/Simple/2.0b", **more)
    client.add_handler("on_event", on_event)
    client.add_handler("on_update_event", on_update_event)
    client.add_report(
        callback=lambda: 1.5,
        resource_id="heater",
        measurement="REAL_POWER",
        report_specifier_id="usage",
        r_id="heater-power",
        sampling_rate=timedelta(seconds=1),
    )
    await client.run()
    tell("registered", ven=client.ven_id, registration=client.registration_id)
    await commands(client)


asyncio.run(main())
