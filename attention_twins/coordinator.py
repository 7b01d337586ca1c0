"""Climbing the ladder: starts the twins, listens, lets them exchange, shows how far they are."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from attention_twins.errors import InputError
from attention_twins.processes import Message, Workers
from attention_twins.progress import progress_bar
from attention_twins.twins import title
from shared.config import TrainConfig

RUNGS_ALONE, RUNGS_FASTER, RUNGS_TOGETHER = 6, 2, 2
"""How often a worker reports for a case: before it meets the others, if it trains by the faster
ways too, and for each partner."""


@dataclass(frozen=True)
class Plan:
    """A worker to be: what it runs on, what it does, whose files it takes up."""

    backend: str
    """What Keras runs on; for PyTorch of no importance."""

    partners: list[str]
    """Names of the workers to exchange weights with."""

    cases: int
    """With how many cases it climbs."""

    function: Callable[..., None]
    """`ladder.climb`, or another that says the same; gets twin, folder and the arguments."""

    arguments: tuple[Any, ...]

    faster: bool = False
    """Whether it trains by the faster ways as well."""


ENDS = ("missing", "refused", "crashed")
"""What a worker says that does not come to the top."""


class Ascent:
    """Workers on the ladder; afterwards, who came to the top and why others did not."""

    def __init__(
        self,
        plans: dict[str, Plan],
        folder: Path,
        meet: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        """Prepare.

        Args:
            plans: name of a worker → what it is to do.
            folder: traces go to FOLDER/WORKER.
            meet: takes what every worker has `made`, gives what they are told then; None if
                they begin without that.
        """
        self.plans, self.folder, self.meet = plans, folder, meet
        self.errors = Console(stderr=True)
        self.finished: set[str] = set()
        self.failures: dict[str, str] = {}

    def climb(self) -> None:
        """Let every worker climb to the end.

        Raises:
            InputError: what a worker refuses, or `meet`.
        """
        with Workers() as workers, progress_bar(self.errors, width=18) as progress:
            bars = {name: self._start(workers, progress, name) for name in self.plans}
            made: dict[str, Any] = {}
            met = False
            waiting: set[str] = set()
            for message in workers.listen():
                name = message.worker
                if self.meet and not met and message.kind in ENDS:
                    raise InputError(self.why(message).splitlines()[-1])  # nothing to compare
                if message.kind == "rung":
                    progress.update(bars[name], advance=1, note=" ".join(message.content))
                elif message.kind == "made":
                    made[name] = message.content
                elif message.kind == "waiting":
                    waiting.add(name)
                    progress.update(bars[name], note="waiting")
                elif message.kind == "finished":
                    progress.update(bars[name], note="")
                    self.finished.add(name)
                elif message.kind != "ready":
                    progress.update(bars[name], note="ended")
                    self._fail(message)
                climbing = self.plans.keys() - self.failures.keys()
                if self.meet and made and made.keys() >= climbing:
                    workers.tell(self.meet(made))
                    made, met = {}, True
                if waiting and waiting >= climbing:
                    workers.tell(
                        {
                            name: [partner for partner in plan.partners if partner in climbing]
                            for name, plan in self.plans.items()
                        }
                    )
                    waiting = set()

    def named_failures(self) -> dict[str, str]:
        """What a person calls each worker that failed, and why it did."""
        return {title(name): why for name, why in self.failures.items()}

    def _start(self, workers: Workers, progress: Progress, name: str) -> TaskID:
        """Start a worker; its progress bar."""
        plan = self.plans[name]
        workers.start(
            name,
            TrainConfig(keras_backend=plan.backend),  # pyright: ignore[reportArgumentType]
            plan.function,
            name.split("-")[0],
            self.folder / name,
            *plan.arguments,
        )
        rungs = RUNGS_ALONE + RUNGS_FASTER * plan.faster + RUNGS_TOGETHER * len(plan.partners)
        return progress.add_task(title(name), total=plan.cases * rungs, note="importing …")

    def why(self, message: Message) -> str:
        """Why a worker does not go on."""
        why = message.content
        if message.kind == "missing":
            package, reason = message.content
            why = (
                f"not checked: it needs the package {package!r}, which cannot be imported "
                f"({reason}); install it with: {sys.executable} -m pip install {package}"
            )
        return why

    def _fail(self, message: Message) -> None:
        """Keep and print why a worker does not go on."""
        why = self.failures[message.worker] = self.why(message)
        text = f"{title(message.worker)}: {why}"
        self.errors.print(text, style="red", markup=False, soft_wrap=True)
