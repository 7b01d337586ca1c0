"""Tables that hold one cell against another: twins, ways to train, a default flipped, itself."""

import itertools
import math
import statistics
from dataclasses import replace

from attention_twins.tables import Table
from attention_twins.twins import title
from benchmarks.bench.cells import Workload, told_apart
from benchmarks.bench.costs import (
    TUTORIAL_EPOCHS,
    Line,
    base,
    cold,
    cost,
    in_all,
    lines_of,
    measured,
    pairs,
    ratio,
    steady,
    usual,
    workloads,
)
from benchmarks.bench.records import Record
from benchmarks.bench.switches import SWITCHES
from benchmarks.common.statistics import interval
from benchmarks.common.tables import short


def twins_table(record: Record, workload: Workload) -> Table:
    """Twin against twin, tier by tier."""
    columns = ("tier", "way to train", "one", "the other", "one takes times as long", "faster")
    lines = []
    for one, other in pairs(measured(record)):
        if one.workload == workload and one.twin != other.twin:
            found = ratio(record, one, other)
            if found.value < 1:
                one, other, found = other, one, ratio(record, other, one)
            shown = found.doubt or other.twin
            lines.append([one.tier, one.name, one.twin, other.twin, str(found), shown])
    lines.sort(key=lambda line: line[:2])
    return Table(f"Twins against each other: {workload.title}", columns, lines, left=4)


def null_table(record: Record, workload: Workload) -> Table:
    """Cells that were measured as if they were two."""
    columns = ("twin", "way to train", "itself, times as long", "verdict")
    lines = []
    for one, other in pairs(measured(record)):
        if one.workload == workload and other.copy:
            found = ratio(record, one, other)
            shown = found.doubt or "a difference where there is none"
            lines.append([title(one.twin), one.name, str(found), shown])
    return Table(f"A cell against itself: {workload.title}", columns, lines)


def break_even_table(record: Record, workload: Workload) -> Table:
    """From how many epochs on another way has taken less time in all.

    Many starts at once are held against as many trainings one after the other, whose first call
    is paid for once: the least that they can take.
    """
    columns = ("twin", "instead of", "train by", "pays after epochs", "from a cold cache")
    lines = []
    own = [c for c in measured(record) if c.workload == workload and not c.copy]
    for one, other in itertools.permutations(own, 2):
        if one.twin == other.twin and one.tier < other.tier:
            found = ratio(record, one, other)
            times = other.starts // one.starts
            ways = [_break_even(times, usual(record, one), usual(record, other))]
            if cold(record, one) or cold(record, other):
                firsts = [cold(record, cell) or usual(record, cell) for cell in (one, other)]
                ways.append(_break_even(times, *firsts))
            if found.known and found.has_one:
                ways = [found.doubt]
            lines.append([one.twin, one.name, other.name, *ways, *[""] * (2 - len(ways))])
    return Table(f"Break-even: {workload.title}", columns, lines, left=3)


def _break_even(times: int, ones: list[Line], others: list[Line]) -> str:
    """Epochs from which on the other way has taken less than so many trainings of the one."""
    (zero_one, epoch_one), (zero_other, epoch_other) = (
        [statistics.median(in_all(line, 0) for line in lines)]
        + [statistics.median(in_all(line, 1) - in_all(line, 0) for line in lines)]
        for lines in (ones, others)
    )
    saved = times * epoch_one - epoch_other
    if saved <= 0:
        return "never"
    return short(max(1.0, math.ceil((zero_other - zero_one) / saved)))


def networks_table(record: Record) -> Table:
    """Several networks, a line for each twin: what a step costs by `fit`, and how much less else.

    What all settings have in common stands above the table.
    """
    cells = [cell for cell in measured(record) if not cell.switch and not cell.copy]
    plain = [cell for cell in cells if cell.way == "fit"]
    if len({cell.model for cell in plain}) < 2:
        return Table("", (), [])
    common, names = told_apart([cell.workload for cell in plain])
    ways = list(dict.fromkeys(cell.name for cell in cells if cell.way != "fit"))
    columns = ["network", "twin", "fit, µs per step"]
    for way in ways:
        columns += [f"{way}, µs per step and start", "times faster than own fit"]
    lines = []
    for one, name in zip(plain, names, strict=True):
        line = [name, one.twin, str(cost(record, one))]
        for way in ways:
            found = [cell for cell in cells if cell.name == way and base(cell) == one]
            line += [str(f) for c in found for f in (cost(record, c), ratio(record, one, c))]
            line += ["", ""] * (not found)
        lines.append(line)
    lines.sort(key=lambda line: line[0])
    return Table(f"Network by network: {common}", tuple(columns), lines)


def growth_table(record: Record) -> Table:
    """Whole trainings of more and more starts; and whether a further start always costs as much."""
    columns = ("twin", "starts", "seconds in all", "ms per further start")
    lines = []
    many = [cell for cell in measured(record) if cell.way == "fit_many" and not cell.copy]
    for _, group in itertools.groupby(many, key=lambda c: replace(c, starts=1)):
        cells = sorted(group, key=lambda c: c.starts)
        if len(cells) > 2:
            seconds = [
                statistics.median(in_all(line, TUTORIAL_EPOCHS) for line in usual(record, cell))
                for cell in cells
            ]
            further = [
                (seconds[i + 1] - seconds[i]) / (cells[i + 1].starts - cells[i].starts) * 1e3
                for i in range(len(cells) - 1)
            ]
            starts = " ".join(f"{cell.starts:,}" for cell in cells)
            lines.append(
                [cells[0].twin, starts, *(" ".join(map(short, x)) for x in (seconds, further))]
            )
    return Table(f"More starts, {TUTORIAL_EPOCHS} epochs", columns, lines, left=1)


def drift_table(record: Record) -> Table:
    """Whether an epoch becomes slower the longer a training lasts."""
    ratio_of = "last third of the epochs over the first"
    columns = ("twin", "way to train", "steps in all", ratio_of, "verdict")
    lines = []
    for cell in measured(record):
        if cell.way == "fit_compiled" and cell.workload == workloads(record)[0] and not cell.copy:
            found = interval([_last_over_first(line) for line in lines_of(record, cell)])
            steps = min(len(line["seconds"]) for line in lines_of(record, cell))
            steps *= cell.steps_in_epoch
            lines.append([cell.twin, cell.name, f"{steps:,}", str(found), found.doubt])
    return Table("Longer trainings", columns, lines)


def _last_over_first(line: Line) -> float:
    """The median of the last third of the epochs that count over that of the first."""
    seconds = steady(line)
    third = max(1, len(seconds) // 3)
    return statistics.median(seconds[-third:]) / statistics.median(seconds[:third])


def ledger_table(record: Record) -> Table:
    """What it costs to flip a default."""
    columns = ("twin", "flipped", "costs times as much", "verdict")
    lines, cells = [], measured(record)
    for cell in cells:
        switch = SWITCHES.get(cell.switch)
        if cell.copy or (switch is None and cell.threads == 1):
            continue
        plain = replace(cell, switch="", threads=1)
        if plain in cells:
            found = ratio(record, cell, plain)
            what = switch.what if switch else f"{cell.threads} threads instead of 1"
            where = "" if cell.way == "fit" else f"{cell.name.split(',')[0]}: "
            shown = found.doubt or ("it costs" if found.value > 1 else "it gains")
            lines.append([cell.twin, where + what, str(found), shown])
    return Table("What a default costs or gains when it is flipped", columns, lines)
