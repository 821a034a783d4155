"""The parts of one running server, by name, for those who look at them: alarms, health, areas, a changed fleet, fronts.

Owns no order: who makes, joins and ends them is wiring.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.desks.engine_desk import EngineDesk
from gridiface.app.desks.meter_desk import MeterDesk
from gridiface.app.desks.portfolio_desk import PortfolioDesk
from gridiface.app.desks.settlement_desk import SettlementDesk
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.fleet_desk import FleetDesk
from gridiface.app.fleet.southbound import Southbound
from gridiface.app.process.clock import SystemClock
from gridiface.domain.clock import Clock
from gridiface.northbound.descriptors import Reserve
from gridiface.store.repository import Store

if TYPE_CHECKING:
    from gridiface.northbound.dnp3.server import Dnp3Server
    from gridiface.northbound.openadr.ven.ven import OpenAdrVen
    from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
    from gridiface.northbound.sep2.server import Sep2Server
    from gridiface.northbound.sep2.upstream.upstreams import Upstreams


class Running:
    """What is there from the beginning, and what a start makes; None: not made yet, or not configured.

    Attributes:
        fleet: where devices and groups are changed.
        sep2, dnp3, vtn, vens, upstreams: what the fronts of the protocols make.
    """

    def __init__(self, config: Config, clock: Clock | None, engine: Engine) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.engine = engine
        self.reserve = Reserve()
        self.store: Store | None = None
        self.dispatch: Dispatch | None = None
        self.engine_desk: EngineDesk | None = None
        self.southbound: Southbound | None = None
        self.portfolios: PortfolioDesk | None = None
        self.settlements: SettlementDesk | None = None
        self.meters: MeterDesk | None = None
        self.fleet: FleetDesk | None = None
        self.sep2: Sep2Server | None = None
        self.dnp3: Dnp3Server | None = None
        self.vtn: OpenAdrVtn | None = None
        self.vens: list[OpenAdrVen] = []
        self.upstreams: Upstreams | None = None
