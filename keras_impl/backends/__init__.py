"""The compiled call, on each of Keras's backends."""

import importlib

import keras

from keras_impl import loop
from shared.config import TrainConfig
from shared.data import Data


def Loop(
    model: keras.Model,
    data: Data,
    config: TrainConfig,
    optimizer: keras.Optimizer | None = None,
    seeds: int | None = None,
) -> loop.Loop:
    """The `keras_impl.loop.Loop` of the backend that Keras runs on; arguments as of that class."""
    backend = importlib.import_module(f"keras_impl.backends.{keras.backend.backend()}")
    return backend.Loop(model, data, config, optimizer, seeds)
