"""A way to an XMPP server on which stanzas are put off, dropped and doubled, and connections cut."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from xml.parsers import expat

FAULTS = ("drop", "double", "delay")
#: What happens to stanzas with payloads, in turn; odd lengths, so that requests and answers meet each of them.
MIXED = ("", "double", "", "delay", "drop", "", "double")
DOUBLED = ("double",)
_PAYLOAD = b"oadrPayload"


class Stanzas:
    """Cuts a stream of XMPP into what stands at its first level: stanzas whole, the rest as it comes."""

    def __init__(self):
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._depth, self._begin, self._ends, self._data = 0, 0, [], b""

    def _start(self, *_):
        self._depth += 1
        if self._depth == 1:
            self._ends.append(self._parser.CurrentByteIndex)

    def _end(self, *_):
        self._depth -= 1
        if self._depth == 1:
            self._ends.append(self._parser.CurrentByteIndex)

    def feed(self, data):
        """What is complete now, in order."""
        self._data += data
        self._parser.Parse(data, False)
        found = []
        for at in self._ends:
            # An end tag begins there, or the stream's start tag; of a tag that is both, it is the place behind it.
            at -= self._begin
            end = self._data.index(b">", at) + 1 if self._data[at : at + 2] in {b"</", b"<s"} else at
            found.append(self._data[:end])
            self._begin, self._data = self._begin + end, self._data[end:]
        self._ends.clear()
        if self._depth == 1 and self._data and not self._data.strip():
            found.append(self._data)  # white space that keeps a connection open
            self._begin, self._data = self._begin + len(self._data), b""
        return found


class BadWay:
    """A way to a port of the server. `faults` befall stanzas with payloads in turn; `cut` ends every connection."""

    def __init__(self, target, faults=()):
        self._target, self.faults = target, faults
        self.struck = {"up": Counter(), "down": Counter()}
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    async def cut(self):
        """End what is open; new connections are taken."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        other = None
        try:
            ours, other = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, other, "up"))
                group.create_task(self._pump(ours, writer, "down"))
        except* OSError:
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            for one in (writer, other):
                if one is not None:
                    one.transport.abort()

    async def _pump(self, reader, writer, way):
        cutter, turn = Stanzas(), itertools.count()
        # What began to be cut into stanzas stays so, also where nothing befalls them any more.
        cuts = bool(self.faults)
        while data := await reader.read(65536):
            for part in cutter.feed(data) if cuts else [data]:
                fault = self.faults[next(turn) % len(self.faults)] if _PAYLOAD in part and self.faults else ""
                self.struck[way][fault] += bool(fault)
                if fault == "delay":
                    await asyncio.sleep(0.2)
                for _ in range({"drop": 0, "double": 2}.get(fault, 1)):
                    writer.write(part)
            await writer.drain()
        writer.transport.abort()
        raise ConnectionResetError  # so that the other direction ends, too
