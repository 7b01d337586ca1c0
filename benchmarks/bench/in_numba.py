"""What the bench must know of the scalar limit. The same names as in in_keras and in_torch."""

import contextlib
from types import ModuleType

from benchmarks.bench.cells import Cell
from benchmarks.common import scalar_limit
from benchmarks.common.journal import Line


def begin(cell: Cell) -> None:
    """Nothing is to be done before the first use."""


def synchronise(cell: Cell) -> None:
    """The scalar limit is done when it returns."""


def flipped(cell: Cell, package: ModuleType) -> contextlib.AbstractContextManager[None]:
    """The scalar limit has no switches."""
    return contextlib.nullcontext()


def device_mib(cell: Cell) -> float | None:
    """There is no device."""
    return None


def proof(cell: Cell, model: None) -> Line:
    """Whether numba compiled the loop, with no Python object left in it."""
    return {"numba": _compiled_signatures()}


def _compiled_signatures() -> int:
    """How often the loop was compiled without Python objects: numba's dispatcher counts it."""
    return len(getattr(scalar_limit._steps, "nopython_signatures", ()))
