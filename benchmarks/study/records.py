"""The record of a study: `plan.json`, and a line of JSON for every chunk that is done."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.provenance import environment, write_json
from benchmarks.common.journal import WRONG, Chain
from benchmarks.study.arms import Arm, Chunk, chunks


@dataclass
class Study:
    """What is planned, and what is done of it."""

    folder: Path
    plan: dict[str, Any]
    chain: Chain

    @property
    def arms(self) -> list[Arm]:
        """What is compared."""
        return [Arm(**arm) for arm in self.plan["arms"]]

    @property
    def rates(self) -> list[float]:
        """Learning rates."""
        return self.plan["rates"]

    def rates_of(self, arm: Arm) -> list[float]:
        """The learning rates that an arm is trained with."""
        return [arm.learning_rate] if arm.learning_rate else self.rates

    @property
    def searched(self) -> list[tuple[Arm, Arm]]:
        """What was searched from, and what a search has found."""
        found = self.plan.get("searched", {"found": []})["found"]
        return [(Arm(**base), Arm(**arm)) for base, arm in found]

    @property
    def left(self) -> list[Chunk]:
        """Chunks that are still to be trained."""
        done = {Chunk.from_dict(line["chunk"]) for line in self.chain.lines}
        planned = chunks(self.arms, self.plan["starts"], self.rates)
        return [chunk for chunk in planned if chunk not in done]

    def add(self, chunk: Chunk, result: dict[str, Any]) -> None:
        """Keep what a chunk has come to."""
        self.chain.append({"chunk": chunk.as_dict(), **result})

    def starts(self, arm: Arm, rate: float) -> list[dict[str, Any]]:
        """All that has been kept of an arm's starts at a learning rate, by their seeds."""
        found = [
            start
            for line in self.chain.lines
            if Arm(**line["chunk"]["arm"]) == arm
            for start in line["starts"]
            if start["learning_rate"] == rate
        ]
        return sorted(found, key=lambda start: start["seed"])

    def errors(self, arm: Arm, rate: float, side: str = "test") -> dict[int, float]:
        """Seed → mean squared error; inf where it is not a number."""
        return {
            start["seed"]: np.inf if start[f"{side}_mse"] is None else start[f"{side}_mse"]
            for start in self.starts(arm, rate)
        }


def create(
    folder: Path,
    arms: Sequence[Arm],
    starts: int,
    rates: Sequence[float],
    searched: dict[str, Any] | None = None,
) -> Study:
    """A new record; `searched` says in how many trials what was found from what.

    Raises:
        InputError: the folder is there already, or cannot be made.
    """
    plan = {
        "arms": [asdict(arm) for arm in arms],
        "starts": starts,
        "rates": [*rates],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
    } | ({"searched": searched} if searched else {})
    try:
        folder.mkdir(parents=True, exist_ok=searched is not None)
        write_json(folder / "plan.json", plan)
    except OSError as error:
        raise InputError(f"out must be a folder that can be made, got {str(folder)!r}") from error
    return read(folder)


def read(folder: Path) -> Study:
    """The record in a folder.

    Raises:
        InputError: there is none.
    """
    try:
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        study = Study(folder, plan, Chain(folder / "starts.jsonl", plan))
        arms = study.arms
        if not arms or not study.plan["starts"] or not study.rates:
            raise ValueError("it compares nothing")
        _ = plan["environment"]["versions"].items(), plan["started"], study.left
    except (OSError, *WRONG) as error:
        raise InputError(
            f"record must be a folder that twins study made, got {str(folder)!r} ({error!r})"
        ) from error
    return study


SAME = ("processor", "python", "versions", "commit")
"""What a machine must still be for a study to go on: other versions round otherwise."""


def resume(folder: Path) -> Study:
    """The record in a folder, to go on with.

    Raises:
        InputError: there is none, it has faults, or was made by other versions.
    """
    study = read(folder)
    if faults := study.chain.faults():
        raise InputError(f"resume must be a record without faults, got {faults[0]}")
    here = environment()
    for name in SAME if study.left else ():
        if study.plan["environment"].get(name) != here.get(name):
            raise InputError(
                f"resume must go on where the record was made: {name} was "
                f"{study.plan['environment'].get(name)!r}, is {here.get(name)!r}"
            )
    return study
