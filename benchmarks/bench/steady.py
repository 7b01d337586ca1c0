"""When warm-up is over, and when enough has been measured after it.

The rule is stated before anything is measured, and the epochs by which steadiness is seen are not
among those that count: else one would choose one's samples by their looks (Georges, Buytaert &
Eeckhout 2007, section 3.2; Barrett et al. 2017 on how often programs never get steady).
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Training is steady once its latest epochs take as long as those just before.

    The latest epochs are as many as last `seconds` together, two at least; the older and the newer
    half of them must have medians that differ by `tolerance` at most.
    """

    tolerance: float = 0.1
    """Largest relative difference."""

    seconds: float = 0.25
    """Seconds that the latest epochs last at least; so do those that count, afterwards."""

    epochs: int = 3
    """Epochs that count at least: the median of two is their mean, which one of them can spoil."""

    most_seconds: float = 60.0
    """Seconds of epochs after which a training that is not steady is given up; the first one, in
    which is compiled, may take longer."""

    most_epochs: int = 10_000
    """Epochs, likewise."""


def steady_after(seconds: Sequence[float], rule: Rule) -> int | None:
    """The number of epochs after which training is steady; None if it never is."""
    return next((end for end in range(len(seconds) + 1) if is_steady(seconds[:end], rule)), None)


def is_steady(seconds: Sequence[float], rule: Rule) -> bool:
    """The latest of these epochs take as long as those just before."""
    pace = statistics.median(seconds[-5:]) if seconds else 0.0
    count = max(2, math.ceil(rule.seconds / pace)) if pace else 2
    if count > len(seconds):
        return False
    latest = seconds[-count:]
    older, newer = (
        statistics.median(half) for half in (latest[: count // 2], latest[count // 2 :])
    )
    return abs(newer - older) <= rule.tolerance * older


class Stopwatch:
    """Takes the time of every epoch, from the call of a way to train on.

    It is what `progress` is given: one clock, outside, for every twin and tier. Its own work, after
    an epoch, is not in the time of the next.
    """

    def __init__(self, synchronise: Callable[[], None], rule: Rule | None = None) -> None:
        self._synchronise, self._rule = synchronise, rule
        self._begin, self._steady = 0.0, 0
        self.seconds: list[float] = []
        """Of every epoch; the first one with what comes before it: building, tracing, compiling."""

    def start(self) -> None:
        """The clock runs from here."""
        self._synchronise()
        self._begin = time.perf_counter()

    def end(self) -> float:
        """Seconds since the last epoch: what the way to train does after it."""
        self._synchronise()
        return time.perf_counter() - self._begin

    def __call__(self, *_: float) -> bool:
        """An epoch is over; True ends the training."""
        self._synchronise()
        self.seconds.append(time.perf_counter() - self._begin)
        enough = self._enough()
        self._begin = time.perf_counter()
        return enough

    def _enough(self) -> bool:
        """Enough is measured after warm-up, or there is no more time for it."""
        rule, done = self._rule, len(self.seconds)
        if rule is None:
            return False
        if done >= rule.most_epochs or sum(self.seconds[1:]) >= rule.most_seconds:
            return True
        if not self._steady:
            self._steady = done if is_steady(self.seconds, rule) else 0
            return False
        counted = self.seconds[self._steady :]
        return len(counted) >= rule.epochs and sum(counted) >= rule.seconds
