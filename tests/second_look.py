"""After a red run of the suite: the few tests of whole processes that failed are run once more, alone.

They share two or three processors with three others, with browsers, databases and a dozen servers; where one fails
beside these and passes alone, the first look is told in full and the run is green. What fails alone is red. Nothing
else gets a second look: not a test of the code itself, not one that could not be collected, and not more than a few.

Usage: second_look.py STATUS [pytest's own arguments]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

#: Where tests with processes, sockets and browsers are.
FOLDERS = ("tests/browser/", "tests/flows/", "tests/loopback/")
MOST = 3
#: One process, one test after the other; with the plug-in that knows what `xdist_group` marks.
ALONE = ("-n", "0")

FAILED = Path(".pytest_cache/v/cache/lastfailed")


def worth_it(status: int, failed: list[str]) -> str:
    """Why there is no second look; empty: there is one."""
    if status != pytest.ExitCode.TESTS_FAILED or not failed:
        return "the run did not come to its end"
    if len(failed) > MOST:
        return f"{len(failed)} failed"
    others = [one for one in failed if not one.startswith(FOLDERS) or "::" not in one]
    return f"not a test of processes: {', '.join(others)}" if others else ""


def main(status: int, arguments: list[str]) -> int:
    """The exit status of both looks together."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []
    why_not = worth_it(status, failed)
    if why_not:
        print(f"no second look: {why_not}")
        return status
    print(f"\nSECOND LOOK, alone, at what failed beside others:\n  {chr(10).join(failed)}\n", flush=True)
    again = pytest.main([*ALONE, *arguments, *failed])
    if again == pytest.ExitCode.OK:
        print(f"PASSED ALONE ONLY (see the first look above): {', '.join(failed)}")
    return int(again)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
