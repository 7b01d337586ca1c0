"""What a record of `python -m benchmarks.speed` says, in tables and a figure."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rich.box
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

Sample = dict[str, Any]

COLUMNS = [
    "twin",
    "way to train",
    "µs per step\nand start",
    "times faster\nthan its fit",
    "times the\nfloor",
    "compile s,\ncold",
    "compile s,\nwarm",
    "pays after\nsteps",
]

LINEAR_COLUMNS = ["twin", "what grows", "sizes", "seconds", "exponent"]

MEMORY_COLUMNS = ["twin", "way to train", "imported, MiB", "peak, MiB", "more, MiB"]

COLOURS = {
    "Keras/tensorflow": "#c1272d",
    "Keras/jax": "#0a6ebd",
    "Keras/torch": "#3a7d44",
    "PyTorch": "#d9822b",
}


def show(record: dict[str, Any]) -> None:
    """Print the tables, and what was not measured."""
    console = Console()
    console = Console(width=max(150, console.width))
    for title, columns, lines in tables(record):
        console.print(f"\n{title}")
        table = Table(box=rich.box.SIMPLE, show_edge=False, pad_edge=False)
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i < 2 else "right", no_wrap=True)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    for name, why in record["failures"].items():
        console.print(f"{name}: not measured: {why}", style="red", markup=False, soft_wrap=True)


def tables(record: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and lines of each table."""
    return [
        ("Cost of a training step", COLUMNS, cost_lines(record)),
        ("Growth: seconds are proportional to size ** exponent", LINEAR_COLUMNS, growth(record)),
        ("Memory", MEMORY_COLUMNS, memory_lines(record)),
    ]


def cost_lines(record: dict[str, Any]) -> list[list[str]]:
    """A line for each cell, twin by twin."""
    cells = by_cell(record)
    floor = cells.get(("scalar loop", "floor"))
    lines = []
    for (twin, name), samples in cells.items():
        plain = cells.get((twin, "fit"))
        compile_seconds = {sample["round"]: sample["compile_seconds"] for sample in samples}
        warm = [seconds for number, seconds in compile_seconds.items() if number]
        pays = ""
        if plain and name.startswith("fit_compiled"):
            saved = paired(plain, samples, lambda a, b: a["microseconds"] - b["microseconds"])
            if 0 in compile_seconds and saved and statistics.median(saved) > 0:
                pays = f"{compile_seconds[0] / statistics.median(saved) * 1e6:,.0f}"
        lines.append(
            [
                twin,
                name,
                spread([sample["microseconds"] for sample in samples]),
                spread(ratios(plain, samples)) if plain and name != "fit" else "",
                spread(ratios(samples, floor)) if floor and name != "floor" else "",
                f"{compile_seconds[0]:.1f}" if compile_seconds.get(0) else "",
                f"{statistics.median(warm):.1f}" if any(warm) else "",
                pays,
            ]
        )
    return lines


def growth(record: dict[str, Any]) -> list[list[str]]:
    """How seconds grow with steps and with starts."""
    lines = []
    cells = by_cell(record)
    for (twin, name), samples in cells.items():
        if name == "fit_compiled":
            sizes = [10, 30, 90]
            seconds = [
                statistics.median(sum(s["seconds"][:size]) for s in samples) for size in sizes
            ]
            lines.append(_growth_line(twin, "steps", [size * 826 for size in sizes], seconds))
    for twin in COLOURS:
        many = {
            samples[0]["starts"]: statistics.median(
                s["microseconds"] * s["starts"] / 1e6 * 826 for s in samples
            )
            for (owner, name), samples in cells.items()
            if owner == twin and name.startswith("fit_many")
        }
        if len(many) > 2:
            many = dict(sorted(many.items()))
            lines.append(_growth_line(twin, "starts, for an epoch", [*many], [*many.values()]))
    return lines


def _growth_line(twin: str, what: str, sizes: list[int], seconds: list[float]) -> list[str]:
    """The exponent is the slope of a line through the points on two logarithmic axes."""
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    shown = " ".join(f"{second:.3f}" for second in seconds)
    return [twin, what, " ".join(f"{size:,}" for size in sizes), shown, f"{exponent:.2f}"]


def memory_lines(record: dict[str, Any]) -> list[list[str]]:
    """Peak memory of the largest trainings."""
    lines = []
    for (twin, name), samples in by_cell(record).items():
        if name in ("fit", "fit_many, 1,000 starts"):
            imported, peak = (
                statistics.median(s[key] for s in samples) for key in ("imported_mib", "peak_mib")
            )
            lines.append(
                [twin, name, f"{imported:,.0f}", f"{peak:,.0f}", f"{peak - imported:,.0f}"]
            )
    return lines


def by_cell(record: dict[str, Any]) -> dict[tuple[str, str], list[Sample]]:
    """Twin and name → its samples, in the order of the table."""
    ways = ("floor", "fit", "fit_compiled", "fit_many")
    ordered = sorted(
        record["samples"],
        key=lambda s: (
            [*COLOURS].index(s["twin"]) if s["twin"] in COLOURS else -1,
            ways.index(s["way"]),
            s["one_kernel"],
            s["starts"],
            s["round"],
        ),
    )
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in ordered:
        found.setdefault((sample["twin"], sample["name"]), []).append(sample)
    return found


def paired(
    one: list[Sample], other: list[Sample], of: Callable[[Sample, Sample], float]
) -> list[float]:
    """`of` two samples of the same round, for every round that has both."""
    others = {sample["round"]: sample for sample in other}
    return [of(s, others[s["round"]]) for s in one if s["round"] in others]


def ratios(one: list[Sample], other: list[Sample]) -> list[float]:
    """How many times as long the one takes."""
    return paired(one, other, lambda a, b: a["microseconds"] / b["microseconds"])


def spread(values: list[float]) -> str:
    """Median and range."""
    if not values:
        return ""
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{short(median)} ({short(low)}–{short(high)})" if len(values) > 1 else short(median)


def short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def save_costs(record: dict[str, Any], path: Path) -> None:
    """Draw the cost of a step by each way, every round a dot, with the floor as a line."""
    cells = by_cell(record)
    names = list(dict.fromkeys(name for twin, name in cells if twin in COLOURS))
    names.sort(key=lambda name: (name != "fit", name.startswith("fit_many"), "," not in name))
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for offset, (twin, colour) in enumerate(COLOURS.items()):
        label: str | None = twin
        for row, name in enumerate(names):
            for sample in cells.get((twin, name), []):
                place = row + (offset - 1.5) * 0.16
                axes.plot(sample["microseconds"], place, "o", ms=4, color=colour, label=label)
                label = None
    for sample in cells.get(("scalar loop", "floor"), [])[:1]:
        axes.axvline(sample["microseconds"], color="0.4", ls=":", label="floor: one scalar loop")
    axes.set(xscale="log", xlabel="µs per training step and start (each dot a process)")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", lw=0.3)
    figure.legend(frameon=False, fontsize="small", loc="outside lower center", ncols=5)
    figure.savefig(path, dpi=150)
