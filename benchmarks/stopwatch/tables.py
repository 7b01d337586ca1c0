"""Every table of a record, computed from its raw samples."""

import itertools
import math
import statistics
from dataclasses import replace
from typing import Any

from benchmarks.sheets import Table, short
from benchmarks.stopwatch.cells import Setting
from benchmarks.stopwatch.costs import (
    Line,
    base,
    changes,
    cold,
    cost,
    epoch_seconds,
    failures,
    first_call,
    floor_of,
    in_all,
    lines_of,
    measured,
    pairs,
    ratio,
    settings,
    steady,
    usual,
)
from benchmarks.stopwatch.intervals import Interval, interval
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


def tables(record: Record) -> list[Table]:
    """All that a record has to say, in the order of reading."""
    found = []
    for setting in settings(record):
        found += [_costs(record, setting), _twins(record, setting), _null(record, setting)]
        found += [_pays(record, setting), _memory(record, setting)]
    found += [
        _growth(record),
        _drift(record),
        _ledger(record),
        _failures(record),
        _left_out(record),
    ]
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
        "first call s",
        "nothing kept",
        "ms between starts",
        "30 epochs s",
        "nothing kept, 30 epochs s",
        "s to the loss",
        "n",
    )
    cells, lines = measured(record), []
    own = [cell for cell in cells if cell.setting == setting and not cell.copy]
    own = [cell for cell in own if cell.tier != "L"]
    for cell in sorted(own, key=lambda c: (c.tier, cost(record, c).median)):
        found = cost(record, cell)
        plain, floor = base(cell), floor_of(cell)
        warm, first = usual(record, cell), cold(record, cell)
        tutorial = vars(cell) | TUTORIAL == vars(cell)
        to_loss = record.plan["target"]["epochs"] if cell.way != "fit_many" else None
        faster = ratio(record, plain, cell) if plain in cells and plain != cell else None
        times = ratio(record, cell, floor) if floor in cells and floor != cell else None
        count = len(record.of(cell))
        lines.append(
            [
                cell.tier,
                cell.twin,
                cell.name,
                shown(found),
                short(cell.batch_size / found.median * 1e6),
                shown(faster) if faster else "",
                shown(times) if times else "",
                _first_call(warm),
                _first_call(first),
                _between(warm),
                _in_all(warm, TUTORIAL_EPOCHS) if tutorial else "",
                _in_all(first, TUTORIAL_EPOCHS) if tutorial else "",
                _in_all(warm, to_loss) if tutorial and to_loss else "",
                str(found.n) if found.n == count else f"{found.n} of {count}",
            ]
        )
    return Table(f"Cost of a training step: {setting.name}", columns, lines, left=3)


def _first_call(lines: list[Line]) -> str:
    """Seconds of it; it cannot be told from an epoch's ups and downs where it is within them."""
    if not lines:
        return ""
    seconds = statistics.median(map(first_call, lines))
    ups = max(max(steady(line)) - min(steady(line)) for line in lines)
    return short(seconds) if seconds > ups else f"< {short(ups)}"


def _between(lines: list[Line]) -> str:
    """Milliseconds per start between two chunks of starts."""
    found = [statistics.median(changes(line)) / line["together"] for line in lines if changes(line)]
    return short(statistics.median(found) * 1e3) if found else ""


def _in_all(lines: list[Line], epochs: int) -> str:
    """Seconds of a whole training."""
    return short(statistics.median(in_all(line, epochs) for line in lines)) if lines else ""


def _twins(record: Record, setting: Setting) -> Table:
    columns = ("tier", "way to train", "one", "the other", "one takes times as long", "faster")
    lines = []
    for one, other in pairs(measured(record)):
        if one.setting == setting and one.twin != other.twin:
            found = ratio(record, one, other)
            if found.median < 1:
                one, other, found = other, one, ratio(record, other, one)
            so = verdict(found) or other.twin
            lines.append([one.tier, one.name, one.twin, other.twin, shown(found), so])
    lines.sort(key=lambda line: line[:2])
    return Table(f"Twins against each other: {setting.name}", columns, lines, left=4)


def verdict(found: Interval) -> str:
    """Why a ratio of two costs shows no difference; empty if it shows one."""
    if not found.known:
        return f"n = {found.n}: too few to say"
    return "no difference shown" if found.has_one else ""


def _null(record: Record, setting: Setting) -> Table:
    columns = ("twin", "way to train", "itself, times as long", "so")
    lines = []
    for one, other in pairs(measured(record)):
        if one.setting == setting and other.copy:
            found = ratio(record, one, other)
            so = verdict(found) or "a difference where there is none"
            lines.append([one.twin, one.name, shown(found), so])
    return Table(f"A cell against itself: {setting.name}", columns, lines)


def _pays(record: Record, setting: Setting) -> Table:
    columns = ("twin", "instead of", "train by", "pays after epochs", "if nothing is kept")
    lines = []
    own = [c for c in measured(record) if c.setting == setting and not c.copy and c.tier in "ABC"]
    for one, other in itertools.permutations(own, 2):
        if one.twin == other.twin and one.tier < other.tier:
            found = ratio(record, one, other)
            ways = [_break_even(usual(record, one), usual(record, other))]
            if cold(record, one) or cold(record, other):
                firsts = [cold(record, cell) or usual(record, cell) for cell in (one, other)]
                ways.append(_break_even(*firsts))
            if found.known and found.has_one:
                ways = [verdict(found)]
            lines.append([one.twin, one.name, other.name, *ways, *[""] * (2 - len(ways))])
    return Table(f"Break-even: {setting.name}", columns, lines, left=3)


def _break_even(ones: list[Line], others: list[Line]) -> str:
    """Epochs from which on the other way has taken less time in all, from call to return."""
    (zero_one, epoch_one), (zero_other, epoch_other) = (
        [statistics.median(in_all(line, 0) for line in lines)]
        + [statistics.median(epoch_seconds(line) for line in lines)]
        for lines in (ones, others)
    )
    if epoch_other >= epoch_one:
        return "never"
    return short(max(1.0, math.ceil((zero_other - zero_one) / (epoch_one - epoch_other))))


def _memory(record: Record, setting: Setting) -> Table:
    columns = ("twin", "way to train", "before, MiB", "peak, MiB", "more, MiB", "device, MiB")
    lines = []
    for cell in measured(record):
        if cell.setting == setting and not cell.copy and not cell.switch:
            medians = [
                statistics.median(line[key] for line in lines_of(record, cell))
                for key in ("before_mib", "peak_mib")
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


def _drift(record: Record) -> Table:
    """Whether an epoch becomes slower the longer a training lasts."""
    columns = (
        "twin",
        "way to train",
        "steps in all",
        "last third of the epochs over the first",
        "so",
    )
    lines = []
    for cell in measured(record):
        if cell.way == "fit_compiled" and cell.setting == settings(record)[0] and not cell.copy:
            found = interval([_last_over_first(line) for line in lines_of(record, cell)])
            steps = min(len(line["seconds"]) for line in lines_of(record, cell))
            steps *= cell.steps_in_epoch
            lines.append([cell.twin, cell.name, f"{steps:,}", shown(found), verdict(found)])
    return Table("Longer trainings", columns, lines)


def _last_over_first(line: Line) -> float:
    """The median of the last third of the epochs that count over that of the first."""
    seconds = steady(line)
    third = max(1, len(seconds) // 3)
    return statistics.median(seconds[-third:]) / statistics.median(seconds[:third])


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
            so = verdict(found) or ("it costs" if found.median > 1 else "it gains")
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
        "taken within blocks. `nothing kept`: the one process that found nothing compiled by an "
        "earlier one.",
        "A cell of many starts: seconds are those of all of them; `ms between starts` is what "
        "lies between chunks of starts, and not in the cost of a step.",
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
