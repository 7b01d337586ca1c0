"""Records that only grow: a plan, and JSON lines, each with a hash of itself and of the one before.

A line that was changed, removed or copied from elsewhere is noticed, and a crash loses no finished
line. That guards against accidents, not against somebody who computes the hashes anew.
"""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from filelock import FileLock, Timeout
from rich.console import Console

from attention_twins.errors import InputError
from attention_twins.provenance import finite, write_json

Line = dict[str, Any]
"""A JSON object."""

WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading JSON raises that is not as it was written."""


class Chain:
    """The lines of a file, oldest first; broken ones are named and left out.

    Args:
        path: the file; it need not exist yet.
        anchor: what the first line follows: never changes, and is made of JSON's types.
    """

    def __init__(self, path: Path, anchor: object) -> None:
        self.path = path
        self.lines: list[Line] = []
        self.corrupt: list[str] = []
        """What is wrong with which line."""
        self._by_subject: dict[Hashable, list[Line]] = {}
        self._anchor = fingerprint(anchor)
        self.load()

    def encode(self, line: Line) -> Line:
        """A line as the file has it."""
        return line

    def decode(self, line: Line) -> Line:
        """The inverse of `encode`; may raise one of WRONG."""
        return line

    def subject(self, line: Line) -> Hashable:
        """What a line is about."""

    def of(self, subject: Hashable) -> list[Line]:
        """The lines about a subject."""
        return self._by_subject.get(subject, [])

    def load(self) -> None:
        """Read the file, again if need be."""
        self.lines, self.corrupt, previous = [], [], self._anchor
        self._by_subject.clear()
        for number, text in enumerate(self._content().split(b"\n"), 1):
            if not text:
                continue
            try:
                line = json.loads(text)
                if line["hash"] != _hash(line) or text.decode() != json.dumps(line):
                    raise ValueError("its hash is not that of its content")  # or a key comes twice
                line = self.decode(line)
            except WRONG as error:
                self.corrupt.append(f"line {number}, left out: {str(error).splitlines()[0]}")
                continue
            if line["previous"] != previous:
                self.corrupt.append(f"line {number}: does not follow the line before it")
            previous = line["hash"]
            self._keep(line)

    def append(self, line: Line) -> None:
        """Add a line; it is on the disk on return."""
        line = finite(line | {"previous": self.lines[-1]["hash"] if self.lines else self._anchor})
        line["hash"] = _hash(self.encode(line))
        text = json.dumps(self.encode(line), allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._keep(line)

    def _keep(self, line: Line) -> None:
        self.lines.append(line)
        self._by_subject.setdefault(self.subject(line), []).append(line)

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    @property
    def torn(self) -> str:
        """The last line if a crash has cut off its end: it may be only half there."""
        whole, _, last = self._content().rpartition(b"\n")
        return f"line {whole.count(bytes([10])) + bool(whole) + 1}" if last else ""

    def damage(self) -> list[str]:
        """What is wrong with lines other than a torn one."""
        torn = self.torn
        return [fault for fault in self.corrupt if not (torn and fault.startswith(f"{torn}, "))]

    def mend(self) -> str:
        """End the last line, or cut it off if it is only half there; what was cut off, in words."""
        torn, content = self.torn, self._content()
        if not torn:
            return ""
        lost = any(fault.startswith(f"{torn}, ") for fault in self.corrupt)
        whole, newline, last = content.rpartition(b"\n")
        self.path.write_bytes(whole + newline if lost else content + b"\n")
        self.load()
        return f"left out: {torn}, which a crash has torn" if lost else ""


class Journal(Chain):
    """The record of a command: a folder with `plan.json`, and a chain of lines anchored in it.

    A subclass says what its plan and its lines hold.
    """

    COMMAND: ClassVar[str]
    """Which command writes it."""

    FILE: ClassVar[str]
    """The file of lines."""

    NEEDED: ClassVar[tuple[tuple[str, ...], ...]]
    """Keys that lead to what a plan must have."""

    MACHINE: ClassVar[str]
    """The key of the machine in a plan."""

    SAME: ClassVar[tuple[str, ...]]
    """What of the machine must not have changed for a record to be resumed."""

    def __init__(self, folder: Path, plan: Line) -> None:
        for keys in self.NEEDED:
            functools.reduce(lambda part, key: part[key], keys, plan)
        self.folder, self.plan = folder, plan
        self.parse()
        super().__init__(folder / self.FILE, plan)

    def parse(self) -> None:
        """Read the plan; may raise one of WRONG."""
        raise NotImplementedError

    @property
    def complete(self) -> bool:
        """All that is planned is done."""
        raise NotImplementedError

    @classmethod
    def new(cls, folder: Path, plan: Line, exist_ok: bool = False) -> Self:
        """A new record.

        Raises:
            InputError: the folder exists already, or cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=exist_ok)
            write_json(folder / "plan.json", plan)
        except OSError as error:
            raise InputError(
                f"out must be a folder that can be made, got {str(folder)!r}"
            ) from error
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in a folder; broken lines are named and left out.

        Raises:
            InputError: there is none.
        """
        try:
            plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
            return cls(folder, plan)
        except (OSError, *WRONG) as error:
            raise InputError(
                f"record must be a folder that twins {cls.COMMAND} made, "
                f"got {str(folder)!r} ({error!r})"
            ) from error

    @classmethod
    def resume(cls, folder: Path, machine: Line) -> Self:
        """The record in a folder, to go on with; a complete one can be shown by any machine.

        Raises:
            InputError: there is none, it is damaged, or the machine is another one.
        """
        record = cls.read(folder)
        if damage := record.damage():
            raise InputError(f"resume must be a record without faults, got {damage[0]}")
        for name in () if record.complete else cls.SAME:
            before, now = record.plan[cls.MACHINE].get(name), machine.get(name)
            if before != now:
                raise InputError(
                    f"resume must go on where the record was made: {name} was {before!r}, "
                    f"is {now!r}"
                )
        return record

    @contextlib.contextmanager
    def locked(self) -> Iterator[str]:
        """Let no other process write meanwhile; a torn line is cut off first.

        Yields:
            What was cut off, in words.

        Raises:
            InputError: another process writes.
        """
        path = self.folder / ".lock"
        try:
            lock = FileLock(path, blocking=False).acquire()
        except Timeout as error:
            raise InputError(f"record must not be measured twice at once: {self.folder}") from error
        with lock:
            self.load()  # as it is now that nobody else writes
            yield self.mend()
            path.unlink()

    def carry_out(
        self, work: Callable[[], None], console: Console, stops: tuple[type[Exception], ...] = ()
    ) -> int:
        """Work under the lock; say where the record is, what stopped it and how to resume it.

        Args:
            work: appends what is missing.
            console: where to say it.
            stops: errors that stop the work in one line, beside OSError.

        Returns:
            The exit code: 0 done, 1 stopped by an error, 130 interrupted.

        Raises:
            InputError: another process writes.
        """
        say = functools.partial(console.print, markup=False, soft_wrap=True, highlight=False)
        say(f"record: {self.folder}")
        try:
            with self.locked() as torn:
                if torn:
                    say(torn, style="yellow")
                work()
            return 0
        except (KeyboardInterrupt, OSError, *stops) as error:
            self.load()  # the last line may have reached the disk and not us
            interrupted = isinstance(error, KeyboardInterrupt)
            say("Interrupted." if interrupted else f"Stopped: {error}")
            if not self.complete:
                say(f"Go on with: twins {self.COMMAND} --resume {self.folder}")
            return 130 if interrupted else 1


def fingerprint(content: object) -> str:
    """A short hash of what JSON can hold.

    Raises:
        ValueError: it holds a number that JSON does not know.
    """
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash(line: Line) -> str:
    """Of all of a line but its hash."""
    return fingerprint({key: value for key, value in line.items() if key != "hash"})
