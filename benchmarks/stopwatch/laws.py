"""The scaling law: what of a step is overhead and what is work, and from which size on who wins."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from benchmarks.stopwatch.cells import Cell
from benchmarks.stopwatch.costs import by_block, measured
from benchmarks.stopwatch.intervals import Interval, interval
from benchmarks.stopwatch.records import Record
from benchmarks.stopwatch.tables import Table, short, shown

AXES = ("units", "batch_size", "time_steps")

FEWEST_SIZES = 5
"""Sizes from which on a law of three terms is fitted."""


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


def work(cell: Cell) -> float:
    """Multiplications of a step's forward pass: recurrence, scores, context, output."""
    attention = 2 * cell.units if "attention" in cell.model else 0
    in_time = cell.units * (cell.units + 1) + attention
    return cell.batch_size * (cell.time_steps * in_time + cell.units)


def families(record: Record) -> dict[Cell, list[Cell]]:
    """Cells that differ in size only, by the smallest, where there are sizes enough."""
    found: dict[Cell, list[Cell]] = {}
    for cell in measured(record):
        if not cell.copy:
            own = replace(cell, units=2, batch_size=1, time_steps=20)
            found.setdefault(own, []).append(cell)
    return {own: cells for own, cells in found.items() if len(cells) >= FEWEST_SIZES}


def fitted(sizes: list[Cell], microseconds: list[float]) -> tuple[float, float, float]:
    """Overhead of a step (µs), of a time step (µs), and of a multiplication (ns), none negative.

    The sum of the squared relative errors is the smallest.
    """
    terms = np.array([[1.0, cell.time_steps, work(cell) / 1000] for cell in sizes])
    times = np.array(microseconds)
    found, _ = nnls(terms / times[:, None], np.ones(len(times)))
    return float(found[0]), float(found[1]), float(found[2])


def law_table(record: Record) -> Table:
    """Overhead and work of every twin and way, with their intervals over blocks."""
    columns = (
        "twin",
        "way to train",
        "µs per step",
        "µs per time step",
        "ns per multiplication",
        "largest error",
        "sizes",
    )
    lines = []
    for own, cells in families(record).items():
        costs = {cell: by_block(record, cell) for cell in cells}
        blocks = sorted(set.intersection(*(set(cost) for cost in costs.values())))
        if not blocks:
            continue
        fits = [fitted(cells, [costs[cell][block] for cell in cells]) for block in blocks]
        terms = [interval(values) for values in zip(*fits, strict=True)]
        errors = []
        for cell in cells:
            a, c, b = (term.median for term in terms)
            law = a + c * cell.time_steps + b * work(cell) / 1000
            errors.append(abs(law / float(np.median(list(costs[cell].values()))) - 1))
        line = [own.twin, own.name, *map(shown, terms), f"{max(errors):.0%}", str(len(cells))]
        lines.append(line)
    return Table("Law: step = overhead + time steps + work", columns, lines)


def crossing_table(record: Record) -> Table:
    """From which size on who wins."""
    columns = ("axis", "faster below", "faster above", "from", "blocks that cross once")
    lines = [
        [
            found.axis,
            f"{found.small.twin} {found.small.name}",
            f"{found.large.twin} {found.large.name}",
            shown(found.at),
            f"{found.at.n} of {found.blocks}",
        ]
        for found in crossings(record)
    ]
    return Table("Crossovers", columns, lines, left=3)


def crossings(record: Record) -> Iterator[Crossing]:
    """All pairs of ways that change places once on an axis, in most blocks."""
    owners = families(record)
    for (one, ones), (other, others) in itertools.combinations(owners.items(), 2):
        for axis in AXES:
            curves = [on_axis(own, cells, axis) for own, cells in ((one, ones), (other, others))]
            sizes = sorted(curves[0].keys() & curves[1].keys())
            if len(sizes) < 3:
                continue
            tables: list[list[dict[int, float]]] = [
                [by_block(record, curve[size]) for size in sizes] for curve in curves
            ]
            blocks = sorted(set.intersection(*(set(cost) for t in tables for cost in t)))
            places, signs = [], []
            for block in blocks:
                gap = [
                    math.log(a[block] / b[block]) for a, b in zip(tables[0], tables[1], strict=True)
                ]
                place = crossing(sizes, gap)
                if place is not None:
                    places.append(place)
                    signs.append(gap[-1] > 0)
            if len(places) > len(blocks) / 2:
                small, large = (one, other) if sum(signs) > len(signs) / 2 else (other, one)
                yield Crossing(axis, small, large, interval(places), len(blocks))


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


def described(found: Crossing) -> str:
    """A crossing in a few words."""
    return f"{found.axis.replace('_', ' ')} {short(found.at.median)}"


def law_tables(record: Record) -> list[Table]:
    """The tables that have lines."""
    return [table for table in (law_table(record), crossing_table(record)) if table.lines]
