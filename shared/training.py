"""The epochs of a compiled training, whatever compiles it: `fit_compiled` and `fit_many`."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike

from attention_twins.errors import InputError
from attention_twins.training import FitResult, Snapshot
from attention_twins.weights import Weights
from shared.config import TrainConfig
from shared.data import Data, batch_order, batches, check_order
from shared.many import ManyResult, Plan, join, predictions


@runtime_checkable
class Steps(Protocol):
    """Training steps as one compiled call, of one network or of S seeds of it at once."""

    def run(self, rows: Integer[np.ndarray, "K ..."], begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows, (K, B) or (K, S, B).

        From 0 to 0 only compiles.
        """
        ...

    def take_loss(self) -> Float[np.ndarray, "..."]:
        """The sum of the loss over all rows since the last call, () or (S,)."""
        ...


@runtime_checkable
class Loop(Steps, Protocol):
    """What `run_epochs` trains."""

    def snapshot(self) -> Snapshot:
        """Weights and state after the last step."""
        ...


@runtime_checkable
class ManyLoop(Steps, Protocol):
    """What `run_many` trains; arrays are the framework's own, with the seeds as last axis."""

    def load(self, arrays: Sequence[np.ndarray], rates: Sequence[float]) -> None:
        """Begin with these values of what is trained, at these learning rates."""
        ...

    def arrays(self) -> list[np.ndarray]:
        """The values of what is trained."""
        ...

    def predict(self, x: Float[np.ndarray, "B T F"]) -> Float[np.ndarray, "S B D"]:
        """The predictions of every seed's network."""
        ...


def run_epochs(
    loop: Loop,
    data: Data,
    config: TrainConfig,
    order: ArrayLike | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Compile, then train epoch by epoch. Args, Returns: as of `fit`.

    Raises:
        InputError: a wrong order, or a network that cannot be compiled.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    checked = check_order(order, len(data.train_x))
    compile_seconds = compiled(loop, checked[0], config.batch_size)
    losses, seconds, kept, step = [], [], {}, 0
    for rows in checked:
        begin = time.perf_counter()
        for part in batches(rows, config.batch_size):
            first, wanted = 0, [s - step for s in sorted(snapshots) if 0 < s - step < len(part)]
            for last in [*wanted, len(part)]:
                loop.run(part, first, last)
                first = last
                if step + last in snapshots:
                    kept[step + last] = loop.snapshot()
            step += len(part)
        losses.append(float(loop.take_loss()) / len(rows))
        seconds.append(time.perf_counter() - begin)
        if progress and progress(len(losses), losses[-1]):
            break
    return FitResult(
        **vars(loop.snapshot()),
        loss=losses,
        seconds=seconds,
        compile_seconds=compile_seconds,
        snapshots=kept,
    )


def run_many(
    loop: ManyLoop,
    plan: Plan,
    initial: Callable[[list[int]], list[np.ndarray]],
    to_canonical: Callable[[list[np.ndarray]], Weights],
    progress: Callable[[int, int], None] | None = None,
) -> ManyResult:
    """Compile, then train chunk by chunk.

    Args:
        loop: trains a chunk.
        plan: what to train.
        initial: seeds → initial values of what is trained.
        to_canonical: values of what is trained → canonical weights; the seeds are the last axis.
        progress: as of `fit_many`.
    """
    done, epochs, data, config = [], 0, plan.data, plan.config
    for chunk in plan.chunks:
        loop.load(initial(chunk.seeds), chunk.learning_rates)
        losses, seconds, compile_seconds = [], [], 0.0
        for rows in plan.orders(chunk):
            if not epochs:
                compile_seconds = compiled(loop, rows, config.batch_size)
            begin = time.perf_counter()
            for part in batches(rows, config.batch_size):
                loop.run(part, 0, len(part))
            losses.append(loop.take_loss() / rows.shape[1])
            seconds.append(time.perf_counter() - begin)
            epochs += 1
            if progress:
                progress(epochs, plan.epochs)
        weights = to_canonical(loop.arrays())
        train, test = (
            predictions(loop.predict, x, len(chunk.seeds), plan.model)
            for x in (data.train_x, data.test_x)
        )
        done.append(
            ManyResult(
                seeds=chunk.seeds,
                learning_rates=chunk.learning_rates,
                loss=np.stack(losses, axis=1),
                weights={
                    n: np.ascontiguousarray(np.moveaxis(w, -1, 0)) for n, w in weights.items()
                },
                train_prediction=train,
                test_prediction=test,
                seconds=seconds,
                compile_seconds=compile_seconds,
            )
        )
    return join(done, len(plan.seeds))


def compiled(steps: Steps, order: Integer[np.ndarray, "... rows"], batch_size: int) -> float:
    """Compile for epochs like this one, (rows,) or (S, rows), without a step; seconds.

    Raises:
        InputError: what compiles is missing, or cannot take the network.
    """
    begin = time.perf_counter()
    try:
        for part in batches(order, batch_size):
            steps.run(part, 0, 0)
    except (RuntimeError, OSError) as error:  # of the network, the compiler or its caches
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"model cannot be compiled here: {said}") from error
    steps.take_loss()
    return time.perf_counter() - begin
