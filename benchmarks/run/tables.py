"""What a record of `twins run` says, in tables and one sentence."""

import math
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_twins.tables import Table, print_table
from attention_twins.twins import Twin, trained_twin
from shared.baselines import TUTORIAL

RunRecord = dict[str, Any]
"""As session.py writes it."""

Fit = dict[str, Any]
"""One trained network of a record, as worker.py sends it."""


def twin_of_fit(record: RunRecord, fit: Fit) -> Twin:
    """Who trained a network."""
    return trained_twin(fit["twin"], record["train"]["keras_backend"])


def conditions(record: RunRecord) -> str:
    """What a reader needs to weigh the figures: training, versions, hardware, n."""
    train, environment = record["train"], record["environment"]
    versions = environment["versions"]
    used = dict.fromkeys(["keras", train["keras_backend"], "torch"])
    return (
        f"{train['epochs']} epochs by {record['way']}, batch size {train['batch_size']}, "
        f"{record['data']['dtype']}, {train['setup']} set-up, seed {train['seed']}, n = 1; "
        f"{', '.join(f'{name} {versions[name]}' for name in used)}; "
        f"{environment['processor']}, {environment['cores']} cores, "
        f"{train['device']}, threads for each framework: {train['threads']}"
    )


def results_table(record: RunRecord) -> Table:
    """A line for each trained network, then the tutorial's own figures and the baselines."""
    columns = ("network", "framework", "params", "train MSE", "test MSE", "seconds +\ncompiling")
    lines = [
        [
            fit["model"],
            twin_of_fit(record, fit).name,
            str(fit["parameters"]),
            number(fit["train_mse"]),
            number(fit["test_mse"]),
            f"{sum(fit['seconds']):.2f} + {fit['compile_seconds']:.1f}",
        ]
        for fit in record["fits"]
    ]
    data, others = record["data"], []
    if (data.get("data", "fibonacci"), data.get("horizon", 1)) == ("fibonacci", 1):
        models = [model["model"] for model in record["models"] if model["model"] in TUTORIAL]
        others += [(model, "tutorial's own", TUTORIAL[model]) for model in models]
    others += [(name, "no network", mse) for name, mse in record["baselines"].items()]
    for name, framework, mse in others:
        lines.append([name, framework, "", number(mse["train"]), number(mse["test"]), ""])
    return Table("Errors, and seconds to train", columns, lines)


def number(value: float | None) -> str:
    """A figure with four digits; None is what JSON made of a value that is not finite."""
    return "not finite" if value is None else f"{value:.3e}"


def first_of(record: RunRecord) -> str:
    """What is to be said where only the first of the numbers to predict is shown."""
    horizon = record["data"].get("horizon", 1)
    return f", the first of {horizon}" if horizon > 1 else ""


def predictions_table(record: RunRecord, count: int = 4) -> Table:
    """The largest test numbers and one of middling size as columns, predictions as lines."""
    true = record["test_numbers"]
    largest = sorted(range(len(true)), key=true.__getitem__, reverse=True)
    shown = [*largest[: count - 1], largest[len(largest) // 2]]
    lines = [
        [
            fit["model"],
            twin_of_fit(record, fit).framework,
            *(number(fit["test_numbers"][i]) for i in shown),
        ]
        for fit in record["fits"]
    ]
    title = f"Test numbers, as predicted{first_of(record)}; the true ones are in the head"
    return Table(title, ("network", "framework", *(number(true[i]) for i in shown)), lines)


def caveat(record: RunRecord) -> str:
    """One honest sentence on what the numbers say."""
    rows, line = record["rows"]["test"], record["baselines"]["linear regression"]["test"]
    targets = rows.get("targets", rows["rows"])  # older records count rows of one number
    fits = [fit for fit in record["fits"] if fit["test_mse"] is not None]
    if not fits:
        return "No network ended with a finite error."
    best = min(fits, key=lambda fit: fit["test_mse"])
    times = best["test_mse"] / line if line else math.inf
    regression = "a linear regression on the last numbers of the window"
    comparison = (
        f"{regression} has an error {times:.0e} times smaller than the best network here"
        if times > 1
        else f"the best network here beats {regression}"
    )
    return (
        f"Read with care: {rows['above_0.001']} of {targets} test targets exceed 0.001 and "
        f"carry {best['large_share'] or 0:.1%} of the best network's error, {comparison}, and one "
        f"start of each network cannot say whether attention helps."
    )


def difference_lines(record: RunRecord) -> list[str]:
    """How far the twins' final weights differ, a line for each network trained in both."""
    setup, dtype = record["train"]["setup"], record["data"]["dtype"]
    return [
        f"{name}: the trained weights of the two frameworks differ by at most {number(value)} "
        f"({setup} set-up, {dtype})"
        for name, value in record["weight_difference"].items()
    ]


def show(record: RunRecord, out: Path, console: Console) -> None:
    """Print the tables, the sentence and where everything is kept."""
    print_table(console, results_table(record))
    print_table(console, predictions_table(record))
    console.print()
    for line in (
        *difference_lines(record),
        caveat(record),
        f"Conditions: {conditions(record)}.",
        f"Record, weights and figures: {out}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)
