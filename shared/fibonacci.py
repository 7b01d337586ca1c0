"""The tutorial's data: Fibonacci numbers, cut into windows, split into two sets."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from attention_twins.errors import InputError, check_fraction, check_integer
from shared.config import LARGEST_FIBONACCI, DataConfig


def get_fib_seq(n: int, scale_data: bool = True) -> tuple[np.ndarray, MinMaxScaler | None]:
    """The first n Fibonacci numbers 1, 2, 3, 5, … (the two starting values are not counted).

    Args:
        n: how many, from 1 to 1475.
        scale_data: scale them to [0, 1].

    Returns:
        The sequence, float64 (n,), and the fitted scaler (None if not scaled).

    Raises:
        InputError: n out of range; the 1476th number is inf in float64.
    """
    check_integer("n", n, 1, LARGEST_FIBONACCI)
    seq = second_order(n, 0.0, 1.0)
    if not scale_data:
        return seq, None
    scaler = MinMaxScaler(feature_range=(0, 1))
    return scaler.fit_transform(seq.reshape(n, 1)).flatten(), scaler


def get_fib_xy(
    total_fib_numbers: int, time_steps: int, train_percent: float, scale_data: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, MinMaxScaler | None]:
    """Windows of `time_steps` numbers with the number that follows, shuffled and split.

    Args:
        total_fib_numbers: length of the sequence, at most 1475.
        time_steps: numbers in a window (T), fewer than `total_fib_numbers`.
        train_percent: share of the windows in the training set, between 0 and 1.
        scale_data: scale the numbers to [0, 1].

    Returns:
        train_x (N, T, 1), train_y (N,), test_x (M, T, 1), test_y (M,), float64, and the scaler
        (None if not scaled). Rows are permuted with the tutorial's fixed seed, 13. As in the
        tutorial, a side of very few windows can be empty.

    Raises:
        InputError: a value out of range.
    """
    check_integer("total_fib_numbers", total_fib_numbers, 2, LARGEST_FIBONACCI)
    check_integer("time_steps", time_steps, 1, total_fib_numbers - 1)
    check_fraction("train_percent", train_percent)
    seq, scaler = get_fib_seq(total_fib_numbers, scale_data)
    x, y = windows(seq, time_steps)
    train, test = split_rows(len(x), train_percent)
    return x[train], y[train, 0], x[test], y[test, 0], scaler


def second_order(n: int, previous: float, current: float) -> np.ndarray:
    """The n numbers, float64 (n,), after two with which each is the sum of the two before it."""
    found = np.zeros(n)
    for i in range(n):
        found[i] = previous + current
        previous, current = current, found[i]
    return found


def windows(seq: np.ndarray, time_steps: int, horizon: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Every window x (rows, T, 1) of a sequence, and the numbers y (rows, K) that follow it."""
    view = np.lib.stride_tricks.sliding_window_view
    x = view(seq, time_steps)[: len(seq) - time_steps - horizon + 1, :, np.newaxis]
    return x, view(seq[time_steps:], horizon)


def split_rows(rows: int, train_percent: float, seed: int = 13) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and of test rows, permuted; 13 is the tutorial's seed."""
    index = np.random.RandomState(seed=seed).permutation(rows)
    train, test = np.split(index, [int(train_percent * rows)])
    return train, test


@dataclass(frozen=True)
class Data:
    """Training and test rows in one floating-point type, and the way back to numbers.

    Shape:
        train_x (N, T, F), train_y (N, K), test_x (M, T, F), test_y (M, K).
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    scaler: Any
    """What scaled the numbers; None if nothing did."""

    def followed(self) -> "Data":
        """With the numbers that follow each training row behind it, but the last one.

        They are the first feature of further steps, for a decoder that is told them: train_x is
        (N, T + K − 1, F).
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

    def examples(self, count: int = 4) -> np.ndarray:
        """Test rows to look at (count,): evenly from the smallest last number to the largest."""
        order = np.argsort(self.test_x[:, -1, 0], kind="stable")
        return order[np.linspace(0, len(order) - 1, count).astype(int)]

    def to_numbers(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values (any shape) back as numbers, float64.

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


def load_fibonacci(config: DataConfig) -> Data:
    """The tutorial's data, scaled to [0, 1], in `config.dtype`; others are in shared/tasks.py.

    Raises:
        InputError: the configuration is of other data, of another split or horizon.
    """
    if (config.data, config.split, config.horizon) != ("fibonacci", 13, 1):
        raise InputError(
            "data must be fibonacci with split 13 and horizon 1 here, "
            f"got {config.data!r}, {config.split} and {config.horizon}"
        )
    *arrays, scaler = get_fib_xy(config.numbers, config.time_steps, config.train_percent)
    train_x, train_y, test_x, test_y = (array.astype(config.dtype) for array in arrays)
    assert scaler is not None
    return Data(train_x, train_y[:, np.newaxis], test_x, test_y[:, np.newaxis], scaler)


def batch_order(rows: int, epochs: int, seed: int) -> np.ndarray:
    """The order in which every epoch visits the rows, int64 (epochs, rows).

    Drawn once, here, because the frameworks' own shuffles cannot be made equal.
    """
    return np.stack(list(itertools.islice(epoch_orders(rows, seed), epochs)))


def epoch_orders(rows: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of `batch_order`, int64 (rows,), one after the other and without end."""
    generator = np.random.default_rng([seed, *b"batch_order"])
    while True:
        yield generator.permutation(rows)


def check_order(order: np.ndarray, rows: int, starts: int | None = None) -> np.ndarray:
    """An order of training as an array, int (epochs, rows), or (starts, epochs, rows).

    Raises:
        InputError: it has another shape, holds nothing, or names a row that is not there.
    """
    array = np.asarray(order)
    shape = "(epochs, rows)" if starts is None else f"({starts}, epochs, rows)"
    fits = array.ndim == 2 if starts is None else array.ndim == 3 and len(array) == starts
    if not fits or not array.size or array.dtype.kind not in "iu":
        raise InputError(f"order must be integers {shape}, got {array.dtype} {array.shape}")
    if array.min() < -rows or array.max() >= rows:
        raise InputError(
            f"order must name {rows} rows, from 0, got rows from {array.min()} to {array.max()}"
        )
    return array % rows


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """An order cut into batches of one size; the last one may be smaller, and is apart.

    Shape:
        order (rows,) → [(batches, size), (1, rest)]; (starts, rows) → [(batches, starts, size), …].
    """
    whole = order.shape[-1] // size * size
    parts = [(order[..., :whole], size), (order[..., whole:], order.shape[-1] - whole)]
    return [
        np.moveaxis(part.reshape(*part.shape[:-1], -1, rows), -2, 0)
        for part, rows in parts
        if part.shape[-1]
    ]
