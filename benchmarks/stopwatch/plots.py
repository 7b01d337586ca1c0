"""The figures of a record, each as SVG and PNG."""

import statistics

import numpy as np
from matplotlib.figure import Figure

from benchmarks.figures import save_figure
from benchmarks.stopwatch.cells import Cell, Setting
from benchmarks.stopwatch.costs import (
    by_block,
    cost,
    floor_of,
    in_all,
    measured,
    usual,
)
from benchmarks.stopwatch.laws import AXES, crossings, described, families, label, on_axis
from benchmarks.stopwatch.records import Record
from benchmarks.stopwatch.switches import TIERS

COLOURS = {
    "Keras/tensorflow": "#c1272d",
    "Keras/jax": "#0a6ebd",
    "Keras/torch": "#3a7d44",
    "PyTorch": "#d9822b",
    "scalar loop": "0.4",
}

STYLES = {"fit": "-", "fit_compiled": "--", "fit_many": ":", "floor": "-."}


def save_figures(record: Record) -> None:
    """Draw what the record has cells for."""
    ranked: dict[str, Setting] = {}  # of each network the first
    for cell in measured(record):
        if cell.tier in "ABCD" and not cell.copy:
            ranked.setdefault(cell.model, cell.setting)
    for i, (model, setting) in enumerate(ranked.items()):
        save_figure(
            steps_figure(record, setting), record.folder / ("steps" + f"-{model}" * (i > 0))
        )
    called = [cell.setting for cell in measured(record) if cell.tier in "BC" and not cell.copy]
    if called:
        save_figure(break_even_figure(record, called[0]), record.folder / "break_even")
    if families(record):
        save_figure(scaling_figure(record), record.folder / "scaling")


def steps_figure(record: Record, setting: Setting) -> Figure:
    """Cost of a step by each way, tier by tier, every process a dot; the floor as a line."""
    cells = [
        cell
        for cell in measured(record)
        if cell.setting == setting and cell.tier in "ABCD" and not cell.copy
    ]
    cells.sort(key=lambda cell: (cell.tier, cost(record, cell).median))
    figure = Figure(figsize=(8, 1.4 + 0.24 * len(cells)), layout="constrained")
    axes = figure.subplots()
    for row, cell in enumerate(cells):
        values = list(by_block(record, cell).values())
        axes.plot(values, [row] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[cell.twin])
        found = cost(record, cell)
        if found.known:
            axes.plot([found.low, found.high], [row, row], lw=2, color=COLOURS[cell.twin])
    for row in range(1, len(cells)):
        if cells[row].tier != cells[row - 1].tier:
            axes.axhline(row - 0.5, color="0.8", lw=0.8)
    floor = floor_of(cells[0]) if cells else None
    if floor in measured(record):
        axes.axvline(
            cost(record, floor).median, color="0.4", ls=":", label="floor: one scalar loop"
        )
        axes.legend(frameon=False, fontsize="small", loc="lower right")
    labels = [f"{cell.tier}   {cell.twin}  {cell.name}" for cell in cells]
    axes.set_yticks(range(len(cells)), labels, fontsize="small")
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="µs per training step and start (each dot a process)")
    tiers = [f"{key}: {TIERS[key]}" for key in dict.fromkeys(cell.tier for cell in cells)]
    axes.set_title(setting.name, fontsize=8)
    figure.suptitle(" · ".join(tiers), fontsize=8)
    axes.grid(axis="x", which="both", lw=0.3)
    return figure


def break_even_figure(record: Record, setting: Setting) -> Figure:
    """Seconds in all against epochs, from call to return, for each twin and way; of one start."""
    own = [c for c in measured(record) if c.setting == setting and c.tier in "ABC" and not c.copy]
    twins = list(dict.fromkeys(cell.twin for cell in own))
    figure = Figure(figsize=(2.6 * max(2, len(twins)), 3.6), layout="constrained")
    epochs = [1, 2, 5, 10, 30, 100, 300, 1000]
    for axes, twin in zip(
        figure.subplots(1, len(twins), sharey=True, squeeze=False)[0], twins, strict=True
    ):
        for i, cell in enumerate(cell for cell in own if cell.twin == twin):
            lines = usual(record, cell)
            seconds = [statistics.median(in_all(line, n) for line in lines) for n in epochs]
            axes.plot(epochs, seconds, label=cell.name, color=f"C{i}", lw=1.5)
        axes.axvline(30, color="0.8", lw=0.8)
        axes.set(xscale="log", yscale="log", title=twin, xlabel="epochs")
        axes.grid(which="major", lw=0.3)
        axes.legend(frameon=False, fontsize=6.5)
    figure.axes[0].set_ylabel("seconds in all")
    return figure


def scaling_figure(record: Record) -> Figure:
    """Cost of a step against size, an axis a panel; crossovers as crosses."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    owners, marks = families(record), list(crossings(record))
    for panel, axis in zip(figure.subplots(1, len(AXES), sharey=True), AXES, strict=True):
        for own, cells in owners.items():
            curve = dict(sorted(on_axis(own, cells, axis).items()))
            costs = [cost(record, cell).median for cell in curve.values()]
            name = label(own, owners) if axis == AXES[0] else None
            style = STYLES[own.way]
            panel.plot([*curve], costs, f"o{style}", ms=3, color=COLOURS[own.twin], label=name)
        for mark in marks:
            if mark.axis == axis:
                panel.plot(mark.at.median, _height(record, mark.small, axis, mark.at.median), "kx")
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
    costs = [cost(record, cell).median for cell in curve.values()]
    return float(np.exp(np.interp(np.log(size), np.log([*curve]), np.log(costs))))
