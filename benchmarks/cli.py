"""The command `twins`: parses the command line, turns errors into one line and an exit code.

Exit codes: 0 done, and every gate asked for held · 1 a gate failed · 2 wrong usage or bad input,
said in one line · 130 interrupted; what was finished is on disk.
"""

import contextlib
import io
import itertools
import re
import sys

import tyro

from benchmarks.run import Run
from shared.config import InputError

COMMANDS = {"run": Run}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        command = parse(sys.argv[1:] if arguments is None else arguments)
        return command()
    except InputError as error:
        print(f"twins: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twins: interrupted", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> Run:
    """The command with its options.

    Raises:
        InputError: wrong usage, said in one line; tyro would draw a box around it.
        SystemExit: after --help.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
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


def unbox(box: str) -> str:
    """The message in a box drawn by tyro: the lines between its top and its first rule."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines()]
    message = itertools.takewhile(lambda line: set(line) - {"─"}, lines[1:])
    return re.sub(r"^Error parsing [^-\s]+: ", "", " ".join(message))
