"""A study from where it stands to its tables and figures."""

import contextlib
import os
from pathlib import Path

from rich.console import Console
from rich.progress import TaskID

from attention_twins.errors import InputError
from attention_twins.progress import progress_bar
from benchmarks.study.arms import Arm, label
from benchmarks.study.pool import BrokenPool, compute
from benchmarks.study.records import Study
from benchmarks.study.views import save, show
from benchmarks.study.worker import ChunkError

STOPS = (ChunkError, BrokenPool)
"""What a study can be resumed after, beside errors of the system."""


def carry_out(study: Study, workers: int, scheduler: str | None, margin: float) -> int:
    """Train what is left, keep every chunk at once, show; the exit code.

    Raises:
        InputError: another process is at it, or the scheduler does not answer.
    """
    errors = Console(stderr=True)
    code = study.carry_out(lambda: _train(study, workers, scheduler, errors), errors, STOPS)
    if study.lines:
        save(study, margin)
        show(study, margin)
    return code


def _train(study: Study, workers: int, scheduler: str | None, errors: Console) -> None:
    """Train the chunks that are left, with a bar that counts seeds."""
    left = study.left
    total = study.plan["starts"] * sum(len(study.rates_of(arm)) for arm in study.arms)
    missing = sum(len(chunk.seeds) for chunk in left)
    with progress_bar(errors, "starts", width=50) as progress:
        name = f"{min(workers, os.cpu_count() or 1)} workers"
        bar = progress.add_task(name, total=total, completed=total - missing, note="")
        with contextlib.closing(compute(left, workers, scheduler)) as done:
            for chunk, result in done:
                study.add(chunk, result)
                name = f"{chunk.arm.twin} {chunk.arm.model} {chunk.arm.setup}"
                progress.update(bar, advance=len(chunk.seeds), description=name)


def searched(
    arms: list[Arm], trials: int, folder: Path, workers: int, scheduler: str | None
) -> list[tuple[Arm, Arm]]:
    """Each arm, and what a search from it proposes, with a bar that counts trials.

    Raises:
        InputError: the folder cannot be made, is no search's, or a trial cannot be trained.
        KeyboardInterrupt: after saying how to go on.
    """
    from benchmarks.study.search import proposed  # only now: Optuna takes a second

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out must be a folder that can be made, got {str(folder)!r}") from error
    if any(not path.name.startswith("search.journal") for path in folder.iterdir()):
        raise InputError(f"out must be a new folder, or that of a search, got {str(folder)!r}")
    errors, proposals = Console(stderr=True), []
    go_on = f"go on with the same command and --out {folder}"
    try:
        with progress_bar(errors, "trials", width=50) as progress:
            for arm in arms:
                bar = progress.add_task(f"search: {label(arm, arms)}", total=trials, note="")

                def tell(done: int, bar: TaskID = bar) -> None:
                    progress.update(bar, completed=done)

                proposals.append((arm, proposed(arm, trials, folder, workers, scheduler, tell)))
    except KeyboardInterrupt:
        errors.print(f"Interrupted: {go_on}", markup=False, soft_wrap=True, highlight=False)
        raise
    except (OSError, *STOPS) as error:
        raise InputError(f"search must train its trials, got {error}; {go_on}") from error
    return proposals
