"""Tables in Markdown, and the numbers in them."""

import math
from collections.abc import Iterable

from rich.console import Console

from attention_twins.tables import Table, print_table


def wide_console() -> Console:
    """A console that holds the tables, on paper and in files too."""
    return Console(width=max(210, Console().width))


def as_markdown(table: Table) -> str:
    """A table as GitHub's Markdown, on lines of its own."""
    rule = ["---" if i < table.left else "---:" for i in range(len(table.columns))]
    return "\n".join(
        "| " + " | ".join(text.replace("|", r"\|") for text in line) + " |"
        for line in (table.heads, rule, *table.lines)
    )


def print_record(tables: Iterable[Table], notes: Iterable[str], faults: Iterable[str]) -> None:
    """Print every table of a record, what must be said under them, what is wrong with it."""
    console = wide_console()
    for table in tables:
        print_table(console, table)
    for note in notes:
        console.print(note, markup=False, highlight=False)
    for fault in faults:
        console.print(fault, style="yellow", markup=False)


def titled(table: Table) -> str:
    """A table as Markdown under its title in bold."""
    return f"**{table.title}**\n\n{as_markdown(table)}"


def as_document(tables: Iterable[Table], notes: Iterable[str]) -> str:
    """A Markdown file of every table of a record and its notes."""
    parts = [f"### {table.title}\n\n{as_markdown(table)}\n" for table in tables]
    return "\n".join(parts) + "".join(f"\n{note}\n" for note in notes)


def short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bracketed(value: float, low: float, high: float) -> str:
    """A value with its interval; alone where the interval is not known (NaN)."""
    if math.isnan(low):
        return short(value)
    return f"{short(value)} [{short(low)}, {short(high)}]"
