"""What Keras 3 computes on in this process. Mirror: in_torch/runtime.py."""

import contextlib
import os
from collections.abc import Iterator

import keras
from keras.src.backend.common import dtypes

from attention_twins.errors import InputError
from attention_twins.training import Device


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
    before, narrowed = keras.config.floatx(), dtypes.BIT64_TO_BIT32_DTYPE["float64"]
    policy = keras.config.dtype_policy()
    keras.config.set_floatx(dtype or before)
    keras.config.set_dtype_policy(dtype or policy)  # made from floatx once, and then kept
    if dtype == "float64":
        # On JAX and torch every operation turns float64 into float32, by a table that Keras has no
        # setting for: it is taken out of it.
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = narrowed
