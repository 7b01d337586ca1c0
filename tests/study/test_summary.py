"""What a study computes, on numbers whose answers are known."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.study.summary import (
    epochs_to,
    equivalence,
    median_ratio,
    place_of,
    probability_better,
    quantiles,
    share,
)

INF = math.inf


def by_seed(values):
    return dict(enumerate(map(float, values)))


def test_quantiles_are_errors_that_occurred():
    assert quantiles([*range(1, 21)]) == [1, 5, 10, 15, 19]
    assert quantiles([1.0, INF, 2.0, 3.0]) == [1, 1, 2, 3, INF]


def test_share_has_the_exact_interval():
    found = share([1, 2, 3, INF, 5, 6, 7, 8, 9, 10], 5)
    assert found.value == 0.6  # 5 itself is not above
    low, high = stats.beta.ppf(0.025, 6, 5), stats.beta.ppf(0.975, 7, 4)
    np.testing.assert_allclose((found.low, found.high), (low, high), rtol=1e-9)


def test_probability_counts_ties_half_and_goes_start_by_start():
    one, other = by_seed([1, 2, 3, INF]), by_seed([2, 2, 1, INF])
    assert probability_better(one, other).value == (1 + 0.5 + 0 + 0.5) / 4
    apart = {7: 1.0, 8: 5.0}
    assert probability_better(apart, {8: 6.0, 9: 0.0}).value == 1  # only start 8 is in both


def test_probability_covers_the_truth():
    """95 % of the intervals should contain it; 90 of 100 are asked for."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        one, other = rng.lognormal(0, 1, 150), rng.lognormal(0.3, 1, 150)
        found = probability_better(by_seed(one), by_seed(other))
        covered += found.low <= stats.norm.cdf(0.3 / math.sqrt(2)) <= found.high
    assert covered >= 90


def test_median_ratio_is_paired():
    """The ratio of two arms that swing together is known far better than each of them."""
    rng = np.random.default_rng(0)
    base = rng.lognormal(0, 2, 400)
    one, other = by_seed(2 * base), by_seed(base)
    found = median_ratio(one, other)
    assert found.value == 2 and found.low == 2 == found.high
    shuffled = by_seed(rng.permutation(base))
    assert median_ratio(one, shuffled).high - median_ratio(one, shuffled).low > 0.2
    assert median_ratio({1: 3.0}, {1: 2.0}).value == 1.5
    assert math.isnan(median_ratio({1: 3.0}, {1: 2.0}).low)


def test_equivalence_is_shown_only_where_it_is():
    rng = np.random.default_rng(0)
    base = rng.lognormal(0, 2, 200)
    same = equivalence(by_seed(base), by_seed(base * rng.normal(1, 0.02, 200)), 0.05)
    assert same.shown and same.p < 1e-10 and 0.9 < same.within <= 1 and same.n == 200
    off = equivalence(by_seed(base), by_seed(base * 1.06), 0.05)
    assert not off.shown and off.within == 0 and off.largest == pytest.approx(0.06)
    few = equivalence(by_seed(base[:4]), by_seed(base[:4] * rng.normal(1, 0.2, 4)), 0.05)
    assert not few.shown  # that no difference is seen does not make it equivalence
    equal = equivalence(by_seed(base), by_seed(base), 0.05)
    assert equal.shown and equal.p == 0 and equal.largest == 0 and equal.within == 1


def test_equivalence_by_hand():
    """Two t-tests of the logarithms against either margin; the larger p."""
    one, other = by_seed([1.0, 1.1, 0.95, 1.02]), by_seed([1.0, 1.0, 1.0, 1.0])
    logs, margin = np.log([1.0, 1.1, 0.95, 1.02]), math.log(1.1)
    error = logs.std(ddof=1) / 2
    p = max(
        stats.t.sf((logs.mean() + margin) / error, 3),
        stats.t.cdf((logs.mean() - margin) / error, 3),
    )
    np.testing.assert_allclose(equivalence(one, other, 0.1).p, p, rtol=1e-12)


def test_what_is_no_number_is_not_equivalent():
    found = equivalence(by_seed([1, INF]), by_seed([1, 1]), 0.1)
    assert not found.shown and math.isnan(found.p) and found.largest == INF
    both = equivalence(by_seed([1, INF]), by_seed([1, INF]), 0.1)
    assert both.shown  # both diverge on the same start


def test_epochs_to_a_loss():
    assert epochs_to([[3, 2, 1], [3, 3, 3], [None, 1, 5], [1, 9, 9]], 1.5) == [3, INF, 2, 1]


def test_place_of_a_figure():
    assert place_of(2.5, [1, 2, 3, INF]) == 0.5
