"""What a network in PyTorch is made of. Mirror: in_keras/kinds.py."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

from attention_twins.layers import Layer, kind_of_class, register_layer, unknown_layer

KINDS = {
    nn.BatchNorm1d: "batch_norm",
    nn.Conv1d: "conv1d",
    nn.Linear: "dense",
    nn.Embedding: "embedding",
    nn.GRU: "gru",
    nn.GRUCell: "gru",
    nn.LayerNorm: "layer_norm",
    nn.LSTM: "lstm",
    nn.LSTMCell: "lstm",
    nn.RNN: "simple_rnn",
    nn.RNNCell: "simple_rnn",
}
"""Class of a layer → its kind."""

for cls, kind in KINDS.items():
    register_layer(torch_class=cls, kind=kind)


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
                        dict(_settings(kind, module)),
                        f"_l{depth}" if deep else "",
                    )
                )
        elif any(True for _ in module.children()):
            found += layers(module, f"{name}.")
        elif any(True for _ in module.parameters()):
            raise unknown_layer(module, name)
    return found


def kind_of(module: Any) -> str | None:
    """The kind of a layer; None if it has none of its own."""
    kind = kind_of_class(type(module))
    both = isinstance(core(module), nn.RNNBase) and core(module).bidirectional
    return f"bidirectional {kind.name}" if kind and both else kind and kind.name


def core(module: Any) -> Any:
    """The module that holds the parameters."""
    kind = kind_of_class(type(module))
    return getattr(module, kind.core) if kind and kind.core else module


def directions(layer: Layer) -> list[tuple[str, str]]:
    """For each direction: the start of the names of weights, the end of those of parameters."""
    if layer.kind.startswith("bidirectional"):
        return [("forward/", layer.depth), ("backward/", f"{layer.depth}_reverse")]
    return [("", layer.depth)]


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
        yield "merge_mode", "concat"
        kind = kind.split()[1]
    known = kind_of_class(type(module))
    if known and known.settings:
        yield from known.settings(module).items()
    module = core(module)
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
