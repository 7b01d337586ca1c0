"""What PyTorch computes on in this process. Mirror: in_keras/runtime.py."""

import contextlib
from collections.abc import Iterator

import torch

from attention_twins.errors import InputError
from attention_twins.training import Device


def device_name(device: Device) -> str:
    """The name of the hardware behind `device`, as the framework reports it.

    Raises:
        InputError: "cuda" asked for, and the framework sees no such device.
    """
    if device == "cpu":
        return "cpu"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if not names:
        raise InputError(f"device must be one that PyTorch sees, got {device!r}")
    return names[0]


@contextlib.contextmanager
def floatx(dtype: str | None) -> Iterator[None]:
    """Let the framework's default floating-point type be `dtype` for a while; None changes nothing.

    The dtype of the layers is not enough: what is made on the way has the default type, such as
    losses, learning rates, a state of zeros.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype) if dtype else before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
