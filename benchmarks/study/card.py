"""What data are: shapes, what is equal in them, what carries the error, what the split does."""

from dataclasses import replace

import numpy as np

from attention_twins.tables import Table
from benchmarks.common.tables import print_record, short
from shared.baselines import baselines
from shared.config import DataConfig
from shared.data import Data
from shared.tasks import TASKS, load_data

SPLITS = 100
"""Ways to split that are looked at."""


def card(config: DataConfig) -> list[Table]:
    """The tables of a data card."""
    data = load_data(config)
    lines = [
        ["what", (TASKS[config.data].__doc__ or "").splitlines()[0]],
        ["training rows", " × ".join(map(str, data.train_x.shape))],
        ["test rows", " × ".join(map(str, data.test_x.shape))],
        ["rows equal to another one, training", f"{equal(data.train_x):.1%}"],
        ["rows equal to another one, test", f"{equal(data.test_x):.1%}"],
        ["test rows that are a training row, too", f"{known(data):.1%}"],
        ["targets below 1e-3, test", f"{np.mean(np.abs(data.test_y) < 1e-3):.1%}"],
        ["test rows that carry persistence's error", short(effective(data))],
    ]
    simple = baselines(data)
    errors = [
        [name, *(f"{sides[s]:.3e}" for s in ("train", "test"))] for name, sides in simple.items()
    ]
    found: dict[str, list[float]] = {name: [] for name in simple}
    rows = []
    for split in range(SPLITS):
        other = load_data(replace(config, split=split))
        rows.append(effective(other))
        for name, sides in baselines(other).items():
            found[name].append(sides["test"])
    spread = [
        [f"test MSE of {name}", *(f"{value:.2e}" for value in np.quantile(values, [0, 0.5, 1]))]
        for name, values in found.items()
    ]
    spread.append(
        ["test rows that carry persistence's error", *map(short, np.quantile(rows, [0, 0.5, 1]))]
    )
    title = (
        f"{config.data}, {config.numbers} numbers, {config.time_steps} time steps, {config.dtype}"
    )
    return [
        Table(f"Data card: {title}", ("", ""), lines, left=1),
        Table("Simple predictors, MSE", ("", "train", "test"), errors, left=1),
        Table(
            f"What the split does: {SPLITS} splits",
            ("", "smallest", "median", "largest"),
            spread,
            left=1,
        ),
    ]


def equal(x: np.ndarray) -> float:
    """The share of rows that are equal to another row."""
    _, back, counts = np.unique(
        x.reshape(len(x), -1), axis=0, return_inverse=True, return_counts=True
    )
    return float(np.mean(counts[back.ravel()] > 1))


def known(data: Data) -> float:
    """The share of test rows that are among the training rows."""
    train = {row.tobytes() for row in data.train_x + 0.0}  # −0 is 0
    return float(np.mean([row.tobytes() in train for row in data.test_x + 0.0]))


def effective(data: Data) -> float:
    """How many test rows carry the squared error of persistence: (Σ e)² / Σ e² (Kish 1965)."""
    x, y = data.test_x.astype(np.float64), data.test_y.astype(np.float64)
    error = ((x[:, -1, :1] - y) ** 2).sum(axis=1)
    return float(error.sum() ** 2 / (error**2).sum()) if error.any() else 0.0


def show_card(config: DataConfig) -> int:
    """Print a data card; the exit code."""
    print_record(card(config), (), ())
    return 0
