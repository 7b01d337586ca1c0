"""Training as the users of Keras 3 write it. Mirror: torch_impl/training.py."""

import time
from collections.abc import Callable, Collection

import keras
import numpy as np

from attention_twins.errors import InputError
from attention_twins.in_keras.optimizer import create_optimizer, get_state, set_state
from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.steps import LOSSES, StepWatcher, Watcher
from attention_twins.in_keras.weights import get_weights, set_weights
from attention_twins.training import FitResult, Snapshot
from keras_impl.seq2seq import teacher_forced
from shared.config import TrainConfig
from shared.data import Data, batch_order


def fit(
    model: keras.Model,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    resume_from: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network, by one call or one loop as users do.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, optimizer, loss and set-up; epochs and seed if `order` is not given.
        order: rows of the training set in the order of training, int (epochs, rows);
            `batch_order(rows, epochs, seed)` if None.
        progress: called after every epoch with the number of epochs done and the loss; training
            ends if it returns True.
        resume_from: weights and optimizer state to go on with, of either framework.
        snapshots: steps of this training after which to keep weights and state, from 1.

    Returns:
        Losses, seconds, weights and state; in the twin set-up equal on both sides up to rounding.

    Raises:
        InputError: a snapshot that does not fit, or one for another set-up than twin.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    data, seconds = teacher_forced(model, data), []
    with floatx(model.trainable_variables[0].dtype):
        optimizer = create_optimizer(model, config)
        if resume_from is not None:
            resume(model, optimizer, config, resume_from)
        model.compile(optimizer=optimizer, loss=LOSSES[config.loss]())
        in_epoch = -(-order.shape[1] // config.batch_size)
        within = any(step % in_epoch for step in snapshots)
        watcher = (StepWatcher if within else Watcher)(config, snapshots)
        for rows in order:
            begin = time.perf_counter()
            # One call an epoch, rows in order: a generator of batches costs more in every step.
            model.fit(
                data.train_x[rows],
                data.train_y[rows],
                batch_size=config.batch_size,
                shuffle=False,
                callbacks=[watcher],
                verbose=0,  # pyright: ignore[reportArgumentType] Keras's stub knows only str
            )
            seconds.append(time.perf_counter() - begin)
            if progress and progress(len(seconds), watcher.losses[-1]):
                break
        state = get_state(model, optimizer, config)
    return FitResult(
        weights=get_weights(model),
        state=state,
        loss=watcher.losses,
        seconds=seconds,
        compile_seconds=0.0,
        snapshots=watcher.snapshots,
    )


def resume(
    model: keras.Model, optimizer: keras.Optimizer, config: TrainConfig, snapshot: Snapshot
) -> None:
    """Load the weights and the optimizer state of a snapshot.

    Raises:
        InputError: the snapshot does not fit, or the set-up is another than twin.
    """
    if config.setup != "twin":
        raise InputError(f"setup must be twin to resume a training, got {config.setup!r}")
    set_weights(model, snapshot.weights)
    set_state(model, optimizer, config, snapshot.state)
