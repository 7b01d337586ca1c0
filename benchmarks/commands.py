"""The repository's own commands, which `twins` has in a clone beside `check`."""

from benchmarks.bench.command import Bench
from benchmarks.prove.command import Prove
from benchmarks.report.command import Report
from benchmarks.run.command import Run
from benchmarks.study.command import Study

COMMANDS = {"run": Run, "prove": Prove, "bench": Bench, "study": Study, "report": Report}
