"""What a worker computed, by stage and training step; and the files that hold it."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from attention_twins.errors import InputError
from attention_twins.parity import Key, Trace
from attention_twins.training import OPTIMIZERS

STAGES = {
    "weights": "copied in and read back, both ways",
    "forward": "every state, e, alpha, context, the output",
    "loss": "of a batch, and of an epoch whose last batch is smaller",
    "gradients": "of the loss in every weight and in the input",
    "mask": "forward, loss and gradients with some steps masked, of one row all",
    "step": "weights and optimizer state after each of three steps, each optimizer",
    "trajectory": "every weight while the network is trained",
    "hand-off": "the second half of it in the other framework, from weights and state",
}
"""Name of a stage → what is compared on it."""

FASTER_STAGES = {
    "compiled": "the same training, and every epoch's loss, by fit_compiled, compared with fit",
    "many": "the same by fit_many, between two other seeds",
}
"""Likewise, of the faster ways to train; of our own networks only."""

LANDMARKS = (1, 10, 100, 1000)
"""Steps of the trajectory that have a row of their own; the last one has one, too."""


class Place(NamedTuple):
    """Where a trace was taken."""

    stage: str
    step: int
    """Training step after which it was taken, from 1; 0 before the first."""
    note: str = ""
    """The optimizer, or where weights came from."""

    @property
    def line(self) -> str:
        """What a table calls it."""
        if self.stage == "trajectory":
            return f"trajectory, step {self.step:,}"
        return f"{self.stage}, {self.note}" if self.stage == "step" else self.stage


Traces = dict[Place, Trace]


def save_traces(path: Path, traces: Traces) -> None:
    """Write traces to a safetensors file, whole or not at all; NaN and inf are kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [(place, key) for place, trace in traces.items() for key in trace]
    arrays = {
        str(i): np.array(traces[place][key], order="C") for i, (place, key) in enumerate(keys)
    }
    part = path.with_name(path.name + ".part")
    part.write_bytes(save(arrays, {"keys": json.dumps(keys)}))
    part.replace(path)


def load_traces(path: Path) -> Traces:
    """The traces in a file made by `save_traces`, in their order.

    Raises:
        InputError: there is no such file, or it is not whole.
    """
    traces: Traces = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for i, (place, key) in enumerate(json.loads(file.metadata()["keys"])):
                traces.setdefault(Place(*place), {})[Key(*key)] = file.get_tensor(str(i))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"trace must be a whole file, got {str(path)!r} ({error})") from error
    return traces


def load_trace(path: Path) -> Trace:
    """The only trace in a file."""
    (trace,) = load_traces(path).values()
    return trace


def snapshot_steps(steps: int) -> list[int]:
    """Where on a trajectory to look: all of the first 100 steps, then every 5 %; the landmarks."""
    found = {*range(1, 101), *LANDMARKS, steps, steps // 2}
    step = 100.0
    while step < steps:
        found.add(int(step))
        step *= 1.05
    return sorted(step for step in found if 0 < step <= steps)


def expected_alone(steps: int, masked: bool) -> list[Place]:
    """All places of a worker that has come to its end, but for what it takes from others."""
    places = [Place("weights", 0), Place("forward", 1), Place("loss", 1), Place("gradients", 1)]
    if masked:
        places.append(Place("mask", 1))
    places += [Place("step", step, name) for name in OPTIMIZERS for step in (1, 2, 3)]
    return places + [Place("trajectory", step) for step in snapshot_steps(steps)]


def expected_from(steps: int, partner: str) -> list[Place]:
    """Where something from a partner is compared."""
    return [Place("weights", 0, partner), Place("hand-off", steps, partner)]


def computed_alone(folder: Path, rounding: str) -> Traces:
    """What a worker wrote of a subject before it met the others; what is not there is left out."""
    names = ("weights", "forward", "loss", "gradients", "mask")
    paths = [folder / f"{name}.safetensors" for name in names]
    paths += [folder / f"{name}-{rounding}.safetensors" for name in ("step", "trajectory")]
    return {
        place: trace
        for path in paths
        if path.exists()
        for place, trace in load_traces(path).items()
    }


def computed_from(folder: Path, theirs: Path, rounding: str) -> tuple[Traces, Traces]:
    """What a worker made of a partner's weights and state, and what the partner has itself."""
    partner = theirs.parent.name
    actual, desired = {}, {}
    for stage in ("weights", "hand-off"):
        path = folder / f"{stage}-{partner}.safetensors"
        if not path.exists():
            continue
        if stage == "weights":
            place, should = Place(stage, 0, partner), load_trace(theirs / "native.safetensors")
        else:
            whole = load_traces(theirs / f"trajectory-{rounding}.safetensors")
            step, should = max((place.step, trace) for place, trace in whole.items())
            place = Place(stage, step, partner)
        actual[place], desired[place] = load_trace(path), should
    return actual, desired


def in_both(actual: Traces, desired: Traces) -> tuple[Traces, Traces]:
    """Of both sets of traces, what the other one has too: for workers that did not finish."""
    places = actual.keys() & desired.keys()
    return {p: actual[p] for p in places}, {p: desired[p] for p in desired if p in places}


def rmsprop_on_paper(traces: Traces) -> Traces:
    """PyTorch's traces, with the first step of RMSprop as Keras would have taken it.

    PyTorch moved a weight by lr · g / (√v + ε), Keras moves it by lr · g / √(v + ε).
    """
    place = Place("step", 1, "rmsprop")
    if place not in traces or Place("weights", 0) not in traces:
        return traces
    initial, after = traces[Place("weights", 0)], dict(traces[place])
    for key, weights in initial.items():
        mean_square = key._replace(part="v")
        if mean_square in after and key in after:
            old, v = weights.astype(np.float64), after[mean_square].astype(np.float64)
            ratio = (np.sqrt(v) + 1e-7) / np.sqrt(v + 1e-7)
            step = (old - after[key]) * ratio
            after[key] = (old - step).astype(weights.dtype)
    return traces | {place: after}
