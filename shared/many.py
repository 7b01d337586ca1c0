"""Many seeds of a network trained at once: what is asked for, in which chunks, the result."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer

from attention_twins.errors import InputError, check_integer
from attention_twins.weights import Weights, check_weights
from shared.config import ModelConfig, TrainConfig
from shared.data import Data, epoch_orders
from shared.weights import weight_shapes

BUDGET = 4 * 2**20
"""Bytes that seeds trained at once may work on: more would leave the processor's cache."""


@dataclass(frozen=True)
class ManyResult:
    """What `fit_many` returns, the same from every twin; the seeds are the first axis.

    Shape:
        S seeds, E epochs, N training rows, M test rows, D outputs.
    """

    seeds: list[int]
    """Each decided the initial weights and the batch order of a network."""

    learning_rates: list[float]
    """Learning rate of each seed."""

    loss: Float[np.ndarray, "S E"]
    """Loss of every epoch as in FitResult, float64 (S, E)."""

    weights: Weights
    """Trained weights, canonical, with the seeds as first axis."""

    train_prediction: Float[np.ndarray, "S N D"]
    """What each network makes of the training rows, (S, N, D)."""

    test_prediction: Float[np.ndarray, "S M D"]
    """And of the test rows, (S, M, D)."""

    seconds: list[float]
    """Wall-clock seconds of every epoch of every chunk."""

    compile_seconds: float
    """Seconds of compilation before the first epoch."""


@dataclass(frozen=True)
class Chunk:
    """Some seeds that are trained at once; the last ones may repeat the first ones."""

    indices: list[int]
    """Where they stand among all seeds."""

    seeds: list[int]
    learning_rates: list[float]

    def orders(
        self, given: Integer[np.ndarray, "_ epochs rows"] | None, rows: int, epochs: int
    ) -> Iterator[Integer[np.ndarray, "S rows"]]:
        """The rows of one epoch after the other: those given for all seeds, or the seeds' own."""
        if given is not None:
            yield from np.moveaxis(given[self.indices], 1, 0)
            return
        streams = [epoch_orders(rows, seed) for seed in self.seeds]
        for _ in range(epochs):
            yield np.stack([next(stream) for stream in streams])


def chunks(
    model: ModelConfig,
    train: TrainConfig,
    seeds: Sequence[int],
    learning_rates: Sequence[float] | None,
    most: int,
) -> list[Chunk]:
    """The seeds in chunks of one size; the last one is filled up with repetitions.

    Raises:
        InputError: no seeds, a seed or a rate out of range, not one rate for each seed.
    """
    if not len(seeds):
        raise InputError("seeds must be at least one, got none")
    for seed in seeds:
        check_integer("seed", seed, 0, 2**32 - 1)
    seeds = [int(seed) for seed in seeds]
    rates = [train.learning_rate] * len(seeds) if learning_rates is None else [*learning_rates]
    if len(rates) != len(seeds):
        raise InputError(
            f"learning_rates must be one for each of {len(seeds)} seeds, got {len(rates)}"
        )
    for rate in rates:
        replace(train, learning_rate=rate)  # checks it
    most = max(1, min(most, BUDGET // seed_bytes(model, train)))
    size = math.ceil(len(seeds) / math.ceil(len(seeds) / most))
    found = []
    for begin in range(0, len(seeds), size):
        indices = range(begin, min(begin + size, len(seeds)))
        filled = list(itertools.islice(itertools.cycle(indices), size))
        found.append(Chunk(filled, [seeds[i] for i in filled], [rates[i] for i in filled]))
    return found


def draw_many(
    model: ModelConfig, seeds: Sequence[int], draw: Callable[[ModelConfig, int], Weights]
) -> Weights:
    """Canonical initial weights of many seeds, drawn one after the other, as the last axis.

    Raises:
        InputError: `draw` gives other names, shapes or types than the network's.
    """
    drawn = [draw(model, seed) for seed in seeds]
    for weights in drawn:
        check_weights(weights, weight_shapes(model), model.dtype)
    return {name: np.stack([weights[name] for weights in drawn], axis=-1) for name in drawn[0]}


def check_data(model: ModelConfig, data: Data) -> None:
    """Raise InputError unless the rows are of the network's shape and type."""
    for name in ("train_x", "train_y", "test_x", "test_y"):
        array = getattr(data, name)
        shape = model.input_shape if name.endswith("x") else (model.dense_units,)
        if array.shape[1:] != shape or array.dtype != model.dtype:
            raise InputError(
                f"{name} must be {model.dtype} with rows of shape {shape}, "
                f"got {array.dtype} with {array.shape[1:]}"
            )
    if not len(data.train_x):
        raise InputError("train_x must have a row, got none")


def seed_bytes(model: ModelConfig, train: TrainConfig) -> int:
    """About how many bytes one seed works on in a training step, a guide for chunks."""
    parameters = sum(math.prod(shape) for shape in weight_shapes(model).values())
    states = train.batch_size * _states(model)
    # Weights, two moments and a gradient; of every state its value and its gradient, twice.
    return 4 * (parameters + states) * np.dtype(model.dtype).itemsize


def _states(model: ModelConfig) -> int:
    """Numbers that a row is and makes over all its time steps: of every gate its own."""
    shapes = weight_shapes(model)
    recurrent = [shape[-1] for name, shape in shapes.items() if name.endswith("recurrent_kernel")]
    return model.time_steps * (max([model.units, *recurrent]) + model.features + 2)


def predictions(
    predict: Callable[[np.ndarray], np.ndarray],
    x: Float[np.ndarray, "N T F"],
    seeds: int,
    model: ModelConfig,
) -> Float[np.ndarray, "S N D"]:
    """What many networks make of rows, in blocks of one size that keep within the budget.

    Args:
        predict: rows (B, T, F) → outputs (S, B, D).
        x: rows (N, T, F); there may be none.
        seeds: S.
        model: the network.

    Shape:
        → (S, N, D).
    """
    most = max(1, 4 * BUDGET // (seeds * _states(model) * x.itemsize))
    size = math.ceil(len(x) / max(1, math.ceil(len(x) / most)))
    found = [np.zeros((seeds, 0, model.dense_units), x.dtype)]
    for begin in range(0, len(x), max(1, size)):
        block = x[begin : begin + size]
        filled = np.concatenate([block, *[block[-1:]] * (size - len(block))])
        found.append(predict(filled))
    return np.concatenate(found, axis=1)[:, : len(x)]
