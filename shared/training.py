"""The epochs of a compiled training, whatever compiles it: `fit_compiled` and `fit_many`."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike

from attention_twins.errors import InputError
from attention_twins.training import FitResult, Snapshot
from attention_twins.weights import Weights
from shared.config import ModelConfig, Setup, TrainConfig
from shared.data import Data, batch_order, batches, check_order
from shared.many import ManyResult, check_data, chunks, draw_many, predictions
from shared.weights import initial_weights

Model = TypeVar("Model")
"""A framework's network."""


@runtime_checkable
class Loop(Protocol):
    """Training steps as one compiled call, of one network or of S seeds of it at once."""

    def run(self, rows: Integer[np.ndarray, "K ..."], begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows, (K, B) or (K, S, B).

        From 0 to 0 only compiles.
        """
        ...

    def take_loss(self) -> Float[np.ndarray, "..."]:
        """The sum of the loss over all rows since the last call, () or (S,)."""
        ...

    def snapshot(self) -> Snapshot:
        """Weights and state after the last step."""
        ...


@runtime_checkable
class ManyLoop(Loop, Protocol):
    """The same of many seeds; arrays are the framework's own, with the seeds as last axis."""

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


@dataclass(frozen=True)
class FitMany(Generic[Model]):
    """`fit_many`: the functions of a framework's package, and what is done with them."""

    create_model: Callable[[ModelConfig, Setup, int], Model]
    loop: Callable[..., ManyLoop]
    floatx: Callable[[str], AbstractContextManager[None]]
    get_own: Callable[[Model], list[np.ndarray]]
    to_own: Callable[[Model, Weights], list[np.ndarray]]
    to_canonical: Callable[[Model, list[np.ndarray]], Weights]

    most: int
    """Seeds trained at once, at most."""

    def __call__(
        self,
        model_config: ModelConfig,
        data: Data,
        config: TrainConfig,
        seeds: Sequence[int],
        learning_rates: Sequence[float] | None = None,
        order: ArrayLike | None = None,
        progress: Callable[[int, int], None] | None = None,
        initial: Callable[[ModelConfig, int], Weights] | None = None,
    ) -> ManyResult:
        """Train a network from many seeds at once, by the framework's own vectorisation.

        Each seed decides its initial weights and its batch order. What becomes of it does not
        depend on the others, and is what `fit` makes of it, up to rounding.

        Args:
            model_config: the network.
            data: training rows, and test rows to predict, in the network's dtype.
            config: epochs, batch size, optimizer, loss and set-up; `seed` is not used.
            seeds: S of them.
            learning_rates: one for each seed; `config.learning_rate` if None.
            order: rows of the training set in the order of training, int (S, epochs, rows); that
                of each seed if None.
            progress: called after every epoch of a chunk of seeds with the number of epochs done
                and the number of all.
            initial: network and seed → initial weights; if None those of the set-up.

        Raises:
            InputError: no seeds, seeds or learning rates out of range, not one rate for each seed,
                rows of another shape or type than the network's, a wrong order; or what compiles
                is missing.
        """
        parts = chunks(model_config, config, seeds, learning_rates, self.most)
        check_data(model_config, data)
        given = None if order is None else check_order(order, len(data.train_x), len(seeds))
        epochs = len(parts) * (config.epochs if given is None else given.shape[1])
        results, seconds, compile_seconds = [], [], 0.0
        with self.floatx(model_config.dtype):
            model = self.create_model(model_config, config.setup, 0)
            loop = self.loop(model, data, config, seeds=len(parts[0].seeds))
            for chunk in parts:
                values = self._initial_values(model, model_config, config, chunk.seeds, initial)
                loop.load(values, chunk.learning_rates)
                losses = []
                for rows in chunk.orders(given, len(data.train_x), config.epochs):
                    if not seconds:
                        compile_seconds = compiled(loop, rows, config.batch_size)
                    begin = time.perf_counter()
                    for part in batches(rows, config.batch_size):
                        loop.run(part, 0, len(part))
                    losses.append(loop.take_loss() / rows.shape[1])
                    seconds.append(time.perf_counter() - begin)
                    if progress:
                        progress(len(seconds), epochs)
                weights = self.to_canonical(model, loop.arrays())
                first = {n: np.ascontiguousarray(np.moveaxis(w, -1, 0)) for n, w in weights.items()}
                train, test = (
                    predictions(loop.predict, x, len(chunk.seeds), model_config)
                    for x in (data.train_x, data.test_x)
                )
                results.append((np.stack(losses, axis=1), first, train, test))
        loss, weights, train, test = zip(*results, strict=True)

        def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate(arrays)[: len(seeds)]

        return ManyResult(
            seeds=[seed for chunk in parts for seed in chunk.seeds][: len(seeds)],
            learning_rates=[rate for chunk in parts for rate in chunk.learning_rates][: len(seeds)],
            loss=joined(loss),
            weights={name: joined([own[name] for own in weights]) for name in weights[0]},
            train_prediction=joined(train),
            test_prediction=joined(test),
            seconds=seconds,
            compile_seconds=compile_seconds,
        )

    def _initial_values(
        self,
        model: Model,
        model_config: ModelConfig,
        config: TrainConfig,
        seeds: list[int],
        initial: Callable[[ModelConfig, int], Weights] | None,
    ) -> list[np.ndarray]:
        """Initial values of what is trained, in the framework's own layout."""
        if initial is None and config.setup == "native":
            models = (self.create_model(model_config, config.setup, seed) for seed in seeds)
            return [np.stack(own, axis=-1) for own in zip(*map(self.get_own, models), strict=True)]
        draw = initial or partial(initial_weights, setup=config.setup)
        return self.to_own(model, draw_many(model_config, seeds, draw))


def compiled(loop: Loop, order: Integer[np.ndarray, "... rows"], batch_size: int) -> float:
    """Compile for epochs like this one, (rows,) or (S, rows), without a step; seconds.

    Raises:
        InputError: what compiles is missing, or cannot take the network.
    """
    begin = time.perf_counter()
    try:
        for part in batches(order, batch_size):
            loop.run(part, 0, 0)
    except (RuntimeError, OSError) as error:  # of the network, the compiler or its caches
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"model cannot be compiled here: {said}") from error
    loop.take_loss()
    return time.perf_counter() - begin
