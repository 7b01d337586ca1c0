"""The command `twins`: parses the command line, turns errors into one line and an exit code.

Exit codes: 0 done, and every gate asked for held · 1 a gate failed · 2 wrong usage or bad input,
said in one line · 130 interrupted; what was finished is on disk.
"""

import contextlib
import io
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator

import tyro

from attention_twins.errors import InputError
from benchmarks.bench.command import Bench
from benchmarks.prove.command import Check
from benchmarks.report.command import Report
from benchmarks.run.command import Run
from benchmarks.study.command import Study

COMMANDS = {"run": Run, "check": Check, "bench": Bench, "study": Study, "report": Report}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end, like Ctrl-C
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        return command()
    except InputError as error:
        print(f"twins: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twins: interrupted", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> Run | Check | Bench | Study | Report:
    """The command with its options.

    Raises:
        InputError: wrong usage, said in one line; tyro would draw a box around it.
        SystemExit: after --help.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box), wide_terminal(not {"-h", "--help"} & {*arguments}):
            return tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="twins",
                description="One attention layer and the networks around it, in Keras and in "
                "PyTorch: trained side by side, compared, timed.",
                args=arguments,
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise InputError(unbox(box.getvalue())) from None


@contextlib.contextmanager
def wide_terminal(wide: bool) -> Iterator[None]:
    """Keep tyro from breaking a long message at the edge of the window."""
    before = os.environ.get("COLUMNS")
    if wide:
        os.environ["COLUMNS"] = "100000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS", None)
        if before is not None:
            os.environ["COLUMNS"] = before


def unbox(box: str) -> str:
    """The message in a box drawn by tyro: what stands between its title and the next rule."""

    def is_rule(line: str) -> bool:
        return set(line) <= set("─-")

    _title, *lines = [line.strip("│╰╯ ") for line in box.splitlines()]
    body = itertools.dropwhile(is_rule, lines)  # without UTF-8 a rule is under the title, too
    message = itertools.takewhile(lambda line: not is_rule(line), body)
    return re.sub(r"^Error parsing ((?!--)\S+: )?", "", " ".join(message))
