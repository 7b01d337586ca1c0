"""What comes from outside is checked where it enters; the message is one line."""

import importlib
import os
from numbers import Integral
from operator import attrgetter
from pathlib import Path
from typing import Any


class InputError(ValueError):
    """A value from outside that cannot be used; the message is one line: argument, need, value."""


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Raise InputError unless `value` is an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise InputError(f"{name} must be an integer from {low} to {high}, got {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise InputError unless `value` is one of `choices`."""
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_fraction(name: str, value: float) -> None:
    """Raise InputError unless `value` lies between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise InputError(f"{name} must lie between 0 and 1, both excluded, got {value!r}")


def one_line(error: Exception) -> str:
    """What an error says, on one line: file names may hold line breaks."""
    return " ".join(str(error).split())


def check_file(name: str, path: Path | None) -> None:
    """Raise InputError unless `path` can become a file, or is one."""
    if path is not None and (
        path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK)
    ):
        raise InputError(f"{name} must be a file in a folder that is there, got {str(path)!r}")


def private(framework: str, name: str) -> Any:
    """A private name of a framework, given as `module:name` or `module:Class.name`.

    Raises:
        InputError: this version of the framework does not have it.
    """
    module, _, path = name.partition(":")
    try:
        return attrgetter(path)(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"this needs {name} of {framework}, which this version does not have"
        ) from error
