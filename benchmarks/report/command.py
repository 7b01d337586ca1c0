"""`twins report`: everything that is on record, as one page to look at."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from attention_twins.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Report:
    """Make one HTML file of the records that there are. It needs no network and no server."""

    results: Path = Path("results")
    """Folder to look for records in. Of each kind the latest is shown; but a study of several
    set-ups comes first, and of each network the longest certificate counts."""

    out: Path = Path("report.html")
    """File to write."""

    def __call__(self) -> int:
        """Look, write, say where; the exit code.

        Raises:
            InputError: there is nothing to show, or the file cannot be written.
        """
        if not self.results.is_dir():
            raise InputError(f"results must be a folder, got {str(self.results)!r}")

        with Console(stderr=True).status("Writing the report …"):
            from benchmarks.report.collect import collect  # only now: it takes seconds
            from benchmarks.report.page import write_page

            found = collect(self.results)
            if not found:
                raise InputError(f"results must hold a record, got {str(self.results)!r}")
            write_page(self.out, found)
        print(f"Report: {self.out}")
        return 0
