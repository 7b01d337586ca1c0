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
from attention_twins.in_keras.steps import LOSSES
from attention_twins.in_keras.weights import variables
from attention_twins.parity import Key, Trace, weight_key
from attention_twins.recording import Recorder

Found = dict[Key, Any]


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
        By Key, named as `str(key)`: `LAYER/input` of every layer with weights but the first;
        `LAYER/h` (B, T, H), every state of a recurrent layer; the intermediates that a kind was
        registered with; `output`, all in inference mode; `loss` and, last layer first,
        `gradient/WEIGHT` and `gradient/x` in training mode. What a layer makes when it is called
        again has a number.
    """
    with floatx(model.trainable_variables[0].dtype), warnings.catch_warnings():
        # Sequential says that it destroys the mask; the layers in it have seen it by then.
        warnings.filterwarnings("ignore", "Layer .* was passed an input with a mask")
        recorder = Recorder("call")
        inputs, targets = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
        options = {} if mask is None else {"mask": ops.convert_to_tensor(mask)}
        with _recorded(model, recorder):
            output = model(inputs, training=False, **options)
        found = recorder.found | {Key("forward", "", "output"): output}
        found |= _gradients(model, inputs, targets, options, LOSSES[loss]())
        return {key: np.array(ops.convert_to_numpy(value)) for key, value in found.items()}


@contextlib.contextmanager
def _recorded(model: keras.Model, recorder: Recorder) -> Iterator[None]:
    """While it lasts, every layer with weights writes what it takes and makes."""
    with contextlib.ExitStack() as patches:
        for layer in layers(model):
            states = _states if layer.kind.endswith(("simple_rnn", "lstm", "gru")) else None
            for method, function in recorder.methods(layer.module, layer, layer, states):
                patches.enter_context(patch.object(layer.module, method, function))
        yield


def _states(module: Any, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Every state (B, T, H): the layer once more, set to return them."""
    parts = [module]
    if isinstance(module, keras.layers.Bidirectional):
        parts += [module.forward_layer, module.backward_layer]
    with contextlib.ExitStack() as patches:
        for part in parts:
            patches.enter_context(patch.object(part, "return_sequences", True))
            patches.enter_context(patch.object(part, "return_state", False))
        return call(*args, **kwargs)


def _gradients(model: Any, x: Any, y: Any, options: dict[str, Any], loss: Any) -> Found:
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
    keys = [weight_key(name, "gradient") for name in trained]
    if floating:
        keys.append(Key("gradient", "", "x"))
    of = dict(zip(keys, gradients, strict=True))
    order = [*reversed(keys[: len(trained)]), *keys[len(trained) :]]
    return {Key("loss", "", "loss"): value} | {key: of[key] for key in order}


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
