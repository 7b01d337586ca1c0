"""What a comparison found: as a table to read in a minute, and as a record."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_twins.compare import Comparison
from attention_twins.errors import InputError
from attention_twins.provenance import environment, write_json
from benchmarks.prove.tables import show

Record = dict[str, Any]
"""The head of what is kept of a comparison; its rows come last."""


@dataclass(frozen=True)
class Report:
    """What the comparison of a pair found."""

    ok: bool
    """Every tolerance holds."""

    layers: list[tuple[str, str, str]]
    """Kind, name in Keras, name in PyTorch of every pair of layers."""

    differences: list[str]
    """What no copy of weights can mend, and what to change."""

    comparison: Comparison
    """Every tensor that was compared."""

    record: Record
    """Models, versions, commit, what failed."""

    def show(self) -> None:
        """Print it all."""
        console = Console()
        layers = ", ".join(f"{kind} ({ours} – {theirs})" for kind, ours, theirs in self.layers)
        lines = ["", f"Layers, Keras – PyTorch: {layers}", *self.differences]
        if self.record["saved"]:
            holds = "" if self.ok else " (not every tolerance holds)"
            lines.append(f"Ported weights: {self.record['saved']}{holds}")
        for text in lines:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        show(self.record, self.comparison)

    def save(self, path: Path | None) -> None:
        """Write the record as JSON."""
        close_record(self.record, path, **results(self.comparison))


def open_record(command: str, subjects: list[Any]) -> Record:
    """A record, as far as it is known before the run."""
    return {
        "command": command,
        "status": "running",
        "ok": False,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": [asdict(subject) for subject in subjects],
        "environment": environment(),
    }


def results(comparison: Comparison) -> dict[str, Any]:
    """What a record keeps of a comparison."""
    return {
        "rows": comparison.rows,
        "divergences": [pair | asdict(parted) for pair, parted in comparison.divergences],
        "curves": comparison.curves,
    }


def close_record(record: Record, path: Path | None, **results: Any) -> None:
    """Complete a record, and write it if it is wanted.

    Raises:
        InputError: it cannot be written.
    """
    record["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    record |= results
    if path:
        try:
            write_json(path, record)
        except OSError as error:
            raise InputError(f"json must be a file that can be written, got {error}") from error
