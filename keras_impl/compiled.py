"""Training at the speed of the machine, in Keras 3. Mirror: torch_impl/compiled.py."""

from collections.abc import Callable, Collection

import keras
import numpy as np
from jaxtyping import Integer

from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.steps import prepare
from attention_twins.training import FitResult, Snapshot
from keras_impl.backends import Loop
from shared.config import TrainConfig
from shared.data import Data
from shared.training import run_epochs


def fit_compiled(
    model: keras.Model,
    data: Data,
    config: TrainConfig,
    order: Integer[np.ndarray, "epochs rows"] | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    resume_from: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network with whole epochs inside one compiled call; else as `fit`.

    Args, Raises: as `fit`; InputError too if what compiles is missing or cannot take the network.

    Returns:
        What `fit` returns, equal up to rounding; compilation is over before the first epoch. Layers
        that draw random numbers may draw others than in `fit`.
    """
    if resume_from is not None:
        config.check_resumable()
    with floatx(model.trainable_variables[0].dtype):
        optimizer = prepare(model, config, resume_from)
        loop = Loop(model, data, config, optimizer)
        return run_epochs(loop, data, config, order, progress, snapshots)
