"""What must hold before a measurement counts: its training is right, and on the path it names."""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from attention_twins.errors import InputError
from attention_twins.parity import difference, weight_key
from attention_twins.tolerances import HEADROOM, tolerance
from attention_twins.training import Dtype
from attention_twins.twins import JAX, PYTORCH, SCALAR_LIMIT, TENSORFLOW, TWIN_OF
from attention_twins.weights import Weights
from benchmarks.bench.cells import LONGEST, MANY_EPOCHS, Cell, Workload
from benchmarks.bench.steady import Rule
from benchmarks.bench.switches import SWITCHES
from benchmarks.bench.worker import fitted, order_of
from benchmarks.common import scalar_limit
from benchmarks.common.journal import Line
from benchmarks.common.processes import ChildError, run_alone
from shared.baselines import baselines
from shared.config import TUTORIAL_MODELS
from shared.tasks import load_data
from shared.weights import initial_weights


def failed(cell: Cell, sample: Line) -> str:
    """Why a measurement does not count; empty if it does.

    Replaces its weights by `gate`: how far they are from the reference's, and how far they may be.
    """
    weights = sample.pop("weights")
    if compared(cell):
        try:
            sample["gate"] = distance(cell, weights)
        except InputError as error:
            return str(error)
    return unfit(cell, sample)


def compared(cell: Cell) -> bool:
    """Its training is the reference's."""
    return not cell.switch or SWITCHES[cell.switch].same_training


def unfit(cell: Cell, sample: Line) -> str:
    """What is wrong with a measurement; empty if nothing is."""
    loss = np.array(sample["loss"], float)  # null, as JSON has it, becomes NaN
    if not np.isfinite(loss).all():
        return "the loss is not finite"
    after = sample["steady_after"]
    if after is None or len(sample["seconds"]) - after < Rule().epochs:
        return f"not steady after {len(sample['seconds'])} epochs"
    if not (loss[..., -1] < loss[..., 0]).all():
        return f"the loss does not fall: {loss.flat[0]:.3g}, then {loss.flat[-1]:.3g}"
    if compared(cell):
        far, limit = sample["gate"]["distance"], sample["gate"]["limit"]
        if far is None or not far <= limit:  # NaN fails too
            how_far = "infinitely far" if far is None else f"{far:.1e}"
            return f"trained otherwise than the reference: {how_far}, {limit:.1e} is allowed"
    return "; ".join(unproven(cell, sample["proof"]))


def unproven(cell: Cell, proof: Line) -> list[str]:
    """What the runtime says otherwise than the row's name."""
    return [
        f"{name} is {proof.get(name)!r}, should be {value!r}"
        for name, value in claims(cell).items()
        if (not proof.get(name) if value == "some" else proof.get(name) != value)
    ]


def claims(cell: Cell) -> Line:
    """What the runtime must say of a cell; "some" stands for any number but 0."""
    if cell.way == "floor":
        return {"numba": 1}
    compiled = cell.tier in "CD"
    claimed: Line = {"TF32": cell.switch == "TF32", "GPU": cell.device == "cuda"}
    claimed["collector"] = cell.switch != "collector"
    if cell.way == "fit":
        claimed["unrolled"] = cell.switch in ("unroll", "unrolled", "torch.compile")
    if cell.twin == TENSORFLOW.name:
        # Where there is a GPU Keras has XLA compile by itself, but for deterministic operations
        # and for layers that have a kernel of cuDNN's.
        kernel = cell.model_config.first in ("lstm", "gru") and cell.switch != "unroll"
        by_itself = cell.device == "cuda" and cell.switch != "deterministic" and not kernel
        claimed["XLA"] = compiled or cell.switch == "jit_compile" or by_itself
        claimed["deterministic"] = cell.switch == "deterministic"
    elif cell.twin == JAX.name:
        claimed["XLA"] = "jit(steps)" if compiled else "jit(train_step)"
    else:
        graphs = "some" if compiled or cell.switch == "torch.compile" else 0
        claimed |= {"graphs": graphs, "graph breaks": 0, "threads": cell.threads}
    if cell.twin == PYTORCH.name:
        claimed["deterministic"] = cell.switch == "deterministic"
        kernel = cell.way == "fit" and cell.switch not in ("torch.compile", "unrolled")
        kernel = kernel and not cell.model_config.pools  # cuDNN's recurrent one
        claimed["cuDNN"] = cell.device == "cuda" and kernel
        if cell.way == "fit":
            claimed |= {name: cell.switch == name for name in ("fused", "foreach")}
    else:
        claimed["backend"] = TWIN_OF[cell.twin].backend
        if cell.way == "fit":
            many = cell.switch == "steps_per_execution"
            claimed["steps_per_execution"] = cell.steps_in_epoch if many else 1
    return claimed


def distance(cell: Cell, weights: Weights) -> dict[str, float]:
    """The largest difference of weights from the reference's, and the largest allowed.

    After the first epoch, or by fit_many after all of them. The tolerance is that of the checker;
    where float32 itself is farther than that from float64, twice its own error; for networks whose
    tolerance the checker derives, that one. Of many seeds in float32 only the first is compared:
    XLA takes subnormal numbers for 0, the scalar limit does not, and some trainings make much of
    that; in float64 none does, and the last is compared too.
    """
    derived = cell.model not in TUTORIAL_MODELS
    rounded: Dtype = "float32" if derived else cell.dtype
    many, epochs = cell.way == "fit_many", MANY_EPOCHS if cell.way == "fit_many" else 1
    # Of the same rounding as the cell, and another twin.
    backend = cell.train_config(1).keras_backend
    other = TENSORFLOW if cell.twin == PYTORCH.name else PYTORCH
    seeds = (0, cell.starts - 1) if many and cell.dtype == "float64" else (0,)
    steps = cell.steps_in_epoch * epochs
    limit, largest, own_error = tolerance("trajectory", cell.dtype, steps), 0.0, 0.0
    for place, seed in zip((0, -1), seeds, strict=False):
        desired, single, double = (
            reference(cell.workload, dtype, backend, seed, epochs, many, other.name)
            for dtype in (cell.dtype, rounded, "float64")
        )
        for name, array in desired.items():
            actual = weights[name][place] if many else weights[name]
            key = weight_key(name)
            seen = difference(key, {key: actual}, {key: array}, limit)
            largest = max(largest, math.inf if seen.problem else seen.max_abs)
            own_error = max(own_error, float(np.abs(single[name] - double[name]).max()))
    own_error *= float(np.finfo(cell.dtype).eps / np.finfo(rounded).eps)
    allowed = max(limit.limit, (HEADROOM if derived else 2) * own_error)
    return {"distance": largest, "limit": allowed, "own_error": own_error, "steps": steps}


@cache
def reference(
    workload: Workload,
    dtype: Dtype,
    keras_backend: str,
    seed: int,
    epochs: int,
    many: bool,
    other: str = PYTORCH.name,
) -> Weights:
    """Weights by the scalar limit, in the order that `fit`, or fit_many, has.

    Of networks that the scalar limit does not know, by `fit` of another twin, which is proven.

    Raises:
        InputError: the other twin cannot train it.
    """
    on_cpu = vars(workload) | {"device": "cpu", "threads": 1, "dtype": dtype}
    cell = Cell(twin=f"Keras/{keras_backend}", **on_cpu)
    weights = initial_weights(cell.model_config, seed)
    config = replace(cell.train_config(epochs), seed=seed)
    order = None if many else order_of(cell, epochs)[:epochs]
    if cell.model in TUTORIAL_MODELS:
        data = load_data(cell.data_config)
        return scalar_limit.fit(cell.model_config, weights, data, config, order).weights
    try:
        return run_alone(config, fitted, other, cell, weights, config, order)
    except ChildError as error:
        raise InputError(f"{other} cannot train the reference: {error}") from None


def target(loss: float | None) -> Line:
    """A loss, and the epoch of the tutorial's training in which it is first reached.

    All ways train alike, so it is the same epoch for all of them; None after LONGEST.

    Args:
        loss: of the training set; if None, what repeating the last number has.
    """
    cell = Cell(twin=SCALAR_LIMIT.name, way="floor")
    data = load_data(cell.data_config)
    wanted = baselines(data)["persistence"]["train"] if loss is None else loss
    weights, config = initial_weights(cell.model_config, 0), cell.train_config(LONGEST)
    losses = scalar_limit.fit(
        cell.model_config, weights, data, config, progress=lambda _, loss: loss <= wanted
    ).loss
    return {"loss": wanted, "epochs": len(losses) if losses[-1] <= wanted else None}
