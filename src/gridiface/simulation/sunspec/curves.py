"""Stored curves of a simulated unit: models 705 to 712 at rest, adopting another curve, and what curves ask. Pure.

Points hold the defaults of IEEE 1547-2018, category B and III. Nothing here is shared with the driver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from gridiface.simulation.sunspec.image import REPEATS, RegisterImage, table

#: The models with curves, each with the group of its stored sets.
STORED: Mapping[int, str] = {**dict.fromkeys((705, 706, 707, 708, 709, 710, 712), "Crv"), 711: "Ctl"}

IN_PROGRESS, COMPLETED, FAILED = 0, 1, 2

_Pairs = Sequence[tuple[float, float]]

_SCALES: Mapping[int, Mapping[str, int]] = {
    705: {"V_SF": -2, "DeptRef_SF": -2, "RspTms_SF": -2},
    706: {"V_SF": -2, "DeptRef_SF": -2, "RspTms_SF": -2},
    707: {"V_SF": -2, "Tms_SF": -2},
    708: {"V_SF": -2, "Tms_SF": -2},
    709: {"Hz_SF": -2, "Tms_SF": -2},
    710: {"Hz_SF": -2, "Tms_SF": -2},
    711: {"Db_SF": -3, "K_SF": -3, "RspTms_SF": -2},
    712: {"W_SF": -1, "DeptRef_SF": -1},
}
_VOLT_VAR: _Pairs = ((92, 44), (98, 0), (102, 0), (108, -44))
_VOLT_WATT: _Pairs = ((106, 100), (110, 20))
_WATT_VAR: _Pairs = ((20, 0), (50, 0), (100, -44))
_TRIPS: Mapping[int, Mapping[str, _Pairs]] = {
    707: {"MustTrip": ((50, 2), (88, 21)), "MayTrip": ((30, 0.5),), "MomCess": ((50, 1),)},
    708: {"MustTrip": ((120, 0.16), (110, 13)), "MayTrip": ((120, 0.1),), "MomCess": ((110, 12),)},
    709: {"MustTrip": ((46.5, 0.16), (48.5, 300)), "MayTrip": ((47, 0.1),), "MomCess": ((46, 0.1),)},
    710: {"MustTrip": ((52, 0.16), (51.2, 300)), "MayTrip": ((51.8, 0.1),), "MomCess": ((53, 0.1),)},
}


def request_of(model_id: int) -> str:
    """The point by which a stored set is adopted; its result lies behind it."""
    return "AdptCtlReq" if model_id == 711 else "AdptCrvReq"


def result_of(model_id: int) -> str:
    """The point that tells what became of it."""
    return "AdptCtlRslt" if model_id == 711 else "AdptCrvRslt"


def fill(image: RegisterImage, model_id: int) -> None:
    """A model with curves at rest: all stored sets alike, the first read-only; trips enabled, the rest not."""
    trips = model_id in _TRIPS
    for name, exponent in _SCALES[model_id].items():
        image.put_raw(model_id, name, exponent)
    heads = {"Ena": int(trips), request_of(model_id): 0, result_of(model_id): COMPLETED}
    heads |= {} if trips else {"RvrtTms": 0, "RvrtRem": 0, "RvrtCtl" if model_id == 711 else "RvrtCrv": 0}
    counts = [name for name in REPEATS if name in table(model_id)]
    for name, value in {**heads, **{name: REPEATS[name] for name in counts}}.items():
        image.put_raw(model_id, name, value)
    sets = REPEATS["NCrvSet" if trips else "NCtl" if model_id == 711 else "NCrv"]
    for index in range(1, sets + 1):
        prefix = f"{STORED[model_id]}{index}."
        for name, slot in table(model_id).items():
            if name.startswith(prefix) and slot.type != "pad":
                image.put_raw(model_id, name, 0)
        for name, number in _defaults(model_id).items():
            image.put(model_id, prefix + name, number)
        image.put_raw(model_id, f"{prefix}ReadOnly", int(index == 1))


def _defaults(model_id: int) -> dict[str, float]:
    match model_id:
        case 705:
            return {
                **_points("V", "Var", _VOLT_VAR),
                "DeptRef": 1,
                "Pri": 1,
                "VRef": 100,
                "VRefAutoTms": 300,
                "RspTms": 5,
            }
        case 706:
            return {**_points("V", "W", _VOLT_WATT), "RspTms": 10}
        case 712:
            return {**_points("W", "Var", _WATT_VAR), "DeptRef": 1, "Pri": 1}
        case 711:
            return {"DbOf": 0.036, "DbUf": 0.036, "KOf": 0.05, "KUf": 0.05, "RspTms": 5}
    unit = "V" if model_id in (707, 708) else "Hz"
    return {
        f"{group}.{name}": value
        for group, pairs in _TRIPS[model_id].items()
        for name, value in _points(unit, "Tms", pairs).items()
    }


def _points(x: str, y: str, pairs: _Pairs) -> dict[str, float]:
    found: dict[str, float] = {"ActPt": len(pairs)}
    for number, (left, right) in enumerate(pairs, 1):
        found |= {f"Pt{number}.{x}": left, f"Pt{number}.{y}": right}
    return found


def adopt(image: RegisterImage, model_id: int, number: int) -> bool:
    """Put a stored set in force: the first becomes as it is. False: there is no such set."""
    group = STORED[model_id]
    if f"{group}{number}.ReadOnly" not in table(model_id):
        return False
    for name, slot in table(model_id).items():
        head, _, inside = name.partition(".")
        if head == f"{group}{number}" and inside != "ReadOnly" and slot.type != "pad":
            raw = image.raw(model_id, name)
            if raw is not None:
                image.put_raw(model_id, f"{group}1.{inside}", raw)
    return True


def _at(image: RegisterImage, model_id: int, x: str, y: str, here: float) -> float | None:
    """The curve in force at `here`: straight lines between its points, level outside; None: not enabled, or empty."""
    if model_id not in image.places or image.raw(model_id, "Ena") != 1:
        return None
    count = int(image.raw(model_id, "Crv1.ActPt") or 0)
    points = [
        (image.get(model_id, f"Crv1.Pt{n}.{x}") or 0.0, image.get(model_id, f"Crv1.Pt{n}.{y}") or 0.0)
        for n in range(1, min(count, REPEATS["NPt"]) + 1)
    ]
    if not points:
        return None
    if here <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if here <= right:
            return high if right == left else low + (high - low) * (here - left) / (right - left)
    return points[-1][1]


def volt_var(image: RegisterImage, volts_percent: float, *, max_w: float, max_var: float) -> float | None:
    """The reactive power that the volt-var curve asks for at a voltage, var; None where it is not enabled."""
    reference = image.get(705, "Crv1.VRef") if 705 in image.places else None
    share = _at(image, 705, "V", "Var", volts_percent * 100.0 / (reference or 100.0))
    if share is None:
        return None
    return share / 100.0 * (max_w if image.raw(705, "Crv1.DeptRef") in (0, 3) else max_var)


def watt_var(image: RegisterImage, watts_percent: float, *, max_w: float, max_var: float) -> float | None:
    """The same of the watt-var curve at a power."""
    share = _at(image, 712, "W", "Var", watts_percent)
    if share is None:
        return None
    return share / 100.0 * (max_w if image.raw(712, "Crv1.DeptRef") in (0, 3) else max_var)


def volt_watt(image: RegisterImage, volts_percent: float, *, max_w: float) -> float | None:
    """The most power that the volt-watt curve leaves at a voltage, W; None where it is not enabled."""
    share = _at(image, 706, "V", "W", volts_percent)
    return None if share is None else max(0.0, share) / 100.0 * max_w


class Shelf:
    """The adoptions of one device that are under way.

    Args:
        image: its registers.
        takes_s: time that one takes.
    """

    def __init__(self, image: RegisterImage, takes_s: float) -> None:
        self._image = image
        self._takes_s = takes_s
        self._coming: dict[int, tuple[int, float]] = {}
        at = {m: image.address(m, request_of(m)) - image.base for m in STORED if m in image.places}
        self._requests: Mapping[int, int] = at

    @property
    def empty(self) -> bool:
        """Whether the device has no curves at all."""
        return not self._requests

    def written(self, first: int, last: int, now: float) -> None:
        """Registers from `first` to before `last` were written: a request among them starts an adoption."""
        for model_id, register in self._requests.items():
            if first <= register < last:
                self._image.put_raw(model_id, result_of(model_id), IN_PROGRESS)
                number = int(self._image.raw(model_id, request_of(model_id)) or 0)
                self._coming[model_id] = (number, now + self._takes_s)

    def settle(self, now: float, *, fails: bool) -> bool:
        """What was to be adopted by now is in force, or has failed; whether there was any."""
        due = [model_id for model_id, (_, at) in self._coming.items() if at <= now]
        for model_id in due:
            number, _ = self._coming.pop(model_id)
            well = not fails and adopt(self._image, model_id, number)
            self._image.put_raw(model_id, result_of(model_id), COMPLETED if well else FAILED)
        return bool(due)

    def bounds(
        self, ceiling: float | None, reactive: float | None, *, free: bool, w: float, grid: float, max_w: float
    ) -> tuple[float | None, float | None]:
        """What the curves in force make of a ceiling, W, and of a reactive power, var, that nobody else names (`free`).

        `grid`: voltage in percent; `w`: the power now.
        """
        image, max_var = self._image, 0.44 * max_w
        most = volt_watt(image, grid, max_w=max_w)
        if most is not None:
            ceiling = most if ceiling is None else min(ceiling, most)
        if free and reactive is None:
            reactive = volt_var(image, grid, max_w=max_w, max_var=max_var)
            if reactive is None:
                reactive = watt_var(image, 100.0 * w / max_w, max_w=max_w, max_var=max_var)
        return ceiling, reactive
