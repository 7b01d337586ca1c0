"""Every table of a record, computed from its raw samples."""

import statistics
from dataclasses import replace
from typing import Any

from attention_twins.provenance import finite
from attention_twins.tables import Table
from attention_twins.twins import title
from benchmarks.bench.cells import LONGEST, Workload
from benchmarks.bench.comparisons import (
    break_even_table,
    drift_table,
    growth_table,
    ledger_table,
    networks_table,
    null_table,
    twins_table,
)
from benchmarks.bench.costs import (
    TUTORIAL_EPOCHS,
    Line,
    base,
    changes,
    cold,
    cost,
    failures,
    first_call,
    in_all,
    lines_of,
    measured,
    ratio,
    scalar_limit_of,
    steady,
    usual,
    workloads,
)
from benchmarks.bench.records import Record
from benchmarks.bench.switches import TIERS
from benchmarks.common.tables import short

TUTORIAL = {
    "model": "rnn_with_attention",
    "data": "fibonacci",
    "units": 2,
    "batch_size": 1,
    "time_steps": 20,
    "horizon": 1,
    "learning_rate": 1e-3,
    "steps": 0,
}


def bench_tables(record: Record) -> list[Table]:
    """All that a record has to say, in the order of reading."""
    found = []
    for workload in workloads(record):
        found += [_costs(record, workload), twins_table(record, workload)]
        found += [null_table(record, workload), break_even_table(record, workload)]
        found.append(_memory(record, workload))
    return [*kept(found), *tables_of_all(record)]


def tables_of_all(record: Record) -> list[Table]:
    """What a record has to say of all its settings together."""
    found = [
        networks_table(record),
        growth_table(record),
        drift_table(record),
        ledger_table(record),
        _failures(record),
        _left_out(record),
    ]
    return kept(found)


def kept(found: list[Table]) -> list[Table]:
    """Those that have lines, without their empty columns."""
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


def _costs(record: Record, workload: Workload) -> Table:
    cells, rows = measured(record), []
    own = [cell for cell in cells if cell.workload == workload and not cell.copy]
    own = [cell for cell in own if cell.tier != "L"]
    for cell in sorted(own, key=lambda c: (c.tier, cost(record, c).value)):
        microseconds = cost(record, cell)
        plain, limit = base(cell), scalar_limit_of(cell)
        warm, first = usual(record, cell), cold(record, cell)
        tutorial = vars(cell) | TUTORIAL == vars(cell)
        to_loss = record.plan["target"]["epochs"] if cell.way != "fit_many" else None
        faster = ratio(record, plain, cell) if plain in cells and plain != cell else ""
        times = ratio(record, cell, limit) if limit in cells and limit != cell else ""
        n, count = microseconds.n, len(record.of(cell))
        rows.append(
            {
                "tier": cell.tier,
                "twin": title(cell.twin),
                "way to train": cell.name,
                "µs per step and start": str(microseconds),
                "samples per s": short(cell.batch_size / microseconds.value * 1e6),
                "times faster than own fit": str(faster),
                "times the scalar limit": str(times),
                "first call s": _first_call(warm),
                "cold cache": _first_call(first),
                "ms between starts": _between(warm),
                "30 epochs s": _in_all(warm, TUTORIAL_EPOCHS) if tutorial else "",
                "cold cache, 30 epochs s": _in_all(first, TUTORIAL_EPOCHS) if tutorial else "",
                "s to the loss": _in_all(warm, to_loss) if tutorial and to_loss else "",
                "n": str(n) if n == count else f"{n} of {count}",
            }
        )
    columns = tuple(rows[0]) if rows else ()
    lines = [[*row.values()] for row in rows]
    return Table(f"Cost of a training step: {workload.title}", columns, lines, left=3)


def _first_call(lines: list[Line]) -> str:
    """Seconds of it; it cannot be separated from an epoch's variation where it is within that."""
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


def _memory(record: Record, workload: Workload) -> Table:
    columns = ("twin", "way to train", "before, MiB", "peak, MiB", "more, MiB", "device, MiB")
    lines = []
    for cell in measured(record):
        if cell.workload == workload and not cell.copy and cell.tier != "L":
            own = lines_of(record, cell)
            before, peak = (
                statistics.median(line[key] for line in own) for key in ("before_mib", "peak_mib")
            )
            device = [line["device_mib"] for line in own if line["device_mib"]]
            numbers = [f"{value:,.0f}" for value in (before, peak, peak - before)]
            numbers.append(f"{statistics.median(device):,.0f}" if device else "")
            lines.append([title(cell.twin), cell.name, *numbers])
    return Table(f"Memory: {workload.title}", columns, lines)


def _failures(record: Record) -> Table:
    columns = ("twin", "way to train", "setting", "failed")
    lines = [[title(c.twin), c.name, c.workload.title, why] for c, why in failures(record).items()]
    return Table("Not measured", columns, lines, left=4)


def _left_out(record: Record) -> Table:
    """How many lines do not count, and why."""
    places: dict[tuple[str, str], list[int]] = {}
    for line in record.samples:
        cell, reason = line["cell"], line["failed"] or line["machine"]["busy"] and "busy machine"
        if reason:
            what = f"{title(cell.twin)} {cell.name}" if line["failed"] else ""
            places.setdefault((reason, what), []).append(line["block"] + 1)
    count = len(record.samples)
    lines = [
        [*key, f"{len(blocks)} of {count}", " ".join(map(str, sorted({*blocks})))]
        for key, blocks in places.items()
    ]
    columns = ("because", "cell", "how many", "in blocks")
    return Table("Processes that do not count", columns, lines)


def as_rows(record: Record) -> list[dict[str, Any]]:
    """Every cell as a row of plain values, for programs."""
    rows = []
    for cell in record.grid.cells:
        found, warm = cost(record, cell), usual(record, cell)
        rows.append(
            cell.as_dict()
            | {"tier": cell.tier, "failed": failures(record).get(cell, "")}
            | {"microseconds": found.value, "low": found.low, "high": found.high, "n": found.n}
            | {"samples_per_second": cell.batch_size / found.value * 1e6}
            | {"first_call_seconds": statistics.median(map(first_call, warm)) if warm else None}
            | {"peak_mib": statistics.median(x["peak_mib"] for x in warm) if warm else None}
        )
    return [finite(row) for row in rows]


def bench_notes(record: Record) -> list[str]:
    """What must be said under the tables."""
    target, machine = record.plan["target"], record.plan["machine"]
    found = [
        "Medians over processes; in brackets 95 % intervals, where n is large enough. Ratios are "
        "taken within blocks. `cold cache`: the one process that found nothing compiled by an "
        "earlier one.",
        "A cell of many starts: seconds are those of all of them; `ms between starts` is what "
        "lies between chunks of starts, and not in the cost of a step.",
        "Tiers: " + "; ".join(f"{key} {what}" for key, what in TIERS.items()) + ".",
    ]
    if target["epochs"]:
        reached = f"{target['loss']:.3g}, first reached in epoch {target['epochs']}"
        found.append(f"The loss is {reached} of the tutorial's training.")
    else:
        found.append(f"The loss of {target['loss']:.3g} is not reached in {LONGEST} epochs.")
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)
    if "processor" in machine:
        found.append(f"{machine['processor']}, {machine['cores']} cores; {versions}.")
    if any(line.get("proof", {}).get("cuDNN") for line in record.samples):
        found.append("Not like for like: on a GPU PyTorch's nn.RNN is one kernel of cuDNN's.")
    if record.end:
        blocks = 1 + max(line["block"] for line in record.samples)
        most = record.plan["grid"]["most_blocks"]
        found.append(f"{blocks} blocks, {most} at most; {record.end['said']}.")
    return found
