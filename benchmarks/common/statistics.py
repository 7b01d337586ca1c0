"""How sure a number is: medians over processes, ratios within blocks, their intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from benchmarks.common.tables import bracketed

CONFIDENCE = 0.95
FEWEST = 5
"""Values from which on there is an interval: of fewer, even from the smallest to the largest covers
the median less often than 93 times in a hundred (n = 4: 87.5)."""

RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """A median with an interval around it."""

    median: float
    low: float
    """NaN of too few values."""

    high: float
    n: int

    @property
    def width(self) -> float:
        """The longer side, relative to the median; inf if there is no interval."""
        sides = max(self.high - self.median, self.median - self.low)
        width = sides / abs(self.median) if self.median else math.inf
        return width if math.isfinite(width) else math.inf

    @property
    def known(self) -> bool:
        """There is an interval."""
        return math.isfinite(self.low)

    @property
    def has_one(self) -> bool:
        """As a ratio it shows no difference."""
        return not self.known or self.low <= 1 <= self.high

    @property
    def doubt(self) -> str:
        """Why a ratio shows no difference; empty if it shows one."""
        if not self.known:
            return f"n = {self.n}: too few to say"
        return "no difference shown" if self.has_one else ""

    def __str__(self) -> str:
        return bracketed(self.median, self.low, self.high)


def interval(values: Sequence[float]) -> Interval:
    """The median of values, one for each process, with a bootstrap interval.

    Percentile bootstrap with the percentiles widened for small samples as Student's t is wider than
    the normal distribution (Hesterberg 2015, section 5.3): as it is, it covers too seldom.
    """
    return _interval(tuple(map(float, values)))


@lru_cache(maxsize=100_000)
def _interval(values: tuple[float, ...]) -> Interval:
    n = len(values)
    if n < FEWEST:
        return Interval(float(np.median(values)) if n else math.nan, math.nan, math.nan, n)
    found = stats.bootstrap(
        (values,),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=widened(n),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(np.median(values)), float(found.low), float(found.high), n)


def widened(n: int) -> float:
    """The level to ask a percentile bootstrap of n values for, to get CONFIDENCE."""
    tail = stats.t.ppf((1 - CONFIDENCE) / 2, n - 1) * math.sqrt(n / (n - 1))
    return float(1 - 2 * stats.norm.cdf(tail))


def paired(one: dict[int, float], other: dict[int, float]) -> Interval:
    """One over the other within each block that has both, as a median with its interval."""
    return interval([one[block] / other[block] for block in sorted(one.keys() & other.keys())])


def unpaired(one: Sequence[float], other: Sequence[float]) -> Interval:
    """The ratio of the medians of two independent measurements."""
    n = min(len(one), len(other))
    median = float(np.median(one) / np.median(other)) if n else math.nan
    if n < FEWEST:
        return Interval(median, math.nan, math.nan, n)

    def ratio(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.median(a, axis=axis) / np.median(b, axis=axis)

    found = stats.bootstrap(
        (one, other),
        ratio,
        n_resamples=RESAMPLES,
        confidence_level=widened(n),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(median, float(found.low), float(found.high), n)
