"""Other people's networks in PyTorch. Mirror: in_keras/user_model.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model
from torch import nn

from attention_twins.in_torch.kinds import layers
from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.weights import tensors
from attention_twins.layers import check_all_known


def build(
    factory: Callable[[], Any], dtype: str, input_shape: tuple[int, ...] | None, seed: int
) -> tuple[Any, list[str], tuple[int, ...], tuple[int, ...]]:
    """Make a network in `dtype`, with its weights and without dropout.

    Args:
        factory: makes the network.
        dtype: float32 or float64.
        input_shape: shape of one row; Keras may know it from the network, PyTorch goes without.
        seed: for the network's own initialisers.

    Returns:
        The network, the layers whose dropout was switched off, the shapes of one row of the input
        and of the output, as far as they are known.

    Raises:
        ValueError: no such network, or one that cannot be taken.
    """
    with floatx(dtype):
        torch.manual_seed(seed)
        model = factory()
        if not isinstance(model, nn.Module):
            raise ValueError(f"a torch.nn.Module is needed, not {type(model).__name__}")
        model.to(getattr(torch, dtype))
        known = {id(tensor) for tensor in tensors(model)}
        check_all_known([n for n, tensor in model.named_parameters() if id(tensor) not in known])
        dropped = _switch_off_dropout(model)
        if input_shape is None:
            return model, dropped, (), ()
        kinds = [layer.kind for layer in layers(model)]
        whole = kinds[:1] == ["embedding"]
        with torch.no_grad():
            output = model.eval()(
                torch.zeros((2, *input_shape), dtype=torch.int64 if whole else None)
            )
        return model, dropped, input_shape, tuple(output.shape[1:])


def _switch_off_dropout(model: Any) -> list[str]:
    """Set every rate to 0; the names of the layers that had another."""
    found = []
    for layer_name, layer in model.named_modules():
        for name in ("p", "dropout"):
            if isinstance(getattr(layer, name, None), float) and getattr(layer, name) > 0:
                setattr(layer, name, 0.0)
                found.append(layer_name)
    return found


def export(model: Any, path: Path) -> None:
    """Write the weights to a file in the framework's own format."""
    save_model(model, str(path))
