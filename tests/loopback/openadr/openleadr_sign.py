"""openleadr's signatures as a process: verifies what comes in and signs what is asked for.

Runs in openleadr's own Python, not in this project's.
"""

import json
import sys

from openleadr.messaging import create_message, validate_xml_schema, validate_xml_signature

for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "verify":
        try:
            validate_xml_signature(validate_xml_schema(command["xml"].encode()))
            answer = {"kind": "verified", "good": True}
        except Exception as error:
            answer = {"kind": "verified", "good": False, "why": repr(error)}
    else:
        made = create_message(
            "oadrPoll", cert=command["certificate"].encode(), key=command["key"].encode(), ven_id="ven-1"
        )
        answer = {"kind": "signed", "xml": made}
    print(json.dumps(answer), flush=True)
