"""How sure a number is: coverage by simulation, pairing, the null comparison."""

import math

import numpy as np
import pytest

from benchmarks.common import statistics
from benchmarks.common.statistics import interval, paired, unpaired, widened


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    statistics._interval.cache_clear()
    yield
    statistics._interval.cache_clear()


@pytest.mark.parametrize("n", [5, 6, 8, 12])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "outliers"])
def test_interval_covers_the_median(n, kind):
    """At least 93 times in a hundred, whatever the distribution."""
    generator = np.random.default_rng([n, *kind.encode()])
    draws = {
        "normal": lambda: 100 + 5 * generator.normal(size=n),
        "lognormal": lambda: 100 * np.exp(0.3 * generator.normal(size=n)),
        # One process in five is disturbed; the median of all is that of this mixture.
        "outliers": lambda: np.where(
            generator.random(n) < 0.2, 150 + generator.random(n), 100 + generator.normal(size=n)
        ),
    }
    true = {"normal": 100, "lognormal": 100}.get(kind)
    if true is None:
        mixture = np.random.default_rng(0)
        big = 400_000
        true = np.median(
            np.where(
                mixture.random(big) < 0.2,
                150 + mixture.random(big),
                100 + mixture.normal(size=big),
            )
        )
    found = [interval(draws[kind]()) for _ in range(4000)]
    covered = np.mean([i.low <= true <= i.high for i in found])
    assert covered >= 0.93
    # Not by being endless: it narrows as n grows.
    if kind == "normal" and n == 12:
        assert np.median([i.width for i in found]) < 0.06


def test_plain_percentiles_would_cover_too_seldom(monkeypatch):
    """The widening is what makes the test above pass."""
    monkeypatch.setattr(statistics, "widened", lambda n: 0.95)
    generator = np.random.default_rng(7)
    found = [interval(100 + 5 * generator.normal(size=8)) for _ in range(1000)]
    assert np.mean([i.low <= 100 <= i.high for i in found]) < 0.93


def test_coverage_where_one_stops_once_it_is_narrow():
    """As `twins bench` does: five blocks, then one more until the width is 5 %, ten at most."""
    generator, covered = np.random.default_rng(11), []
    for _ in range(600):
        values = list(100 + 6 * generator.normal(size=5))
        while interval(values).width > 0.05 and len(values) < 10:
            values.append(100 + 6 * generator.normal())
        covered.append(interval(values).low <= 100 <= interval(values).high)
    assert np.mean(covered) >= 0.90


def test_too_few_values_have_no_interval():
    for n in range(5):
        found = interval([1.0] * n)
        assert not found.known and found.width == math.inf and found.has_one and found.n == n
    assert interval([2.0, 1.0, 3.0]).value == 2
    assert interval([1.0] * 5).known


def test_widened_level_goes_to_the_one_asked_for():
    levels = [widened(n) for n in (5, 10, 100, 10_000)]
    assert levels == sorted(levels, reverse=True)
    assert abs(levels[-1] - 0.95) < 1e-3 and levels[0] > 0.99


def test_pairs_within_blocks_see_what_medians_do_not():
    """Blocks on a machine that gets slower and slower: the ratio within each is 1.1."""
    drift = {block: 100.0 * 1.5**block for block in range(8)}
    one = {block: 1.1 * value for block, value in drift.items()}
    found = paired(one, drift)
    assert found.value == pytest.approx(1.1) and found.width < 1e-9 and not found.has_one
    assert unpaired(list(one.values()), list(drift.values())).has_one


def test_only_blocks_that_have_both_are_paired():
    assert paired({0: 2.0, 1: 4.0, 5: 9.0}, {1: 2.0, 2: 1.0}).n == 1
    assert paired({0: 2.0}, {1: 2.0}).n == 0
    assert math.isnan(paired({0: 2.0}, {1: 2.0}).value)


def test_null_comparison_shows_no_difference_as_often_as_it_should():
    generator, shown = np.random.default_rng(5), 0
    for _ in range(600):
        one, other = (
            dict(enumerate(100 * np.exp(0.1 * generator.normal(size=6)))) for _ in range(2)
        )
        shown += not paired(one, other).has_one
    assert shown / 600 <= 0.07 + 2 * math.sqrt(0.07 * 0.93 / 600)


def test_unpaired_ratio_covers():
    generator, covered = np.random.default_rng(3), []
    for _ in range(400):
        one = 120 * np.exp(0.1 * generator.normal(size=7))
        other = 100 * np.exp(0.1 * generator.normal(size=6))
        found = unpaired(one, other)
        covered.append(found.low <= 1.2 <= found.high)
    assert np.mean(covered) >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / 400)
    assert not unpaired([1.0] * 4, [1.0] * 9).known
