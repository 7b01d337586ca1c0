"""How sure a number is: every interval, of medians, ratios and shares, is decided here."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from benchmarks.common.tables import bracketed

Statistic = Callable[..., np.ndarray]
"""Of samples (…, n), by `axis`."""

CONFIDENCE = 0.95
FEWEST = 5
"""Values from which on there is an interval: of fewer, even from the smallest to the largest covers
the median less often than 93 times in a hundred (n = 4: 87.5)."""

RESAMPLES = 9999
SEED_RESAMPLES = 2999
"""Of values by seed: there are hundreds."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    """NaN where there is no interval."""

    high: float
    n: int

    @property
    def width(self) -> float:
        """The longer side, relative to the value; inf if there is no interval."""
        sides = max(self.high - self.value, self.value - self.low)
        width = sides / abs(self.value) if self.value else math.inf
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
        return bracketed(self.value, self.low, self.high)


def interval(values: Sequence[float]) -> Interval:
    """The median of values, one for each process."""
    return _interval(tuple(map(float, values)))


@lru_cache(maxsize=100_000)
def _interval(values: tuple[float, ...]) -> Interval:
    n = len(values)
    if n < FEWEST:
        return Interval(float(np.median(values)) if n else math.nan, math.nan, math.nan, n)
    return Interval(float(np.median(values)), *_bounds(np.median, values), n)


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> Interval:
    """The median of one over the other within each block that has both."""
    return interval([one[block] / other[block] for block in sorted(one.keys() & other.keys())])


def unpaired(one: Sequence[float], other: Sequence[float]) -> Interval:
    """The ratio of the medians of two independent measurements."""
    n = min(len(one), len(other))
    value = float(np.median(one) / np.median(other)) if n else math.nan
    if n < FEWEST:
        return Interval(value, math.nan, math.nan, n)

    def ratio(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.median(a, axis=axis) / np.median(b, axis=axis)

    return Interval(value, *_bounds(ratio, one, other), n)


def by_seed(of: Statistic, *values: np.ndarray) -> Interval:
    """A statistic of values (n,) paired by seed; inf, of a divergence, counts as the largest."""
    value, n = float(of(*values, axis=-1)), values[0].size
    if n < 2:
        return Interval(value, math.nan, math.nan, n)
    bootstrapped = bootstrap(of, *values, resamples=SEED_RESAMPLES, paired=True)
    drawn = bootstrapped.bootstrap_distribution
    if np.isnan(drawn).any():
        return Interval(value, math.nan, math.nan, n)
    low, high = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf")
    return Interval(value, float(low), float(high), n)


def _bounds(of: Statistic, *samples: Sequence[float]) -> tuple[float, float]:
    """The bounds of a statistic of small samples.

    Percentile bootstrap with the percentiles widened for small samples as Student's t is wider than
    the normal distribution (Hesterberg 2015, section 5.3): as it is, it covers too seldom.
    """
    level = widened(min(map(len, samples)))
    bounds = bootstrap(of, *samples, resamples=RESAMPLES, level=level).confidence_interval
    return float(bounds.low), float(bounds.high)


def bootstrap(
    of: Statistic,
    *samples: Sequence[float] | np.ndarray,
    resamples: int,
    level: float = CONFIDENCE,
    paired: bool = False,
):
    """A percentile bootstrap by scipy from a fixed seed; paired samples are drawn together."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of values that are inf
        return stats.bootstrap(
            samples,
            of,
            n_resamples=resamples,
            batch=max(1, 1_000_000 // len(samples[0])) if paired else None,
            paired=paired,
            confidence_level=level,
            method="percentile",
            rng=np.random.default_rng(0),
        )


def widened(n: int) -> float:
    """The level to ask a percentile bootstrap of n values for, to get CONFIDENCE."""
    tail = stats.t.ppf((1 - CONFIDENCE) / 2, n - 1) * math.sqrt(n / (n - 1))
    return float(1 - 2 * stats.norm.cdf(tail))
