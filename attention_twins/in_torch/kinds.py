"""What a network in PyTorch is made of. Mirror: in_keras/kinds.py."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

from attention_twins.errors import InputError
from attention_twins.layers import Layer
from torch_impl.attention import AttentionBase
from torch_impl.conv import Conv1D
from torch_impl.rnn import GRU, LSTM, Recurrent, SimpleRNN

KINDS = {
    AttentionBase: "attention",
    nn.BatchNorm1d: "batch_norm",
    (Conv1D, nn.Conv1d): "conv1d",
    nn.Linear: "dense",
    nn.Embedding: "embedding",
    (GRU, nn.GRU, nn.GRUCell): "gru",
    nn.LayerNorm: "layer_norm",
    (LSTM, nn.LSTM, nn.LSTMCell): "lstm",
    (SimpleRNN, nn.RNN, nn.RNNCell): "simple_rnn",
}
"""Class of a layer → its kind."""


def layers(model: Any, path: str = "") -> list[Layer]:
    """The layers with weights, in the order in which the network names them.

    Raises:
        InputError: a layer with weights is of no known kind.
    """
    found = []
    for child_name, module in model.named_children():
        name = path + child_name
        kind = kind_of(module)
        if kind:
            deep = isinstance(core(module), nn.RNNBase)
            for depth in range(core(module).num_layers if deep else 1):
                found.append(
                    Layer(
                        name if depth == 0 else f"{name}_l{depth}",
                        kind,
                        module,
                        dict(_settings(kind, core(module))),
                        f"_l{depth}" if deep else "",
                    )
                )
        elif any(True for _ in module.children()):
            found += layers(module, f"{name}.")
        elif any(True for _ in module.parameters()):
            raise InputError(
                f"layers with weights must be of {', '.join(sorted(KINDS.values()))}, "
                f"got {type(module).__name__} ({name})"
            )
    return found


def kind_of(module: Any) -> str | None:
    """The kind of a layer; None if it has none of its own."""
    kind = next((kind for cls, kind in KINDS.items() if isinstance(module, cls)), None)
    both = isinstance(core(module), nn.RNNBase) and core(module).bidirectional
    return f"bidirectional {kind}" if kind and both else kind


def core(module: Any) -> Any:
    """The module that holds the parameters."""
    return module.core if isinstance(module, Recurrent | Conv1D) else module


def directions(layer: Layer) -> list[tuple[str, str]]:
    """For each direction: the start of the names of weights, the end of those of parameters."""
    if layer.kind.startswith("bidirectional"):
        return [("forward/", layer.depth), ("backward/", f"{layer.depth}_reverse")]
    return [("", layer.depth)]


@contextlib.contextmanager
def unrolled(model: Any, *kinds: str) -> Iterator[None]:
    """Let layers write out what they do over time for a while; all that can, or some kinds of them.

    Vectorisation over many starts, and in PyTorch the compiler, cannot look into their kernels.
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
        yield "merge_mode", "concat"
        kind = kind.split()[1]
    if kind == "attention":
        yield "score", module.scoring
    if kind in ("layer_norm", "batch_norm"):
        yield "epsilon", module.eps
    if kind == "batch_norm":
        yield "momentum", None if module.momentum is None else round(1 - module.momentum, 12)
        yield "running variance", "unbiased"
    if kind == "conv1d":
        yield "strides", module.stride[0]
        yield "dilation_rate", module.dilation[0]
        yield "groups", module.groups
    if kind in ("simple_rnn", "lstm", "gru"):
        yield "activation", getattr(module, "nonlinearity", "tanh")
        yield "go_backwards", False
    if kind in ("simple_rnn", "lstm") and module.bias:
        *_, bias_hh = (p for name, p in module.named_parameters() if name.startswith("bias_hh"))
        yield "trained biases", 1 + bias_hh.requires_grad
    if kind in ("lstm", "gru"):
        yield "recurrent_activation", "sigmoid"
    if kind == "gru":
        yield "reset_after", True
