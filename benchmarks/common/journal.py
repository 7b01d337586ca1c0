"""Files of JSON lines that only grow: each line has a hash of itself and of the line before.

A line that was changed, removed or taken from elsewhere is seen, and a crash loses no line that was
finished. That is against accidents, not against somebody who computes the hashes anew.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attention_twins.provenance import finite

Line = dict[str, Any]

WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What comes of JSON that is not as it was written."""


class Chain:
    """The lines of a file, in the order of time; those that are not whole are named and left out.

    Args:
        path: the file; it need not be there yet.
        anchor: what the first line follows: the same for all time, and of JSON's types.
        encode: what a line is in the file; decode: the way back, which may raise one of WRONG.
    """

    def __init__(
        self,
        path: Path,
        anchor: Any,
        encode: Callable[[Line], Line] = dict,
        decode: Callable[[Line], Line] = dict,
    ) -> None:
        self.path, self._encode, self._decode = path, encode, decode
        self.lines: list[Line] = []
        self.corrupt: list[str] = []
        """What is wrong with which line."""
        self._anchor = fingerprint(anchor)
        self._read()

    def _read(self) -> None:
        self.lines, self.corrupt, previous = [], [], self._anchor
        content = self.path.read_bytes() if self.path.exists() else b""
        for number, text in enumerate(content.split(b"\n"), 1):
            if not text:
                continue
            try:
                line = json.loads(text)
                if line["hash"] != _hash(line) or text.decode() != json.dumps(line):
                    raise ValueError("its hash is not that of its content")  # or a key comes twice
                line = self._decode(line)
            except WRONG as error:
                self.corrupt.append(f"line {number}, left out: {str(error).splitlines()[0]}")
                continue
            if line["previous"] != previous:
                self.corrupt.append(f"line {number}: does not follow the line before it")
            previous = line["hash"]
            self.lines.append(line)

    def append(self, line: Line) -> None:
        """Add a line, and see to it that it is on the disk."""
        line = finite(line | {"previous": self.lines[-1]["hash"] if self.lines else self._anchor})
        line["hash"] = _hash(self._encode(line))
        text = json.dumps(self._encode(line), allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)

    @property
    def torn(self) -> str:
        """What a crash has done to the last line: it has no end, and may be only half there."""
        content = self.path.read_bytes() if self.path.exists() else b""
        whole, _, last = content.rpartition(b"\n")
        if not last:
            return ""
        return f"line {whole.count(bytes([10])) + bool(whole) + 1}"

    def faults(self) -> list[str]:
        """What is wrong with other lines than a torn one."""
        torn = self.torn
        return [said for said in self.corrupt if not (torn and said.startswith(f"{torn}, "))]

    def mend(self) -> str:
        """End the last line, or cut it off if it is only half there; what was cut off, in words."""
        torn, content = self.torn, self.path.read_bytes() if self.path.exists() else b""
        if not torn:
            return ""
        lost = any(said.startswith(f"{torn}, ") for said in self.corrupt)
        whole, newline, last = content.rpartition(b"\n")
        self.path.write_bytes(whole + newline if lost else content + b"\n")
        self._read()
        return f"left out: {torn}, which a crash has torn" if lost else ""


def fingerprint(content: Any) -> str:
    """A short hash of what JSON can hold.

    Raises:
        ValueError: it holds a number that JSON does not know.
    """
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash(line: Line) -> str:
    """Of all of a line but its hash."""
    return fingerprint({key: value for key, value in line.items() if key != "hash"})
