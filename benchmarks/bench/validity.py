"""What must hold before a measurement counts: its training is right, and on the path it names."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.parity import Key, difference
from attention_twins.processes import Workers
from attention_twins.tolerances import HEADROOM, tolerance
from attention_twins.training import Dtype
from attention_twins.weights import Weights
from benchmarks.bench.cells import LONGEST, MANY_EPOCHS, Cell, Setting
from benchmarks.bench.steady import Rule
from benchmarks.bench.switches import SWITCHES
from benchmarks.bench.worker import fitted, order_of, why
from benchmarks.common import scalar_limit
from shared.baselines import baselines
from shared.config import TUTORIAL_MODELS
from shared.tasks import load_data
from shared.weights import initial_weights


def failed(cell: Cell, found: dict[str, Any]) -> str:
    """Why a measurement does not count; empty if it does.

    Takes the weights out of it, and puts into it, as `gate`, how far they are from the reference's,
    and how far they may be.
    """
    weights = found.pop("weights")
    if compared(cell):
        try:
            found["gate"] = distance(cell, weights)
        except InputError as error:
            return str(error)
    return unfit(cell, found)


def compared(cell: Cell) -> bool:
    """Its training is the reference's."""
    return not cell.switch or SWITCHES[cell.switch].same_training


def unfit(cell: Cell, found: dict[str, Any]) -> str:
    """What is wrong with a line that a measurement has made; empty if nothing is."""
    loss = np.array(found["loss"], float)  # null, as JSON has it, becomes NaN
    if not np.isfinite(loss).all():
        return "the loss is not finite"
    after = found["steady_after"]
    if after is None or len(found["seconds"]) - after < Rule().epochs:
        return f"not steady after {len(found['seconds'])} epochs"
    if not (loss[..., -1] < loss[..., 0]).all():
        return f"the loss does not fall: {loss.flat[0]:.3g}, then {loss.flat[-1]:.3g}"
    if compared(cell):
        far, limit = found["gate"]["distance"], found["gate"]["limit"]
        if far is None or not far <= limit:  # NaN fails too
            said = "infinitely far" if far is None else f"{far:.1e}"
            return f"trained otherwise than the reference: {said}, {limit:.1e} is allowed"
    return "; ".join(unproven(cell, found["proof"]))


def unproven(cell: Cell, proof: dict[str, Any]) -> list[str]:
    """What the runtime says otherwise than the row's name."""
    return [
        f"{name} is {proof.get(name)!r}, should be {value!r}"
        for name, value in claims(cell).items()
        if (not proof.get(name) if value == "some" else proof.get(name) != value)
    ]


def claims(cell: Cell) -> dict[str, Any]:
    """What the runtime must say of a cell; "some" stands for any number but 0."""
    if cell.way == "floor":
        return {"numba": 1}
    compiled = cell.tier in "CD"
    found: dict[str, Any] = {"TF32": cell.switch == "TF32", "GPU": cell.device == "cuda"}
    found["collector"] = cell.switch != "collector"
    if cell.way == "fit":
        found["unrolled"] = cell.switch in ("unroll", "unrolled", "torch.compile")
    if cell.twin == "Keras/tensorflow":
        # Where there is a GPU Keras has XLA compile by itself, but for deterministic operations
        # and for layers that have a kernel of cuDNN's.
        kernel = cell.model_config.first in ("lstm", "gru") and cell.switch != "unroll"
        by_itself = cell.device == "cuda" and cell.switch != "deterministic" and not kernel
        found["XLA"] = compiled or cell.switch == "jit_compile" or by_itself
        found["deterministic"] = cell.switch == "deterministic"
    elif cell.twin == "Keras/jax":
        found["XLA"] = "jit(steps)" if compiled else "jit(train_step)"
    else:
        graphs = "some" if compiled or cell.switch == "torch.compile" else 0
        found |= {"graphs": graphs, "graph breaks": 0, "threads": cell.threads}
    if cell.twin == "PyTorch":
        found["deterministic"] = cell.switch == "deterministic"
        kernel = cell.way == "fit" and cell.switch not in ("torch.compile", "unrolled")
        kernel = kernel and not cell.model_config.pools  # cuDNN's recurrent one
        found["cuDNN"] = cell.device == "cuda" and kernel
        if cell.way == "fit":
            found |= {name: cell.switch == name for name in ("fused", "foreach")}
    else:
        found["backend"] = cell.twin.removeprefix("Keras/")
        if cell.way == "fit":
            many = cell.switch == "steps_per_execution"
            found["steps_per_execution"] = cell.steps_in_epoch if many else 1
    return found


def distance(cell: Cell, weights: Weights) -> dict[str, float]:
    """The largest difference of weights from the reference's, and the largest allowed.

    After the first epoch, or by fit_many after all of them. The gate is the ladder's; where float32
    itself is farther than that from float64, twice its own error; of networks that the ladder
    derives a gate for, that one. Of many starts in float32 only the first is compared: XLA takes
    subnormal numbers for 0, the scalar loop does not, and some starts make much of that; in float64
    none does, and the last is compared too.
    """
    derived = cell.model not in TUTORIAL_MODELS
    rounded: Dtype = "float32" if derived else cell.dtype
    many, epochs = cell.way == "fit_many", MANY_EPOCHS if cell.way == "fit_many" else 1
    # Of the same rounding as the cell, and another twin.
    backend = cell.train_config(1).keras_backend
    judge = "Keras/tensorflow" if cell.twin == "PyTorch" else "PyTorch"
    starts = (0, cell.starts - 1) if many and cell.dtype == "float64" else (0,)
    steps = cell.steps_in_epoch * epochs
    limit, largest, own_error = tolerance("trajectory", cell.dtype, steps), 0.0, 0.0
    for place, start in zip((0, -1), starts, strict=False):
        desired, single, double = (
            reference(cell.setting, dtype, backend, start, epochs, many, judge)
            for dtype in (cell.dtype, rounded, "float64")
        )
        for name, array in desired.items():
            found = weights[name][place] if many else weights[name]
            key = Key("weight", *name.split("/", 1))
            seen = difference(key, {key: found}, {key: array}, limit)
            largest = max(largest, math.inf if seen.problem else seen.max_abs)
            own_error = max(own_error, float(np.abs(single[name] - double[name]).max()))
    own_error *= float(np.finfo(cell.dtype).eps / np.finfo(rounded).eps)
    allowed = max(limit.limit, (HEADROOM if derived else 2) * own_error)
    return {"distance": largest, "limit": allowed, "own_error": own_error, "steps": steps}


@cache
def reference(
    setting: Setting,
    dtype: Dtype,
    keras_backend: str,
    start: int,
    epochs: int,
    many: bool,
    judge: str = "PyTorch",
) -> Weights:
    """Weights by the scalar loop, in the order that `fit`, or fit_many, has.

    Of networks that the scalar loop does not know, by `fit` of the twin `judge`, which the ladder
    has proven.

    Raises:
        InputError: the judge cannot train it.
    """
    own = vars(setting) | {"device": "cpu", "threads": 1, "dtype": dtype}
    cell = Cell(twin=f"Keras/{keras_backend}", **own)
    begin = initial_weights(cell.model_config, start)
    config = replace(cell.train_config(epochs), seed=start)
    order = None if many else order_of(cell, epochs)[:epochs]
    if cell.model in TUTORIAL_MODELS:
        data = load_data(cell.data_config)
        return scalar_limit.fit(cell.model_config, begin, data, config, order).weights
    with Workers() as workers:
        workers.start("reference", config, fitted, judge, cell, begin, config, order)
        said = next(workers.listen())
    if said.kind != "fitted":
        raise InputError(f"{judge} cannot train the reference: {why(str(said.content))}")
    return said.content


def target(loss: float | None) -> dict[str, Any]:
    """A loss, and the epoch of the tutorial's training in which it is first reached.

    All ways train alike, so it is the same epoch for all of them; None after LONGEST.

    Args:
        loss: of the training set; if None, what repeating the last number has.
    """
    cell = Cell(twin="scalar loop", way="floor")
    data = load_data(cell.data_config)
    wanted = baselines(data)["persistence"]["train"] if loss is None else loss
    start, config = initial_weights(cell.model_config, 0), cell.train_config(LONGEST)
    losses = scalar_limit.fit(
        cell.model_config, start, data, config, progress=lambda _, loss: loss <= wanted
    ).loss
    return {"loss": wanted, "epochs": len(losses) if losses[-1] <= wanted else None}
