"""The command `twins`: reads the command line; an error is one line and an exit code.

Exit codes: 0 done, and every tolerance asked for held · 1 one did not · 2 wrong usage or bad input,
said in one line · 130 interrupted; what was finished is on disk.
"""

import contextlib
import difflib
import importlib
import importlib.metadata
import io
import re
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from attention_twins.errors import InputError

CLONE = Path(__file__).resolve().parents[1]
"""Folder of the repository, if this is a clone of it."""

ONLY_IN_A_CLONE = ("run", "prove", "bench", "study", "report")

DESCRIPTION = """Compare a Keras model with its port to PyTorch; in a clone of the repository, train
its own networks in both, compare them, time them. `twins --version` prints the version."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end, like Ctrl-C
        arguments = sys.argv[1:] if arguments is None else arguments
        if arguments == ["--version"]:
            print(f"attention-twins {importlib.metadata.version('attention-twins')}")
            return 0
        return parse(arguments)()
    except InputError as error:
        print(f"twins: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("twins: interrupted", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> Callable[[], int]:
    """The command with its options.

    Raises:
        InputError: wrong usage, said in one line; tyro would draw a box around it.
        SystemExit: after --help.
    """
    import tyro  # only now: Ctrl-C while it is imported is quiet; processes do without it

    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    commands = commands_for(name)
    if name and name not in commands:
        if name in ONLY_IN_A_CLONE:
            raise InputError(f"twins {name} needs a clone of the repository: run it there")
        raise InputError(f"no such command {name!r}{nearest(name, commands)}")
    renamed = getattr(commands.get(name), "RENAMED", {})
    for option in options_in(arguments):
        if new := renamed.get(option):
            raise InputError(f"{option} is no longer an option of twins {name}; write {new}")
    with in_one_line(name, arguments, [*commands]):
        return tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="twins",
            description=DESCRIPTION,
            args=arguments,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone),
        )


def commands_for(name: str) -> dict[str, Any]:
    """Every command by name; check alone if it is the one to run, or if this is no clone.

    The clone's folder comes first on sys.path: a user's own `benchmarks` is another one.
    """
    from attention_twins.command import Check

    if name == "check" or not (CLONE / "benchmarks" / "commands.py").is_file():
        return {"check": Check}
    if sys.path[:1] != [str(CLONE)]:
        sys.path.insert(0, str(CLONE))
    return {"check": Check} | importlib.import_module("benchmarks.commands").COMMANDS


def in_one_line(
    name: str, arguments: list[str], commands: list[str]
) -> contextlib.AbstractContextManager[None]:
    """While this lasts, what tyro refuses is an InputError of one line."""

    def refuse(event: Any) -> None:
        match type(event).__name__:
            case "UnrecognizedArgs":
                refuse_option(name, event.tokens)
                raise InputError(f"unexpected argument {event.tokens[0]!r}")
            case "MissingSubcommand":
                raise InputError(f"a command is missing: {', '.join(commands)}")
            case "InvalidChoice":
                choices = ", ".join(event.choices)
                raise InputError(f"{flag(event)} must be one of {choices}, got {event.value!r}")
            case "BadValue" if not event.argument.is_positional():
                raise InputError(f"{flag(event)} needs a value")
            case "MissingArgs" | "BadValue":  # only check has arguments that must be there
                refuse_option(name, arguments)
                raise InputError(
                    "two models must be given: twins check KERAS TORCH (the repository's own "
                    "networks: twins prove)"
                )
            case "InstantiationFailure":
                raise InputError(f"{flag(event)}: {event.message}".removeprefix(": "))

    try:
        from tyro._errors import on_parse_error
    except ImportError:  # private to tyro: without it the message stands in tyro's box
        return contextlib.nullcontext()
    return on_parse_error(refuse)


def flag(event: Any) -> str:
    """The option that an event is about, such as --keras-backend, if it is about one."""
    return event.argument.display_name() if event.argument else ""


def options_in(words: list[str]) -> list[str]:
    """The options among words of a command line, without their values."""
    words = [word for word in words if re.match("--?[a-z]", word)]  # -1 is a value
    return [word.split("=")[0].replace("_", "-") for word in words]


def refuse_option(name: str, words: list[str]) -> None:
    """Raise InputError for the first option among `words` that there is not."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        parse([*([name] if name else []), "--help"])
    known = re.findall(r"-[a-z-]+", shown.getvalue())
    for option in options_in(words):
        if option not in known:
            raise InputError(f"unrecognized option {option}{nearest(option, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """A proposal for a word that was mistyped, if one comes near."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
