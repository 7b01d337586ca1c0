"""Starts the workers, listens, lets them exchange what they wrote, shows how far they are."""

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
from attention_twins.training import KerasBackend, Runtime
from attention_twins.twins import title

STAGES_ALONE, STAGES_FASTER, STAGES_TOGETHER = 6, 2, 2
"""How often a worker reports for a subject: before it meets the others, if it trains by the faster
ways too, and for each partner."""


@dataclass(frozen=True)
class Plan:
    """A worker to be: what it runs on, what it does, whose files it takes up."""

    keras_backend: KerasBackend
    """What Keras runs on; for PyTorch of no importance."""

    partners: list[str]
    """Names of the workers to exchange weights with."""

    subjects: int
    """How many subjects it runs."""

    function: Callable[..., None]
    """`stages.run`, or another that says the same; gets the package, the folder, the arguments."""

    package: str
    """Name of the framework's package."""

    arguments: tuple[Any, ...]

    faster: bool = False
    """Whether it trains by the faster ways as well."""


ENDS = ("missing", "refused", "crashed")
"""What a worker says that does not finish."""


class Coordinator:
    """Runs workers; afterwards, which of them finished and why others did not."""

    def __init__(
        self,
        plans: dict[str, Plan],
        folder: Path,
        pair: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        """Prepare.

        Args:
            plans: name of a worker → what it is to do.
            folder: traces go to FOLDER/WORKER.
            pair: takes what every worker has `made`, gives what each is sent then; None if
                they begin without that.
        """
        self.plans, self.folder, self.pair = plans, folder, pair
        self.errors = Console(stderr=True)
        self.finished: set[str] = set()
        self.failures: dict[str, str] = {}

    def run(self) -> None:
        """Let every worker run to its end.

        Raises:
            InputError: what a worker refuses, or `pair`.
        """
        with Workers() as workers, progress_bar(self.errors, width=18) as progress:
            bars = {name: self._start(workers, progress, name) for name in self.plans}
            made: dict[str, Any] = {}
            paired = False
            waiting: set[str] = set()
            for message in workers.listen():
                name = message.worker
                if self.pair and not paired and message.kind in ENDS:
                    raise InputError(self.why(message).splitlines()[-1])  # nothing to compare
                if message.kind == "stage":
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
                running = self.plans.keys() - self.failures.keys()
                if self.pair and made and made.keys() >= running:
                    workers.tell(self.pair(made))
                    made, paired = {}, True
                if waiting and waiting >= running:
                    workers.tell(
                        {
                            name: [partner for partner in plan.partners if partner in running]
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
        runtime = Runtime(keras_backend=plan.keras_backend)
        folder = self.folder / name
        workers.start(name, runtime, plan.function, plan.package, folder, *plan.arguments)
        stages = STAGES_ALONE + STAGES_TOGETHER * len(plan.partners)
        if plan.faster:
            stages += STAGES_FASTER
        return progress.add_task(title(name), total=plan.subjects * stages, note="importing …")

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
