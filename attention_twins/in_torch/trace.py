"""Everything that a training step computes in PyTorch. Mirror: in_keras/trace.py."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from attention_twins.in_torch.kinds import layers
from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.steps import LOSSES
from attention_twins.in_torch.weights import read
from attention_twins.layers import Layer
from attention_twins.parity import Key, Trace
from attention_twins.recording import Recorder

Found = dict[Key, Any]


def trace(
    model: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None = None,
    loss: str = "mse",
) -> Trace:
    """The forward pass, the loss and every gradient of one batch, in the order of computation.

    Args:
        model: the network.
        x: input (B, T, F), or what the network takes; whole numbers have no gradient.
        y: targets, as the loss takes them.
        mask: (B, T), bool.
        loss: a name in LOSSES.

    Returns:
        By Key, named as `str(key)`: `LAYER/input` of every layer with weights but the first;
        `LAYER/h` (B, T, H), every state of a recurrent layer; the intermediates that a kind was
        registered with; `output`, all in inference mode; `loss` and, last layer first,
        `gradient/WEIGHT` and `gradient/x` in training mode. What a layer makes when it is called
        again has a number.
    """
    with floatx(str(next(model.parameters()).dtype).removeprefix("torch.")):
        recorder = Recorder("forward", torch.Tensor.detach)
        inputs, targets = torch.tensor(x), torch.tensor(y)
        options = {} if mask is None else {"mask": torch.tensor(mask)}
        with _recorded(model, recorder), torch.no_grad():
            output = model.eval()(inputs, **options)
        found = recorder.found | {Key("forward", "", "output"): output}
        found |= _gradients(model, inputs, targets, options, LOSSES[loss])
        return {key: np.array(value) for key, value in found.items()}


@contextlib.contextmanager
def _recorded(model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """While it lasts, every layer with weights writes what it takes and makes."""
    deep: dict[Any, list[Layer]] = {}
    for layer in layers(model):
        deep.setdefault(layer.module, []).append(layer)
    with contextlib.ExitStack() as patches:
        for module, parts in deep.items():
            states = _states if isinstance(module, nn.RNNBase) else None
            # A cell is called for every step.
            input_of = None if isinstance(module, nn.RNNCellBase) else _like_keras
            for method, function in recorder.methods(module, parts[0], parts[-1], states, input_of):
                patches.enter_context(patch.object(module, method, function))
        yield


def _states(module: Any, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Every state (B, T, H)."""
    return _like_keras(module, call(*args, **kwargs)[0])


def _like_keras(module: Any, x: torch.Tensor) -> torch.Tensor:
    """The same array with the axes (B, T, F)."""
    if isinstance(module, nn.RNNBase) and not module.batch_first:
        return torch.transpose(x, 0, 1)
    if isinstance(module, nn.Conv1d | nn.BatchNorm1d) and x.ndim == 3:
        return torch.transpose(x, 1, 2)
    return x


def _gradients(model: Any, x: Any, y: Any, options: dict[str, Any], loss: Any) -> Found:
    """`loss`, and its gradient in every trained weight and in the input, last layer first."""
    model = copy.deepcopy(model).train()  # BatchNorm moves its statistics in this mode
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sources = [*trained, x.requires_grad_()] if x.is_floating_point() else trained
    value = loss(model(x, **options), y)
    gradients = torch.autograd.grad(value, sources, allow_unused=True, materialize_grads=True)
    of = dict(zip(sources, gradients, strict=True))
    gradient_of: dict[str, Any] = read(model, lambda parameter: of.get(parameter))
    names = [*reversed(gradient_of)]
    found = {Key("loss", "", "loss"): value.detach()}
    found |= {Key("gradient", *name.split("/", 1)): gradient_of[name] for name in names}
    if x in of:
        found[Key("gradient", "", "x")] = of[x]
    return found
