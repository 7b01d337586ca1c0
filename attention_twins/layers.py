"""What a network is made of, in words that both frameworks share; how a layer becomes known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attention_twins.errors import InputError

Intermediate = tuple[str] | tuple[str, int] | Callable[..., Any]
"""A method's name: what it returns; and a number: that part of it. Or a function of the layer, its
own call and what that is given."""


@dataclass(frozen=True)
class Kind:
    """What the checker knows of a class of layers."""

    name: str
    """The same in both frameworks: layers of one kind are paired."""

    weights: Mapping[str, str] = field(default_factory=dict)
    """Name of a weight → name of the parameter in PyTorch; the same if it is not there."""

    intermediates: Mapping[str, Intermediate] = field(default_factory=dict)
    """What is compared of the inside, in the order of computation → where it comes from."""

    settings: Callable[[Any], dict[str, Any]] | None = None
    """Takes a layer, gives what no copy of weights carries over, in Keras's words."""

    core: str = ""
    """Name of the attribute that holds the weights, if it is a layer of a known kind itself."""


KINDS: dict[type, Kind] = {}
"""Class of a layer, of either framework → its kind."""


def register_layer(
    keras_class: type | None = None,
    torch_class: type | None = None,
    *,
    kind: str | None = None,
    weights: Mapping[str, str] | None = None,
    intermediates: Mapping[str, Intermediate] | None = None,
    settings: Callable[[Any], dict[str, Any]] | None = None,
    core: str = "",
) -> None:
    """Make a layer known to the checker. Where each framework has a process of its own, call it
    with one class on either side, and the same `kind`.

    Args:
        keras_class: the layer in Keras.
        torch_class: the same in PyTorch.
        kind: what the layer is called in reports; the class's name if not given.
        weights: name of a weight in Keras → name of the parameter in PyTorch, of the same shape;
            those that are named alike may be left out.
        intermediates: name → (method,) or (method, i): what that method returns, or the i-th part
            of it; or a function (layer, call, *arguments) → array.
        settings: takes a layer, gives its settings by name: those that differ are reported.
        core: the attribute that holds the layer's weights, if it is a layer of a known kind.

    Raises:
        InputError: no class is given, or what is given is none.
    """
    classes = [cls for cls in (keras_class, torch_class) if cls is not None]
    if not classes or not all(isinstance(cls, type) for cls in classes):
        raise InputError(f"register_layer needs a class of layers, got {keras_class, torch_class}")
    entry = Kind(kind or classes[0].__name__, weights or {}, intermediates or {}, settings, core)
    for cls in classes:
        KINDS[cls] = entry


def kind_of_class(cls: type) -> Kind | None:
    """The kind of a class, or of the nearest one that it inherits from."""
    return next((KINDS[base] for base in cls.__mro__ if base in KINDS), None)


@dataclass(frozen=True)
class Layer:
    """A layer with weights; of a deep recurrent module in PyTorch, one of its layers."""

    name: str
    """Its own name in the network: the first part of the names of its weights."""

    kind: str
    """Name of its kind; `bidirectional ` before a recurrent kind."""

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


def unknown_layer(module: object, name: str) -> InputError:
    """The error for a layer with weights that is of no known kind."""
    kinds = ", ".join(sorted({kind.name for kind in KINDS.values()}))
    return InputError(
        f"layers with weights must be of {kinds}, got {type(module).__name__} ({name}); "
        "register_layer makes another one known"
    )
