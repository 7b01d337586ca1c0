"""What PyTorch computes on in this process. Mirror: keras_impl/runtime.py."""

import torch

from shared.config import Device, InputError


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
