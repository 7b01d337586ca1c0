"""A study from where it stands to its tables and figures."""

import contextlib
import os

from filelock import FileLock, Timeout
from joblib.externals.loky.process_executor import BrokenProcessPool
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.studies.pool import compute
from benchmarks.studies.records import Study, read
from benchmarks.studies.tables import save, show
from benchmarks.studies.work import ChunkError
from shared.config import InputError


def carry_out(study: Study, workers: int, scheduler: str | None, margin: float) -> int:
    """Train what is left, keep every chunk at once, show; the exit code.

    Raises:
        InputError: another process is at it, or the scheduler does not answer.
    """
    errors, code, folder = Console(stderr=True), 0, study.folder
    errors.print(f"record: {folder}", markup=False, soft_wrap=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            study = read(folder)  # as it is now that nobody else writes to it
            if torn := study.chain.mend():
                errors.print(torn, style="yellow", markup=False)
            _train(study, study.left, workers, scheduler, errors)
            (folder / ".lock").unlink()
    except Timeout as error:
        raise InputError(f"record must not be made twice at once: {folder}") from error
    except (KeyboardInterrupt, OSError, ChunkError, BrokenProcessPool) as error:
        stopped = isinstance(error, KeyboardInterrupt)
        code, study = 130 if stopped else 1, read(folder)
        errors.print("Interrupted." if stopped else f"Stopped: {error}", markup=False)
        said = f"Go on with: twins study --resume {folder}"
        errors.print(said, markup=False, soft_wrap=True, highlight=False)
    if study.chain.lines:
        save(study, margin)
        show(study, margin)
    return code


def _train(study: Study, left: list, workers: int, scheduler: str | None, errors: Console) -> None:
    """Train the chunks that are left, with a bar that counts starts."""
    columns = (
        TextColumn("{task.description:50}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,} starts"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    total = study.plan["starts"] * len(study.rates) * len(study.arms)
    missing = sum(len(chunk.seeds) for chunk in left)
    with Progress(*columns, console=errors) as progress:
        bar = progress.add_task(f"{min(workers, os.cpu_count() or 1)} workers", total=total)
        progress.update(bar, completed=total - missing)
        with contextlib.closing(compute(left, workers, scheduler)) as done:
            for chunk, result in done:
                study.add(chunk, result)
                said = f"{chunk.arm.twin} {chunk.arm.model} {chunk.arm.setup}"
                progress.update(bar, advance=len(chunk.seeds), description=said)
