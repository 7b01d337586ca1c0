"""Rows to train on and to test with: windows, split, batches and their order."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer, Num
from numpy.typing import ArrayLike

from attention_twins.errors import InputError


def windows(
    seq: Float[np.ndarray, " n"], time_steps: int, horizon: int = 1
) -> tuple[Float[np.ndarray, "rows T 1"], Float[np.ndarray, "rows K"]]:
    """Every window of a sequence, and the numbers that follow it."""
    view = np.lib.stride_tricks.sliding_window_view
    x = view(seq, time_steps)[: len(seq) - time_steps - horizon + 1, :, np.newaxis]
    return x, view(seq[time_steps:], horizon)


def split_rows(
    rows: int, train_percent: float, seed: int = 13
) -> tuple[Integer[np.ndarray, " N"], Integer[np.ndarray, " M"]]:
    """Indices of training and of test rows, permuted; 13 is the tutorial's seed."""
    index = np.random.RandomState(seed=seed).permutation(rows)
    train, test = np.split(index, [int(train_percent * rows)])
    return train, test


@runtime_checkable
class Scaler(Protocol):
    """What scaled the numbers, as scikit-learn has it."""

    def inverse_transform(self, X: np.ndarray) -> np.ndarray:
        """Numbers (N, 1) as they were."""
        ...


@dataclass(frozen=True)
class Data:
    """Training and test rows in one floating-point type, and the way back to numbers.

    Shape:
        train_x (N, T, F), train_y (N, K), test_x (M, T, F), test_y (M, K).
    """

    train_x: Num[np.ndarray, " N *row"]
    train_y: Num[np.ndarray, " N *target"]
    test_x: Num[np.ndarray, " M *test_row"]  # shorter, where the training rows are teacher-forced
    test_y: Num[np.ndarray, " M *target"]
    scaler: Scaler | None
    """What scaled the numbers; None if nothing did."""

    def teacher_forced(self) -> "Data":
        """Append to each training row its first K − 1 targets, as the first feature of more steps.

        Shape:
            train_x (N, T + K − 1, F), as a decoder takes it in training.
        """
        rows, horizon = self.train_y.shape
        behind = np.zeros((rows, horizon - 1, self.train_x.shape[2]), self.train_x.dtype)
        behind[..., 0] = self.train_y[:, :-1]
        return replace(self, train_x=np.concatenate([self.train_x, behind], axis=1))

    def held_out(self, every: int = 5) -> "Data":
        """The training rows alone, one of every so many in place of the test rows: for choices.

        They are taken evenly by the size of the number to predict, never the largest: the few
        rows that carry nearly all of the tutorial's error would else be all on one side.
        """
        order = np.argsort(self.train_y[:, 0], kind="stable")[::-1]
        held = np.isin(np.arange(len(order)), order[min(every // 2, len(order) - 1) :: every])
        return Data(
            self.train_x[~held],
            self.train_y[~held],
            self.train_x[held],
            self.train_y[held],
            self.scaler,
        )

    def examples(self, count: int = 4) -> Integer[np.ndarray, " {count}"]:
        """Test rows to look at: evenly from the smallest last number to the largest."""
        order = np.argsort(self.test_x[:, -1, 0], kind="stable")
        return order[np.linspace(0, len(order) - 1, count).astype(int)]

    def to_numbers(self, scaled: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """Scaled values back as numbers.

        In float64 every number comes back, to one rounding. A float32 value holds all its 24 bits
        down to `smallest_exact("float32")`, loses them one by one below, and from 2⁻²⁴ of that on
        it is 0 and comes back as 1, the smallest number. Of the 1200 numbers of the tutorial, up to
        4.4e250, those below 5.2e212 lose bits and those below 3.1e205 come back as 1.
        """
        if self.scaler is None:
            return np.asarray(scaled, np.float64)
        column = np.asarray(scaled, np.float64).reshape(-1, 1)
        return self.scaler.inverse_transform(column).reshape(np.shape(scaled))

    def smallest_exact(self, dtype: str) -> float:
        """The number below which a scaled value of `dtype` is subnormal and loses bits."""
        return float(self.to_numbers(np.array(np.finfo(dtype).tiny)))


def batch_order(rows: int, epochs: int, seed: int) -> Int64[np.ndarray, "{epochs} {rows}"]:
    """The order in which every epoch visits the rows.

    Drawn once, here, because the frameworks' own shuffles cannot be made equal.
    """
    return np.stack(list(itertools.islice(epoch_orders(rows, seed), epochs)))


def epoch_orders(rows: int, seed: int) -> Iterator[Int64[np.ndarray, " {rows}"]]:
    """The rows of `batch_order`, one epoch after the other and without end."""
    generator = np.random.default_rng([seed, *b"batch_order"])
    while True:
        yield generator.permutation(rows)


def check_order(
    order: ArrayLike, rows: int, seeds: int | None = None
) -> Integer[np.ndarray, "*seeds epochs rows"]:
    """An order of training as an array, int (epochs, rows), or (seeds, epochs, rows).

    Raises:
        InputError: it has another shape, holds nothing, or names a row that is not there.
    """
    array = np.asarray(order)
    shape = "(epochs, rows)" if seeds is None else f"({seeds}, epochs, rows)"
    fits = array.ndim == 2 if seeds is None else array.ndim == 3 and len(array) == seeds
    if not fits or not array.size or array.dtype.kind not in "iu":
        raise InputError(f"order must be integers {shape}, got {array.dtype} {array.shape}")
    if array.min() < -rows or array.max() >= rows:
        raise InputError(
            f"order must name {rows} rows, from 0, got rows from {array.min()} to {array.max()}"
        )
    return array % rows


def batches(order: Integer[np.ndarray, "... rows"], size: int) -> list[np.ndarray]:
    """An order cut into batches of one size; the last one may be smaller, and is apart.

    Shape:
        order (rows,) → [(batches, size), (1, rest)]; (seeds, rows) → [(batches, seeds, size), …].
    """
    whole = order.shape[-1] // size * size
    parts = [(order[..., :whole], size), (order[..., whole:], order.shape[-1] - whole)]
    return [
        np.moveaxis(part.reshape(*part.shape[:-1], -1, rows), -2, 0)
        for part, rows in parts
        if part.shape[-1]
    ]
