"""Tables as the terminal shows them. The only printer."""

from dataclasses import dataclass

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

MARKS = {"✓": "green", "✗": "red", "≠": "yellow"}
"""Last character of a cell → its colour."""


@dataclass(frozen=True)
class Table:
    """What stands above a table, its head, its lines."""

    title: str
    columns: tuple[str, ...]
    lines: list[list[str]]
    left: int = 2
    """Columns that are text."""

    @property
    def heads(self) -> list[str]:
        """The columns' names, each on one line."""
        return [column.replace("/\n", "/").replace("\n", " ") for column in self.columns]


def print_table(console: Console, table: Table) -> None:
    """Print one table; the marks at the ends of cells are coloured."""
    console.print(f"\n{table.title}", markup=False)
    rich_table = RichTable(
        box=rich.box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for i, column in enumerate(table.columns):
        rich_table.add_column(column, justify="left" if i < table.left else "right")
    for line in table.lines:
        rich_table.add_row(*map(_coloured, line))
    console.print(rich_table)


def _coloured(text: str) -> str:
    colour = MARKS.get(text[-1:])
    return f"{escape(text[:-1])}[{colour}]{text[-1]}[/]" if colour else escape(text)
