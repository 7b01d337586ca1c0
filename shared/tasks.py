"""Data to learn from: the tutorial's, healthier ones, and one that attention is made for.

Every task makes rows and targets of one size; the split is drawn apart, so that it can be varied.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from shared.config import DataConfig
from shared.data import Data, Scaler, split_rows, windows
from shared.fibonacci import get_fib_seq, second_order

Rows = tuple[Float64[np.ndarray, "N T F"], Float64[np.ndarray, "N K"], Scaler | None]
"""x, y, and what scaled them; None if nothing did."""


def fibonacci(config: DataConfig) -> Rows:
    """The tutorial's: Fibonacci numbers, scaled to [0, 1]. Nearly all of them are nearly 0."""
    return _windows(get_fib_seq(config.numbers, scale_data=False)[0], MinMaxScaler(), config)


def log_fibonacci(config: DataConfig) -> Rows:
    """Their logarithms, scaled to [0, 1]: targets are spread evenly."""
    scaler = make_pipeline(FunctionTransformer(np.log, np.exp), MinMaxScaler())
    return _windows(get_fib_seq(config.numbers, scale_data=False)[0], scaler, config)


def lucas(config: DataConfig) -> Rows:
    """Lucas numbers 3, 4, 7, 11, …: the same recurrence from 2 and 1, scaled to [0, 1]."""
    return _windows(second_order(config.numbers, 2.0, 1.0), MinMaxScaler(), config)


def recurrences(config: DataConfig) -> Rows:
    """Rows of recurrences of their own: x_t = 2 r cos θ · x_{t−1} − r² · x_{t−2}.

    r is uniform on [0.9, 1], θ on [0.1 π, 0.9 π]; 0.8 is the amplitude. No two coefficients serve
    all rows: what follows must be inferred from the row. Another T or K makes other rows.
    """
    generator, rows = np.random.default_rng([*b"recurrences"]), config.rows
    r, theta = generator.uniform(0.9, 1, rows), generator.uniform(0.1, 0.9, rows) * np.pi
    phase = generator.uniform(0, 2 * np.pi, rows)
    t = np.arange(config.time_steps + config.horizon)[:, np.newaxis]
    x = (0.8 * r**t * np.cos(theta * t + phase)).T  # (rows, T + K)
    return x[:, : config.time_steps, np.newaxis], x[:, config.time_steps :], None


def addition(config: DataConfig) -> Rows:
    """The mean of the two numbers that are marked, one in each half of the row.

    Features: a number, uniform on [0, 1]; 1 where it is marked, else 0.

    References:
        Hochreiter & Schmidhuber 1997, section 5.4; Raffel & Ellis 2015 (arXiv 1512.08756), 3.1.
    """
    generator, T = np.random.default_rng([*b"addition"]), config.time_steps
    x = np.zeros((config.rows, T, 2))
    x[..., 0] = generator.uniform(0, 1, x.shape[:2])
    each = np.arange(config.rows)
    first = generator.integers(0, T // 2, each.size)
    second = generator.integers(T // 2, T, each.size)
    x[each, first, 1] = x[each, second, 1] = 1
    return x, (x[each, first, :1] + x[each, second, :1]) / 2, None


TASKS: dict[str, Callable[[DataConfig], Rows]] = {
    "fibonacci": fibonacci,
    "log_fibonacci": log_fibonacci,
    "lucas": lucas,
    "recurrences": recurrences,
    "addition": addition,
}
"""Name of a task → what makes its rows."""


def load_data(config: DataConfig) -> Data:
    """The rows of a task, split, in `config.dtype`."""
    x, y, scaler = TASKS[config.data](config)
    train, test = split_rows(len(x), config.train_percent, config.split)
    arrays = (x[train], y[train], x[test], y[test])
    train_x, train_y, test_x, test_y = (array.astype(config.dtype) for array in arrays)
    return Data(train_x, train_y, test_x, test_y, scaler)


def _windows(numbers: np.ndarray, scaler: Any, config: DataConfig) -> Rows:
    """Windows of scaled numbers, and the numbers after each."""
    scaled = scaler.fit_transform(numbers[:, np.newaxis])[:, 0]
    x, y = windows(scaled, config.time_steps, config.horizon)
    return x, y, scaler
