"""What a record of `twins run` says, in tables and one sentence."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table

FRAMEWORKS = {"keras": "Keras", "torch": "PyTorch"}

TUTORIAL = {
    "rnn": {"train_mse": 5.631405292660929e-05, "test_mse": 2.62349731388e-05},
    "rnn_with_attention": {"train_mse": 5.3511179430643097e-05, "test_mse": 9.053358553501312e-06},
}
"""The tutorial's own figures, one run each (Mehreen Saeed, "Adding a Custom Attention Layer to
Recurrent Neural Network in Keras")."""

Rows = list[list[str]]


def framework(record: dict[str, Any], twin: str) -> str:
    """The framework's name, Keras's with its backend."""
    return "PyTorch" if twin == "torch" else f"Keras/{record['train']['keras_backend']}"


def conditions(record: dict[str, Any]) -> str:
    """What a reader needs to judge the figures: training, versions, hardware, n."""
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


def result_rows(record: dict[str, Any]) -> Iterator[list[str]]:
    """A line for each network, as its columns say: trained, then tutorial and baselines."""
    for fit in record["fits"]:
        yield [
            fit["model"],
            framework(record, fit["twin"]),
            str(fit["parameters"]),
            number(fit["train_mse"]),
            number(fit["test_mse"]),
            f"{sum(fit['seconds']):.2f} + {fit['compile_seconds']:.1f}",
        ]
    data = record["data"]
    tutorials = (data.get("data", "fibonacci"), data.get("horizon", 1)) == ("fibonacci", 1)
    own = [model for model in record["models"] if tutorials and model["model"] in TUTORIAL]
    for model in own:
        mse = TUTORIAL[model["model"]]
        yield [
            model["model"],
            "tutorial's own",
            "",
            number(mse["train_mse"]),
            number(mse["test_mse"]),
            "",
        ]
    for name, mse in record["baselines"].items():
        yield [name, "no network", "", number(mse["train"]), number(mse["test"]), ""]


RESULT_COLUMNS = [
    "network",
    "framework",
    "params",
    "train MSE",
    "test MSE",
    "seconds +\ncompiling",
]


def number(value: float | None) -> str:
    """A figure with four digits; None is what JSON made of a value that is not finite."""
    return "not finite" if value is None else f"{value:.3e}"


def first_of(record: dict[str, Any]) -> str:
    """What is to be said where only the first of the numbers to predict is shown."""
    horizon = record["data"].get("horizon", 1)
    return f", the first of {horizon}" if horizon > 1 else ""


def prediction_rows(record: dict[str, Any], count: int = 4) -> tuple[list[str], Rows]:
    """The largest test numbers and one of middling size as columns, predictions as rows."""
    true = record["test_numbers"]
    largest = sorted(range(len(true)), key=true.__getitem__, reverse=True)
    shown = [*largest[: count - 1], largest[len(largest) // 2]]
    columns = ["network", "framework", *(number(true[i]) for i in shown)]
    return columns, [
        [fit["model"], FRAMEWORKS[fit["twin"]], *(number(fit["test_numbers"][i]) for i in shown)]
        for fit in record["fits"]
    ]


def verdict(record: dict[str, Any]) -> str:
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


def difference_lines(record: dict[str, Any]) -> list[str]:
    """How far the twins' final weights differ, a line for each network trained in both."""
    setup, dtype = record["train"]["setup"], record["data"]["dtype"]
    return [
        f"{name}: the trained weights of the two frameworks differ by at most {number(value)} "
        f"({setup} set-up, {dtype})"
        for name, value in record["weight_difference"].items()
    ]


def show(record: dict[str, Any], out: Path, console: Console) -> None:
    """Print the tables, the sentence and where everything is kept."""
    console.print("Errors, and seconds to train")
    console.print(_table(RESULT_COLUMNS, list(result_rows(record))))
    console.print(f"\nTest numbers, as predicted{first_of(record)}; the true ones are in the head")
    console.print(_table(*prediction_rows(record)))
    console.print()
    for line in (
        *difference_lines(record),
        verdict(record),
        f"Conditions: {conditions(record)}.",
        f"Record, weights and figures: {out}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _table(columns: list[str], rows: Rows) -> Table:
    table = Table(
        box=rich.box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        left = column in ("network", "framework")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
