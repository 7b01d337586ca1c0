"""What Keras 3 computes on in this process. Mirror: in_torch/runtime.py."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import keras

from attention_twins.errors import InputError, private
from attention_twins.training import Device

Tensor = Any
"""A tensor of whichever backend Keras runs on, or a symbolic one."""


def device_name(device: Device) -> str:
    """The name of the hardware behind `device`, as the framework reports it.

    Raises:
        InputError: "cuda" asked for, and the framework sees no such device.
    """
    check_backend()
    if device == "cpu":
        return "cpu"
    backend = keras.backend.backend()
    names = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]()
    if not names:
        raise InputError(f"device must be one that Keras on {backend} sees, got {device!r}")
    return names[0]


def check_backend() -> None:
    """Raise InputError if Keras runs on another backend than this process was started for."""
    asked, found = os.environ.get("KERAS_BACKEND"), keras.backend.backend()
    if asked not in (None, found):
        raise InputError(f"keras_backend must be what Keras runs on ({found}), got {asked!r}")


def _tensorflow() -> list[str]:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    return [details(gpu)["device_name"] for gpu in tf.config.list_physical_devices("GPU")]


def _jax() -> list[str]:
    import jax

    try:
        return [device.device_kind for device in jax.devices("cuda")]
    except RuntimeError:  # no CUDA build, or no device
        return []


def _torch() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


@contextlib.contextmanager
def floatx(dtype: str | None) -> Iterator[None]:
    """Let the framework's default floating-point type be `dtype` for a while; None changes nothing.

    The dtype of the layers is not enough: what is made on the way has the default type, such as
    losses, learning rates, a state of zeros.
    """
    # On JAX and torch every operation turns float64 into float32, by a table that Keras has no
    # setting for: float64 is taken out of it.
    kept = {"float64": "float64"} if dtype == "float64" else {}
    table = _narrower_types() if kept and keras.backend.backend() != "tensorflow" else {}
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype or before)
    keras.config.set_dtype_policy(dtype or policy)  # made from floatx once, and then kept
    try:
        with patch.dict(table, kept):
            yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def sublayers(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that a model is made of, or that a layer holds, alone or in containers."""
    if isinstance(layer, keras.Model):
        return layer.layers
    held = []
    for value in vars(layer).values():
        value = [*value.values()] if isinstance(value, dict) else value
        held += value if isinstance(value, list | tuple) else [value]
    return [*{id(part): part for part in held if isinstance(part, keras.Layer)}.values()]


def flat_layers(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that a layer is made of, each followed by what it is made of itself."""
    found, waiting = {}, sublayers(layer)
    while waiting:
        part, *waiting = waiting
        if id(part) not in found:
            found[id(part)] = part
            waiting = [*sublayers(part), *waiting]
    return [*found.values()]


# The private names of Keras, all of them.


def _narrower_types() -> dict[str, str]:
    """Type → what Keras turns it into."""
    return private("Keras", "keras.src.backend.common.dtypes:BIT64_TO_BIT32_DTYPE")


def many_optimizer_class(kind: type[keras.Optimizer]) -> type[keras.Optimizer]:
    """A class of its own: Keras replaces its own ones, on torch, by faster ones for a single rate.

    Raises:
        InputError: this version of Keras has no such method.
    """
    base = "keras.src.optimizers.base_optimizer:BaseOptimizer"
    decay = private("Keras", f"{base}._apply_weight_decay")
    return type(kind.__name__, (kind,), {"_apply_weight_decay": decay})
