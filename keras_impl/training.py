"""Training as the users of Keras 3 write it. Mirror: torch_impl/training.py."""

import time
from collections.abc import Callable

import keras
import numpy as np

from keras_impl.runtime import floatx
from keras_impl.weights import get_weights
from shared.config import TrainConfig
from shared.fibonacci import Data, batch_order
from shared.results import FitResult


def fit(
    model: keras.Sequential,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> FitResult:
    """Train a network on the mean squared error with Adam, one call or one loop as users do.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, learning rate and set-up; epochs and seed if `order` is not given.
        order: rows of the training set in the order of training, int (epochs, rows);
            `batch_order(rows, epochs, seed)` if None.
        progress: called after every epoch with the number of epochs done and the loss.

    Returns:
        Losses, seconds and weights; in the twin set-up equal on both sides up to rounding.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    losses, seconds = [], []
    with floatx(data.train_x.dtype.name):
        model.compile(optimizer=keras.optimizers.Adam(config.learning_rate), loss="mse")
        for rows in order:
            start = time.perf_counter()
            # One call an epoch, rows in order: a generator of batches costs more in every step.
            model.fit(
                data.train_x[rows],
                data.train_y[rows],
                batch_size=config.batch_size,
                shuffle=False,
                callbacks=[
                    keras.callbacks.LambdaCallback(
                        on_epoch_end=lambda _, logs: losses.append(float(logs["loss"]))
                    )
                ],
                verbose=0,  # pyright: ignore[reportArgumentType] Keras's stub knows only str
            )
            seconds.append(time.perf_counter() - start)
            if progress:
                progress(len(losses), losses[-1])
    return FitResult(losses, seconds, 0.0, get_weights(model))
