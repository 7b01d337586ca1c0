"""When two computations are the same: traces, differences, gates, the first divergence."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from attention_twins.errors import InputError

Trace = dict[str, np.ndarray]
"""Name → array, in the order of computation."""


@dataclass(frozen=True)
class Gate:
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
    """Within the gate."""


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


RUNGS = {
    "weights": "copied in and read back, both ways",
    "forward": "every state, e, alpha, context, the output",
    "loss": "of a batch, and of an epoch whose last batch is smaller",
    "gradients": "of the loss in every weight and in the input",
    "mask": "forward, loss and gradients with some steps masked, of one row all",
    "step": "weights and optimizer state after each of three steps, each optimizer",
    "trajectory": "every weight while the tutorial's network is trained",
    "hand-off": "the second half of it in the other framework, from weights and state",
}
"""Name of a rung of the ladder → what is compared on it."""

FASTER_RUNGS = {
    "compiled": "the same training, and every epoch's loss, by fit_compiled, compared with fit",
    "many": "the same by fit_many, between two other starts",
}
"""Likewise, of the faster ways to train; of our own networks only."""

LIMITS = {
    "float64": {
        "forward": 5e-15,
        "gradients": 1e-14,
        1: 1e-15,
        10: 1e-14,
        1000: 5e-14,
        None: 1e-12,
    },
    "float32": {"forward": 1e-6, "gradients": 5e-6, 1: 1e-6, 10: 2e-6, 1000: 1e-5, None: 5e-5},
}
"""Type → limits: of a forward pass, of gradients, and of weights after up to so many steps.

Each leaves some headroom over the largest difference of any correct twin from several random
starts; `twins check` prints that difference and the twins' own float32 error beside the gate.
"""


def gate(rung: str, dtype: str, step: int = 1) -> Gate:
    """What counts as rounding on a rung, after `step` training steps."""
    limits = LIMITS[dtype]
    if rung == "weights":
        return Gate(0.0)
    if rung == "gradients":
        return Gate(limits["gradients"], relative=True)
    if rung in ("forward", "mask", "loss"):
        return Gate(limits["forward"])
    return Gate(next((limits[up_to] for up_to in (1, 10, 1000) if step <= up_to), limits[None]))


def difference(name: str, actual: Trace, desired: Trace, gate: Gate) -> Difference:
    """How far the tensor `name` of one trace is from that of another."""
    problem = _problem(actual.get(name), desired.get(name))
    if problem:
        return Difference(name, math.inf, math.inf, math.inf, problem, ok=False)
    should = desired[name]
    largest = float(_distance(actual[name], should).max(initial=0))
    scale = float(np.abs(should[np.isfinite(should)]).max(initial=0))
    whole = not np.issubdtype(should.dtype, np.floating)
    unit = 1.0 if whole else float(np.spacing(should.dtype.type(scale or 1)))
    relative = 0.0 if largest == 0 else largest / scale if scale else math.inf
    ok = largest <= gate.allowed(should)
    return Difference(name, largest, relative, largest / unit, ok=ok)


def first_divergence(
    actual: Trace, desired: Trace, gate: Gate, step: int = 1, phase: str = ""
) -> Divergence | None:
    """The first tensor in the order of `desired` beyond the gate, and its first such element.

    In the forward pass the first element is the one at the earliest time step, in the backward
    pass at the latest.

    Args:
        actual: a trace.
        desired: what it should be.
        gate: what counts as rounding.
        step: the training step that both are from.
        phase: forward, backward or update; told from each tensor's name if not given.
    """
    for name in [*desired, *(name for name in actual if name not in desired)]:
        backward = name.startswith("gradient/")
        where = phase or ("backward" if backward else "forward")
        problem = _problem(actual.get(name), desired.get(name))
        if problem:
            return Divergence(name, where, step, {}, [], problem)
        a, d = actual[name], desired[name]
        beyond = np.argwhere(~(_distance(a, d) <= gate.allowed(d)))  # (places, axes)
        if len(beyond):
            axes = _axes(name, d.ndim)
            if "time step" in axes:
                time = beyond[:, axes.index("time step")]
                beyond = beyond[time == (time.max() if backward else time.min())]
            first = tuple(int(i) for i in beyond[0])
            index = dict(zip(axes, first, strict=True))
            return Divergence(name, where, step, index, [*_neighbours(a, d, first)])
    return None


def save_trace(path: Path, trace: Trace) -> None:
    """Write a trace to a safetensors file, whole or not at all; NaN and inf are kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.array(array, order="C") for name, array in trace.items()}
    part = path.with_name(path.name + ".part")
    part.write_bytes(save(arrays, {"order": json.dumps([*trace])}))  # the format keeps no order
    part.replace(path)


def load_trace(path: Path) -> Trace:
    """The trace in a file made by `save_trace`.

    Raises:
        InputError: there is no such file, or it is not whole.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in json.loads(file.metadata()["order"])}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"trace must be a whole file, got {str(path)!r} ({error})") from error


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


def _axes(name: str, ndim: int) -> tuple[str, ...]:
    """What the axes of a tensor mean."""
    last = re.sub(r"_\d+$", "", name.split("/")[-1])  # of what a layer makes when called again
    if last in ("h", "input", "x", "output"):
        return {2: ("row", "unit"), 3: ("row", "time step", "unit")}.get(ndim, _plain(ndim))
    if last in ("e", "alpha"):
        return "row", "time step"
    if last == "context":
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
