"""The record of a study: `plan.json`, and a line of JSON for every chunk that is trained."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np

from attention_twins.provenance import environment
from benchmarks.common.journal import Journal, Line
from benchmarks.study.arms import Arm, Chunk, chunks


class Study(Journal):
    """What is planned, and what is trained of it."""

    COMMAND, FILE, MACHINE = "study", "starts.jsonl", "environment"
    NEEDED = (("environment", "versions"), ("started",))
    SAME = ("processor", "python", "versions", "commit")  # other versions round otherwise

    def parse(self) -> None:
        self.arms = [Arm(**arm) for arm in self.plan["arms"]]
        """What is compared."""
        self.rates: list[float] = self.plan["rates"]
        """Learning rates."""
        pairs = self.plan.get("searched", {"found": []})["found"]
        self.searched = [(Arm(**base), Arm(**proposal)) for base, proposal in pairs]
        """What was searched from, and what a search has found."""
        if not [*chunks(self.arms, self.plan["starts"], self.rates)]:
            raise ValueError("it compares nothing")

    def encode(self, line: Line) -> Line:
        return line | {"chunk": line["chunk"].as_dict()}

    def decode(self, line: Line) -> Line:
        return line | {"chunk": Chunk.from_dict(line["chunk"])}

    def subject(self, line: Line) -> Arm:
        return line["chunk"].arm

    @classmethod
    def create(
        cls,
        folder: Path,
        arms: Sequence[Arm],
        seeds: int,
        rates: Sequence[float],
        searched: Line | None = None,
    ) -> Self:
        """A new record; `searched` says in how many trials what was found from what.

        Raises:
            InputError: the folder exists already, or cannot be made.
        """
        plan = {
            "arms": [arm.as_dict() for arm in arms],
            "starts": seeds,
            "rates": [*rates],
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment(),
        }
        if searched:
            plan["searched"] = searched
        return cls.new(folder, plan, exist_ok=searched is not None)

    @property
    def complete(self) -> bool:
        return not self.left

    @property
    def left(self) -> list[Chunk]:
        """Chunks that are still to be trained."""
        done = {line["chunk"] for line in self.lines}
        planned = chunks(self.arms, self.plan["starts"], self.rates)
        return [chunk for chunk in planned if chunk not in done]

    def add(self, chunk: Chunk, result: Line) -> None:
        """Keep what a chunk has come to."""
        self.append({"chunk": chunk, **result})

    def rates_of(self, arm: Arm) -> list[float]:
        """The learning rates that an arm is trained with."""
        return [arm.learning_rate] if arm.learning_rate else self.rates

    def trainings(self, arm: Arm, rate: float) -> list[Line]:
        """All that is kept of an arm's trainings at a learning rate, by their seeds."""
        kept = (training for line in self.of(arm) for training in line["starts"])
        at_rate = [training for training in kept if training["learning_rate"] == rate]
        return sorted(at_rate, key=lambda training: training["seed"])

    def errors(self, arm: Arm, rate: float, side: str = "test") -> dict[int, float]:
        """Seed → mean squared error; inf where it is not a number."""
        errors = {x["seed"]: x[f"{side}_mse"] for x in self.trainings(arm, rate)}
        return {seed: np.inf if error is None else error for seed, error in errors.items()}
