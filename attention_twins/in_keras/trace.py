"""Everything that a training step computes in Keras 3. Mirror: in_torch/trace.py."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
from keras import ops

from attention_twins.in_keras.kinds import layers
from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import variables
from attention_twins.parity import Trace
from keras_impl.conv import Conv1D
from keras_impl.rnn import SimpleRNNCell
from keras_impl.training import LOSSES


def trace(
    model: keras.Model,
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
    with floatx(model.trainable_variables[0].dtype), warnings.catch_warnings():
        # Sequential says that it destroys the mask; the layers in it have seen it by then.
        warnings.filterwarnings("ignore", "Layer .* was passed an input with a mask")
        found: dict[str, Any] = {}
        inputs, targets = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
        options = {} if mask is None else {"mask": ops.convert_to_tensor(mask)}
        with _recorded(model, found):
            found["output"] = model(inputs, training=False, **options)
        found |= _gradients(model, inputs, targets, options, LOSSES[loss]())
        return {name: np.array(ops.convert_to_numpy(value)) for name, value in found.items()}


@contextlib.contextmanager
def _recorded(model: keras.Model, found: dict[str, Any]) -> Iterator[None]:
    """While it lasts, every layer with weights writes into `found` what it takes and makes."""
    begun: list[Any] = []
    with contextlib.ExitStack() as patches:
        for layer in layers(model):
            for method, function in _recorders(layer.module, layer.name, layer.kind, begun, found):
                patches.enter_context(patch.object(layer.module, method, function))
        yield


def _recorders(module: Any, name: str, kind: str, begun: list[Any], found: dict) -> Iterator[Any]:
    """Methods of a layer, and what to put in their place."""
    call = module.call

    def recorded_call(x, *args, **kwargs):
        if begun:
            keep(found, f"{name}/input", x)
        begun.append(module)
        outputs = call(x, *args, **kwargs)
        if isinstance(module, SimpleRNNCell):
            keep(found, f"{name}/h", outputs[0])
        elif isinstance(module, Conv1D):
            keep(found, f"{name}/h", outputs)
        elif kind.endswith(("simple_rnn", "lstm", "gru")):
            keep(found, f"{name}/h", _states(module, call, x, *args, **kwargs))
        return outputs

    yield "call", recorded_call
    if kind == "attention":
        score, attend = module.score, module.attend

        def recorded_score(x, query=None):
            e = score(x, query)
            keep(found, f"{name}/e", e)
            return e

        def recorded_attend(x, mask=None, query=None):
            context, alpha = attend(x, mask, query)
            keep(found, f"{name}/alpha", alpha)
            keep(found, f"{name}/context", context)
            return context, alpha

        yield "score", recorded_score
        yield "attend", recorded_attend


def keep(found: dict[str, Any], name: str, value: Any) -> None:
    """Put a value under a name; the second one of a name under NAME_2, and so on."""
    count = 1 + sum(other == name or other.startswith(f"{name}_") for other in found)
    found[name if count == 1 else f"{name}_{count}"] = value


def _states(module: Any, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Every state (B, T, H): the layer once more, told to return them."""
    parts = [module]
    if isinstance(module, keras.layers.Bidirectional):
        parts += [module.forward_layer, module.backward_layer]
    with contextlib.ExitStack() as patches:
        for part in parts:
            patches.enter_context(patch.object(part, "return_sequences", True))
            patches.enter_context(patch.object(part, "return_state", False))
        return call(*args, **kwargs)


def _gradients(model: Any, x: Any, y: Any, options: dict[str, Any], loss: Any) -> dict[str, Any]:
    """`loss`, and its gradient in every trained weight and in the input, last layer first."""
    trained = {name: v for name, v in variables(model).items() if v.trainable}
    floating = "float" in keras.backend.standardize_dtype(x.dtype)
    sources = [variable.value for variable in trained.values()] + ([x] if floating else [])

    def total(values: list[Any]) -> Any:
        """The loss with these values in place of weights and input."""
        scope = keras.StatelessScope(state_mapping=[*zip(trained.values(), values, strict=False)])
        with scope:  # BatchNorm moves its statistics in training mode, but only in here
            return loss(y, model(values[-1] if floating else x, training=True, **options))

    differentiate = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    value, gradients = differentiate[keras.backend.backend()](total, sources)
    named = dict(zip([*trained, "x"], gradients, strict=False))
    order = [*reversed(trained), *(["x"] if floating else [])]
    return {"loss": value} | {f"gradient/{name}": named[name] for name in order}


def _tensorflow(total: Any, sources: list[Any]) -> tuple[Any, list[Any]]:
    import tensorflow as tf

    sources = [tf.convert_to_tensor(source) for source in sources]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = total(sources)
    return value, tape.gradient(value, sources)


def _jax(total: Any, sources: list[Any]) -> tuple[Any, list[Any]]:
    import jax

    return jax.value_and_grad(total)(sources)


def _torch(total: Any, sources: list[Any]) -> tuple[Any, list[Any]]:
    import torch

    sources = [source.detach().requires_grad_() for source in sources]
    value = total(sources)
    return value.detach(), list(torch.autograd.grad(value, sources))
