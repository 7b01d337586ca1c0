"""Training at the speed of the machine, in Keras 3. Mirror: torch_impl/compiled.py."""

import time
from collections.abc import Callable, Collection

import keras
import numpy as np

from attention_twins.errors import InputError
from attention_twins.in_keras.optimizer import create_optimizer, get_state, set_state
from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import get_weights, set_weights
from attention_twins.training import FitResult, Snapshot
from keras_impl.loop import Loop
from keras_impl.training import LOSSES
from shared.config import TrainConfig
from shared.fibonacci import Data, batch_order, batches, check_order


def fit_compiled(
    model: keras.Model,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    start: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network with whole epochs inside one compiled call; else as `fit`.

    Args, Raises: as `fit`; InputError too if what compiles is missing or cannot take the network.

    Returns:
        What `fit` returns, equal up to rounding; compilation is over before the first epoch. Layers
        that draw random numbers may draw others than in `fit`.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    order = check_order(order, len(data.train_x))
    losses, seconds, kept, step = [], [], {}, 0
    with floatx(model.trainable_variables[0].dtype):
        optimizer = create_optimizer(model, config)
        if start is not None:
            if config.setup != "twin":
                raise InputError(f"setup must be twin to go on from a start, got {config.setup!r}")
            set_weights(model, start.weights)
            set_state(model, optimizer, config, start.state)
        model.compile(optimizer=optimizer, loss=LOSSES[config.loss]())
        loop = Loop(model, data, config, optimizer)
        compile_seconds = loop.compile(order[0])
        for rows in order:
            begin = time.perf_counter()
            for part in batches(rows, config.batch_size):
                first, wanted = 0, [s - step for s in sorted(snapshots) if 0 < s - step < len(part)]
                for last in [*wanted, len(part)]:
                    loop.run(part, first, last)
                    first = last
                    if step + last in snapshots:
                        loop.store()
                        state = get_state(model, optimizer, config)
                        kept[step + last] = Snapshot(get_weights(model), state)
                step += len(part)
            losses.append(float(loop.take_loss()) / len(rows))
            seconds.append(time.perf_counter() - begin)
            if progress and progress(len(losses), losses[-1]):
                break
        loop.store()
        state = get_state(model, optimizer, config)
    return FitResult(
        weights=get_weights(model),
        state=state,
        loss=losses,
        seconds=seconds,
        compile_seconds=compile_seconds,
        snapshots=kept,
    )
