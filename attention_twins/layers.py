"""What a network is made of, in words that both frameworks share."""

from dataclasses import dataclass, field
from typing import Any

from attention_twins.errors import InputError


@dataclass(frozen=True)
class Layer:
    """A layer with weights; of a deep recurrent module in PyTorch, one of its layers."""

    name: str
    """Its own name in the network: the first part of the names of its weights."""

    kind: str
    """attention, batch_norm, conv1d, dense, embedding, gru, layer_norm, lstm or simple_rnn;
    `bidirectional ` before a recurrent kind."""

    module: Any = field(repr=False)
    """The framework's object."""

    settings: dict[str, Any]
    """What no copy of weights carries over, in Keras's words."""

    depth: str = ""
    """PyTorch only: the end of the names of its parameters, `_l0` for the first layer."""


def check_all_known(others: list[str]) -> None:
    """Raise InputError if a network has weights outside of the layers that are known."""
    if others:
        raise InputError(f"weights must belong to layers of known kinds, got {', '.join(others)}")
