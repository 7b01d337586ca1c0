"""The compiled call, on each of Keras's backends."""

import importlib
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from keras_impl.loop import Loop as AnyLoop


def Loop(*arguments: Any, **options: Any) -> "AnyLoop":
    """The `keras_impl.loop.Loop` of the backend that Keras runs on; arguments as of that class."""
    backend = importlib.import_module(f"keras_impl.backends.{keras.backend.backend()}")
    return backend.Loop(*arguments, **options)
