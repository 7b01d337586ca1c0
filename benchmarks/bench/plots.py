"""The figures of a record, each as SVG and PNG."""

import itertools
import statistics

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_twins.figures import panels
from attention_twins.twins import SCALAR_LIMIT, TWIN_OF
from benchmarks.bench.cells import Cell, told_apart
from benchmarks.bench.costs import (
    by_block,
    cost,
    in_all,
    measured,
    scalar_limit_of,
    usual,
)
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import AXES, crossings, described, families, label, on_axis
from benchmarks.bench.switches import TIERS, WAYS
from benchmarks.common.figures import DASHES, Figures, shades

WAY_DASHES = dict(zip(WAYS, DASHES, strict=False))
"""Way to train → line style."""


def networks(record: Record, tiers: str) -> list[list[Cell]]:
    """Of each network the cells of its first setting that has any in these tiers, no copies."""
    found: dict[str, list[Cell]] = {}
    for cell in measured(record):
        if cell.tier in tiers and not cell.copy:
            own = found.setdefault(cell.model, [])
            if not own or own[0].workload == cell.workload:
                own.append(cell)
    return [*found.values()]


def steps_figure(record: Record) -> Figure | None:
    """Cost of a step by each way, tier by tier, every process a dot; a network a panel."""
    owners = networks(record, "ABCD")
    if not owners:
        return None
    alone = len(owners) == 1
    height = 1.4 + 0.24 * max(map(len, owners))
    figure, axes_of = panels(len(owners), 8 if alone else 6.25, height, across=2, sharex=True)
    common, names = told_apart([cells[0].workload for cells in owners])
    for axes, cells, name in zip(axes_of, owners, names, strict=True):
        _draw_steps(axes, record, cells)
        axes.set_title(name or common, fontsize=8)
    tiers = sorted({cell.tier for cells in owners for cell in cells})
    heads = [" · ".join(f"{key}: {TIERS[key]}" for key in tiers), common]
    figure.suptitle("\n".join(heads[: len(heads) - alone]), fontsize=8)
    figure.supxlabel("µs per training step and start (each dot a process)", fontsize="medium")
    return figure


def _draw_steps(axes: Axes, record: Record, cells: list[Cell]) -> None:
    """One network: a line for each cell; the scalar limit as a line."""
    cells = sorted(cells, key=lambda cell: (cell.tier, cost(record, cell).value))
    for row, cell in enumerate(cells):
        values = list(by_block(record, cell).values())
        twin = TWIN_OF[cell.twin]
        dots, rows = twin.marker, [row] * len(values)
        axes.plot(values, rows, ls="", marker=dots, ms=4, alpha=0.6, color=twin.colour)
        found = cost(record, cell)
        if found.known:
            axes.plot([found.low, found.high], [row, row], lw=2, color=twin.colour)
    for row in range(1, len(cells)):
        if cells[row].tier != cells[row - 1].tier:
            axes.axhline(row - 0.5, color="0.8", lw=0.8)
    floor = scalar_limit_of(cells[0])
    if floor in measured(record):
        limit = cost(record, floor).value
        axes.axvline(limit, label=SCALAR_LIMIT.title, **SCALAR_LIMIT.style)
        axes.legend(frameon=False, fontsize="small", loc="lower right")
    labels = [f"{cell.tier}   {cell.twin}  {cell.name}" for cell in cells]
    axes.set_yticks(range(len(cells)), labels, fontsize="small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.grid(axis="x", which="both", lw=0.3)


def break_even_figure(record: Record) -> Figure | None:
    """Seconds in all against epochs, from call to return; a panel for each network and twin."""
    owners = [own for own in networks(record, "ABC") if any(cell.tier in "BC" for cell in own)]
    if not owners:
        return None
    twins = list(dict.fromkeys(cell.twin for own in owners for cell in own))
    across = len(twins) * min(len(owners), max(1, 4 // len(twins)))
    count = len(owners) * len(twins)
    figure, axes_of = panels(count, 2.6, 3.2, across, sharex=True, sharey=True)
    epochs = [1, 2, 5, 10, 30, 100, 300, 1000]
    for axes, (own, twin) in zip(axes_of, itertools.product(owners, twins), strict=True):
        cells = [cell for cell in own if cell.twin == twin]
        colours = shades(TWIN_OF[twin].colour, len(cells))
        for cell, colour, dash in zip(cells, colours, itertools.cycle(DASHES)):
            lines = usual(record, cell)
            seconds = [statistics.median(in_all(line, n) for line in lines) for n in epochs]
            axes.plot(epochs, seconds, label=cell.name, color=colour, ls=dash, lw=1.5)
        axes.axvline(30, color="0.8", lw=0.8)
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"{own[0].model}\n{twin}", fontsize="small")
        axes.grid(which="major", lw=0.3)
        if axes.lines[:-1]:
            axes.legend(frameon=False, fontsize=6.5)
    figure.supxlabel("epochs", fontsize="medium")
    figure.supylabel("seconds in all", fontsize="medium")
    return figure


def scaling_figure(record: Record) -> Figure | None:
    """Cost of a step against size, an axis a panel; crossovers as crosses."""
    owners, marks = families(record), list(crossings(record))
    if not owners:
        return None
    figure = Figure(figsize=(11, 5), layout="constrained")
    for panel, axis in zip(figure.subplots(1, len(AXES), sharey=True), AXES, strict=True):
        for own, cells in owners.items():
            curve = dict(sorted(on_axis(own, cells, axis).items()))
            costs = [cost(record, cell).value for cell in curve.values()]
            name = label(own, owners) if axis == AXES[0] else None
            twin = TWIN_OF[own.twin]
            (line,) = panel.plot([*curve], costs, ls=WAY_DASHES[own.way], label=name)
            line.set(color=twin.colour, marker=twin.marker, markersize=3)
        for mark in marks:
            if mark.axis == axis:
                panel.plot(mark.at.value, _height(record, mark.small, axis, mark.at.value), "kx")
        panel.set(xscale="log", yscale="log", xlabel=axis.replace("_", " "))
        panel.grid(which="major", lw=0.3)
    figure.axes[0].set_ylabel("µs per training step")
    figure.legend(frameon=False, fontsize="small", loc="outside lower center", ncols=5)
    figure.suptitle(
        "crossovers: " + ("; ".join(map(described, marks[:6])) or "none"), fontsize="small"
    )
    return figure


def _height(record: Record, own: Cell, axis: str, size: float) -> float:
    """The cost of a way at a size between those that were measured."""
    curve = dict(sorted(on_axis(own, families(record)[own], axis).items()))
    costs = [cost(record, cell).value for cell in curve.values()]
    return float(np.exp(np.interp(np.log(size), np.log([*curve]), np.log(costs))))


BENCH_FIGURES: Figures[Record] = {
    "steps": (
        steps_figure,
        "Cost of a training step by each twin and way to train, on a logarithmic axis.",
    ),
    "break_even": (
        break_even_figure,
        "Seconds of a training against its epochs, first call included.",
    ),
    "scaling": (
        scaling_figure,
        "Cost of a training step against units, batch size and time steps.",
    ),
}
