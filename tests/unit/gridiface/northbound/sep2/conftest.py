"""A server in process with fakes at its ports: what every test of this adapter stands on."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from lxml import etree

from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.controls import Acceptance, Control, Outcome, OutcomeKind, Setpoint, Target, Verdict
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate, Role, Settings
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.served.locks import NamedLocks
from gridiface.northbound.sep2.settings import ClientEntry, Sep2Settings
from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.primitives import SEP2
from gridiface.protocols.xmlwire import decode

NOW = 1_800_000_000.0
ROOT = Path(__file__).resolve().parents[5]
XSD = Path(os.environ.get("GRIDIFACE_SEP2_XSD", ROOT / ".cache" / "schemas" / "sep2" / "sep.xsd"))


def lfdi_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:40].upper()


@dataclass
class FakeClock:
    time: float = NOW

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class FakeLedger:
    """Documents in memory; `down` makes every commit fail."""

    kept: dict[tuple[str, str], Document] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)
    commits: int = 0
    down: bool = False
    read: list[tuple[int, int | None]] = field(default_factory=list)

    async def commit(self, changes: Sequence[Any]) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("the disk is full")
        self.commits += 1
        for change in changes:
            if isinstance(change, PutDocument):
                before = self.kept.get((change.space, change.key))
                version = before.version + 1 if before else 1
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body, version)
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)
            else:
                self.others.append(change)

    async def documents(self, space: str) -> list[Document]:
        return sorted((d for d in self.kept.values() if d.space == space), key=lambda d: d.key)

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        if self.down:
            raise StoreUnavailable("the disk is gone")
        found = self.kept.get((space, key))
        if found is not None:
            self.read.append((first, count))
        return None if found is None else found.body[first:][:count]


@dataclass
class FakeInbox:
    """Accepts every control but those whose verdict is set."""

    ledger: FakeLedger
    verdict: Verdict = Verdict.ACCEPTED
    controls: dict[str, Control] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    async def submit(self, control: Control, now: float, *, along: Sequence[Any] = ()) -> Acceptance:
        acceptance = self.preview(control, now)
        if acceptance.will_run:
            await self.ledger.commit(along)
            self.controls[control.id] = control
        return acceptance

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Any] = ()) -> bool:
        if control_id not in self.controls:
            return False
        await self.ledger.commit(along)
        del self.controls[control_id]
        self.cancelled.append(control_id)
        return True

    async def rank(self, control_ids: Sequence[str], authority: float, now: float, *, along: Sequence[Any] = ()) -> int:
        await self.ledger.commit(along)
        known = [self.controls[name] for name in control_ids if name in self.controls]
        for control in known:
            self.controls[control.id] = replace(control, source=replace(control.source, authority=authority))
        return len(known)

    def preview(self, control: Control, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=self.verdict)


@dataclass
class FakeFleet:
    known: dict[str, Device] = field(default_factory=dict)
    grouped: dict[str, Group] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    def device(self, device_id: str) -> Device | None:
        return self.known.get(device_id)

    def devices(self) -> list[Device]:
        return [self.known[name] for name in sorted(self.known)]

    def group(self, group_id: str) -> Group | None:
        return self.grouped.get(group_id)

    def groups(self) -> list[Group]:
        return [self.grouped[name] for name in sorted(self.grouped)]

    def members(self, group_id: str) -> tuple[str, ...]:
        return self.grouped[group_id].members if group_id in self.grouped else ()

    def groups_of(self, device_id: str) -> list[str]:
        return [group.id for group in self.groups() if device_id in self.members(group.id)]

    def snapshot(self, target: Target) -> Snapshot | None:
        return self.snapshots.get(target.id)

    def setpoint(self, device_id: str) -> Setpoint | None:
        return None


@dataclass
class FakeRegistry:
    ledger: FakeLedger
    fleet: FakeFleet
    observed: list[Snapshot] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def register(
        self, device: Device, now: float, *, groups: Sequence[str] = (), along: Sequence[Any] = ()
    ) -> None:
        await self.ledger.commit(along)
        self.fleet.known[device.id] = device
        self.joined[device.id] = tuple(groups)

    async def remove(self, device_id: str, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.ledger.commit(along)
        self.fleet.known.pop(device_id, None)

    async def observe(self, snapshots: Sequence[Snapshot], now: float, *, along: Sequence[Any] = ()) -> None:
        await self.ledger.commit(along)
        self.observed.extend(snapshots)

    async def report(
        self, deliveries: Sequence[Any], outcomes: Sequence[Outcome], now: float, *, along: Sequence[Any] = ()
    ) -> None:
        await self.ledger.commit(along)
        self.outcomes.extend(outcomes)


NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def event(start: float = NOW + 60, duration: int = 600, created: float = NOW, status: int = 0) -> str:
    """The elements of an event between its mRID and what is its own."""
    return (
        f"<creationTime>{int(created)}</creationTime><EventStatus><currentStatus>{status}</currentStatus>"
        f"<dateTime>{int(created)}</dateTime><potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        f"<interval><duration>{duration}</duration><start>{int(start)}</start></interval>"
    )


class Bodies:
    """Valid bodies of the function sets beside DER."""

    @staticmethod
    def text(mrid: str = "7E01", words: str = "Storm ahead", **when: Any) -> str:
        return (
            f'<TextMessage {NS} responseRequired="05"><mRID>{mrid}</mRID>{event(**when)}<originator>DSO</originator>'
            f"<priority>2</priority><textMessage>{words}</textMessage></TextMessage>"
        )

    @staticmethod
    def messages(mrid: str = "7E00") -> str:
        return (
            f"<MessagingProgram {NS}><mRID>{mrid}</mRID><description>News</description><locale>en</locale>"
            "<primacy>1</primacy></MessagingProgram>"
        )

    @staticmethod
    def dr_program(mrid: str = "D100", primacy: int = 2) -> str:
        return f"<DemandResponseProgram {NS}><mRID>{mrid}</mRID><primacy>{primacy}</primacy></DemandResponseProgram>"

    @staticmethod
    def load(
        mrid: str = "D101", more: str = "<DutyCycle><normalValue>40</normalValue></DutyCycle>", **when: Any
    ) -> str:
        """An EndDeviceControl; `more` goes between drProgramMandatory and loadShiftForward."""
        randomise = when.pop("randomise", "")
        return (
            f'<EndDeviceControl {NS} responseRequired="03"><mRID>{mrid}</mRID>{event(**when)}{randomise}'
            f"<deviceCategory>00000000</deviceCategory><drProgramMandatory>false</drProgramMandatory>{more}"
            "<loadShiftForward>false</loadShiftForward></EndDeviceControl>"
        )

    @staticmethod
    def tariff(mrid: str = "9100") -> str:
        return (
            f"<TariffProfile {NS}><mRID>{mrid}</mRID><currency>840</currency>"
            "<pricePowerOfTenMultiplier>-3</pricePowerOfTenMultiplier><primacy>0</primacy><rateCode>TOU</rateCode>"
            "<serviceCategoryKind>0</serviceCategoryKind></TariffProfile>"
        )

    @staticmethod
    def component(mrid: str = "9101") -> str:
        return (
            f'<RateComponent {NS}><mRID>{mrid}</mRID><ReadingTypeLink href="/x"/><roleFlags>0000</roleFlags>'
            '<TimeTariffIntervalListLink href="/x"/></RateComponent>'
        )

    @staticmethod
    def tier(mrid: str = "9102", tier: int = 1, **when: Any) -> str:
        return (
            f'<TimeTariffInterval {NS} responseRequired="01"><mRID>{mrid}</mRID>{event(**when)}'
            f"<touTier>{tier}</touTier></TimeTariffInterval>"
        )

    @staticmethod
    def block(start: int = 0, number: int = 1, price: int = 250) -> str:
        return (
            f"<ConsumptionTariffInterval {NS}><consumptionBlock>{number}</consumptionBlock><price>{price}</price>"
            f"<startValue>{start}</startValue></ConsumptionTariffInterval>"
        )

    @staticmethod
    def file(mrid: str = "", uri: str = "https://maker.example/fw.bin") -> str:
        return (
            f"<File {NS}><fileURI>{uri}</fileURI><mfID>40732</mfID><mfModel>M1</mfModel><mfVer>2.0</mfVer>"
            "<size>10</size><type>00</type></File>"
        )

    @staticmethod
    def flow(
        mrid: str = "F100", energy: int = 5000, power: int = 2500, status: int = 0, start: float = NOW + 60
    ) -> str:
        return (
            f"<FlowReservationRequest {NS}><mRID>{mrid}</mRID><creationTime>{int(NOW)}</creationTime>"
            f"<energyRequested><multiplier>0</multiplier><value>{energy}</value></energyRequested>"
            f"<intervalRequested><duration>14400</duration><start>{int(start)}</start></intervalRequested>"
            f"<powerRequested><multiplier>0</multiplier><value>{power}</value></powerRequested>"
            f"<RequestStatus><dateTime>{int(NOW)}</dateTime><requestStatus>{status}</requestStatus></RequestStatus>"
            "</FlowReservationRequest>"
        )

    BILLING: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/bill", f"<CustomerAccount {NS}><mRID>B100</mRID><currency>840</currency><customerName>Ann</customerName>"
         "<pricePowerOfTenMultiplier>-2</pricePowerOfTenMultiplier></CustomerAccount>"),
        ("/bill/1/ca", f"<CustomerAgreement {NS}><mRID>B101</mRID><serviceLocation>Here</serviceLocation>"
         "</CustomerAgreement>"),
        ("/bill/1/ca/1/bp", f"<BillingPeriod {NS}><billToDate>1200</billToDate><interval><duration>86400</duration>"
         f"<start>{int(NOW) - 3600}</start></interval></BillingPeriod>"),
        ("/bill/1/ca/1/pro", f"<ProjectionReading {NS}><mRID>B102</mRID></ProjectionReading>"),
        ("/bill/1/ca/1/tar", f"<TargetReading {NS}><mRID>B103</mRID></TargetReading>"),
        ("/bill/1/ca/1/ver", f"<HistoricalReading {NS}><mRID>B104</mRID></HistoricalReading>"),
        ("/brs", f"<BillingReadingSet {NS}><mRID>B105</mRID><timePeriod><duration>86400</duration>"
         f"<start>{int(NOW) - 86400}</start></timePeriod></BillingReadingSet>"),
        ("/brs/1/br", f"<BillingReading {NS}><value>42</value><Charge><kind>0</kind><value>9</value></Charge>"
         "</BillingReading>"),
    )  # fmt: skip
    SUPPLIER: ClassVar[str] = f"<ServiceSupplier {NS}><mRID>B106</mRID><phone>1</phone></ServiceSupplier>"
    UNIT: ClassVar[str] = "<monetaryUnit>840</monetaryUnit><multiplier>-2</multiplier><value>1500</value>"
    PREPAYMENT: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/ppy", f'<Prepayment {NS}><mRID>A100</mRID><AccountBalanceLink href="/x"/><CreditRegisterListLink href="/x"/>'
         '<prepayMode>0</prepayMode><PrepayOperationStatusLink href="/x"/>'
         '<SupplyInterruptionOverrideListLink href="/x"/></Prepayment>'),
        ("/ppy/1/si", f"<SupplyInterruptionOverride {NS}><interval><duration>7200</duration>"
         f"<start>{int(NOW) - 60}</start></interval></SupplyInterruptionOverride>"),
        ("/ppy/1/cr", f"<CreditRegister {NS}><mRID>A101</mRID><creditAmount>{UNIT}</creditAmount>"
         f"<effectiveTime>{int(NOW)}</effectiveTime><token>1234</token></CreditRegister>"),
    )  # fmt: skip
    USAGE: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/upt", f"<UsagePoint {NS}><mRID>C100</mRID><roleFlags>0002</roleFlags>"
         "<serviceCategoryKind>0</serviceCategoryKind><status>1</status></UsagePoint>"),
        ("/upt/1/mr", f'<MeterReading {NS}><mRID>C101</mRID><ReadingTypeLink href="/x"/></MeterReading>'),
        ("/upt/1/mr/1/rs", f"<ReadingSet {NS}><mRID>C102</mRID><timePeriod><duration>900</duration>"
         f"<start>{int(NOW) - 900}</start></timePeriod></ReadingSet>"),
        ("/upt/1/mr/1/rs/1/r", f'<Reading {NS} subscribable="1"><value>42</value><localID>01</localID></Reading>'),
    )  # fmt: skip
    METERED: ClassVar[str] = f"<ReadingType {NS}><kind>12</kind><uom>72</uom></ReadingType>"
    CURRENT: ClassVar[str] = f"<Reading {NS}><value>4711</value></Reading>"
    BALANCE: ClassVar[str] = f"<AccountBalance {NS}><availableCredit>{UNIT}</availableCredit></AccountBalance>"
    OPERATION: ClassVar[str] = f"<PrepayOperationStatus {NS}><serviceStatus>0</serviceStatus></PrepayOperationStatus>"
    CONFIGURATION: ClassVar[str] = (
        f"<Configuration {NS}><currentLocale>de</currentLocale><userDeviceName>Roof</userDeviceName></Configuration>"
    )
    FILE_STATUS: ClassVar[str] = (
        f"<FileStatus {NS}><loadPercent>50</loadPercent><nextRequestAttempt>0</nextRequestAttempt>"
        "<request503Count>1</request503Count><requestFailCount>0</requestFailCount><status>1</status>"
        f"<statusTime>{int(NOW)}</statusTime></FileStatus>"
    )
    OWN: ClassVar[tuple[tuple[str, str], ...]] = (
        ("di/loc", f"<SupportedLocale {NS}><locale>en-US</locale></SupportedLocale>"),
        ("ns", f"<IPInterface {NS}><ifIndex>1</ifIndex><ifName>eth0</ifName></IPInterface>"),
        ("ns/1/addr", f"<IPAddr {NS}><address>FE80{'0' * 24}0001</address></IPAddr>"),
        ("ns/1/addr/1/rpl", f"<RPLInstance {NS}><DODAGid>1</DODAGid><DODAGroot>false</DODAGroot><flags>0</flags>"
         "<groundedFlag>true</groundedFlag><MOP>1</MOP><PRF>1</PRF><rank>1</rank><RPLInstanceID>1</RPLInstanceID>"
         "<versionNumber>1</versionNumber></RPLInstance>"),
        ("ns/1/ll", f"<LLInterface {NS}><CRCerrors>0</CRCerrors><EUI64>0011223344556677</EUI64>"
         "<linkLayerType>1</linkLayerType></LLInterface>"),
        ("ns/1/ll/1/nbh", f"<Neighbor {NS}><isChild>true</isChild><linkQuality>9</linkQuality>"
         "<shortAddress>7</shortAddress></Neighbor>"),
        ("cfg/prcfg", f"<PriceResponseCfg {NS}><consumeThreshold>1</consumeThreshold>"
         '<maxReductionThreshold>9</maxReductionThreshold><RateComponentLink href="/tp/1/rc/1"/></PriceResponseCfg>'),
        ("lsl", f'<LoadShedAvailability {NS}><DemandResponseProgramLink href="/dr/1"/>'
         "<sheddablePercent>2500</sheddablePercent></LoadShedAvailability>"),
    )  # fmt: skip


class Kit:
    """A server core with its fakes; `send` is one request, with the clock's time."""

    NOW = NOW
    bodies = Bodies
    lfdi: ClassVar[dict[str, str]] = {
        name: lfdi_of(name) for name in ("inv-1", "inv-2", "aggregator", "utility", "stranger")
    }

    def __init__(self, settings: Sep2Settings, fleet: FakeFleet, ledger: FakeLedger | None = None) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.ledger = ledger or FakeLedger()
        self.fleet = fleet
        self.inbox = FakeInbox(self.ledger)
        self.registry = FakeRegistry(self.ledger, fleet)
        self.waiting: list[tuple[Sequence[Any], Callable[[], None] | None]] = []
        self.core = Sep2Core(
            settings,
            clock=self.clock,
            ledger=self.ledger,
            inbox=self.inbox,
            registry=self.registry,
            fleet=fleet,
            locks=NamedLocks(),
            later=lambda changes, then: self.waiting.append((changes, then)),
        )
        self.schema: etree.XMLSchema | None = None
        self.usage = ""  # the usage point of the utility's own that `fill` posts

    async def load(self) -> Kit:
        await self.core.load(self.clock.time)
        return self

    async def restarted(self) -> Kit:
        """The same documents, another process."""
        other = Kit(self.settings, self.fleet, self.ledger)
        other.clock.time = self.clock.time
        other.schema = self.schema
        other.inbox.controls = dict(self.inbox.controls)
        return await other.load()

    async def flush(self) -> None:
        """Let the background writer do its work."""
        while self.waiting:
            changes, then = self.waiting.pop(0)
            await self.ledger.commit(changes)
            if then is not None:
                then()

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | str = b"",
        *,
        by: str = "utility",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = {"host": "server"}
        if body:
            sent["content-type"] = "application/sep+xml"
        sent |= headers or {}
        lfdi = self.lfdi.get(by, by)
        raw = body.encode() if isinstance(body, str) else body
        reply = await self.core.requests.handle(method, target, sent, raw, lfdi, self.clock.time)
        self.check(reply)
        return reply

    async def get(self, target: str, *, by: str = "utility") -> Any:
        """The typed body of a GET that must succeed."""
        reply = await self.send("GET", target, by=by)
        assert reply.status == 200, (target, reply.status)
        return self.typed(reply)

    @staticmethod
    def typed(reply: Reply) -> Any:
        root = etree.fromstring(reply.body)
        name = etree.QName(root)
        return decode(reply.body, SEP2.elements[name.namespace, name.localname])

    def check(self, reply: Reply) -> None:
        """Every body is announced as what it is, and is valid where the official schema is at hand."""
        if not reply.body:
            return
        assert reply.headers["Content-Type"] == "application/sep+xml"
        assert reply.headers["Content-Length"] == str(len(reply.body))
        if self.schema is not None:
            self.schema.assertValid(etree.fromstring(reply.body))

    def outcome(self, control_id: str, kind: OutcomeKind, device_id: str | None = None, reason: str = "") -> None:
        self.core.on_outcome(
            Outcome(control_id=control_id, kind=kind, at=self.clock.time, device_id=device_id, reason=reason)
        )

    def at(self, seconds: float) -> None:
        """Move the clock to NOW + seconds and let the timers run."""
        self.clock.time = NOW + seconds
        self.core.handle_timer(self.clock.time)

    async def post(self, target: str, body: bytes | str, *, by: str = "utility") -> str:
        """Where what was posted is; it must be new."""
        reply = await self.send("POST", target, body, by=by)
        assert reply.status == 201, (target, reply.status, reply.body)
        return reply.headers["Location"]

    async def status(self, path: str) -> int:
        """currentStatus of an event."""
        return int((await self.get(path)).eventStatus.currentStatus)

    async def fill(self) -> Kit:
        """Something of every function set beside DER, through the wire."""
        for target, body in (
            ("/msg", Bodies.messages()),
            ("/msg/1/txt", Bodies.text()),
            ("/dr", Bodies.dr_program()),
            ("/dr/1/edc", Bodies.load()),
            ("/tp", Bodies.tariff()),
            ("/tp/1/rc", Bodies.component()),
            ("/tp/1/rc/1/tti", Bodies.tier(start=NOW - 10)),
            ("/tp/1/rc/1/tti/1/cti", Bodies.block()),
            ("/file", Bodies.file()),
            *Bodies.BILLING,
            *Bodies.PREPAYMENT,
        ):
            await self.post(target, body)
        self.usage = usage = await self.post(*Bodies.USAGE[0])
        for target, body in Bodies.USAGE[1:]:
            await self.post(target.replace("/upt/1", usage), body)
        for target, body in (
            (f"{usage}/mr/1/rt", Bodies.METERED),
            (f"{usage}/mr/1/r", Bodies.CURRENT),
            ("/bill/1/ss", Bodies.SUPPLIER),
            ("/ppy/1/ab", Bodies.BALANCE),
            ("/ppy/1/os", Bodies.OPERATION),
        ):
            assert (await self.send("PUT", target, body)).status == 204
        edev = self.edev("inv-1")
        for name, body in Bodies.OWN:
            await self.post(f"{edev}/{name}", body, by="inv-1")
        for name, body in (("cfg", Bodies.CONFIGURATION), ("fs", Bodies.FILE_STATUS)):
            assert (await self.send("PUT", f"{edev}/{name}", body, by="inv-1")).status == 204
        await self.post(f"{edev}/frq", Bodies.flow(), by="inv-1")
        return self

    def program(self, name: str) -> str:
        """The path of a device's or group's program."""
        state = self.core.state
        program = state.program_of_group(name) or state.program_of_device(name)
        assert program is not None
        return program.path

    def edev(self, name: str) -> str:
        """The path of an end device by the fleet's name."""
        state = self.core.state
        return (state.by_device.get(name) or state.by_group.get(name) or state.by_lfdi[self.lfdi.get(name, name)]).path

    def documents(self) -> dict[tuple[str, str], bytes]:
        return {key: document.body for key, document in self.ledger.kept.items()}

    @staticmethod
    def control(
        mrid: str = "A1" * 16,
        *,
        start: float = NOW + 60,
        duration: int = 600,
        base: str = "<opModTargetW><multiplier>3</multiplier><value>50</value></opModTargetW>",
        created: float = NOW,
        response: str = "03",
        status: int = 0,
        more: str = "",
    ) -> str:
        attribute = f' responseRequired="{response}"' if response else ""
        return (
            f'<DERControl xmlns="urn:ieee:std:2030.5:ns"{attribute}><mRID>{mrid}</mRID>'
            f"<creationTime>{int(created)}</creationTime><EventStatus><currentStatus>{status}</currentStatus>"
            f"<dateTime>{int(created)}</dateTime><potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
            f"<interval><duration>{duration}</duration><start>{int(start)}</start></interval>{more}"
            f"<DERControlBase>{base}</DERControlBase></DERControl>"
        )

    @staticmethod
    def response(lfdi: str, subject: str, status: int, created: float = NOW) -> str:
        return (
            f'<DERControlResponse xmlns="urn:ieee:std:2030.5:ns"><createdDateTime>{int(created)}</createdDateTime>'
            f"<endDeviceLFDI>{lfdi}</endDeviceLFDI><status>{status}</status><subject>{subject}</subject>"
            "</DERControlResponse>"
        )


def a_fleet() -> FakeFleet:
    everything = frozenset(Capability)
    battery = Device(
        id="bat-1",
        name="Battery one",
        nameplate=Nameplate(
            max_w=50_000.0, max_charge_w=40_000.0, max_discharge_w=50_000.0, energy_wh=100_000.0, max_var=20_000.0,
            max_var_neg=15_000.0, max_va=55_000.0, nominal_v=230.0, capabilities=everything, manufacturer="Maker",
            model="Model", serial="S1", version="1.0",
        ),
        settings=Settings(max_w=45_000.0, ramp_w_per_s=450.0),
        driver="sunspec",
    )  # fmt: skip
    inverters = [
        Device(
            id=name, nameplate=Nameplate(max_w=0.0), kind=DeviceKind.PV, driver="sep2",
        )
        for name in ("inv-1", "inv-2", "managed-1")
    ]  # fmt: skip
    fleet = FakeFleet({device.id: device for device in (battery, *inverters)})
    fleet.grouped["fleet"] = Group(id="fleet", members=("bat-1", "inv-1", "inv-2"), name="Whole fleet")
    fleet.snapshots["fleet"] = Snapshot(
        device_id="fleet", source_time=NOW - 1, received=NOW, w=12_000.0, soc=0.5, available_wh=50_000.0,
        available_up_w=38_000.0, connected=True, state=OperatingState.RUNNING,
    )  # fmt: skip
    return fleet


def some_settings(**changes: Any) -> Sep2Settings:
    lfdi = Kit.lfdi
    base = Sep2Settings(
        pen=40732,
        clients=(
            ClientEntry(lfdi=lfdi["inv-1"], device_id="inv-1"),
            ClientEntry(lfdi=lfdi["inv-2"], device_id="inv-2", pin=123_455),
            ClientEntry(lfdi=lfdi["aggregator"], role=Role.AGGREGATOR, manages=("inv-2", "managed-1")),
            ClientEntry(lfdi=lfdi["utility"], role=Role.UTILITY),
        ),
    )
    return replace(base, **changes)


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema | None:
    """The official schema, where it is at hand."""
    return etree.XMLSchema(etree.parse(str(XSD))) if XSD.exists() else None


@pytest.fixture
def make_kit(schema: etree.XMLSchema | None) -> Callable[..., Any]:
    """Makes a loaded kit; keyword arguments change the settings."""

    async def make(**changes: Any) -> Kit:
        kit = Kit(some_settings(**changes), a_fleet())
        kit.schema = schema
        return await kit.load()

    return make


@pytest.fixture
async def kit(make_kit: Callable[..., Any]) -> Kit:
    """A server with a fleet, two inverters, an aggregator and a utility."""
    loaded: Kit = await make_kit()
    return loaded


@pytest.fixture
async def sets(kit: Kit) -> Kit:
    """A server with something of every function set."""
    return await kit.fill()
