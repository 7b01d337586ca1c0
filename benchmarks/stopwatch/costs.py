"""What the lines of a record say of each cell: costs, and ratios of costs."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.stopwatch.cells import Cell, Setting
from benchmarks.stopwatch.intervals import Interval, interval, paired
from benchmarks.stopwatch.records import Record, grid_of

Line = dict[str, Any]


def lines_of(record: Record, cell: Cell) -> list[Line]:
    """The lines of a cell that count: not failed, not on a busy machine."""
    return [line for line in record.of(cell) if not line["failed"] and not line["machine"]["busy"]]


def measured(record: Record) -> list[Cell]:
    """The cells that have lines that count, in the order of the grid."""
    return [cell for cell in grid_of(record.plan).cells if lines_of(record, cell)]


def settings(record: Record) -> list[Setting]:
    """What was trained on what, in the order of the grid."""
    return list(dict.fromkeys(cell.setting for cell in measured(record)))


def steady(line: Line) -> list[float]:
    """Seconds of the epochs that count."""
    return line["seconds"][line["steady_after"] :]


def microseconds(line: Line) -> float:
    """Microseconds per training step and start, by the median epoch."""
    return epoch_seconds(line) / line["cell"].steps_in_epoch / line["together"] * 1e6


def epoch_seconds(line: Line) -> float:
    """Seconds of an epoch of what is trained together."""
    return statistics.median(steady(line))


def first_call(line: Line) -> float:
    """Seconds that the first epoch took longer than a steady one: building, tracing, compiling."""
    return max(0.0, line["seconds"][0] - epoch_seconds(line))


def by_block(
    record: Record, cell: Cell, of: Callable[[Line], float] = microseconds
) -> dict[int, float]:
    """Block → `of` its line."""
    return {line["block"]: of(line) for line in lines_of(record, cell)}


def cost(record: Record, cell: Cell) -> Interval:
    """Microseconds per training step and start."""
    return interval(list(by_block(record, cell).values()))


def ratio(record: Record, one: Cell, other: Cell) -> Interval:
    """How many times as long the one takes, within blocks."""
    return paired(by_block(record, one), by_block(record, other))


def base(cell: Cell) -> Cell:
    """The same twin's plain `fit`; of the floor itself."""
    if cell.way == "floor":
        return replace(cell, copy=0)
    return replace(cell, way="fit", switch="", starts=1, copy=0)


def floor_of(cell: Cell) -> Cell:
    """The scalar loop on the same."""
    own = {"twin": "scalar loop", "way": "floor", "switch": "", "starts": 1, "copy": 0}
    return replace(cell, **own, device="cpu", threads=1)


def ratios(record: Record) -> dict[tuple[str, str], Interval]:
    """Every ratio that the tables state: of what to what → interval."""
    cells, found = measured(record), {}
    for cell in cells:
        for other in (base(cell), floor_of(cell)):
            if other != cell and other in cells and not cell.copy:
                found[cell.key, other.key] = ratio(record, cell, other)
    for one, other in pairs(cells):
        found[one.key, other.key] = ratio(record, one, other)
    return found


def failures(record: Record) -> dict[Cell, str]:
    """Cells that have no line that counts because their processes failed → why."""
    found = {}
    for cell in grid_of(record.plan).cells:
        said = [line["failed"] for line in record.of(cell)]
        if said and all(said):
            found[cell] = said[-1]
    return found


def pairs(cells: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Two twins in the same way, and copies of one."""
    found = []
    for one, other in itertools.combinations([c for c in cells if not c.switch], 2):
        if vars(one) | {"twin": other.twin} == vars(other) and not one.copy:
            found.append((one, other))
    for cell in cells:
        if cell.copy and replace(cell, copy=0) in cells:
            found.append((replace(cell, copy=0), cell))
    return found
