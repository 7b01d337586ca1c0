"""The scaling law: what of a step is overhead and what is work, and from which size on who wins."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.optimize import nnls

from attention_twins.tables import Table
from attention_twins.twins import title
from benchmarks.bench.cells import Cell
from benchmarks.bench.costs import by_block, measured, ratio
from benchmarks.bench.records import Record
from benchmarks.common.statistics import FEWEST, Interval, bootstrap, interval, widened
from benchmarks.common.tables import short
from shared.weights import weight_shapes

AXES = ("units", "batch_size", "time_steps")

FEWEST_SIZES = 5
"""Sizes from which on a law of three terms is fitted."""

DRAWS = 999
"""Of the bootstrap."""


@dataclass(frozen=True)
class Crossing:
    """Where on an axis one way becomes faster than another."""

    axis: str
    small: Cell
    """The one that wins below."""

    large: Cell
    at: Interval
    """Size, over the blocks in which there is one crossing."""

    blocks: int
    """Blocks that have both."""


@cache
def work(cell: Cell) -> float:
    """Multiplications of a step's forward pass by weights, and of the context by alpha.

    For a recurrent layer and the tutorial's attention; of other networks an approximation.
    """
    config = cell.model_config
    steps = {"dense": 1, "attention": config.states, "decoder": cell.horizon}
    total = config.units * config.states * config.attends
    for name, shape in weight_shapes(config).items():
        layer, variable = name.split("/")
        if variable not in ("bias", "b", "log_scale"):
            total += math.prod(shape) * (steps.get(layer, cell.time_steps))
    return cell.batch_size * total


def alone(cell: Cell) -> Cell:
    """The same at the smallest size."""
    return replace(cell, units=2, batch_size=1, time_steps=20)


def families(record: Record) -> dict[Cell, list[Cell]]:
    """Cells that differ in size only, by the smallest, where there are sizes enough."""
    families: dict[Cell, list[Cell]] = {}
    for cell in measured(record):
        if not cell.copy:
            families.setdefault(alone(cell), []).append(cell)
    return {own: cells for own, cells in families.items() if len(cells) >= FEWEST_SIZES}


def fitted(sizes: list[Cell], microseconds: list[float]) -> tuple[float, float, float]:
    """Overhead of a step (µs), of a time step (µs), and of a multiplication (ns), none negative.

    The sum of the squared relative errors is the smallest.
    """
    terms = np.array([[1.0, cell.time_steps, work(cell) / 1000] for cell in sizes])
    times = np.array(microseconds)
    (a, b, c), _ = nnls(terms / times[:, None], np.ones(len(times)))
    return float(a), float(b), float(c)


def law_of(cells: list[Cell], costs: list[list[float]]) -> list[Interval]:
    """The three terms that fit the medians, with intervals by a bootstrap of every cell's costs."""
    point, n = fitted(cells, [float(np.median(values)) for values in costs]), min(map(len, costs))
    if n < FEWEST:
        return [Interval(term, math.nan, math.nan, n) for term in point]

    def terms(*samples: np.ndarray, axis: int) -> np.ndarray:
        medians = np.transpose([np.median(sample, axis=axis) for sample in samples])
        return np.transpose([fitted(cells, drawn) for drawn in medians.tolist()])

    drawn = bootstrap(terms, *costs, resamples=DRAWS).bootstrap_distribution
    tail = (1 - widened(n)) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=-1)
    return [Interval(*term, n) for term in zip(point, low.tolist(), high.tolist(), strict=True)]


def law_table(record: Record) -> Table:
    """Overhead and work of every twin and way, with their intervals."""
    columns = (
        *("twin", "way to train", "µs per step", "µs per time step", "ns per multiplication"),
        *("largest error", "sizes", "n"),
    )
    lines, owners = [], families(record)
    planned = [alone(cell) for cell in record.grid.cells if not cell.copy]
    for own, cells in owners.items():
        costs = [list(by_block(record, cell).values()) for cell in cells]
        terms = law_of(cells, costs)
        a, c, b = (term.value for term in terms)
        errors = [
            abs((a + c * cell.time_steps + b * work(cell) / 1000) / np.median(values) - 1)
            for cell, values in zip(cells, costs, strict=True)
        ]
        name = label(own, owners, named=False)
        sizes = f"{len(cells)} of {planned.count(own)}"
        line = [
            title(own.twin),
            name,
            *map(str, terms),
            f"{max(errors):.0%}",
            sizes,
            str(terms[0].n),
        ]
        lines.append(line)
    return Table("Law: step = overhead + time steps + work", columns, lines)


def label(own: Cell, owners: Iterable[Cell], named: bool = True) -> str:
    """What tells a family from the others, in words; the twin first, if it is to be named."""
    parts = [f"{title(own.twin)} {own.name}" if named else own.name]
    for field in ("model", "device", "threads", "dtype"):
        if len({getattr(other, field) for other in owners}) > 1:
            unit = " threads" if field == "threads" else ""
            parts.append(f"{getattr(own, field)}{unit}")
    return ", ".join(parts)


def crossing_table(record: Record) -> Table:
    """From which size on who wins."""
    columns = ("axis", "faster below", "faster above", "from", "blocks that cross once")
    owners = families(record)
    lines = [
        [
            crossing.axis,
            label(crossing.small, owners),
            label(crossing.large, owners),
            str(crossing.at),
            f"{crossing.at.n} of {crossing.blocks}",
        ]
        for crossing in crossings(record)
    ]
    return Table("Crossovers", columns, lines, left=3)


def crossings(record: Record) -> Iterator[Crossing]:
    """All pairs of ways that change places on an axis, beyond doubt.

    At the smallest size the one is faster and at the largest the other, each by an interval that
    excludes 1; and in enough blocks for an interval the curves cross exactly once.
    """
    owners = families(record)
    for (one, ones), (other, others) in itertools.combinations(owners.items(), 2):
        if (one.model, one.dtype) != (other.model, other.dtype):
            continue
        for axis in AXES:
            curves = [on_axis(own, cells, axis) for own, cells in ((one, ones), (other, others))]
            sizes = sorted(curves[0].keys() & curves[1].keys())
            if len(sizes) < 3:
                continue
            first, last = (
                ratio(record, *(curve[size] for curve in curves)) for size in (sizes[0], sizes[-1])
            )
            if first.has_one or last.has_one or (first.value > 1) == (last.value > 1):
                continue
            tables: list[list[dict[int, float]]] = [
                [by_block(record, curve[size]) for size in sizes] for curve in curves
            ]
            blocks = sorted(set.intersection(*(set(cost) for t in tables for cost in t)))
            places = [
                crossing(
                    sizes, [math.log(a[block] / b[block]) for a, b in zip(*tables, strict=True)]
                )
                for block in blocks
            ]
            once = [place for place in places if place is not None]
            if len(once) >= FEWEST:
                small, large = (one, other) if first.value < 1 else (other, one)
                yield Crossing(axis, small, large, interval(once), len(blocks))


def on_axis(own: Cell, cells: list[Cell], axis: str) -> dict[int, Cell]:
    """Size on an axis → the cell that has it, and the smallest size in all else."""
    return {
        getattr(cell, axis): cell
        for cell in cells
        if replace(cell, **{axis: getattr(own, axis)}) == own
    }


def crossing(sizes: list[int], gap: list[float]) -> float | None:
    """Where a curve through (log size, gap) is 0, if it changes its sign exactly once."""
    changes = [i for i in range(len(gap) - 1) if (gap[i] > 0) != (gap[i + 1] > 0)]
    if len(changes) != 1:
        return None
    (i,) = changes
    x, y = (math.log(size) for size in sizes[i : i + 2])
    return math.exp(x + (y - x) * gap[i] / (gap[i] - gap[i + 1]))


def described(crossing: Crossing) -> str:
    """A crossing in a few words."""
    return f"{crossing.axis.replace('_', ' ')} {short(crossing.at.value)}"


def law_tables(record: Record) -> list[Table]:
    """The tables that have lines."""
    return [table for table in (law_table(record), crossing_table(record)) if table.lines]
