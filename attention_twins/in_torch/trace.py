"""Everything that a training step computes in PyTorch. Mirror: in_keras/trace.py."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from attention_twins.in_torch.kinds import kind_of, layers
from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.weights import read
from attention_twins.parity import Trace
from torch_impl.conv import Conv1D
from torch_impl.rnn import Recurrent, SimpleRNNCell
from torch_impl.training import LOSSES


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
        `LAYER/input` of every layer with weights but the first; `LAYER/h` (B, T, H), every state of
        a recurrent layer or step of a convolution; `LAYER/e`, `LAYER/alpha`, `LAYER/context` of
        attention; `output`, all in inference mode; `loss` and, last layer first, `gradient/WEIGHT`
        and `gradient/x` in training mode. What a layer makes when it is called again has a number.
    """
    with floatx(str(next(model.parameters()).dtype).removeprefix("torch.")):
        found: dict[str, Any] = {}
        inputs, targets = torch.tensor(x), torch.tensor(y)
        options = {} if mask is None else {"mask": torch.tensor(mask)}
        with _recorded(model, found), torch.no_grad():
            found["output"] = model.eval()(inputs, **options)
        found |= _gradients(model, inputs, targets, options, LOSSES[loss])
        return {name: np.array(value) for name, value in found.items()}


@contextlib.contextmanager
def _recorded(model: nn.Module, found: dict[str, Any]) -> Iterator[None]:
    """While it lasts, every layer with weights writes into `found` what it takes and makes."""
    names: dict[Any, list[str]] = {}
    for layer in layers(model):
        names.setdefault(layer.module, []).append(layer.name)
    begun: list[Any] = []
    with contextlib.ExitStack() as patches:
        for module, (first, *_, last) in ((m, [*n, n[-1]]) for m, n in names.items()):
            for method, function in _recorders(module, first, last, begun, found):
                patches.enter_context(patch.object(module, method, function))
        yield


def _recorders(module: Any, first: str, last: str, begun: list[Any], found: dict) -> Iterator[Any]:
    """Methods of a layer, and what to put in their place; `last` names the deepest layer in it."""
    call, kind = module.forward, kind_of(module)

    def recorded_call(x, *args, **kwargs):
        if begun and not isinstance(module, nn.RNNCellBase):  # a cell is called for every step
            keep(found, f"{first}/input", _like_keras(module, x))
        begun.append(module)
        outputs = call(x, *args, **kwargs)
        if isinstance(module, SimpleRNNCell):
            keep(found, f"{last}/h", outputs[0])
        elif isinstance(module, Conv1D):
            keep(found, f"{last}/h", outputs)
        elif isinstance(module, Recurrent | nn.RNNBase):
            keep(found, f"{last}/h", _states(module, call, x, *args, **kwargs))
        return outputs

    yield "forward", recorded_call
    if kind == "attention":
        score, attend = module.score, module.attend

        def recorded_score(x, query=None):
            e = score(x, query)
            keep(found, f"{last}/e", e)
            return e

        def recorded_attend(x, mask=None, query=None):
            context, alpha = attend(x, mask, query)
            keep(found, f"{last}/alpha", alpha)
            keep(found, f"{last}/context", context)
            return context, alpha

        yield "score", recorded_score
        yield "attend", recorded_attend


def keep(found: dict[str, Any], name: str, value: Any) -> None:
    """Put a value under a name; the second one of a name under NAME_2, and so on."""
    count = 1 + sum(other == name or other.startswith(f"{name}_") for other in found)
    found[name if count == 1 else f"{name}_{count}"] = value.detach()


def _states(module: Any, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Every state (B, T, H)."""
    if isinstance(module, Recurrent):
        with patch.object(module, "return_sequences", True):
            return call(*args, **kwargs)
    return _like_keras(module, call(*args, **kwargs)[0])


def _like_keras(module: Any, x: torch.Tensor) -> torch.Tensor:
    """The same array with the axes (B, T, F)."""
    if isinstance(module, nn.RNNBase) and not module.batch_first:
        return torch.transpose(x, 0, 1)
    if isinstance(module, nn.Conv1d | nn.BatchNorm1d) and x.ndim == 3:
        return torch.transpose(x, 1, 2)
    return x


def _gradients(model: Any, x: Any, y: Any, options: dict[str, Any], loss: Any) -> dict[str, Any]:
    """`loss`, and its gradient in every trained weight and in the input, last layer first."""
    model = copy.deepcopy(model).train()  # BatchNorm moves its statistics in this mode
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sources = [*trained, x.requires_grad_()] if x.is_floating_point() else trained
    value = loss(model(x, **options), y)
    gradients = torch.autograd.grad(value, sources, allow_unused=True, materialize_grads=True)
    of = dict(zip(sources, gradients, strict=True))
    named: dict[str, Any] = read(model, lambda parameter: of.get(parameter))
    order = [*reversed(named)]
    if x in of:
        named["x"] = of[x]
        order.append("x")
    return {"loss": value.detach()} | {f"gradient/{name}": named[name] for name in order}
