"""Finds the SunSpec map of a device and walks its models. Owns no connection; the reader is an argument.

SunSpec Device Information Model Specification: the marker "SunS" lies at register 40000, 0 or 50000; models follow,
each with its id and length, until the id 0xFFFF.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gridiface.drivers.api import DeviceBusy, Shown
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.sunspec.models import model

BASE_ADDRESSES = (40000, 0, 50000)
END_MODEL = 0xFFFF
MARKER = b"SunS"

#: A device with more models, or a longer one, is broken or hostile.
MAX_MODELS = 128
MAX_LENGTH = 20_000

#: Reads `count` registers at an address; raises DeviceTimeout or DeviceRejected.
Reader = Callable[[int, int], Awaitable[bytes]]


#: How often silent and busy candidates are asked while others are answered.
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where one model lies: the address of its ID register, its length without ID and L."""

    id: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """What a scan found. `reasons` says what was odd but tolerated."""

    base: int
    models: tuple[ModelPlace, ...]
    reasons: tuple[str, ...] = ()

    def shown(self) -> list[Shown]:
        """The models for people who install the device, in the order in which they lie."""
        return [
            Shown(
                name=f"model {place.id}",
                place=f"holding {place.address}",
                raw=f"length {place.length}",
                value="not used by this driver" if (table := model(place.id)) is None else table.label,
            )
            for place in self.models
        ]

    def first(self, *model_ids: int) -> ModelPlace | None:
        """The first model of the first of `model_ids` that is there."""
        for model_id in model_ids:
            for place in self.models:
                if place.id == model_id:
                    return place
        return None


async def find_base(read: Reader, candidates: Sequence[int] = BASE_ADDRESSES) -> int:
    """The address of the marker. A refusal at one candidate means "not here".

    Some devices are silent outside their map, and a busy one may be silent for once, or say that it is busy: where
    others were answered, these candidates are asked a second time.

    Raises:
        DeviceTimeout: no candidate was answered at all, or one that stayed silent or busy may have it.
        DeviceBusy: the device, or the gateway before it, was busy at every candidate.
        DeviceRejected: the device answers everywhere, and has no marker.
    """
    said: dict[int, str] = {}
    waiting: dict[int, DeviceTimeout | DeviceBusy] = {}
    for _ in range(_ROUNDS):
        for base in [base for base in candidates if base not in said]:
            try:
                data = await read(base, 2)
            except (DeviceTimeout, DeviceBusy) as error:
                waiting[base] = error
            except DeviceError as error:
                said[base] = error.reason
            else:
                if data == MARKER:
                    return base
                said[base] = data.hex()
        if not said and waiting:
            raise waiting.popitem()[1]
    unsaid = {base: error.reason if isinstance(error, DeviceBusy) else "no answer" for base, error in waiting.items()}
    found = "; ".join(f"{base}: {(unsaid | said)[base]}" for base in candidates)
    if len(said) == len(candidates):
        raise DeviceRejected(f"no SunSpec marker ({found})")
    raise DeviceTimeout(f"no SunSpec marker so far ({found})")


async def scan(read: Reader, candidates: Sequence[int] = BASE_ADDRESSES) -> DeviceMap:
    """Find the map and walk it.

    A walk that ends in a refusal, runs over register 65535 or meets an absurd length stops there and says so in
    `reasons`; what was found before is kept.

    Raises:
        DeviceTimeout: the device fell silent.
        DeviceBusy: it, or the gateway before it, was busy: what lies behind is not known.
        DeviceRejected: no marker, or no model at all.
    """
    base = await find_base(read, candidates)
    address = base + 2
    models: list[ModelPlace] = []
    reasons: list[str] = []
    while len(models) < MAX_MODELS:
        if address + 2 > 0x10000:
            reasons.append(f"the map runs over register 65535 at {address}")
            break
        try:
            header = await read(address, 2)
        except DeviceBusy:
            raise
        except DeviceRejected as error:
            reasons.append(f"no end of the map: {address}: {error.reason}")
            break
        model_id, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:], "big")
        if model_id == END_MODEL:
            break
        if model_id == 0 or length == 0 or length > MAX_LENGTH:
            reasons.append(f"model {model_id} of length {length} at {address} cannot be: the walk ends here")
            break
        models.append(ModelPlace(model_id, address, length))
        address += 2 + length
    else:
        reasons.append(f"more than {MAX_MODELS} models: the rest is left out")
    if not models:
        raise DeviceRejected(f"a SunSpec marker at {base} but no model ({'; '.join(reasons)})")
    return DeviceMap(base, tuple(models), tuple(reasons))
