"""What the lines of a record say of each cell: costs, and ratios of costs."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import replace

from attention_twins.twins import SCALAR_LIMIT
from benchmarks.bench.cells import MANY_EPOCHS, Cell, Workload
from benchmarks.bench.records import Record
from benchmarks.common.journal import Line
from benchmarks.common.statistics import Interval, interval, paired
from shared.config import TUTORIAL_MODELS

TUTORIAL_EPOCHS = 30


def lines_of(record: Record, cell: Cell) -> list[Line]:
    """The lines of a cell that count: not failed, not on a busy machine."""
    return [line for line in record.of(cell) if not line["failed"] and not line["machine"]["busy"]]


def measured(record: Record) -> list[Cell]:
    """The cells that have lines that count, in the order of the grid."""
    return [cell for cell in record.grid.cells if lines_of(record, cell)]


def workloads(record: Record) -> list[Workload]:
    """What was trained on what, in the order of the grid."""
    return list(dict.fromkeys(cell.workload for cell in measured(record)))


def steady(line: Line) -> list[float]:
    """Seconds of the epochs that count; of many seeds not the first of a chunk: see `changes`."""
    many = line["cell"].way == "fit_many"
    return [
        seconds
        for epoch, seconds in enumerate(line["seconds"])
        if epoch >= line["steady_after"] and not (many and epoch % MANY_EPOCHS == 0)
    ]


def microseconds(line: Line) -> float:
    """Microseconds per training step and seed, by the median epoch."""
    return epoch_seconds(line) / line["cell"].steps_in_epoch / line["together"] * 1e6


def epoch_seconds(line: Line) -> float:
    """Seconds of an epoch of what is trained together."""
    return statistics.median(steady(line))


def first_call(line: Line) -> float:
    """Seconds that the first epoch took longer than a steady one: building, tracing, compiling.

    It may come out negative where an epoch is long, and there is next to nothing to do.
    """
    return line["seconds"][0] - epoch_seconds(line)


def changes(line: Line) -> list[float]:
    """Seconds between each two chunks of seeds: results of the one, weights of the next."""
    firsts = line["seconds"][MANY_EPOCHS::MANY_EPOCHS] if line["cell"].way == "fit_many" else []
    return [seconds - epoch_seconds(line) for seconds in firsts]


def in_all(line: Line, epochs: int) -> float:
    """Seconds of a whole training of so many epochs, from the call to its return."""
    chunks = -(-line["cell"].starts // line["together"])
    around = first_call(line) + sum(changes(line)) + line["ending"]
    return around + chunks * epochs * epoch_seconds(line)


def usual(record: Record, cell: Cell) -> list[Line]:
    """The lines of processes that found what an earlier one had compiled, if a cell keeps that."""
    lines = lines_of(record, cell)
    return [x for x in lines if not x["cold"]] or lines if cell.keeps else lines


def cold(record: Record, cell: Cell) -> list[Line]:
    """The lines of processes that found nothing compiled, though the cell keeps that."""
    return [line for line in lines_of(record, cell) if line["cold"] and cell.keeps]


def by_block(
    record: Record, cell: Cell, of: Callable[[Line], float] = microseconds
) -> dict[int, float]:
    """Block → `of` its line."""
    return {line["block"]: of(line) for line in lines_of(record, cell)}


def cost(record: Record, cell: Cell) -> Interval:
    """Microseconds per training step and seed."""
    return interval(list(by_block(record, cell).values()))


def ratio(record: Record, one: Cell, other: Cell) -> Interval:
    """How many times as long the one takes, within blocks."""
    return paired(by_block(record, one), by_block(record, other))


def base(cell: Cell) -> Cell:
    """The same twin's plain `fit`; of the scalar limit itself."""
    if cell.way == "floor":
        return replace(cell, copy=0)
    return replace(cell, way="fit", switch="", starts=1, copy=0)


def scalar_limit_of(cell: Cell) -> Cell | None:
    """The scalar limit on the same, if it knows the network."""
    if cell.model not in TUTORIAL_MODELS:
        return None
    loop = {"twin": SCALAR_LIMIT.name, "way": "floor", "switch": "", "starts": 1, "copy": 0}
    return replace(cell, **loop, device="cpu", threads=1)


def ratios(record: Record) -> dict[tuple[str, str], Interval]:
    """Every ratio that the tables state: of what to what → interval."""
    cells, stated = measured(record), []
    for cell in cells:
        for other in (base(cell), scalar_limit_of(cell)):
            if other and other != cell and other in cells and not cell.copy:
                stated.append((cell, other))
    stated += pairs(cells)
    return {(one.key, other.key): ratio(record, one, other) for one, other in stated}


def failures(record: Record) -> dict[Cell, str]:
    """Cells that were tried and have no line that counts → why."""
    reasons = {}
    for cell in record.grid.cells:
        lines = record.of(cell)
        if lines and not lines_of(record, cell):
            failed = [line["failed"] for line in lines if line["failed"]]
            busy = f"the machine was busy each time: {lines[-1]['machine']['busy']}"
            reasons[cell] = failed[-1] if failed else busy
    return reasons


def pairs(cells: list[Cell]) -> list[tuple[Cell, Cell]]:
    """Cells to compare directly: two twins that train the same way; a cell and its copy."""
    compared = []
    for one, other in itertools.combinations([c for c in cells if not c.switch], 2):
        if vars(one) | {"twin": other.twin} == vars(other) and not one.copy:
            compared.append((one, other))
    for cell in cells:
        if cell.copy and replace(cell, copy=0) in cells:
            compared.append((replace(cell, copy=0), cell))
    return compared
