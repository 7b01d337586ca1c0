"""What the traces of two workers say: a row for every comparison, and where they part first."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from attention_twins.parity import (
    Difference,
    Divergence,
    Gate,
    Trace,
    difference,
    first_divergence,
    gate,
)
from attention_twins.traces import Place, Traces
from benchmarks.prove.cases import LANDMARKS

UNBRIDGEABLE = {
    "rmsprop": "Keras divides by √(v + ε), PyTorch by √v + ε: RMSprop's weights part after a first "
    "step, which is compared with that taken out on paper",
    "moving_variance": "of BatchNorm: PyTorch keeps the unbiased one, n / (n − 1) of Keras's",
}
"""What no setting makes equal, and why."""

FINITE = Gate(float(np.finfo(np.float64).max))
"""The gate of what has none: NaN or inf on one side is a failure all the same."""

PHASES = {"weights": "copying", "step": "update", "trajectory": "update", "hand-off": "update"}
"""Rung → phase of a training step, where the names of the tensors do not tell."""

HEADROOM = 8
"""Two correct computations may differ by some times the error that each of them has."""


@dataclass
class Verdict:
    """All that a check found."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """One for each tensor of each comparison, as JSON will have it."""

    divergences: list[tuple[dict[str, Any], Divergence]] = field(default_factory=list)
    """For each pair of traces that differ: which pair, and where they part first."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    """How the largest difference of any weight grows with the steps."""

    @property
    def ok(self) -> bool:
        """All gates hold, and there is at least one."""
        return bool(self.rows) and all(row["ok"] for row in self.rows)

    def add(
        self,
        pair: dict[str, Any],
        actual: Traces,
        desired: Traces,
        own: dict[Any, float],
        least: dict[Any, float] | None = None,
        expected: Iterable[Place] = (),
    ) -> None:
        """Compare two sets of traces; a place that only one of them has is a failure.

        Args:
            pair: model, dtype, twin, against: goes into every row.
            actual: what the twin computed.
            desired: what it should be.
            own: (place, tensor) → the twin's own float32 error.
            least: (place, tensor) → a limit, as its gate counts, that the gate is not below.
            expected: places that both must have.
        """
        dtype, parted, curve = pair["dtype"], False, {}
        landmarks = {*LANDMARKS, max((place.step for place in desired), default=0)}

        def limit(place: Place, name: str) -> Gate | None:
            found = judge(place, name, dtype)
            if found is None or not found.limit:
                return found
            return replace(found, limit=max(found.limit, (least or {}).get((place, name), 0.0)))

        before = 0
        for place in dict.fromkeys([*desired, *actual, *expected]):
            should, trace = desired.get(place, {}), actual.get(place, {})
            largest = 0.0
            for name in dict.fromkeys([*should, *trace]) or ["everything"]:
                limits = limit(place, name)
                found = difference(name, trace, should, limits or FINITE)
                own_error = own.get((place, name))
                row = _row(pair, place, found, limits) | {"own_error": own_error}
                largest = max(largest, found.max_abs)
                if place.rung != "trajectory" or place.step in landmarks or not found.ok:
                    self.rows.append(row)
                if not found.ok and not parted:
                    parted = True
                    where = _where(place, name, trace, should, limits or FINITE)
                    head = pair | {"rung": place.rung, **_note(place)}
                    if place.rung == "trajectory":
                        head["equal_until"] = before
                    self.divergences.append((head, where))
            if place.rung == "trajectory":
                curve[place.step] = largest
                before = place.step
        if curve:
            self.curves.append(pair | {"steps": [*curve], "max_abs": [*curve.values()]})


def _where(place: Place, name: str, actual: Trace, desired: Trace, limit: Gate) -> Divergence:
    """The first divergence in a tensor that has one."""
    phase = PHASES.get(place.rung, "")
    parts = ({name: t[name]} if name in t else {} for t in (actual, desired))
    found = first_divergence(*parts, limit, place.step, phase)  # type: ignore
    return found or Divergence(name, phase or "forward", place.step, {}, [], "missing")


def _row(
    pair: dict[str, Any], place: Place, found: Difference, gate: Gate | None
) -> dict[str, Any]:
    """One tensor compared, as JSON will have it."""
    return {
        **pair,
        "rung": place.rung,
        "step": place.step,
        **_note(place),
        "tensor": found.tensor,
        "max_abs": found.max_abs,
        "max_rel": found.max_rel,
        "ulps": found.ulps,
        "gate": gate.limit if gate else None,
        "relative": gate.relative if gate else False,
        "ok": found.ok,
        "problem": found.problem or known_difference(place, found.tensor),
    }


def _note(place: Place) -> dict[str, str]:
    """What a row says of a place beside rung and step."""
    return {"optimizer" if place.rung == "step" else "from": place.note} if place.note else {}


def known_difference(place: Place, name: str) -> str:
    """Why a tensor cannot be equal there; empty if it can."""
    if place.rung == "step" and place.note in UNBRIDGEABLE and place.step > 1:
        return UNBRIDGEABLE[place.note]
    last = name.split("/")[-1]
    if last in UNBRIDGEABLE and place.rung in ("step", "trajectory", "hand-off"):
        return UNBRIDGEABLE[last]
    return ""


def judge(place: Place, name: str, dtype: str) -> Gate | None:
    """The gate of a tensor; None where the frameworks are known to differ."""
    if known_difference(place, name):
        return None
    if name.startswith("gradient/"):
        return gate("gradients", dtype)
    return gate(place.rung, dtype, place.step)


def from_float32(errors: dict[Any, float], dtype: str) -> dict[Any, float]:
    """Limits for a type from twins' own float32 errors: HEADROOM times them, scaled to the type.

    On a trajectory the largest error so far counts: two trainings may meet again by chance.
    """
    scale = float(np.finfo(dtype).eps / np.finfo("float32").eps)
    limits, largest = {}, {}
    for (place, name), error in sorted(errors.items(), key=lambda item: item[0][0].step):
        if not np.isfinite(error):
            continue
        if place.rung == "trajectory":
            error = largest[name] = max(error, largest.get(name, 0.0))
        limits[place, name] = HEADROOM * error * scale
    return limits


def from_rounding(moves: dict[Any, float], dtype: str) -> dict[Any, float]:
    """Limits for a type from what a relative change of every number does: HEADROOM roundings."""
    return {key: HEADROOM * move * float(np.finfo(dtype).eps) / 2 for key, move in moves.items()}


def own_errors(single: Traces, double: Traces) -> dict[Any, float]:
    """(place, tensor) → how far a twin's float32 run is from its float64 run, as its gate counts.

    For a gate that is relative, relative to the largest value of the tensor.
    """
    errors = {}
    for place in single.keys() & double.keys():
        for name in single[place].keys() & double[place].keys():
            exact = double[place][name]
            trace = {name: single[place][name].astype(exact.dtype)}
            found = difference(name, trace, {name: exact}, FINITE)
            limit = judge(place, name, "float32")
            errors[place, name] = found.max_rel if limit and limit.relative else found.max_abs
    return errors
