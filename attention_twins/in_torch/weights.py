"""Weights between PyTorch and the canonical layout. Mirror: in_keras/weights.py."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from attention_twins.in_torch.kinds import core, directions, layers
from attention_twins.layers import kind_of_class
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


def get_own(model: nn.Module) -> list[np.ndarray]:
    """The values of what training changes, in the framework's own order and layout, as copies."""
    return [p.numpy(force=True).copy() for p in model.parameters() if p.requires_grad]


def to_own(model: nn.Module, weights: Weights) -> list[np.ndarray]:
    """Canonical weights of many seeds, their last axis, as `get_own` has them."""
    trained, places = _trained(model)
    first = next(iter(weights.values()))
    flat = np.zeros((sum(map(torch.numel, trained)), first.shape[-1]), first.dtype)
    for name, place in read(model, places.get).items():
        flat[place] = weights[name]
    return [flat[places[parameter].numpy()] for parameter in trained]


def to_canonical(model: nn.Module, arrays: Sequence[np.ndarray]) -> Weights:
    """Arrays of many seeds, their last axis, in the order of `get_own`, as canonical weights."""
    _, places = _trained(model)
    flat = np.concatenate([array.reshape(-1, array.shape[-1]) for array in arrays])
    weights = {name: flat[place] for name, place in read(model, places.get).items()}
    for name, bias_hh in _second_biases(model):
        known = bias_hh in places
        weights[name] += flat[places[bias_hh]] if known else bias_hh.numpy(force=True)[:, None]
    return weights


def _trained(model: nn.Module) -> tuple[list[nn.Parameter], dict[torch.Tensor, torch.Tensor]]:
    """What training changes, and for each number in it where it stands among all of them."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    places = torch.arange(sum(map(torch.numel, trained))).split([p.numel() for p in trained])
    return trained, {p: place.reshape(p.shape) for p, place in zip(trained, places, strict=True)}


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
        tensor = of(self.tensor).detach()  # (out, in, *steps) here, (*steps, in, out) in Keras
        return tensor.permute(*range(2, tensor.ndim), 1, 0) if self.transposed else tensor


def variables(model: nn.Module) -> dict[str, list[Variable]]:
    """Canonical name → variable, in the order of the layers."""
    found = {}  # several variables for a name are the rows of Keras's one
    for layer in layers(model):
        module, name = core(layer.module), layer.name
        if layer.kind in ("dense", "conv1d"):
            found[f"{name}/kernel"] = [Variable(module.weight, transposed=True)]
            found[f"{name}/bias"] = [Variable(module.bias)]
        elif layer.kind == "embedding":
            found[f"{name}/embeddings"] = [Variable(module.weight)]
        elif layer.kind in ("layer_norm", "batch_norm"):
            found[f"{name}/gamma"] = [Variable(module.weight)]
            found[f"{name}/beta"] = [Variable(module.bias)]
            if layer.kind == "batch_norm":
                found[f"{name}/moving_mean"] = [Variable(module.running_mean)]
                found[f"{name}/moving_variance"] = [Variable(module.running_var)]
        elif layer.kind.endswith(("simple_rnn", "lstm", "gru")):
            for prefix, suffix in directions(layer):
                found |= _recurrent(layer.kind, module, f"{name}/{prefix}", suffix)
        else:  # of a registered kind
            kind = kind_of_class(type(layer.module))
            in_keras = {theirs: ours for ours, theirs in kind.weights.items()} if kind else {}
            for own, parameter in module.named_parameters():
                found[f"{name}/{in_keras.get(own, own)}"] = [Variable(parameter)]
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


def _recurrent(kind: str, module: Any, prefix: str, suffix: str) -> dict[str, list[Variable]]:
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
        f"{prefix}kernel": [Variable(kernel, True, gates)],
        f"{prefix}recurrent_kernel": [Variable(recurrent_kernel, True, gates)],
        f"{prefix}bias": [Variable(bias, gates=gates) for bias in rows],
    }


def _second_biases(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Canonical name of a bias → the second bias of PyTorch that Keras does not have."""
    for layer in layers(model):
        module = core(layer.module)
        if layer.kind.endswith(("simple_rnn", "lstm")) and module.bias:
            for prefix, suffix in directions(layer):
                yield f"{layer.name}/{prefix}bias", getattr(module, f"bias_hh{suffix}")
