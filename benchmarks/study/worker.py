"""What a worker does: one chunk of a study, trained in an interpreter of its own."""

import importlib
import time

import numpy as np

from attention_twins.twins import TWIN_OF
from attention_twins.weights import Weights
from benchmarks.common.journal import Line
from benchmarks.common.processes import ChildError, run_alone
from benchmarks.study.arms import Chunk
from shared import reference
from shared.baselines import mse
from shared.config import MODELS, ModelConfig
from shared.tasks import load_data

KEPT = 20
"""Seeds whose weights are kept."""


class ChunkError(RuntimeError):
    """A chunk that could not be trained; the message is one line."""


def train(chunk: Chunk) -> Line:
    """What `trained` gives, in an interpreter of its own, wherever the workers run.

    Raises:
        ChunkError: the interpreter ended early, or was killed again and again.
    """
    try:
        return run_alone(chunk.arm.train_config(), trained, chunk)
    except ChildError as error:
        raise ChunkError(f"{chunk.arm.twin}, {chunk.arm.model}: {error}") from None


def trained(chunk: Chunk) -> Line:
    """Train a chunk in this process: errors and losses of every seed, weights of some."""
    arm, begin = chunk.arm, time.perf_counter()
    package, data = importlib.import_module(TWIN_OF[arm.twin].package), load_data(arm.data_config)
    if arm.held_out:
        data = data.held_out()
    fitted = package.fit_many(arm.model_config, data, arm.train_config(), chunk.seeds, chunk.rates)
    trainings = []
    for i, (seed, rate) in enumerate(zip(chunk.seeds, chunk.rates, strict=True)):
        training: Line = {
            "seed": seed,
            "learning_rate": rate,
            "train_mse": mse(fitted.train_prediction[i], data.train_y),
            "test_mse": mse(fitted.test_prediction[i], data.test_y),
            "loss": [float(f"{loss:.7g}") for loss in fitted.loss[i]],
        }
        weights = {name: array[i] for name, array in fitted.weights.items()}
        if "attention" in MODELS[arm.model]:
            training["largest_weight"] = largest_weight(arm.model_config, weights, data.test_x)
        if seed < KEPT:
            training["weights"] = {name: array.tolist() for name, array in weights.items()}
        trainings.append(training)
    return {
        "starts": trainings,
        "seconds": time.perf_counter() - begin,
        "compile_seconds": fitted.compile_seconds,
    }


def largest_weight(config: ModelConfig, weights: Weights, x: np.ndarray) -> float:
    """The largest that attention gives to any time step of rows x (B, T, F)."""
    with np.errstate(all="ignore"):  # a training that diverged has weights that are not finite
        activations = reference.forward(config, weights, x)
        return max(float(a.max()) for name, a in activations.items() if "attention/alpha" in name)
