"""What a network in Keras 3 is made of. Mirror: in_torch/kinds.py."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from attention_twins.in_keras.runtime import sublayers
from attention_twins.layers import Layer, kind_of_class, register_layer, unknown_layer

KINDS = {
    keras.layers.BatchNormalization: "batch_norm",
    keras.layers.Conv1D: "conv1d",
    keras.layers.Dense: "dense",
    keras.layers.Embedding: "embedding",
    keras.layers.GRU: "gru",
    keras.layers.LayerNormalization: "layer_norm",
    keras.layers.LSTM: "lstm",
    keras.layers.SimpleRNN: "simple_rnn",
}
"""Class of a layer → its kind."""

for cls, kind in KINDS.items():
    register_layer(cls, kind=kind)


def layers(model: Any, path: str = "") -> list[Layer]:
    """The layers with weights, in the order in which the network names them.

    Raises:
        InputError: a layer with weights is of no known kind.
    """
    found = []
    for module in sublayers(model):
        name = path + module.name
        kind = kind_of(module)
        if kind:
            found.append(Layer(name, kind, module, dict(_settings(kind, module))))
        elif sublayers(module):
            found += layers(module, f"{name}.")
        elif module.weights:
            raise unknown_layer(module, name)
    return found


def kind_of(module: Any) -> str | None:
    """The kind of a layer; None if it has none of its own."""
    if isinstance(module, keras.layers.Bidirectional):
        return f"bidirectional {kind_of(module.forward_layer)}"
    kind = kind_of_class(type(module))
    return kind.name if kind else None


@contextlib.contextmanager
def unrolled(model: Any, *kinds: str) -> Iterator[None]:
    """Let layers write out what they do over time for a while; all that can, or some kinds of them.

    Vectorisation over many seeds, and in PyTorch the compiler, cannot look into their kernels.
    """
    found = [layer for layer in layers(model) if not kinds or layer.kind in kinds]
    modules = [layer.module for layer in found if hasattr(layer.module, "unroll")]
    before = [module.unroll for module in modules]
    for module in modules:
        module.unroll = True
    try:
        yield
    finally:
        for module, value in zip(modules, before, strict=True):
            module.unroll = value


def _settings(kind: str, module: Any) -> Iterator[tuple[str, Any]]:
    """What no copy of weights carries over."""
    if kind.startswith("bidirectional"):
        yield "merge_mode", module.merge_mode
        kind, module = kind.split()[1], module.forward_layer
    known = kind_of_class(type(module))
    if known and known.settings:
        yield from known.settings(module).items()
    if kind in ("layer_norm", "batch_norm"):
        yield "epsilon", module.epsilon
    if kind == "batch_norm":
        yield "momentum", module.momentum
        yield "running variance", "biased"
    if kind == "conv1d":
        yield "strides", module.strides[0]
        yield "dilation_rate", module.dilation_rate[0]
        yield "groups", module.groups
    if kind in ("simple_rnn", "lstm", "gru"):
        yield "activation", module.activation.__name__
        yield "go_backwards", getattr(module, "go_backwards", False)  # a cell has no direction
    if kind in ("simple_rnn", "lstm") and module.use_bias:
        yield "trained biases", 1
    if kind in ("lstm", "gru"):
        yield "recurrent_activation", module.recurrent_activation.__name__
    if kind == "gru":
        yield "reset_after", module.reset_after
