"""What a study shows: quantiles, who is better and how sure that is, whether twins are equivalent.

Trainings of one seed begin with the same weights in every arm that draws them by the same rule, so
arms are compared seed by seed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.common.statistics import Interval, by_seed

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles(errors: Sequence[float]) -> list[float]:
    """QUANTILES of errors; an infinite one counts as the largest."""
    return np.quantile(np.asarray(errors), QUANTILES, method="inverted_cdf").tolist()


def middle(errors: Sequence[float]) -> float:
    """The median, as an error that occurred: of two in the middle the smaller."""
    return float(_middle(np.asarray(errors), -1))


def _middle(errors: np.ndarray, axis: int) -> np.ndarray:
    ordered = np.sort(errors, axis=axis)
    return np.take(ordered, (ordered.shape[axis] - 1) // 2, axis=axis)


def share(errors: Sequence[float], limit: float) -> Interval:
    """The share of errors above a limit, with the exact interval of a binomial proportion."""
    above = int(np.sum(np.asarray(errors) > limit))
    test = stats.binomtest(above, len(errors))
    exact = test.proportion_ci(method="exact")
    return Interval(above / len(errors), float(exact.low), float(exact.high), len(errors))


def probability_better(one: Mapping[int, float], other: Mapping[int, float]) -> Interval:
    """P(the one's error is smaller than the other's of the same seed); ties count half."""
    a, b = common(one, other)
    wins = np.where(a == b, 0.5, (a < b).astype(float))
    return by_seed(np.mean, wins)


def median_ratio(one: Mapping[int, float], other: Mapping[int, float]) -> Interval:
    """The median error of the one over that of the other, drawn seed by seed."""
    a, b = common(one, other)

    def ratio(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _middle(a, axis) / _middle(b, axis)

    return by_seed(ratio, a, b)


def median_of(errors: Sequence[float]) -> Interval:
    """The median error."""
    return by_seed(np.median, np.asarray(errors))


def common(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """The errors of the seeds that both have, in one order."""
    seeds = sorted(one.keys() & other.keys())
    return np.array([one[s] for s in seeds]), np.array([other[s] for s in seeds])


@dataclass(frozen=True)
class Equivalence:
    """Whether two arms come to the same error, seed by seed."""

    margin: float
    """Largest relative difference that counts as the same."""

    p: float
    """Of two one-sided tests, the larger: small means equivalent."""

    within: float
    """Share of seeds that differ by no more than the margin."""

    largest: float
    """Largest relative difference of any seed."""

    n: int

    @property
    def shown(self) -> bool:
        """Equivalence within the margin is shown."""
        return self.p < 0.05


def equivalence(one: Mapping[int, float], other: Mapping[int, float], margin: float) -> Equivalence:
    """Two one-sided t-tests of the mean logarithm of the ratio, by seed (Schuirmann 1987)."""
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
    above = stats.ttest_1samp(logs, -limit, alternative="greater")[1]
    below = stats.ttest_1samp(logs, limit, alternative="less")[1]
    return Equivalence(margin, float(np.max([above, below])), within, largest, logs.size)


def epochs_to(losses: Sequence[Sequence[float | None]], loss: float) -> list[float]:
    """For each seed, the first epoch whose loss is as low as that; inf if none is."""
    return [
        next((float(i) for i, x in enumerate(epochs, 1) if x is not None and x <= loss), math.inf)
        for epochs in losses
    ]


def place_of(value: float, errors: Sequence[float]) -> float:
    """The share of errors that are smaller than a value."""
    return float(np.mean(np.asarray(errors) < value))
