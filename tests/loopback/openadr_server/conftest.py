"""OpenADR adapters on free ports, over a house with a real engine, and a ledger that outlives every crash."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import itertools
import os
import random
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.clocks import FastClock
from tests.waiting import until

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import Members
from gridiface.app.process.timers import TimerLoop
from gridiface.domain.changes import AppendDecisions, AppendOutcome, DeleteDocument, Document, PutControl, PutDocument
from gridiface.domain.controls import ControlState, Delivery, DeliveryOutcome, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.openadr.settings import ListenSettings, ResourceSettings, VenSettings, VtnSettings
from gridiface.northbound.openadr.translate.events import Program
from gridiface.northbound.openadr.ven.ven import OpenAdrVen
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

FLEET = Target(TargetKind.GROUP, "fleet")
PROGRAM = "http://program.example/dr"
RATED = Nameplate(
    max_w=10_000.0,
    max_charge_w=10_000.0,
    energy_wh=40_000.0,
    capabilities=frozenset({Capability.SET_W, Capability.LIMIT_W}),
)


class Killed(BaseException):
    """The process died here."""


class Ledger:
    """Keeps documents and controls; can be down, and can die at a commit, before or after it is durable."""

    def __init__(self):
        self.kept, self.controls, self.outcomes, self.decisions = {}, {}, [], []
        self.down, self.no_controls = False, False
        self.die_at, self.dies_after, self.commits = None, False, 0
        self.dead = asyncio.Event()

    async def commit(self, changes):
        await asyncio.sleep(0)
        if self.dead.is_set() or self.down:
            raise StoreUnavailable("not now")
        if self.no_controls and any(isinstance(change, PutControl) for change in changes):
            raise StoreUnavailable("no controls now")
        relevant = any(isinstance(change, PutDocument | DeleteDocument | PutControl) for change in changes)
        self.commits += relevant
        dies = relevant and self.die_at is not None and self.commits > self.die_at
        if dies and not self.dies_after:
            self.dead.set()
            raise StoreUnavailable("died before")
        self._keep(changes)
        if dies:
            self.dead.set()
            raise StoreUnavailable("died after")

    def _keep(self, changes):
        for change in changes:
            match change:
                case PutDocument():
                    self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
                case DeleteDocument():
                    self.kept.pop((change.space, change.key), None)
                case PutControl():
                    self.controls[change.control.id] = change.control
                case AppendOutcome():
                    self.outcomes.append(change.outcome)
                case AppendDecisions():
                    self.decisions += change.decisions

    async def documents(self, space):
        return [document for document in self.kept.values() if document.space == space]

    def revived(self):
        """The same store under a new process."""
        again = Ledger()
        again.kept, again.controls, again.outcomes = dict(self.kept), dict(self.controls), list(self.outcomes)
        return again

    def live(self):
        ended = {ControlState.CANCELLED, ControlState.COMPLETED, ControlState.REFUSED, ControlState.SUPERSEDED}
        return [control for control in self.controls.values() if control.state not in ended]


class Batteries:
    """Do at once what they are told, and say so."""

    def __init__(self, house):
        self.house = house
        self.watts = {"b1": 0.0, "b2": 0.0}

    def serves(self, device_id):
        return device_id in self.watts

    async def apply(self, setpoints, *, deadline):
        now = self.house.clock.now()
        for setpoint in setpoints:
            if setpoint.active_power_w is not None:
                self.watts[setpoint.device_id] = setpoint.active_power_w
            if setpoint.release:
                self.watts[setpoint.device_id] = 0.0
        self.tell(now)
        done = DeliveryOutcome.ACKNOWLEDGED
        return [Delivery(device_id=s.device_id, outcome=done, at=now, setpoint=s) for s in setpoints]

    def tell(self, now):
        self.house.engine.observe(
            [Snapshot(device_id=n, source_time=now, received=now, w=w, soc=0.5) for n, w in self.watts.items()], now
        )


class House:
    """Engine, dispatch and two batteries; adapters are put in front of it."""

    def __init__(self, ledger=None, clock=None, *, batteries=True):
        self.clock = clock or FastClock()
        self.ledger = ledger or Ledger()
        config = Config.model_validate({"groups": [{"id": "fleet", "members": ["b1", "b2"] if batteries else []}]})
        members = Members(config)
        self.engine = Engine()
        self.dispatch = Dispatch(self.engine, self.ledger, self.clock, members)
        self.batteries = Batteries(self)
        now = self.clock.now()
        if batteries:
            self.dispatch.channels.append(self.batteries)
            for name in self.batteries.watts:
                self.engine.add_device(Device(id=name, nameplate=RATED, kind=DeviceKind.BATTERY), now)
        self.engine.set_groups(members.groups(), now)
        if batteries:
            self.batteries.tell(now)
        self.engine.restore(self.ledger.live(), self.ledger.outcomes, now)
        self.timers = TimerLoop(self.clock, 0.1, self._step, [])
        self.dispatch.kick = self.timers.kick
        self.adapters = []
        self._task = None

    def _step(self, now):
        self.batteries.tell(now) if "b1" in [device.id for device in self.engine.devices()] else None
        self.dispatch.tick(now)
        for adapter in self.adapters:
            adapter._wake.set()  # The clock may be a fast one.

    async def run(self, *adapters):
        for adapter in adapters:
            self.adapters.append(adapter)
            await adapter.start()
        if self._task is None:
            self._task = asyncio.create_task(self.timers.run())

    async def stop(self):
        for adapter in self.adapters:
            await adapter.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.dispatch.drain(1.0)

    def ven(self, url, *, programs=None, core=None, status=True, history=False, **more):
        settings = VenSettings(
            name="utility",
            url=url,
            core=replace(core or VenConfig(name="gridiface"), retry_first=0.2, retry_most=1.0, registration_retry=1.0),
            programs=programs or {"": Program(target=FLEET, resources={"site": FLEET})},
            resources=(ResourceSettings(resource="site", target=FLEET, status=status, history=history),),
            **more,
        )
        chance, numbers = random.Random(1), itertools.count(1)
        prefix = os.urandom(4).hex()
        ven = OpenAdrVen(
            settings,
            clock=self.clock,
            ledger=self.ledger,
            inbox=self.dispatch,
            fleet=self.engine,
            new_id=lambda: f"{prefix}-{next(numbers)}",
            draw=chance.random,
        )
        self.dispatch.listeners.append(ven.on_outcome)
        return ven

    def vtn(self, *, vens=(), core=None, listen=None, **more):
        wish = ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1)
        settings = VtnSettings(
            core=core or VtnConfig(vtn_id="VTN-1", poll_frequency=1, open_registration=True, wishes=(wish,)),
            listen=listen or ListenSettings(),
            vens=vens,
            **more,
        )
        vtn = OpenAdrVtn(settings, clock=self.clock, ledger=self.ledger, registry=self.dispatch)
        self.dispatch.channels.append(vtn.channel)
        return vtn


class Authority:
    """A root and what it issues, in a folder."""

    def __init__(self, folder, root="root.pem"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.root = self._sign(self.name, self.key.public_key(), [(ca, True), (_usage(sign=True), True)])
        (folder / root).write_bytes(self.root.public_bytes(Encoding.PEM))

    def _sign(self, name, public, extensions, *, days=(-1, 30), hash_=None):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hash_ or hashes.SHA256())

    def issue(self, name, *, key=None, purposes=None, days=(-1, 30), authority=None, more=(), usage=True, hash_=None):
        """Files of a new certificate; returns the block for a configuration and its fingerprint."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        both = x509.ExtendedKeyUsage(purposes or [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extensions = [(names, False), (both, False), *more]
        if usage:
            extensions.append((_usage(sign=False, encipher=isinstance(key, rsa.RSAPrivateKey)), True))
        made = (authority or self)._sign(subject, key.public_key(), extensions, days=days, hash_=hash_)
        certificate, keyfile = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        keyfile.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        keyfile.chmod(0o600)
        block = {"certificate": certificate, "key": keyfile, "roots": [self.folder / "root.pem"]}
        return block, openadr_fingerprint(made.public_bytes(Encoding.DER))


def _usage(*, sign, encipher=False):
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture
def eventually():
    return until


@pytest.fixture
async def make_house():
    houses = []

    def make(*args, **more):
        house = House(*args, **more)
        houses.append(house)
        return house

    yield make
    for house in reversed(houses):
        await house.stop()


@pytest.fixture
def make_authority():
    """Makes a root in a folder, which issues files."""
    return Authority


@pytest.fixture
def make_clock():
    return FastClock


@pytest.fixture
def fleet():
    return FLEET


@pytest.fixture(scope="session")
def openleadr_python():
    """A Python that can import openleadr: this one, or the one that GRIDIFACE_OPENLEADR_PYTHON names."""
    named = os.environ.get("GRIDIFACE_OPENLEADR_PYTHON")
    if named:
        return named
    if find_spec("openleadr") is None:
        pytest.skip("openleadr is not importable and GRIDIFACE_OPENLEADR_PYTHON is not set")
    return sys.executable
