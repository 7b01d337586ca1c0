"""The traces of a worker, by their place on the ladder: read from files, or by definition."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from attention_twins.parity import FASTER_RUNGS, Trace, load_trace
from attention_twins.training import OPTIMIZERS
from benchmarks.prove.cases import BATCH, Case, epochs, snapshot_steps
from shared import reference
from shared.config import TrainConfig


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


def expected(steps: int, masked: bool) -> list[Place]:
    """All places on the ladder of a twin that has come to its top alone."""
    places = [Place("weights", 0), Place("forward", 1), Place("loss", 1), Place("gradients", 1)]
    places += [Place("mask", 1)] * masked
    places += [Place("step", step, name) for name in OPTIMIZERS for step in (1, 2, 3)]
    return places + [Place("trajectory", step) for step in snapshot_steps(steps)]


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


def faster(folder: Path, followed: str, steps: int) -> tuple[Traces, Traces]:
    """What a worker trained by the faster ways, and what it should be: by `fit`."""
    actual, desired = {}, {}
    for rung in FASTER_RUNGS:
        path, place = folder / f"{rung}-{followed}.safetensors", Place(rung, steps)
        if path.exists():
            actual[place] = load_trace(path)
            desired[place] = load_trace(folder / f"fit-{followed}.safetensors")
    return actual, desired


def scalar(case: Case, followed: str) -> Traces:
    """The trajectory as the floor walks it: one scalar loop, without a framework."""
    from benchmarks.common import scalar_limit  # only now: numba takes a second

    data, order = case.sequence()
    config = TrainConfig(keras_backend=followed)  # pyright: ignore[reportArgumentType]
    steps = snapshot_steps(case.steps)
    start = case.start(case.large)
    result = scalar_limit.fit(case.large, start, data, config, epochs(order), snapshots=steps)
    return {Place("trajectory", step): result.snapshots[step].weights for step in steps}


def defined(case: Case) -> Traces:
    """What the definition in NumPy says of a case, in float64."""
    config, weights = case.small, case.start(case.small)
    data, mask = case.rows()
    told, y = case.told(data).train_x, data.train_y[:BATCH]

    def traced(x: np.ndarray, mask: np.ndarray | None) -> Trace:
        found = reference.forward(config, weights, x, mask)
        gradients = reference.gradients(config, weights, x, y, mask)
        order = [*reversed([name for name in gradients if name != "x"]), "x"]
        return {
            **found,
            "loss": np.array(((found["output"] - y) ** 2).mean()),
            **{f"gradient/{name}": gradients[name] for name in order},
        }

    output = reference.forward(config, weights, told[:23])["output"]
    epoch = {"loss of an epoch": np.array([((output - data.train_y[:23]) ** 2).mean()])}
    assert mask is not None
    return {
        Place("weights", 0): weights,
        **split(traced(told[:BATCH], None), epoch),
        Place("mask", 1): traced(data.train_x[:BATCH], mask[:BATCH]),
    }


CHANGE = 1e-8
"""By how much every number is changed, relatively, to see what that does."""


def moved(case: Case) -> dict[tuple[Place, str], float]:
    """(place, gradient) → how far it moves for each relative change of all weights and rows.

    Relative to its largest value, the largest of four draws of signs. Where a gradient is a sum
    over time steps that cancel, its own size says nothing of its rounding; this does, for a correct
    computation is the exact one of numbers that differ by a rounding.

    References:
        Higham 2002, "Accuracy and stability of numerical algorithms", section 1.6.
    """
    config, data, mask = case.small, *case.rows()
    told, free = (d.train_x[:BATCH] for d in (case.told(data), data))
    weights, y = case.start(case.small), data.train_y[:BATCH]
    assert mask is not None
    rungs = ((Place("gradients", 1), told, None), (Place("mask", 1), free, mask[:BATCH]))
    found: dict[tuple[Place, str], float] = {}

    def gradients(numbers: Trace, steps: np.ndarray | None) -> Trace:
        weights = {name: array for name, array in numbers.items() if name not in "xy"}
        return reference.gradients(config, weights, numbers["x"], numbers["y"], steps)

    for place, x, steps in rungs:
        numbers = {"x": x, "y": y, **weights}
        exact, generator = gradients(numbers, steps), np.random.default_rng(0)
        for _ in range(4):
            near = {
                name: array * (1 + CHANGE * generator.choice([-1, 1], array.shape))
                for name, array in numbers.items()
            }
            slopes = gradients(near, steps)
            for name, array in exact.items():
                move = abs(slopes[name] - array).max() / (CHANGE * (abs(array).max() or 1))
                key = place, f"gradient/{name}"
                found[key] = max(found.get(key, 0.0), float(move))
    return found


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
            step = (old - after[name]) * ratio
            after[name] = (old - step).astype(weights.dtype)
    return traces | {place: after}
