"""The rule that ends warm-up, on series whose answer is known; the clock."""

import numpy as np
import pytest

from benchmarks.bench.steady import Rule, Stopwatch, steady_after

RULE = Rule(tolerance=0.1, seconds=0.5, most_seconds=60, most_epochs=1000)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told: [seconds]."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


def measured(clock, series, rule=RULE):
    """How many epochs of a series are measured until it is enough."""
    watch = Stopwatch(lambda: None, rule)
    watch.start()
    for count, seconds in enumerate(series, 1):
        clock[0] += seconds
        if watch():
            return count
    return None


def test_flat_series_is_steady_as_soon_as_it_can_be_seen():
    assert steady_after([1.0] * 9, RULE) == 2
    assert steady_after([0.1] * 40, RULE) == 5  # half a second
    assert steady_after([0.01] * 400, RULE) == 50
    assert steady_after([1.0] * 9, Rule(seconds=0)) == 2


@pytest.mark.parametrize(("epoch", "warm"), [(2.0, 3), (0.1, 6), (0.01, 50)])
def test_first_call_is_warm_up(epoch, warm):
    """The slow first epoch is none of those by which steadiness is seen, nor of those that count."""
    series = [epoch + 3] + [epoch] * 200
    end = steady_after(series, RULE)
    assert end == warm  # a single one does not move the median of many
    assert max(series[end:]) == epoch


def test_slow_approach_ends_where_halves_agree():
    """Falling by 30 % an epoch, then flat: steady after the fall, not within it."""
    series = [10 * 0.7**k for k in range(8)] + [10 * 0.7**8] * 30
    end = steady_after(series, RULE)
    assert 9 <= end <= 11
    assert all(s == series[-1] for s in series[end:])


def test_what_grows_all_the_time_is_never_steady():
    assert steady_after([1.2**k for k in range(60)], RULE) is None
    assert steady_after([1.0, 2.0] * 30, RULE) is None  # nor what swings


def test_single_outliers_do_not_matter_among_many_epochs():
    series = np.full(300, 0.01)
    series[::17] = 0.05
    end = steady_after(list(series), RULE)
    assert end is not None and end <= 60


def test_noise_below_the_tolerance_is_steady_and_the_result_is_its_median():
    generator = np.random.default_rng(0)
    series = [3.0, *(1 + 0.02 * generator.normal(size=400))]
    end = steady_after(series, RULE)
    assert end <= 4
    assert abs(np.median(series[end:]) - 1) < 0.005


def test_enough_is_three_epochs_and_half_a_second_after_that(clock):
    assert measured(clock, [1.0] * 9) == 5
    assert measured(clock, [0.125] * 99) == 8
    assert measured(clock, [3.0] + [0.4] * 99) == 6
    assert measured(clock, []) is None


def test_one_disturbed_epoch_does_not_move_the_result(clock):
    """Of two epochs that count it would: their median is their mean."""
    series = [3.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0]
    count = measured(clock, series)
    end = steady_after(series[:count], RULE)
    assert 2.0 in series[end:count] and np.median(series[end:count]) == 1


def test_gives_up_in_the_end(clock):
    growing = [1.2**k for k in range(60)]
    assert 10 < measured(clock, growing) < 20  # a minute
    swinging = Rule(tolerance=0.001, seconds=1e9, most_epochs=1000)
    assert measured(clock, [0.01, 0.02] * 600, swinging) == 1000


def test_a_long_first_call_does_not_use_up_the_time(clock):
    """PyTorch compiles a recurrence of 100 time steps for 80 seconds."""
    assert measured(clock, [80.0] + [1.0] * 9) == 6


@pytest.mark.parametrize("seed", range(5))
def test_ends_by_the_rule_that_is_read_off_the_series_afterwards(clock, seed):
    generator = np.random.default_rng(seed)
    series = [1.0, *(0.05 * np.exp(0.1 * generator.normal(size=500)))]
    count = measured(clock, series)
    end = steady_after(series[:count], RULE)
    assert end and sum(series[end:count]) >= 0.5 > sum(series[end : count - 1])


def test_clock_is_read_after_the_device_is_done_and_stands_while_it_thinks(clock, monkeypatch):
    def synchronise():
        clock[0] += 5.0  # what the device still has to do

    def think(*_):
        clock[0] += 100.0
        return False

    monkeypatch.setattr(Stopwatch, "_enough", think)
    watch = Stopwatch(synchronise, RULE)
    watch.start()
    for _ in range(4):
        clock[0] += 1.0
        assert not watch(1, 0.5)
    assert watch.seconds == [6.0] * 4
