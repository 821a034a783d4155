"""A simulated battery that serves MMS: the layers' own decoders the other way round, as far as the driver needs them.

It has no reports: the driver polls it. What it says is judged by tshark; a real server is libiec61850's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any

from gridiface.drivers.testkit import Held
from gridiface.protocols.mms import acse, cotp, pdu, presentation, responses, services, session, tpkt
from gridiface.protocols.mms.data import Data, Kind, UtcTime, structure
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.types import Type

F32, FLAG, Q, T = Type(Kind.FLOAT32), Type(Kind.BOOLEAN), Type(Kind.BIT_STRING, -13), Type(Kind.UTC_TIME)
INT, DBPOS, NAME = Type(Kind.INTEGER, 32), Type(Kind.BIT_STRING, 2), Type(Kind.VISIBLE_STRING, -64)


def record(**parts: Type) -> Type:
    return Type(Kind.STRUCTURE, components=tuple(parts.items()))


ANALOGUE = record(f=F32)
ORIGIN = record(orCat=Type(Kind.INTEGER, 8), orIdent=Type(Kind.OCTET_STRING, -64))


def oper(value: Type, *, check: bool = True) -> Type:
    parts = {"ctlVal": value, "origin": ORIGIN, "ctlNum": Type(Kind.UNSIGNED, 8), "T": T, "Test": FLAG}
    return record(**parts, Check=Type(Kind.BIT_STRING, -2)) if check else record(**parts)


MEASURED = record(mag=ANALOGUE, q=Q, t=T)
CANCEL = {"Cancel": oper(ANALOGUE, check=False)}
TYPES = {
    "LPHD1$DC$PhyNam": record(vendor=NAME),
    "DGEN1$SP$WMaxRtg": record(setMag=ANALOGUE),
    "DGEN1$SP$ChaWMaxRtg": record(setMag=ANALOGUE),
    "MMXU1$MX$TotW": MEASURED,
    "MMXU1$MX$TotVAr": MEASURED,
    "MMXU1$MX$Hz": MEASURED,
    "DSTO1$MX$SoC": MEASURED,
    "DSTO1$ST$StoSt": record(stVal=INT, q=Q, t=T),
    "CSWI1$ST$Pos": record(stVal=DBPOS, q=Q, t=T),
    "CSWI1$CF$Pos": record(ctlModel=INT),
    "CSWI1$CO$Pos": record(SBO=NAME, Oper=oper(FLAG), Cancel=oper(FLAG, check=False)),
    "DWGC1$CF$Ena": record(ctlModel=INT),
    "DWGC1$ST$Ena": record(stVal=FLAG, q=Q, t=T),
    "DWGC1$CO$Ena": record(Oper=oper(FLAG), Cancel=oper(FLAG, check=False)),
    "DWGC1$SP$RvtTms": record(setVal=INT),
    "DWGC1$CF$WSpt": record(ctlModel=INT),
    "DWGC1$MX$WSpt": record(mxVal=ANALOGUE, q=Q, t=T),
    "DWGC1$CO$WSpt": record(SBOw=oper(ANALOGUE), Oper=oper(ANALOGUE), **CANCEL),
    "DWMX1$SP$WLimPct": record(setMag=ANALOGUE),
}
START: dict[str, Any] = {
    "LPHD1$DC$PhyNam$vendor": "EXAMPLE works",
    "DGEN1$SP$WMaxRtg$setMag$f": 10.0,
    "DGEN1$SP$ChaWMaxRtg$setMag$f": 8.0,
    "MMXU1$MX$Hz$mag$f": 50.0,
    "DSTO1$MX$SoC$mag$f": 61.5,
    "DSTO1$ST$StoSt$stVal": 2,
    "CSWI1$ST$Pos$stVal": "10",
    "CSWI1$CF$Pos$ctlModel": 2,
    "DWGC1$CF$Ena$ctlModel": 3,
    "DWGC1$CF$WSpt$ctlModel": 4,
    "DWMX1$SP$WLimPct$setMag$f": 100.0,
}
_EMPTY = {
    Kind.FLOAT32: 0.0,
    Kind.BOOLEAN: False,
    Kind.UTC_TIME: UtcTime(0),
    Kind.VISIBLE_STRING: "",
    Kind.OCTET_STRING: b"",
}


class Battery:
    """What the device holds; `answer` takes a request."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})
    max_w, max_charge_w = 10_000.0, 8_000.0

    def __init__(self) -> None:
        self.values = dict(START)
        self.mode = "none"
        self.count = 0
        self.selected: set[str] = set()
        self.servers: list[asyncio.Server] = []
        self.sessions: set[Session] = set()
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.password: bytes | None = None
        self.max_octets = 65_000
        self.talk: list[tuple[bool, bytes]] = []

    # --- reading ----------------------------------------------------------------------------------------------------

    def kind(self, item: str) -> Type | None:
        node, *rest = item.split("$")
        found = TYPES.get("$".join((node, *rest[:2])))
        return None if found is None else found.at(rest[2:])

    def read(self, item: str) -> Data | AccessError:
        kind = self.kind(item)
        return AccessError.OBJECT_NON_EXISTENT if kind is None else self._value(item, kind)

    def _value(self, item: str, kind: Type) -> Data:
        if kind.kind is Kind.STRUCTURE:
            return structure(*(self._value(f"{item}${name}", part) for name, part in kind.components))
        if item == "MMXU1$MX$TotW$mag$f":
            return Data(kind.kind, self.delivered())
        if item.startswith("MMXU1$MX$TotW$t"):
            return Data(kind.kind, UtcTime.at(time.time()))
        if kind.kind is Kind.BIT_STRING:
            return Data(kind.kind, self.values.get(item, "0" * abs(kind.size or 0)))
        return Data(kind.kind, self.values.get(item, _EMPTY.get(kind.kind, 0)))

    def delivered(self) -> float:
        return float(self.values.get("DWGC1$MX$WSpt$mxVal$f", 0.0)) if self.values.get("DWGC1$ST$Ena$stVal") else 0.0

    # --- writing ----------------------------------------------------------------------------------------------------

    def select(self, item: str) -> Data:
        self.count += 1
        if self.mode == "reject":
            return Data(Kind.VISIBLE_STRING, "")
        self.selected.add(item.rsplit("$", 1)[0])
        return Data(Kind.VISIBLE_STRING, f"VPPDER/{item}")

    def write(self, item: str, data: Data) -> AccessError | None:
        part = item.rsplit("$", 1)[1]
        if part == "Cancel":
            self.selected.discard(item.rsplit("$", 1)[0])
            return None
        self.count += 1
        if self.mode == "reject":
            return AccessError.OBJECT_ACCESS_DENIED
        if part == "SBOw":
            self.selected.add(item.rsplit("$", 1)[0])
        elif part == "Oper":
            return self._operate(item, data.items[0])
        elif self.mode != "ignore":
            self.values[item] = data.value / 2 if self.mode == "wrong_values" else data.value
        return None

    def _operate(self, item: str, value: Data) -> AccessError | None:
        base = item.rsplit("$", 1)[0]
        if not base.endswith("Ena") and base not in self.selected:
            return AccessError.TEMPORARILY_UNAVAILABLE
        self.selected.discard(base)
        if self.mode == "ignore":
            return None
        match base.rsplit("$", 1)[1]:
            case "WSpt":
                self.values["DWGC1$MX$WSpt$mxVal$f"] = value.items[0].value * (
                    0.5 if self.mode == "wrong_values" else 1
                )
            case "Ena":
                self.values["DWGC1$ST$Ena$stVal"] = value.value
            case "Pos":
                self.values["CSWI1$ST$Pos$stVal"] = "10" if value.value else "01"
        return None

    # --- the testkit's peer -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Session(self), "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self.servers.append(server)

    async def stop(self) -> None:
        for server in self.servers:
            server.close()
        for one in list(self.sessions):
            one.transport.abort()
        self.servers.clear()
        await asyncio.sleep(0)

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name

    async def held(self) -> Held:
        percent = self.values["DWMX1$SP$WLimPct$setMag$f"]
        watts = self.delivered() if self.values.get("DWGC1$ST$Ena$stVal") else None
        ceiling = None if percent >= 100 else percent * self.max_w / 100
        return Held(active_power_w=watts, ceiling_w=ceiling, connected=self.values["CSWI1$ST$Pos$stVal"] == "10")

    async def power_w(self) -> float:
        return self.delivered()

    async def writes(self) -> int:
        return self.count


class Session(asyncio.Protocol):
    """One client: from octets to requests and back."""

    def __init__(self, battery: Battery) -> None:
        self.battery = battery
        self.packets = tpkt.PacketReader()
        self.whole = cotp.Reassembler(100_000)
        self.size = 1024
        self.agreed = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.battery.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.battery.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self.battery.talk.append((True, data))
        for octets in self.packets.feed(data):
            unit = cotp.decode(octets)
            if isinstance(unit, cotp.Connect):
                self.size = min(unit.size, 1024)
                confirm = cotp.Connect(7, unit.source, 10, unit.calling, unit.called)
                self._write(cotp.encode_connect(confirm, confirm=True))
            elif isinstance(unit, cotp.Data):
                whole = self.whole.push(unit)
                if whole is not None:
                    self._session(session.decode(whole))

    def _session(self, unit: session.SessionUnit) -> None:
        match unit.kind:
            case session.Kind.CONNECT:
                self._associate(unit)
            case session.Kind.DATA:
                self._mms(pdu.decode(presentation.decode_data(unit.user_data)[1]))
            case session.Kind.FINISH:
                released = presentation.encode_data(acse.encode_release_answer(), presentation.ACSE_CONTEXT)
                self._send(session.SessionUnit(session.Kind.DISCONNECT, released))
            case _:
                self.transport.close()

    def _associate(self, unit: session.SessionUnit) -> None:
        asked = acse.decode_request(presentation.decode_connect(unit.user_data).user_data)
        proposal = pdu.decode(asked.user_data)
        assert isinstance(proposal, pdu.Initiate)
        known = self.battery.password
        if known is not None and not acse.same_password(asked.password, known):
            answer = acse.encode_answer(b"", 1, 13)
        else:
            terms = pdu.Initiate(max_octets=self.battery.max_octets, calling=min(proposal.calling, 5), called=5)
            answer = acse.encode_answer(pdu.encode_initiate(terms, answer=True))
        accept = presentation.encode_accept(b"\0\0\0\1", answer)
        self._send(session.SessionUnit(session.Kind.ACCEPT, accept))

    def _mms(self, unit: pdu.Unit | None) -> None:
        if self.battery.mode == "hang":
            return
        match unit:
            case pdu.Confirmed():
                request = services.decode_request(unit.service)
                if request is None:
                    self._reply(pdu.encode_reject(pdu.Reject(unit.invoke, 1, 1)))
                    return
                answer = self._answer(request)
                if isinstance(answer, ServiceError):
                    self._reply(pdu.encode_failure(unit.invoke, answer))
                    return
                self._reply(pdu.encode_confirmed(unit.invoke, responses.encode_response(answer), answer=True))
                self._terminate(request, answer)
            case pdu.Cancel():
                error = ServiceError(10, 1)
                self._reply(pdu.encode_cancel(pdu.Cancel(unit.invoke, answer=True, error=error)))
            case pdu.Conclude():
                self._reply(pdu.encode_conclude(answer=True))

    def _answer(self, request: services.Request) -> services.Response | ServiceError:
        battery = self.battery
        match request:
            case services.Status():
                return services.StatusAnswer(0, 0)
            case services.Identify():
                return services.IdentifyAnswer("gridiface", "battery of the tests", "1")
            case services.GetNameList():
                names = sorted(TYPES) if request.domain == "VPPDER" else ["VPPDER"]
                rest = [name for name in names if not request.domain or name > request.after]
                return services.NameList(tuple(rest[:3]), more=len(rest) > 3)
            case services.GetVariableAccessAttributes():
                known = battery.kind(request.name.item) if request.name.domain == "VPPDER" else None
                return known or ServiceError(7, 2)
            case services.Read() if isinstance(request.what, tuple):
                return services.ReadAnswer(tuple(self._read(name) for name in request.what))
            case services.Write() if isinstance(request.what, tuple):
                pairs = zip(request.what, request.values, strict=True)
                return services.WriteAnswer(tuple(battery.write(name.item, value) for name, value in pairs))
            case _:
                return ServiceError(7, 1)

    def _read(self, name: Name) -> Data | AccessError:
        if name.item.endswith("$SBO"):
            return self.battery.select(name.item)
        return self.battery.read(name.item)

    def _terminate(self, request: services.Request, answer: services.Response) -> None:
        """Enhanced security: the command's end is reported."""
        if not isinstance(request, services.Write) or not isinstance(request.what, tuple):
            return
        (name,) = request.what
        if name.item.endswith(("WSpt$Oper", "Ena$Oper")) and answer == services.WriteAnswer((None,)):
            self._reply(pdu.encode_report(pdu.Report((name,), request.values)))

    def _reply(self, unit: bytes) -> None:
        self._send(session.SessionUnit(session.Kind.DATA, presentation.encode_data(unit, presentation.MMS_CONTEXT)))

    def _send(self, unit: session.SessionUnit) -> None:
        for segment in cotp.segments(session.encode(unit), self.size):
            self._write(segment)

    def _write(self, unit: bytes) -> None:
        packet = tpkt.packet(unit)
        self.battery.talk.append((False, packet))
        self.transport.write(packet)


Simulate = Callable[[], contextlib.AbstractAsyncContextManager[Battery]]
