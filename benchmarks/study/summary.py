"""What a study shows: quantiles, who is better and how sure that is, whether twins are equivalent.

Starts with one seed begin from the same weights in every arm that draws them by the same rule, so
arms are compared start by start.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.common.tables import bracketed

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RESAMPLES = 2999


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return bracketed(self.value, self.low, self.high)


def quantiles(errors: Sequence[float]) -> list[float]:
    """QUANTILES of errors; an infinite one counts as the largest."""
    return np.quantile(np.asarray(errors), QUANTILES, method="inverted_cdf").tolist()


def middle(errors: Any, axis: int = -1) -> Any:
    """The median, as an error that occurred: of two in the middle the smaller."""
    ordered = np.sort(errors, axis=axis)
    return np.take(ordered, (ordered.shape[axis] - 1) // 2, axis=axis)


def share(errors: Sequence[float], limit: float) -> Estimate:
    """The share of errors above a limit, with the exact interval of a binomial proportion."""
    above = int(np.sum(np.asarray(errors) > limit))
    test = stats.binomtest(above, len(errors))
    found = test.proportion_ci(method="exact")
    return Estimate(above / len(errors), float(found.low), float(found.high))


def probability_better(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """P(the one's error is smaller than the other's on the same start); ties count half."""
    a, b = common(one, other)
    wins = np.where(a == b, 0.5, (a < b).astype(float))
    return _bootstrapped(np.mean, wins)


def median_ratio(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """The median error of the one over that of the other, start by start drawn."""
    a, b = common(one, other)

    def ratio(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return middle(a, axis) / middle(b, axis)

    return _bootstrapped(ratio, a, b)


def median_of(errors: Sequence[float]) -> Estimate:
    """The median error."""
    return _bootstrapped(np.median, np.asarray(errors))


def common(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """The errors of the starts that both have, in one order."""
    seeds = sorted(one.keys() & other.keys())
    return np.array([one[s] for s in seeds]), np.array([other[s] for s in seeds])


def _bootstrapped(of: Callable[..., np.ndarray], *values: np.ndarray) -> Estimate:
    """A statistic of paired values with its percentile bootstrap interval."""
    value = float(of(*values, axis=-1))
    if values[0].size < 2:
        return Estimate(value, math.nan, math.nan)
    rng, drawn, size = np.random.default_rng(0), np.empty(0), values[0].size
    while len(drawn) < RESAMPLES:  # scipy's own cannot take the inf of a start that diverged
        count = min(RESAMPLES - len(drawn), max(1, 1_000_000 // size))
        rows = rng.integers(0, size, (count, size))
        drawn = np.append(drawn, of(*(array[rows] for array in values), axis=-1))
    if np.isnan(drawn).any():
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")
    return Estimate(value, float(low), float(high))


@dataclass(frozen=True)
class Equivalence:
    """Whether two arms come to the same error, start by start."""

    margin: float
    """Largest relative difference that counts as the same."""

    p: float
    """Of two one-sided tests, the larger: small means equivalent."""

    within: float
    """Share of starts that differ by no more than the margin."""

    largest: float
    """Largest relative difference of any start."""

    n: int

    @property
    def shown(self) -> bool:
        """Equivalence within the margin is shown."""
        return self.p < 0.05


def equivalence(one: Mapping[int, float], other: Mapping[int, float], margin: float) -> Equivalence:
    """Two one-sided t-tests of the mean logarithm of the ratio, by start (Schuirmann 1987)."""
    a, b = common(one, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where(a == b, 0.0, np.log(a) - np.log(b))
    limit = math.log1p(margin)
    largest = float(np.abs(np.expm1(np.abs(logs))).max())
    within = float(np.mean(np.abs(logs) <= limit))
    if not np.isfinite(logs).all() or logs.size < 2:
        return Equivalence(margin, math.nan, within, largest, logs.size)
    if not logs.any():  # equal to the last bit: a t-test has nothing to divide by
        return Equivalence(margin, 0.0, within, largest, logs.size)
    tests: list[Any] = [
        stats.ttest_1samp(logs, -limit, alternative="greater"),
        stats.ttest_1samp(logs, limit, alternative="less"),
    ]
    return Equivalence(
        margin, float(max(test.pvalue for test in tests)), within, largest, logs.size
    )


def epochs_to(losses: Sequence[Sequence[float | None]], loss: float) -> list[float]:
    """For each start, the first epoch whose loss is as low as that; inf if none is."""
    return [
        next((float(i) for i, x in enumerate(own, 1) if x is not None and x <= loss), math.inf)
        for own in losses
    ]


def place_of(value: float, errors: Sequence[float]) -> float:
    """The share of errors that are smaller than a value."""
    return float(np.mean(np.asarray(errors) < value))
