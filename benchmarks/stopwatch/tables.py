"""Every table of a record, computed from its raw samples."""

import itertools
import math
import statistics
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.stopwatch.cells import Cell, Setting
from benchmarks.stopwatch.costs import (
    base,
    cost,
    epoch_seconds,
    failures,
    first_call,
    floor_of,
    lines_of,
    measured,
    pairs,
    ratio,
    settings,
    steady,
)
from benchmarks.stopwatch.intervals import Interval
from benchmarks.stopwatch.records import Record, grid_of
from benchmarks.stopwatch.switches import SWITCHES, TIERS
from shared.results import finite

TUTORIAL = {
    "model": "rnn_with_attention",
    "units": 2,
    "batch_size": 1,
    "time_steps": 20,
    "steps": 0,
}
TUTORIAL_EPOCHS = 30


@dataclass(frozen=True)
class Table:
    """What stands above a table, its head, its lines."""

    title: str
    columns: tuple[str, ...]
    lines: list[list[str]]
    left: int = 2
    """Columns that are text."""


def tables(record: Record) -> list[Table]:
    """All that a record has to say, in the order of reading."""
    found = []
    for setting in settings(record):
        found += [_costs(record, setting), _twins(record, setting), _null(record, setting)]
        found += [_pays(record, setting), _memory(record, setting)]
    found += [_growth(record), _ledger(record), _failures(record), _left_out(record)]
    return [trimmed(table) for table in found if table.lines]


def trimmed(table: Table) -> Table:
    """Without the columns that are empty."""
    kept = [i for i in range(len(table.columns)) if any(line[i] for line in table.lines)]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in kept),
        lines=[[line[i] for i in kept] for line in table.lines],
        left=sum(i < table.left for i in kept),
    )


def _costs(record: Record, setting: Setting) -> Table:
    columns = (
        "tier",
        "twin",
        "way to train",
        "µs per step and start",
        "samples per s",
        "times faster than its fit",
        "times the floor",
        "first call s, cold",
        "warm",
        "30 epochs s",
        "s to the loss",
        "n",
    )
    cells, lines = measured(record), []
    own = [cell for cell in cells if cell.setting == setting and not cell.copy]
    own = [cell for cell in own if cell.tier != "L"]
    for cell in sorted(own, key=lambda c: (c.tier, cost(record, c).median)):
        found = cost(record, cell)
        plain, floor = base(cell), floor_of(cell)
        calls = {
            cold: [first_call(x) for x in lines_of(record, cell) if x["cold"] == cold]
            for cold in (True, False)
        }
        tutorial = vars(cell) | TUTORIAL == vars(cell) and cell.way != "fit_many"
        faster = ratio(record, plain, cell) if plain in cells and plain != cell else None
        times = ratio(record, cell, floor) if floor in cells and floor != cell else None
        lines.append(
            [
                cell.tier,
                cell.twin,
                cell.name,
                shown(found),
                short(cell.batch_size / found.median * 1e6),
                shown(faster) if faster else "",
                shown(times) if times else "",
                *(short(statistics.median(calls[key])) if calls[key] else "" for key in calls),
                *(
                    _in_all(record, cell, epochs) if tutorial and epochs else ""
                    for epochs in (TUTORIAL_EPOCHS, record.plan["target"]["epochs"])
                ),
                str(found.n),
            ]
        )
    return Table(f"Cost of a training step: {setting.name}", columns, lines, left=3)


def _in_all(record: Record, cell: Cell, epochs: int) -> str:
    """Seconds of a training, with its first call."""
    lines = lines_of(record, cell)
    return short(statistics.median(first_call(x) + epochs * epoch_seconds(x) for x in lines))


def _twins(record: Record, setting: Setting) -> Table:
    columns = ("tier", "way to train", "one", "the other", "takes times as long", "so")
    lines = []
    for one, other in pairs(measured(record)):
        if one.setting == setting and one.twin != other.twin:
            found = ratio(record, one, other)
            if found.median < 1:
                one, other, found = other, one, ratio(record, other, one)
            lines.append([one.tier, one.name, one.twin, other.twin, shown(found), verdict(found)])
    lines.sort(key=lambda line: line[:2])
    return Table(f"Twins against each other: {setting.name}", columns, lines, left=4)


def verdict(found: Interval) -> str:
    """What a ratio of two costs shows."""
    if not found.known:
        return f"n = {found.n}: too few to say"
    return "no difference shown" if found.has_one else "the other is faster"


def _null(record: Record, setting: Setting) -> Table:
    columns = ("twin", "way to train", "itself, times as long", "so")
    lines = []
    for one, other in pairs(measured(record)):
        if one.setting == setting and other.copy:
            found = ratio(record, one, other)
            so = "a difference where there is none" if found.known and not found.has_one else ""
            lines.append([one.twin, one.name, shown(found), so or verdict(found)])
    return Table(f"A cell against itself: {setting.name}", columns, lines)


def _pays(record: Record, setting: Setting) -> Table:
    columns = ("twin", "instead of", "train by", "pays after epochs", "cold")
    lines = []
    own = [c for c in measured(record) if c.setting == setting and not c.copy and c.tier in "ABC"]
    for one, other in itertools.permutations(own, 2):
        if one.twin == other.twin and one.tier < other.tier:
            warm, cold = (_break_even(record, one, other, cold) for cold in (False, True))
            if warm or cold:
                lines.append([one.twin, one.name, other.name, warm, cold])
    return Table(f"Break-even: {setting.name}", columns, lines, left=3)


def _break_even(record: Record, one: Cell, other: Cell, cold: bool) -> str:
    """Epochs from which on the other way has taken less time in all, first call included."""
    seconds = []
    for cell in (one, other):
        lines = [line for line in lines_of(record, cell) if line["cold"] == cold]
        if not lines:
            return ""
        seconds.append([statistics.median(map(of, lines)) for of in (first_call, epoch_seconds)])
    (first_one, epoch_one), (first_other, epoch_other) = seconds
    if epoch_other >= epoch_one:
        return "never"
    return short(max(1.0, math.ceil((first_other - first_one) / (epoch_one - epoch_other))))


def _memory(record: Record, setting: Setting) -> Table:
    columns = ("twin", "way to train", "after import, MiB", "peak, MiB", "more, MiB", "device, MiB")
    lines = []
    for cell in measured(record):
        if cell.setting == setting and not cell.copy and not cell.switch:
            medians = [
                statistics.median(line[key] for line in lines_of(record, cell))
                for key in ("imported_mib", "peak_mib")
            ]
            device = [line["device_mib"] for line in lines_of(record, cell) if line["device_mib"]]
            lines.append(
                [
                    cell.twin,
                    cell.name,
                    *(f"{value:,.0f}" for value in (*medians, medians[1] - medians[0])),
                    f"{statistics.median(device):,.0f}" if device else "",
                ]
            )
    return Table(f"Memory: {setting.name}", columns, lines)


def _growth(record: Record) -> Table:
    columns = ("twin", "what grows", "sizes", "seconds", "exponent")
    lines = []
    for cell in measured(record):
        if cell.way == "fit_compiled" and not cell.switch and not cell.copy:
            most = min(len(steady(line)) for line in lines_of(record, cell)) // 9 * 9
            if most:
                sizes = [most // 9, most // 3, most]
                seconds = [
                    statistics.median(sum(steady(line)[:size]) for line in lines_of(record, cell))
                    for size in sizes
                ]
                sizes = [size * cell.steps_in_epoch for size in sizes]
                lines.append(_growth_line(cell, "training steps", sizes, seconds))
    many = [cell for cell in measured(record) if cell.way == "fit_many" and not cell.copy]
    for _, group in itertools.groupby(many, key=lambda c: replace(c, starts=1)):
        cells = sorted(group, key=lambda c: c.starts)
        if len(cells) > 2:
            seconds = [cost(record, c).median * c.starts * c.steps_in_epoch / 1e6 for c in cells]
            sizes = [c.starts for c in cells]
            lines.append(_growth_line(cells[0], "starts, for an epoch", sizes, seconds))
    return Table("Growth: seconds are proportional to size ** exponent", columns, lines, left=3)


def _growth_line(cell: Cell, what: str, sizes: list[int], seconds: list[float]) -> list[str]:
    """The exponent is the slope of a line through the points on two logarithmic axes."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    exponent = statistics.linear_regression(x, y).slope
    shown_seconds = " ".join(f"{second:.3g}" for second in seconds)
    return [cell.twin, what, " ".join(f"{n:,}" for n in sizes), shown_seconds, f"{exponent:.2f}"]


def _ledger(record: Record) -> Table:
    columns = ("twin", "flipped", "costs times as much", "so")
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
            so = "no difference shown" if found.has_one else ""
            so = so or ("it costs" if found.median > 1 else "it gains")
            so = so if found.known else verdict(found)
            lines.append([cell.twin, where + what, shown(found), so])
    return Table("What a default costs or gains when it is flipped", columns, lines)


def _failures(record: Record) -> Table:
    columns = ("twin", "way to train", "setting", "failed")
    lines = [[c.twin, c.name, c.setting.name, why] for c, why in failures(record).items()]
    return Table("Not measured", columns, lines, left=4)


def _left_out(record: Record) -> Table:
    """How many lines do not count, and why."""
    lines = []
    for what, of in (
        ("busy machine", lambda x: x["machine"]["busy"]),
        ("failed", lambda x: x["failed"]),
    ):
        found = [line for line in record.samples if of(line)]
        blocks = sorted({line["block"] + 1 for line in found})
        if found:
            count = f"{len(found)} of {len(record.samples)}"
            lines.append([what, count, " ".join(map(str, blocks))])
    return Table("Processes that do not count", ("because", "how many", "in blocks"), lines)


def shown(found: Interval) -> str:
    """Median and interval."""
    if not found.known:
        return short(found.median)
    return f"{short(found.median)} [{short(found.low)}, {short(found.high)}]"


def short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_rows(record: Record) -> list[dict[str, Any]]:
    """Every cell as a row of plain values, for programs."""
    rows = []
    for cell in grid_of(record.plan).cells:
        found = cost(record, cell)
        rows.append(
            vars(cell)
            | {"tier": cell.tier, "failed": failures(record).get(cell, "")}
            | {"microseconds": found.median, "low": found.low, "high": found.high, "n": found.n}
        )
    return [finite(row) for row in rows]


def notes(record: Record) -> list[str]:
    """What must be said under the tables."""
    target, machine = record.plan["target"], record.plan["machine"]
    found = [
        "Medians over processes; in brackets 95 % intervals, where n is large enough. Ratios are "
        "taken within blocks.",
        "Tiers: " + "; ".join(f"{key} {what}" for key, what in TIERS.items()) + ".",
    ]
    if target["epochs"]:
        reached = f"{target['loss']:.3g}, first reached in epoch {target['epochs']}"
        found.append(f"The loss is {reached} of the tutorial's training.")
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    if "processor" in machine:
        found.append(f"{machine['processor']}, {machine['cores']} cores; {versions}.")
    if any(line.get("proof", {}).get("cuDNN") for line in record.samples):
        found.append("Not like for like: on a GPU PyTorch's nn.RNN is one kernel of cuDNN's.")
    if record.end:
        found.append(record.end["said"] + ".")
    return found
