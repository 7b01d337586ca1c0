"""Weights between PyTorch and the canonical layout. Mirror: keras_impl/weights.py."""

import torch
from torch import nn

from shared.weights import Weights, check_weights
from torch_impl.attention import Attention
from torch_impl.rnn import SimpleRNN


def get_weights(model: nn.Sequential) -> Weights:
    """The weights of a network in the canonical layout, as copies."""
    weights = {name: view.numpy(force=True).copy() for name, view in _views(model).items()}
    for name, layer in model.named_children():
        if isinstance(layer, SimpleRNN):
            *_, bias_hh = layer.core.parameters()
            weights[f"{name}/bias"] += bias_hh.numpy(force=True)
    return weights


def set_weights(model: nn.Sequential, weights: Weights) -> None:
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
    for name, view in _views(model).items():
        view.copy_(torch.tensor(weights[name]))
    for layer in model.children():
        if isinstance(layer, SimpleRNN):
            *_, bias_hh = layer.core.parameters()
            nn.init.zeros_(bias_hh)


def count_parameters(model: nn.Sequential) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _views(model: nn.Sequential) -> dict[str, torch.Tensor]:
    """Canonical name → view of the parameter in Keras's layout; writing to it writes through."""
    views = {}
    for name, layer in model.named_children():
        if isinstance(layer, SimpleRNN):
            weight_ih, weight_hh, bias_ih, _ = layer.core.parameters()
            views[f"{name}/kernel"] = weight_ih.T
            views[f"{name}/recurrent_kernel"] = weight_hh.T
            views[f"{name}/bias"] = bias_ih
        elif isinstance(layer, Attention):
            views[f"{name}/W"] = layer.W
            views[f"{name}/b"] = layer.b
        elif isinstance(layer, nn.Linear):
            views[f"{name}/kernel"] = layer.weight.T
            views[f"{name}/bias"] = layer.bias
    return {name: view.detach() for name, view in views.items()}
