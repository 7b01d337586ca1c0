"""Many starts of a network trained at once: what is asked for, in which chunks, the result."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attention_twins.errors import InputError, check_integer
from attention_twins.weights import Weights
from shared.config import ModelConfig, TrainConfig
from shared.fibonacci import Data, epoch_orders
from shared.weights import weight_shapes

BUDGET = 4 * 2**20
"""Bytes that starts trained at once may work on: more would leave the processor's cache."""


@dataclass(frozen=True)
class ManyResult:
    """What `fit_many` returns, the same from every twin; S starts first on every axis.

    Shape:
        S starts, E epochs, N training rows, M test rows, D outputs.
    """

    seeds: list[int]
    """What decided the initial weights and the batch order of each start."""

    learning_rates: list[float]
    """Learning rate of each start."""

    loss: np.ndarray
    """Loss of every epoch as in FitResult, float64 (S, E)."""

    weights: Weights
    """Trained weights, canonical, with the starts as a first axis."""

    train_prediction: np.ndarray
    """What each network makes of the training rows, (S, N, D)."""

    test_prediction: np.ndarray
    """And of the test rows, (S, M, D)."""

    seconds: list[float]
    """Wall-clock seconds of every epoch of every chunk."""

    compile_seconds: float
    """Seconds of compilation before the first epoch."""


def join(parts: list[ManyResult], count: int) -> ManyResult:
    """The first `count` starts of the results of some chunks."""
    seconds = [second for part in parts for second in part.seconds]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])[:count]

    return ManyResult(
        seeds=[seed for part in parts for seed in part.seeds][:count],
        learning_rates=[rate for part in parts for rate in part.learning_rates][:count],
        loss=joined("loss"),
        weights={
            name: np.concatenate([part.weights[name] for part in parts])[:count]
            for name in parts[0].weights
        },
        train_prediction=joined("train_prediction"),
        test_prediction=joined("test_prediction"),
        seconds=seconds,
        compile_seconds=sum(part.compile_seconds for part in parts),
    )


@dataclass(frozen=True)
class Chunk:
    """Some starts that are trained at once; the last ones may repeat the first ones."""

    starts: list[int]
    """Which of all they are."""

    seeds: list[int]
    learning_rates: list[float]

    def orders(self, rows: int, epochs: int, order: np.ndarray | None) -> Iterator[np.ndarray]:
        """The rows of one epoch after the other, (starts, rows): of `order`, or of the seeds."""
        if order is not None:
            yield from np.moveaxis(order[self.starts], 1, 0)
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
    """The starts in chunks of one size, so that all of them run the same compiled code.

    A chunk has `most` starts at most, and fewer if they would exceed the budget. The last one is
    filled up with repetitions.

    Raises:
        InputError: no seeds, a seed or a rate that cannot be, not one rate for each seed.
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
    most = max(1, min(most, BUDGET // start_bytes(model, train)))
    size = math.ceil(len(seeds) / math.ceil(len(seeds) / most))
    found = []
    for begin in range(0, len(seeds), size):
        starts = range(begin, min(begin + size, len(seeds)))
        filled = list(itertools.islice(itertools.cycle(starts), size))
        found.append(Chunk(filled, [seeds[i] for i in filled], [rates[i] for i in filled]))
    return found


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


def start_bytes(model: ModelConfig, train: TrainConfig) -> int:
    """About how many bytes one start works on in a training step, a guide for chunks."""
    parameters = sum(math.prod(shape) for shape in weight_shapes(model).values())
    states = train.batch_size * model.time_steps * (_width(model) + model.features + 2)
    # Weights, two moments and a gradient; of every state its value and its gradient, twice.
    return 4 * (parameters + states) * np.dtype(model.dtype).itemsize


def _width(model: ModelConfig) -> int:
    """Numbers that a time step of the first layer computes: of every gate its own."""
    shapes = weight_shapes(model)
    recurrent = [shape[-1] for name, shape in shapes.items() if name.endswith("recurrent_kernel")]
    return max([model.units, *recurrent])


def predictions(
    predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray, starts: int, model: ModelConfig
) -> np.ndarray:
    """What many starts make of rows, in blocks of one size that keep within the budget.

    Args:
        predict: rows (B, T, F) → outputs (S, B, D).
        x: rows (N, T, F); there may be none.
        starts: S.
        model: the network.

    Shape:
        → (S, N, D).
    """
    states = starts * model.time_steps * (_width(model) + model.features + 2)
    most = max(1, 4 * BUDGET // (states * x.itemsize))
    size = math.ceil(len(x) / max(1, math.ceil(len(x) / most)))
    found = [np.zeros((starts, 0, model.dense_units), x.dtype)]
    for begin in range(0, len(x), max(1, size)):
        block = x[begin : begin + size]
        filled = np.concatenate([block, *[block[-1:]] * (size - len(block))])
        found.append(predict(filled))
    return np.concatenate(found, axis=1)[:, : len(x)]
