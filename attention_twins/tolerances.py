"""What counts as rounding: fixed limits by stage and type, and limits derived from errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np

from attention_twins.parity import Key, Tolerance, difference
from attention_twins.traces import FASTER_STAGES, Place, Traces, computed_alone
from attention_twins.training import KerasBackend

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
initial weights; the report prints that difference and the twins' own float32 error beside it.
"""

UNBRIDGEABLE = {
    "rmsprop": "Keras divides by √(v + ε), PyTorch by √v + ε: RMSprop's weights part after a first "
    "step, which is compared with that taken out on paper",
    "moving_variance": "of BatchNorm: PyTorch keeps the unbiased one, n / (n − 1) of Keras's",
}
"""What no setting makes equal, and why."""

FINITE = Tolerance(float(np.finfo(np.float64).max))
"""The tolerance of what has none: NaN or inf on one side is a failure all the same."""

HEADROOM = 8
"""Two correct computations may differ by some times the error that each of them has."""

STEPPED = ("step", "trajectory", "hand-off", *FASTER_STAGES)
"""Stages on which an optimizer has stepped."""

Limits = dict[tuple[Place, Key], float]
"""Place and tensor → a limit, or an error that one follows from, as its tolerance counts."""


def tolerance(stage: str, dtype: str, step: int = 1) -> Tolerance:
    """What counts as rounding on a stage, after `step` training steps."""
    limits = LIMITS[dtype]
    if stage == "weights":
        return Tolerance(0.0)
    if stage == "gradients":
        return Tolerance(limits["gradients"], relative=True)
    if stage in ("forward", "mask", "loss"):
        return Tolerance(limits["forward"])
    up_to = next((up_to for up_to in (1, 10, 1000) if step <= up_to), None)
    return Tolerance(limits[up_to])


def tolerance_of(place: Place, key: Key, dtype: str) -> Tolerance | None:
    """The tolerance of a tensor; None where the frameworks are known to differ."""
    if known_difference(place, key):
        return None
    if key.part == "gradient":
        return tolerance("gradients", dtype)
    return tolerance(place.stage, dtype, place.step)


def known_difference(place: Place, key: Key) -> str:
    """Why a tensor cannot be equal there; empty if it can."""
    if place.stage == "step" and place.note in UNBRIDGEABLE and place.step > 1:
        return UNBRIDGEABLE[place.note]
    if key.tensor in UNBRIDGEABLE and place.stage in ("step", "trajectory", "hand-off"):
        return UNBRIDGEABLE[key.tensor]
    return ""


def from_float32(errors: Limits, dtype: str) -> Limits:
    """Limits for a type from twins' own float32 errors: HEADROOM times them, scaled to the type.

    On a trajectory the largest error so far counts: two trainings may meet again by chance.
    """
    scale = float(np.finfo(dtype).eps / np.finfo("float32").eps)
    limits: Limits = {}
    largest: dict[Key, float] = {}
    for (place, key), error in sorted(errors.items(), key=lambda item: item[0][0].step):
        if not np.isfinite(error):
            continue
        if place.stage == "trajectory":
            error = largest[key] = max(error, largest.get(key, 0.0))
        limits[place, key] = HEADROOM * error * scale
    return limits


def from_rounding(moves: Limits, dtype: str) -> Limits:
    """Limits for a type from what a relative change of every number does: HEADROOM roundings."""
    return {key: HEADROOM * move * float(np.finfo(dtype).eps) / 2 for key, move in moves.items()}


def own_errors(single: Traces, double: Traces) -> Limits:
    """How far a twin's float32 run is from its float64 run, as each tolerance counts.

    Where a tolerance is relative, relative to the largest value of the tensor.
    """
    errors: Limits = {}
    for place in single.keys() & double.keys():
        for key in single[place].keys() & double[place].keys():
            exact = double[place][key]
            trace = {key: single[place][key].astype(exact.dtype)}
            found = difference(key, trace, {key: exact}, FINITE)
            limit = tolerance_of(place, key, "float32")
            errors[place, key] = found.max_rel if limit and limit.relative else found.max_abs
    return errors


def own_float32_errors(folder: Path, title: str, keras_backend: str) -> Limits:
    """How far a worker's float32 run of a subject is from its float64 run, if both were made."""
    single, double = (
        computed_alone(folder / f"{title}-{dtype}", rounds_like(keras_backend, dtype))
        for dtype in ("float32", "float64")
    )
    errors = own_errors(single, double)
    partners = ("torch", *(f"keras-{backend}" for backend in get_args(KerasBackend)))
    largest: dict[Key, float] = {}
    for (place, key), error in sorted(errors.items(), key=lambda item: item[0][0].step):
        if place.stage == "trajectory" and np.isfinite(error):
            largest[key] = max(error, largest.get(key, 0.0))
            # What is handed over in its middle ends as it does, and so do the faster ways.
            for partner in partners:
                errors[Place("hand-off", place.step, partner), key] = largest[key]
            for stage in FASTER_STAGES:
                errors[Place(stage, place.step), key] = largest[key]
    return errors


def rounds_like(keras_backend: str, dtype: str) -> str:
    """The backend whose rounding PyTorch imitates; in float32 there is no difference."""
    return "tensorflow" if (keras_backend, dtype) == ("tensorflow", "float64") else "jax"


def larger(one: Mapping, other: Mapping) -> Limits:
    """The larger value of each key."""
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in one.keys() | other.keys()}


def once_stepped(limits: Limits) -> Limits:
    """The limits of places where an optimizer has stepped."""
    return {key: limit for key, limit in limits.items() if key[0].stage in STEPPED}
