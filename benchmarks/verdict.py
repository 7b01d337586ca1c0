"""What the traces of two workers say: a row for every comparison, and where they part first."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.ladder import BATCH, LANDMARKS, Case, snapshot_steps
from shared import reference
from shared.config import OPTIMIZERS
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
        expected: Iterable[Place] = (),
    ) -> None:
        """Compare two sets of traces; a place that only one of them has is a failure.

        Args:
            pair: model, dtype, twin, against: goes into every row.
            actual: what the twin computed.
            desired: what it should be.
            own: (place, tensor) → the twin's own float32 error.
            derived: widen a gate to HEADROOM times that error, scaled to the type.
            expected: places that both must have.
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


def expected(steps: int, masked: bool) -> list[Place]:
    """All places on the ladder of a twin that has come to its top alone."""
    places = [Place("weights", 0), Place("forward", 1), Place("loss", 1), Place("gradients", 1)]
    places += [Place("mask", 1)] * masked
    places += [Place("step", step, name) for name in OPTIMIZERS for step in (1, 2, 3)]
    return places + [Place("trajectory", step) for step in snapshot_steps(steps)]


def rmsprop_on_paper(traces: Traces) -> Traces:
    """PyTorch's traces, with the first step of RMSprop as Keras would have taken it.

    PyTorch moved a weight by lr · g / (√v + ε), Keras moves it by lr · g / √(v + ε).
    """
    place = Place("step", 1, "rmsprop")
    if place not in traces or Place("weights", 0) not in traces:
        return traces
    start, after = traces[Place("weights", 0)], dict(traces[place])
    for name, weights in start.items():
        if f"v/{name}" in after and name in after:
            old, v = weights.astype(np.float64), after[f"v/{name}"].astype(np.float64)
            ratio = (np.sqrt(v) + 1e-7) / np.sqrt(v + 1e-7)
            moved = (old - after[name]) * ratio
            after[name] = (old - moved).astype(weights.dtype)
    return traces | {place: after}


def alone(folder: Path, followed: str) -> Traces:
    """What a worker wrote of a case before it met the others; what is not there is left out."""
    found: Traces = {}

    def load(name: str) -> Trace:
        path = folder / f"{name}.safetensors"
        return load_trace(path) if path.exists() else {}

    if weights := load("weights"):
        found[Place("weights", 0)] = weights
    if (trace := load("trace")) and (epoch := load("loss")):
        found |= split(trace, epoch)
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
