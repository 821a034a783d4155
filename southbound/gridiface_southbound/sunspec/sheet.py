"""One control function of a device as a form to fill in: its points, their scale, the registers to write. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from gridiface.domain.quantities import Rounding, from_power_of_ten
from gridiface_southbound.sunspec.models import Block, Model, Run, present, runs, scaler


class Sheet:
    """The points of one function that a device implements, in the order of their registers.

    Devices alike share one: it knows scale factors, not addresses. Made by `sheet_for`.
    """

    __slots__ = ("_blank", "_exponents", "_points", "enable", "labels", "model", "names", "ordered")

    def __init__(
        self, of: Model, names: tuple[str, ...], exponents: tuple[int | None, ...], enable: str, floored: frozenset[str]
    ) -> None:
        self.model = of
        self.names = names
        self.enable = enable
        self._exponents = exponents
        self._points: dict[str, tuple[int, Callable[[float], int]]] = {}
        for index, (name, exponent) in enumerate(zip(names, exponents, strict=True)):
            rounding = Rounding.FLOOR if name in floored else Rounding.NEAREST
            self._points[name] = (index, scaler(of, name, exponent, rounding))
        self._blank = [scale(0.0) for _, scale in self._points.values()]
        self.labels = {f"{of.id}.{name}": name for name in names}
        at = names.index(enable) if enable in names else -1
        # SunSpec: values first, then the enable that activates them.
        self.ordered: tuple[Run, ...] = tuple(sorted(runs(of, names), key=lambda run: run.first <= at < run.last))

    def __contains__(self, name: str) -> bool:
        return name in self._points

    def fill(self, values: Mapping[str, float]) -> Filled:
        """The registers for `values`; points that the device lacks are ignored, points not named get 0."""
        raw = self._blank.copy()
        points = self._points
        for name, value in values.items():
            if name in points:
                index, scale = points[name]
                raw[index] = scale(value)
        return Filled(self, raw)

    def place(self, name: str) -> tuple[int, Callable[[float], int]] | None:
        """Its place among the raw values, and what makes its raw number of a value; None: the device lacks it."""
        return self._points.get(name)

    def decode(self, index: int, raw: int) -> float:
        """The value of the raw number of the point at `index` of `names`."""
        return from_power_of_ten(raw, self._exponents[index] or 0)


_shared = lru_cache(maxsize=4096)(Sheet)


def sheet_for(block: Block, names: Sequence[str], *, enable: str, floored: Iterable[str] = ()) -> Sheet:
    """The form of one function for the device that gave `block`.

    Args:
        block: the model's registers as the device gave them.
        names: the function's points by offset; those that the device does not implement are left out.
        enable: the point that makes the others effective, its registers are written last; "": each is by itself.
        floored: points whose values are rounded down, the others to the nearest.
    """
    found = present(block, names)
    return _shared(block.model, found, tuple(block.scale(name) for name in found), enable, frozenset(floored))


class Filled:
    """A filled form: raw values by the sheet's names, and what is sent: (offset in the model, registers)."""

    __slots__ = ("raw", "sheet", "writes")

    def __init__(self, sheet: Sheet, raw: list[int], writes: list[tuple[int, bytes]] | None = None) -> None:
        self.sheet = sheet
        self.raw = raw
        self.writes = writes or [(run.offset, run.codec.pack(*raw[run.first : run.last])) for run in sheet.ordered]

    def value(self, name: str) -> float:
        """What the device will hold in a point after rounding."""
        index = self.sheet.names.index(name)
        return self.sheet.decode(index, self.raw[index])

    def words(self, held: Block) -> Iterator[tuple[int, bytes]]:
        """Register by register what is written one by one: those that `held` shows otherwise, the enabling one last.

        Timers and the enabling point are written in any case.
        """
        sheet = self.sheet
        enable = sheet.model.points[sheet.enable].offset if sheet.enable else -1
        timers = {sheet.model.points[name].offset for name in sheet.names if name.endswith("Tms")}
        words = [
            (offset + at, registers[2 * at : 2 * at + 2])
            for offset, registers in self.writes
            for at in range(len(registers) // 2)
        ]
        for offset, word in sorted(words, key=lambda entry: entry[0] == enable):
            always = offset == enable or offset in timers or offset - 1 in timers
            if always or held.slice(offset, 1) != word:
                yield offset, word

    def differing(self, after: Block) -> list[str]:
        """The points that `after` does not show as written. Timers may run down and are left out.

        A form without an enabling point holds settings, whose times are no timers.
        """
        found, timed = [], bool(self.sheet.enable)
        for name, raw in zip(self.sheet.names, self.raw, strict=True):
            if not (timed and name.endswith("Tms")) and after.raw(name) != raw:
                found.append(name)
        return found

    def shown(self, after: Block) -> bool:
        """Whether `after` shows every register as written, timers included (the quick look)."""
        data = after.data
        return all(data.startswith(registers, 2 * offset) for offset, registers in self.writes)


class PointValues(Mapping[str, float]):
    """The values of filled forms by model and point ("704.WSet"), worked out only when somebody looks."""

    __slots__ = ("_forms",)

    def __init__(self, forms: Sequence[Filled]) -> None:
        self._forms = forms

    def __getitem__(self, label: str) -> float:
        for form in self._forms:
            if label in form.sheet.labels:
                return form.value(form.sheet.labels[label])
        raise KeyError(label)

    def __iter__(self) -> Iterator[str]:
        for form in self._forms:
            yield from form.sheet.labels

    def __bool__(self) -> bool:
        for form in self._forms:  # noqa: SIM110 - a generator for each command costs more than the look
            if form.sheet.labels:
                return True
        return False

    def __len__(self) -> int:
        return sum(len(form.sheet.labels) for form in self._forms)

    def __repr__(self) -> str:
        return repr(dict(self))
