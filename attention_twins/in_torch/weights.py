"""Weights between PyTorch and the canonical layout. Mirror: in_keras/weights.py."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from attention_twins.in_torch.kinds import core, directions, layers
from attention_twins.weights import Weights, check_weights

Of = Callable[[torch.Tensor], Any]


def get_weights(model: nn.Module) -> Weights:
    """The weights of a network in the canonical layout, as copies."""
    weights = read(model)
    for name, bias_hh in _second_biases(model):
        weights[name] += bias_hh.numpy(force=True)
    return weights


def set_weights(model: nn.Module, weights: Weights) -> None:
    """Load canonical weights into a network.

    Raises:
        InputError: names, shapes or dtype are not the network's, or a value is not finite.
    """
    current = get_weights(model)
    check_weights(
        weights,
        {name: array.shape for name, array in current.items()},
        next(iter(current.values())).dtype.name,
    )
    write(model, weights)
    for _, bias_hh in _second_biases(model):
        nn.init.zeros_(bias_hh)


def get_trained(model: nn.Module) -> list[np.ndarray]:
    """What training changes, in the framework's own order and layout, as copies."""
    return [p.numpy(force=True).copy() for p in model.parameters() if p.requires_grad]


def set_trained(model: nn.Module, arrays: Sequence[np.ndarray]) -> None:
    """Load what `get_trained` gives."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter, array in zip(trained, arrays, strict=True):
        parameter.detach().copy_(torch.tensor(array))


def count_parameters(model: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@dataclass(frozen=True)
class Variable:
    """A parameter, or a buffer, as Keras would have it."""

    tensor: Any
    transposed: bool = False
    gates: Any = field(default_factory=lambda: slice(None))
    """For each position on the last axis in Keras, the one in PyTorch."""

    def view(self, of: Of) -> torch.Tensor:
        """`of` the parameter in Keras's order of axes; writing to it writes through."""
        tensor = of(self.tensor).detach()
        return tensor.permute(*reversed(range(tensor.ndim))) if self.transposed else tensor


def variables(model: nn.Module) -> dict[str, list[Variable]]:
    """Canonical name → variable, in the order of the layers."""
    found = {}  # several variables for a name are the rows of Keras's one
    for layer in layers(model):
        module, name = core(layer.module), layer.name
        if layer.kind in ("dense", "conv1d"):  # (out, in) and (out, in, steps)
            found[f"{name}/kernel"] = [Variable(module.weight, transposed=True)]
            found[f"{name}/bias"] = [Variable(module.bias)]
        elif layer.kind == "embedding":
            found[f"{name}/embeddings"] = [Variable(module.weight)]
        elif layer.kind == "attention":
            for own, parameter in module.named_parameters():
                found[f"{name}/{own}"] = [Variable(parameter)]
        elif layer.kind in ("layer_norm", "batch_norm"):
            found[f"{name}/gamma"] = [Variable(module.weight)]
            found[f"{name}/beta"] = [Variable(module.bias)]
            if layer.kind == "batch_norm":
                found[f"{name}/moving_mean"] = [Variable(module.running_mean)]
                found[f"{name}/moving_variance"] = [Variable(module.running_var)]
        else:
            for prefix, suffix in directions(layer):
                found |= _recurrent(layer.kind, module, f"{name}/{prefix}", suffix)
    return {
        name: rows for name, rows in found.items() if all(row.tensor is not None for row in rows)
    }


def read(model: nn.Module, of: Of = lambda tensor: tensor) -> Weights:
    """Canonical name → `of` every parameter (itself, its gradient, …), unless None, as copies."""
    found = {}
    for name, rows in variables(model).items():
        if all(of(row.tensor) is not None for row in rows):
            arrays = [row.view(of)[..., row.gates].numpy(force=True).copy() for row in rows]
            found[name] = np.stack(arrays) if len(arrays) > 1 else arrays[0]
    return found


def write(model: nn.Module, weights: Weights, of: Of = lambda tensor: tensor) -> None:
    """Write canonical arrays to `of` every parameter that is named."""
    found = variables(model)
    for name, array in weights.items():
        rows = found[name]
        for row, part in zip(rows, array if len(rows) > 1 else [array], strict=True):
            row.view(of)[..., row.gates] = torch.tensor(part)


def tensors(model: nn.Module) -> list[torch.Tensor]:
    """All that the canonical weights stand for, second biases included."""
    found = [row.tensor for rows in variables(model).values() for row in rows]
    return found + [bias for _, bias in _second_biases(model)]


def _recurrent(kind: str, module: Any, start: str, suffix: str) -> dict[str, list[Variable]]:
    """The variables of one layer and direction of a recurrent module."""
    gates: Any = slice(None)  # LSTM: i, f, g, o here, i, f, c, o in Keras
    if kind.endswith("gru"):  # r, z, n here, z, r, h in Keras
        units = module.hidden_size
        gates = [*range(units, 2 * units), *range(units), *range(2 * units, 3 * units)]
    kernel, recurrent_kernel, *biases = (
        getattr(module, f"{name}{suffix}", None)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    # Keras's GRU has both biases, as rows; the other layers have one, the sum of the two.
    rows = biases if kind.endswith("gru") else biases[:1]
    return {
        f"{start}kernel": [Variable(kernel, True, gates)],
        f"{start}recurrent_kernel": [Variable(recurrent_kernel, True, gates)],
        f"{start}bias": [Variable(bias, gates=gates) for bias in rows],
    }


def _second_biases(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Canonical name of a bias → the second bias of PyTorch that Keras does not have."""
    for layer in layers(model):
        module = core(layer.module)
        if layer.kind.endswith(("simple_rnn", "lstm")) and module.bias:
            for prefix, suffix in directions(layer):
                yield f"{layer.name}/{prefix}bias", getattr(module, f"bias_hh{suffix}")
