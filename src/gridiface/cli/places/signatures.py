"""How a verb that gets some of its parameters made for it shows the command line what those are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import Parameter, Signature


def shown_as(verb: Callable[..., None], run: Callable[..., None], parameters: Iterable[Parameter]) -> None:
    """Let `run` stand for `verb`, with its name and its help, and take `parameters` on the command line.

    Args:
        verb: what is called in the end.
        run: what typer is given; it takes everything by name.
        parameters: with their evaluated annotations, in the order of the command line.
    """
    taken = list(parameters)
    run.__name__, run.__doc__, run.__module__ = verb.__name__, verb.__doc__, verb.__module__
    # What typer reads: a signature, and the annotations beside it.
    run.__annotations__ = {one.name: one.annotation for one in taken}
    run.__signature__ = Signature(taken)  # type: ignore[attr-defined]
