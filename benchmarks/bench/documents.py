"""What the documents say of time, from the records of `twins bench`."""

from collections.abc import Iterable
from pathlib import Path

from attention_twins.tables import Table
from benchmarks.bench.audit import agreement
from benchmarks.bench.costs import ratios
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import law_tables
from benchmarks.bench.tables import bench_notes, bench_tables
from benchmarks.bench.views import save
from benchmarks.common.tables import as_markdown, titled

BENCH = "results/bench/cpu"
BEFORE = "results/bench/cpu-before"
LEDGER = "results/bench/ledger"
NETWORKS = "results/bench/family"
FULL = "results/bench/full"

NEAR = 1.05
"""Two ratios are near when neither is larger than the other by this factor."""

SHORT = (
    *("tier", "twin", "way to train", "µs per step and start"),
    *("times faster than own fit", "30 epochs s"),
)
"""Columns of the table in the README."""


def redraw_bench(root: Path) -> None:
    """Make tables and figures of every record anew."""
    for folder in (BENCH, BEFORE, NETWORKS, LEDGER, FULL):
        save(Record.read(root / folder))


def bench_blocks(root: Path) -> dict[str, dict[str, str]]:
    """Document → name of a block → what stands in it."""
    bench = Record.read(root / BENCH)
    return {
        "README.md": {"speed": short_speed_block(bench)},
        "docs/speed.md": {
            "speed": speed_block(bench),
            "again": again_block(bench, Record.read(root / BEFORE)),
            "networks": networks_block(Record.read(root / NETWORKS)),
            "ledger": ledger_block(Record.read(root / LEDGER)),
            "scaling": scaling_block(Record.read(root / FULL)),
        },
    }


def speed_block(record: Record) -> str:
    """All tables of what each way to train costs, the figures, the conditions."""
    figures = {
        "Cost of a training step": f"![Cost of a training step](../{BENCH}/steps.png)",
        "Break-even": f"![Seconds in all against epochs](../{BENCH}/break_even.png)",
    }
    parts = []
    for table in bench_tables(record):
        parts += [figure for title, figure in figures.items() if table.title.startswith(title)]
        parts.append(titled(table))
    return "\n\n".join([*parts, *bench_notes(record), f"Record: [{BENCH}](../{BENCH})."])


def short_speed_block(record: Record) -> str:
    """The figure, how much faster each twin gets, a cell against itself."""
    costs, null = chosen(record, "Cost of a training step", "A cell against itself")
    places = [costs.columns.index(column) for column in SHORT]
    lines = [[line[i] for i in places] for line in costs.lines]
    return "\n\n".join(
        [
            f"![Cost of a training step]({BENCH}/steps.png)",
            f"Cost of a training step of {costs.title.removeprefix('Cost of a training step: ')}:",
            as_markdown(Table("", SHORT, lines, left=3)),
            "A cell measured twice, as if it were two:",
            as_markdown(null),
            " ".join(bench_notes(record)),
            f"Record: [{BENCH}]({BENCH}).",
        ]
    )


def again_block(first: Record, second: Record) -> str:
    """Whether the same measurement has come out the same."""
    agree, count = agreement(first, second)
    one, other = ratios(first), ratios(second)
    both = one.keys() & other.keys()
    near = sum(1 / NEAR <= other[key].value / one[key].value <= NEAR for key in both)
    commits = [record.plan["machine"]["commit"] for record in (first, second)]
    return (
        f"The same cells had been measured before, in processes, blocks and an order of their own "
        f"([{BEFORE}](../{BEFORE}), commit {commits[1]}; this one is of {commits[0]}): of {count} "
        f"ratios whose intervals are known both times, {agree} have intervals that overlap; of "
        f"{len(both)} ratios, {near} came out within {NEAR - 1:.0%} of each other."
    )


def ledger_block(record: Record) -> str:
    """What each default costs or gains, and a cell against itself."""
    found = chosen(record, "What a default", "A cell against itself", "Not measured", "Processes")
    count = sum(len(t.lines) for t in found if t.title.startswith("What a default"))
    chance = (
        f"Read with care: of {count} lines with 95 % intervals about {count * 0.05:.0f} would show "
        "a difference where there is none. Where Keras/tensorflow's intervals are wide, some "
        "of its processes wait in every step, and others do not."
    )
    return _block(record, "", [*map(titled, found), chance], f"Record: [{LEDGER}](../{LEDGER}).")


def networks_block(record: Record) -> str:
    """What the other networks cost, and how much faster each twin gets."""
    found = chosen(record, "Network by network", "A cell against itself", "Not meas", "Processes")
    figure = f"![Cost of a training step, network by network](../{NETWORKS}/steps.png)"
    more = f"Every table: [{NETWORKS}/tables.md](../{NETWORKS}/tables.md)."
    return _block(record, figure, map(titled, found), more)


def scaling_block(record: Record) -> str:
    """The law and the crossovers."""
    others = chosen(record, "A cell against itself", "Not measured", "Processes")
    figure = f"![Cost of a step against size](../{FULL}/scaling.png)"
    more = f"Every size: [{FULL}/tables.md](../{FULL}/tables.md)."
    return _block(record, figure, map(titled, [*law_tables(record), *others]), more)


def _block(record: Record, figure: str, parts: Iterable[str], more: str) -> str:
    """A figure if there is one, tables and sentences, machine and blocks, where there is more."""
    return "\n\n".join([*[figure] * bool(figure), *parts, *bench_notes(record)[-2:], more])


def chosen(record: Record, *titles: str) -> list[Table]:
    """The tables whose titles begin so."""
    return [table for table in bench_tables(record) if table.title.startswith(titles)]
