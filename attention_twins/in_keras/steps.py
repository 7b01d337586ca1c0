"""Training steps of any network in Keras 3. Mirror: in_torch/steps.py."""

import time
from collections.abc import Callable, Collection
from typing import Any

import keras
import numpy as np

from attention_twins.in_keras.optimizer import create_optimizer, get_state, set_state
from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import get_weights, set_weights
from attention_twins.subject import Rows
from attention_twins.training import FitResult, Snapshot, Training

LOSSES = {
    "mse": lambda: keras.losses.MeanSquaredError(),
    "mae": lambda: keras.losses.MeanAbsoluteError(),
    "bce": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "ce": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}
"""Name of a loss → what makes it, in the float type of that moment."""


class Watcher(keras.callbacks.Callback):
    """Keeps losses after epochs, and what a training stands at after some steps that end one."""

    def __init__(self, config: Training, steps: Collection[int]) -> None:
        super().__init__()
        self.config, self.steps = config, frozenset(steps)
        self.done, self.losses, self.snapshots = 0, [], {}

    def on_epoch_end(self, epoch, logs: Any = None):
        params: Any = self.params
        self.done += params["steps"]
        self.losses.append(float(logs["loss"]))
        self.keep(self.done)

    def keep(self, step: int) -> None:
        """Keep what the training stands at after this step, if it is wanted."""
        if step in self.steps and step not in self.snapshots:
            model: Any = self.model  # on JAX this property fetches the state, which costs time
            state = get_state(model, model.optimizer, self.config)
            self.snapshots[step] = Snapshot(get_weights(model), state)


class StepWatcher(Watcher):
    """Looks after every step too: Keras then waits for each, and dispatches no callback beside."""

    def on_train_batch_end(self, batch, logs=None):
        self.keep(self.done + batch + 1)  # where many steps are one execution, `batch` is the last


def fit(
    model: keras.Model,
    data: Rows,
    config: Training,
    order: np.ndarray,
    progress: Callable[[int, float], bool | None] | None = None,
    resume_from: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network in the steps that Keras takes.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, optimizer and loss.
        order: rows in the order of training, int (epochs, rows).
        progress: called after every epoch with the number of epochs done and the loss; training
            ends if it returns True.
        resume_from: go on from these weights and this state, of either framework.
        snapshots: steps of this training after which to keep weights and state, from 1.

    Raises:
        InputError: weights or state that do not fit.
    """
    with floatx(model.trainable_variables[0].dtype):
        optimizer = prepare(model, config, resume_from)
        in_epoch = -(-order.shape[1] // config.batch_size)
        within = any(step % in_epoch for step in snapshots)
        watcher, seconds = (StepWatcher if within else Watcher)(config, snapshots), []
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
        snapshots=watcher.snapshots,
    )


def prepare(model: keras.Model, config: Training, resume_from: Snapshot | None) -> keras.Optimizer:
    """Make a network ready to be trained, or to go on from a snapshot; its optimizer.

    Raises:
        InputError: weights or state that do not fit.
    """
    optimizer = create_optimizer(model, config)
    if resume_from is not None:
        set_weights(model, resume_from.weights)
        set_state(model, optimizer, config, resume_from.state)
    model.compile(optimizer=optimizer, loss=LOSSES[config.loss]())
    return optimizer
