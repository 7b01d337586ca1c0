"""Keeps what the layers of a network take and make while it is called; of either framework."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from attention_twins.layers import Layer, kind_of_class
from attention_twins.parity import Key


@dataclass
class Recorder:
    """What is kept, in the order of computation."""

    call: str
    """The method that calls a layer: call in Keras, forward in PyTorch."""

    take: Callable[[Any], Any] = field(default=lambda value: value)
    """What to keep of a value."""

    found: dict[Key, Any] = field(default_factory=dict)

    begun: bool = False
    """A layer has been called: the input of the first one is the network's."""

    def methods(
        self,
        module: Any,
        first: Layer,
        last: Layer,
        states: Callable[..., Any] | None = None,
        input_of: Callable[[Any, Any], Any] | None = lambda module, x: x,
    ) -> Iterator[tuple[str, Any]]:
        """Methods of a layer, and what to put in their place.

        Args:
            module: the layer.
            first: its name and kind; of a deep module, the first of its layers.
            last: the last of its layers: what is made inside belongs to it.
            states: gives every state of a recurrent layer, from the layer, its call and what it is
                given; None for others.
            input_of: what to keep of an input, from the layer and the input; None keeps none.
        """
        call, kind = getattr(module, self.call), kind_of_class(type(module))
        intermediates = dict(kind.intermediates) if kind else {}
        if states and not intermediates:
            intermediates["h"] = states

        def recorded_call(x, *args, **kwargs):
            if self.begun and input_of:
                self.keep(first.name, "input", input_of(module, x))
            self.begun = True
            outputs = call(x, *args, **kwargs)
            for name, source in intermediates.items():
                if callable(source):
                    self.keep(last.name, name, source(module, call, x, *args, **kwargs))
            keep_parts(self.call, outputs)
            return outputs

        def keep_parts(method: str, outputs: Any) -> None:
            for name, source in intermediates.items():
                if not callable(source) and source[0] == method:
                    self.keep(last.name, name, outputs[source[1]] if source[1:] else outputs)

        def recorded(method: str) -> Any:
            function = getattr(module, method)

            def recorded_method(*args, **kwargs):
                outputs = function(*args, **kwargs)
                keep_parts(method, outputs)
                return outputs

            return recorded_method

        yield self.call, recorded_call
        named = {source[0] for source in intermediates.values() if not callable(source)}
        for method in named - {self.call}:
            yield method, recorded(method)

    def keep(self, layer: str, tensor: str, value: Any) -> None:
        """Put a value under its key; what a layer makes when it is called again has a number."""
        call = 1 + sum((key.layer, key.tensor) == (layer, tensor) for key in self.found)
        self.found[Key("forward", layer, tensor, call)] = self.take(value)
