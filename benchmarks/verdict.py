"""What the traces of two workers say: a row for every comparison, and where they part first."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.ladder import BATCH, LANDMARKS, Case
from shared import reference
from shared.parity import (
    Difference,
    Divergence,
    Gate,
    Trace,
    difference,
    first_divergence,
    gate,
    load_trace,
)

UNBRIDGEABLE = {
    "rmsprop": "Keras divides by √(v + ε), PyTorch by √v + ε: no setting makes them equal",
}
"""Optimizers without an exact bridge, and why."""


PHASES = {"weights": "copying", "step": "update", "trajectory": "update", "hand-off": "update"}
"""Rung → phase of a training step, where the names of the tensors do not tell."""

HEADROOM = 8
"""Two correct computations may differ by some times the error that each of them has."""


class Place(NamedTuple):
    """Where on the ladder a trace was taken."""

    rung: str
    step: int
    """Training step after which it was taken, from 1; 0 before the first."""
    note: str = ""
    """The optimizer, or where weights came from."""

    @property
    def line(self) -> str:
        """What a table calls it."""
        if self.rung == "trajectory":
            return f"trajectory, step {self.step:,}"
        return f"{self.rung}, {self.note}" if self.rung == "step" else self.rung


Traces = dict[Place, Trace]


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
        derived: bool = False,
    ) -> None:
        """Compare two sets of traces.

        Args:
            pair: model, dtype, twin, against: goes into every row.
            actual: what the twin computed.
            desired: what it should be; a place that `actual` lacks is a failure.
            own: (place, tensor) → the twin's own float32 error.
            derived: widen a gate to HEADROOM times that error, scaled to the type.
        """
        dtype, parted, curve = pair["dtype"], False, {}
        landmarks = {*LANDMARKS, max((place.step for place in desired), default=0)}

        def limit(place: Place, name: str) -> Gate | None:
            found = judge(place, name, dtype)
            error = own.get((place, name)) if derived else None
            if found is None or error is None or not np.isfinite(error) or not found.limit:
                return found
            scale = 1.0 if dtype == "float32" else np.finfo("float64").eps / np.finfo("float32").eps
            return replace(found, limit=max(found.limit, HEADROOM * error * float(scale)))

        for place, should in desired.items():
            trace = actual.get(place, {})
            largest = 0.0
            for name in [*should, *(name for name in trace if name not in should)]:
                gate = limit(place, name)
                found = difference(name, trace, should, gate or Gate(np.inf))
                row = _row(pair, place, found, gate) | {"own_error": own.get((place, name))}
                largest = max(largest, found.max_abs)
                if place.rung != "trajectory" or place.step in landmarks or not found.ok:
                    self.rows.append(row)
                if not found.ok and not parted and gate is not None:
                    parted = True
                    where = first_divergence(
                        {name: trace[name]} if name in trace else {},
                        {name: should[name]} if name in should else {},
                        gate,
                        place.step,
                        PHASES.get(place.rung, ""),
                    )
                    assert where is not None
                    self.divergences.append((pair | {"rung": place.rung, **_note(place)}, where))
            if place.rung == "trajectory":
                curve[place.step] = largest
        if curve:
            self.curves.append(pair | {"steps": [*curve], "max_abs": [*curve.values()]})


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
        "problem": found.problem or ("" if gate else UNBRIDGEABLE[place.note]),
    }


def _note(place: Place) -> dict[str, str]:
    """What a row says of a place beside rung and step."""
    return {"optimizer" if place.rung == "step" else "from": place.note} if place.note else {}


def judge(place: Place, name: str, dtype: str) -> Gate | None:
    """The gate of a tensor; None where the frameworks are known to differ.

    What RMSprop keeps is equal after the first step; then the weights part, and with them all.
    """
    if place.note in UNBRIDGEABLE and (place.step > 1 or not name.startswith(("v/", "t"))):
        return None
    if name.startswith("gradient/"):
        return gate("gradients", dtype)
    return gate(place.rung, dtype, place.step)


def alone(folder: Path, followed: str) -> Traces:
    """What a worker wrote of a case before it met the others; what is not there is left out."""
    found: Traces = {}

    def load(name: str) -> Trace:
        path = folder / f"{name}.safetensors"
        return load_trace(path) if path.exists() else {}

    if weights := load("weights"):
        found[Place("weights", 0)] = weights
    if trace := load("trace"):
        found |= split(trace, load("loss"))
    if mask := load("mask"):
        found[Place("mask", 1)] = mask
    for rung, file in (("step", f"step-{followed}"), ("trajectory", f"trajectory-{followed}")):
        for key, array in load(file).items():
            first, rest = key.split("/", 1)
            if rung == "step":
                step, name = rest.split("/", 1)
                place = Place("step", int(step), first)
            else:
                place, name = Place("trajectory", int(first)), rest
            found.setdefault(place, {})[name] = array
    return found


def split(trace: Trace, epoch: Trace) -> Traces:
    """The trace of a batch, and the loss of an epoch, on three rungs."""
    gradients = {name: array for name, array in trace.items() if name.startswith("gradient/")}
    forward = {n: a for n, a in trace.items() if n != "loss" and n not in gradients}
    return {
        Place("forward", 1): forward,
        Place("loss", 1): {"loss": trace["loss"], **epoch},
        Place("gradients", 1): gradients,
    }


def received(folder: Path, theirs: Path, followed: str) -> tuple[Traces, Traces]:
    """What a worker made of a partner's weights and state, and what the partner has itself."""
    partner = theirs.parent.name
    actual, desired = {}, {}
    for rung in ("weights", "hand-off"):
        path = folder / f"{rung}-{partner}.safetensors"
        if not path.exists():
            continue
        if rung == "weights":
            place, should = Place(rung, 0, partner), load_trace(theirs / "born.safetensors")
        else:
            whole = [p for p in alone(theirs, followed).items() if p[0].rung == "trajectory"]
            place, should = Place(rung, whole[-1][0].step, partner), whole[-1][1]
        actual[place], desired[place] = load_trace(path), should
    return actual, desired


def defined(case: Case) -> Traces:
    """What the definition in NumPy says of a case, in float64."""
    config, weights = case.small, case.start(case.small)
    data, mask = case.rows()
    x, y = data.train_x[:BATCH], data.train_y[:BATCH]

    def traced(mask: np.ndarray | None) -> Trace:
        found = reference.forward(config, weights, x, mask)
        gradients = reference.gradients(config, weights, x, y, mask)
        order = [*reversed([name for name in gradients if name != "x"]), "x"]
        return {
            **found,
            "loss": np.array(((found["output"] - y) ** 2).mean()),
            **{f"gradient/{name}": gradients[name] for name in order},
        }

    output = reference.forward(config, weights, data.train_x[:23])["output"]
    epoch = {"loss of an epoch": np.array([((output - data.train_y[:23]) ** 2).mean()])}
    assert mask is not None
    return {
        Place("weights", 0): weights,
        **split(traced(None), epoch),
        Place("mask", 1): traced(mask[:BATCH]),
    }


def own_errors(single: Traces, double: Traces) -> dict[Any, float]:
    """(place, tensor) → how far a twin's float32 run is from its float64 run, as its gate counts.

    For a gate that is relative, relative to the largest value of the tensor.
    """
    errors = {}
    for place in single.keys() & double.keys():
        for name in single[place].keys() & double[place].keys():
            exact = double[place][name]
            trace = {name: single[place][name].astype(exact.dtype)}
            found = difference(name, trace, {name: exact}, Gate(np.inf))
            limit = judge(place, name, "float32")
            errors[place, name] = found.max_rel if limit and limit.relative else found.max_abs
    return errors
