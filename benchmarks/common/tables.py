"""Tables as people see them: in the terminal, and in Markdown."""

import math
from dataclasses import dataclass

import rich.box
from rich.console import Console
from rich.table import Table as RichTable


@dataclass(frozen=True)
class Table:
    """What stands above a table, its head, its lines."""

    title: str
    columns: tuple[str, ...]
    lines: list[list[str]]
    left: int = 2
    """Columns that are text."""


def wide_console() -> Console:
    """A console that holds the tables, on paper and in files too."""
    return Console(width=max(210, Console().width))


def print_table(console: Console, table: Table) -> None:
    """Print one table."""
    console.print(f"\n{table.title}", markup=False)
    rich_table = RichTable(box=rich.box.SIMPLE, show_edge=False, pad_edge=False)
    for i, column in enumerate(table.columns):
        rich_table.add_column(column, justify="left" if i < table.left else "right")
    for line in table.lines:
        rich_table.add_row(*(text.replace("[", r"\[") for text in line))
    console.print(rich_table)


def as_markdown(table: Table) -> str:
    """A table as GitHub's Markdown, on lines of its own."""
    rule = ["---" if i < table.left else "---:" for i in range(len(table.columns))]
    titles = [column.replace("/\n", "/").replace("\n", " ") for column in table.columns]
    return "\n".join(
        "| " + " | ".join(text.replace("|", r"\|") for text in line) + " |"
        for line in (titles, rule, *table.lines)
    )


def short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bracketed(value: float, low: float, high: float) -> str:
    """A value with its interval; alone where the interval is not known (NaN)."""
    if math.isnan(low):
        return short(value)
    return f"{short(value)} [{short(low)}, {short(high)}]"
