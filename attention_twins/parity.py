"""When two computations are the same: traces, differences, the first divergence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from attention_twins.weights import Weights


class Key(NamedTuple):
    """Which tensor of a computation."""

    part: str
    """forward, loss, gradient or weight; of an optimizer's state m, v or t."""
    layer: str
    """The layer that it belongs to; empty for what belongs to the whole network."""
    tensor: str
    """kernel, input, h, …; in a bidirectional layer forward/kernel."""
    call: int = 1
    """How often the layer has been called by then."""

    def __str__(self) -> str:
        """PART/LAYER/TENSOR_CALL, as tables name it; the part only where it is needed."""
        part = self.part if self.part in ("gradient", "m", "v") else ""
        tensor = self.tensor if self.call == 1 else f"{self.tensor}_{self.call}"
        return "/".join(name for name in (part, self.layer, tensor) if name)


Trace = dict[Key, np.ndarray]
"""Key → array, in the order of computation."""


def weight_key(name: str, part: str = "weight") -> Key:
    """The key of a weight LAYER/VARIABLE, or of its gradient or its moment."""
    layer, _, variable = name.partition("/")
    return Key(part, layer, variable)


def weight_trace(weights: Weights) -> Trace:
    """The trace of weights named LAYER/VARIABLE."""
    return {weight_key(name): array for name, array in weights.items()}


def state_trace(state: Weights) -> Trace:
    """The trace of an optimizer's state: t, and m/LAYER/VARIABLE and the like."""
    trace = {}
    for name, array in state.items():
        part, _, weight = name.partition("/")
        trace[weight_key(weight, part) if weight else Key(part, "", part)] = array
    return trace


def named(trace: Trace, part: str = "") -> Weights:
    """The arrays of a trace, or of a part of it, by their names."""
    return {str(key): array for key, array in trace.items() if part in ("", key.part)}


@dataclass(frozen=True)
class Tolerance:
    """The largest difference that counts as rounding."""

    limit: float

    relative: bool = False
    """Relative to the largest absolute value of the tensor; else absolute."""

    def allowed(self, desired: np.ndarray) -> float:
        """The absolute difference allowed for a tensor."""
        if not self.relative:
            return self.limit
        finite = np.abs(desired[np.isfinite(desired)])
        return self.limit * float(finite.max(initial=0))


@dataclass(frozen=True)
class Difference:
    """How far a tensor is from what it should be."""

    tensor: str

    max_abs: float
    """Largest absolute difference; inf for NaN or inf on one side only, and for a problem."""

    max_rel: float
    """The same, relative to the largest absolute value of the tensor that it should be."""

    ulps: float
    """The same, in units in the last place of that value; of 1 where all are 0."""

    problem: str = ""
    """missing, shape or dtype: why there is nothing to subtract."""

    ok: bool = True
    """Within the tolerance."""


@dataclass(frozen=True)
class Divergence:
    """Where two computations part for the first time."""

    tensor: str

    phase: str
    """forward, backward or update."""

    step: int
    """The training step, from 1."""

    index: dict[str, int]
    """Axis → position, from 0."""

    neighbours: list[tuple[str, float, float, float]]
    """Index, value, value it should have, ulps between them: around the first one that differs."""

    problem: str = ""
    """missing, shape or dtype: then there is no index."""


def difference(key: Key, actual: Trace, desired: Trace, tolerance: Tolerance) -> Difference:
    """How far a tensor of one trace is from that of another."""
    problem = _problem(actual.get(key), desired.get(key))
    if problem:
        return Difference(str(key), math.inf, math.inf, math.inf, problem, ok=False)
    should = desired[key]
    largest = float(_distance(actual[key], should).max(initial=0))
    scale = float(np.abs(should[np.isfinite(should)]).max(initial=0))
    whole = not np.issubdtype(should.dtype, np.floating)
    unit = 1.0 if whole else float(np.spacing(should.dtype.type(scale or 1)))
    relative = 0.0 if largest == 0 else largest / scale if scale else math.inf
    ok = largest <= tolerance.allowed(should)
    return Difference(str(key), largest, relative, largest / unit, ok=ok)


def first_divergence(
    actual: Trace, desired: Trace, tolerance: Tolerance, step: int = 1, phase: str = ""
) -> Divergence | None:
    """The first tensor in the order of `desired` beyond the tolerance, and its first such element.

    In the forward pass the first element is the one at the earliest time step, in the backward
    pass at the latest.

    Args:
        actual: a trace.
        desired: what it should be.
        tolerance: what counts as rounding.
        step: the training step that both are from.
        phase: forward, backward or update; from each tensor's key if not given.
    """
    for key in [*desired, *(key for key in actual if key not in desired)]:
        backward = key.part == "gradient"
        where = phase or ("backward" if backward else "forward")
        problem = _problem(actual.get(key), desired.get(key))
        if problem:
            return Divergence(str(key), where, step, {}, [], problem)
        a, d = actual[key], desired[key]
        beyond = np.argwhere(~(_distance(a, d) <= tolerance.allowed(d)))  # (places, axes)
        if len(beyond):
            axes = _axes(key, d.ndim)
            if "time step" in axes:
                time = beyond[:, axes.index("time step")]
                beyond = beyond[time == (time.max() if backward else time.min())]
            first = tuple(int(i) for i in beyond[0])
            index = dict(zip(axes, first, strict=True))
            return Divergence(str(key), where, step, index, [*_neighbours(a, d, first)])
    return None


def _problem(actual: np.ndarray | None, desired: np.ndarray | None) -> str:
    """Why two arrays cannot be subtracted; empty if they can."""
    if actual is None or desired is None:
        return "missing" if actual is None else "not expected"
    if actual.shape != desired.shape:
        return f"shape {actual.shape}, should be {desired.shape}"
    if actual.dtype != desired.dtype:
        return f"{actual.dtype}, should be {desired.dtype}"
    return ""


def _distance(actual: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """|actual − desired| in float64; 0 where both are the same inf or NaN, inf where one is."""
    a, d = actual.astype(np.float64), desired.astype(np.float64)
    both = np.isfinite(a) & np.isfinite(d)
    same = (a == d) | (np.isnan(a) & np.isnan(d))
    finite = np.abs(np.where(both, a, 0) - np.where(both, d, 0))
    return np.where(both, finite, np.where(same, 0, np.inf))


def _axes(key: Key, ndim: int) -> tuple[str, ...]:
    """What the axes of a tensor mean."""
    if key.tensor in ("h", "input", "x", "output"):
        return {2: ("row", "unit"), 3: ("row", "time step", "unit")}.get(ndim, _plain(ndim))
    if key.tensor in ("e", "alpha"):
        return "row", "time step"
    if key.tensor == "context":
        return "row", "unit"
    return _plain(ndim)


def _plain(ndim: int) -> tuple[str, ...]:
    """Names for axes that have none."""
    return tuple(f"axis {axis}" for axis in range(ndim))


def _neighbours(
    actual: np.ndarray, desired: np.ndarray, index: tuple[int, ...], reach: int = 2
) -> Iterator[tuple[str, float, float, float]]:
    """Both values and the ulps between them, at `index` and beside it on the longest axis."""
    if not index:
        places = [index]
    else:
        axis = int(np.argmax(desired.shape))
        low, high = max(0, index[axis] - reach), min(desired.shape[axis], index[axis] + reach + 1)
        places = [(*index[:axis], i, *index[axis + 1 :]) for i in range(low, high)]
    for place in places:
        a, d = float(actual[place]), float(desired[place])
        unit = float(np.spacing(np.abs(desired[place]))) if desired.dtype.kind == "f" else 1.0
        yield ", ".join(map(str, place)), a, d, abs(a - d) / unit
