"""Chunks of a study spread over processes by joblib, or over a cluster by joblib's Dask backend."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import cast

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

from attention_twins.errors import InputError
from benchmarks.common.journal import Line
from benchmarks.study.arms import Chunk
from benchmarks.study.worker import train

TRIES = 5
"""How often in a row a worker may be killed before a single chunk is done."""

SECONDS = 5
"""How long a scheduler may take to answer."""

BrokenPool = BrokenProcessPool
"""What a pool raises that cannot go on. joblib has it, and what it raises for a killed worker, in a
private module, which is imported nowhere else."""

Train = Callable[[Chunk], Line]
Results = Generator[tuple[Chunk, Line]]


def compute(
    chunks: Sequence[Chunk], workers: int, scheduler: str | None, train: Train = train
) -> Results:
    """Train chunks; each as soon as it is done. A worker that is killed costs time only.

    Raises:
        InputError: no scheduler answers there, or the package that asks it is not installed.
        ChunkError: a chunk cannot be trained.
        TerminatedWorkerError: workers are killed again and again.
    """
    left, tries = [*chunks], TRIES
    while left:
        try:
            with backend(scheduler):
                pool = Parallel(n_jobs=workers, return_as="generator_unordered")
                results = cast(Results, pool(delayed(_with_chunk)(train, chunk) for chunk in left))
                with contextlib.closing(results):
                    for chunk, result in results:
                        tries = TRIES
                        yield chunk, result
                        left = [other for other in left if other != chunk]
        except TerminatedWorkerError:
            tries -= 1
            if not tries:
                raise


def _with_chunk(train: Train, chunk: Chunk) -> tuple[Chunk, Line]:
    """A chunk and its result: they come back in any order."""
    return chunk, train(chunk)


@contextlib.contextmanager
def backend(scheduler: str | None) -> Iterator[None]:
    """Processes here, or a cluster.

    Raises:
        InputError: as `compute`.
    """
    if scheduler is None:
        with parallel_config(backend="loky"):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("scheduler needs the package distributed, which is not there") from error
    try:
        client = Client(scheduler, timeout=SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"scheduler must answer within {SECONDS} s, got {scheduler!r}") from error
    with client, parallel_config(backend="dask"):
        if sum(cast(dict[str, int], client.ncores()).values()) == 1:
            raise InputError("scheduler must have two workers or more, got one")  # joblib's wish
        yield
