"""The repository's own commands, which `twins` has in a clone beside `check`."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.command import Bench
from benchmarks.prove.command import Prove
from benchmarks.report.command import Report
from benchmarks.run import command
from benchmarks.study.command import Study


@dataclass(frozen=True, kw_only=True)
class Run(command.Run):  # noqa: D101  as the one that it extends
    __doc__ = command.Run.__doc__

    def report(self, results: Path, out: Path) -> None:
        """Make a report of all records in a folder."""
        Report(results=results, out=out)()


COMMANDS = {"run": Run, "prove": Prove, "bench": Bench, "study": Study, "report": Report}
