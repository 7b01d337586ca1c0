"""The progress bar of every command."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def progress_bar(console: Console, unit: str = "", width: int = 0) -> Progress:
    """Bars that count `unit`; every task needs a description and a `note`, which may be empty.

    Args:
        console: where it is shown.
        unit: what is counted.
        width: characters that the descriptions take at least.
    """
    return Progress(
        TextColumn(f"{{task.description:{width}}}" if width else "{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,}}/{{task.total:,}} {unit} {{task.fields[note]}}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
