"""What the stopwatch must know of the scalar loop. The same names as in in_keras and in_torch."""

import contextlib
from typing import Any

from benchmarks.bench.cells import Cell
from benchmarks.common import scalar_limit


def begin(cell: Cell) -> None:
    """Nothing is to be done before the first use."""


def synchronise(cell: Cell) -> None:
    """A scalar loop is done when it returns."""


def flipped(cell: Cell, package: Any) -> contextlib.AbstractContextManager[Any]:
    """The floor has no switches."""
    return contextlib.nullcontext()


def device_mib(cell: Cell) -> float | None:
    """There is no device."""
    return None


def proof(cell: Cell, model: Any) -> dict[str, Any]:
    """Whether numba compiled the loop, with no Python object left in it."""
    kernels: Any = scalar_limit._steps
    return {"numba": len(kernels.nopython_signatures)}
