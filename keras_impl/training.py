"""Training in Keras 3. Mirror: torch_impl/training.py.

The loop, as the users of Keras 3 write it: attention_twins/in_keras/steps.py.
"""

from collections.abc import Callable, Collection

import keras
import numpy as np

from attention_twins.in_keras import steps
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
    if resume_from is not None:
        config.check_resumable()
    given = teacher_forced(model, data)
    return steps.fit(model, given, config, order, progress, resume_from, snapshots)
