"""A case for the ladder made of other people's models, and what a worker does with it."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.parity import Trace, load_trace, save_trace
from attention_twins.processes import Send
from attention_twins.stages import Climber, ascend
from attention_twins.training import Dtype
from benchmarks.prove.cases import ROWS, as_data
from shared.data import Data, batch_order


@dataclass(frozen=True)
class Guest:
    """What is climbed with: a network that a user's function makes."""

    spec: str
    """package.module:function, or file.py:function."""
    dtype: Dtype
    steps: int
    """Steps of the trajectory."""
    seed: int
    loss: str
    input_shape: tuple[int, ...] | None
    """Shape of one row of the input; None: Keras's network knows it."""

    output_shape: tuple[int, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    """(own name, name that all workers use) of every layer with weights."""
    weights: tuple[str, ...] = ()
    """Own names of all weights."""
    start: Path | None = None
    """Where the weights to start from are, under the names that all workers use."""
    donor: Path | None = None
    """Likewise the weights to port, as the one network has them."""

    model, title, mutant, faster = "pair", "pair", "", False
    batch_size = 7
    """Rows in a step of the trajectory: BatchNorm needs more than one."""

    @property
    def name(self) -> str:
        """pair-DTYPE."""
        return f"{self.model}-{self.dtype}"

    @property
    def correct(self) -> "Guest":
        """The same: there are no mutants of it."""
        return self

    def fresh(self, package: Any) -> Any:
        """The network with the weights that the user's function gives it."""
        return self.build(package)[0]

    def short(self, package: Any) -> Any:
        """The network with its start."""
        model = self.fresh(package)
        assert self.start is not None
        weights = {name: a.astype(self.dtype) for name, a in load_trace(self.start).items()}
        package.set_weights(model, self.own(weights))
        return model

    empty, long = fresh, short

    def build(self, package: Any) -> tuple[Any, list[str], tuple[int, ...], tuple[int, ...]]:
        """The network, what was switched off in it, shapes of input and output.

        Raises:
            InputError: the user's function cannot be found, or fails.
        """
        guest = importlib.import_module(
            f"attention_twins.in_{package.__name__.removesuffix('_impl')}.user_model"
        )
        factory = load_factory(self.spec)
        try:
            return guest.build(factory, self.dtype, self.input_shape, self.seed)
        except InputError as error:
            raise InputError(f"{self.spec}: {error}") from error
        except (Exception, SystemExit) as error:  # whatever a user's code may raise
            text = " ".join(str(error).split())[:500]
            raise InputError(
                f"{self.spec} must make a network that takes the input, got "
                f"{type(error).__name__}: {text}"
            ) from error

    def rows(self) -> tuple[Data, None]:
        """Random rows for the network and the loss."""
        assert self.start is not None and self.input_shape is not None
        generator = np.random.default_rng(self.seed)
        first, *_ = load_trace(self.start).items()
        if first[0].endswith("/embeddings"):
            x = generator.integers(0, len(first[1]), (ROWS, *self.input_shape))
            x[1::3, ..., -2:] = 0  # padding, as it is mostly written
            x[0, ..., 0] = len(first[1]) - 1
        else:
            x = generator.normal(size=(ROWS, *self.input_shape)).astype("float32")
            x = x.astype(self.dtype)
        if self.loss == "ce":
            return as_data(x, generator.integers(0, self.output_shape[-1], ROWS)), None
        y = generator.uniform(-0.9, 0.9, (ROWS, *self.output_shape)).astype("float32")
        if self.loss == "bce":
            y = (y > 0).astype("float32")
        return as_data(x, y.astype(self.dtype)), None

    def sequence(self) -> tuple[Data, np.ndarray]:
        """The same rows in the order of the trajectory."""
        epochs = -(-self.steps * self.batch_size // ROWS)
        return self.rows()[0], batch_order(ROWS, epochs, self.seed).ravel()

    def shared(self, trace: Trace) -> Trace:
        """A trace with the names that all workers use."""
        return renamed(trace, dict(self.names), self.weights)

    def own(self, trace: Trace) -> Trace:
        """A trace with the names that this worker's network uses."""
        weights = self.shared(dict.fromkeys(self.weights, np.zeros(0)))
        return renamed(trace, {shared: own for own, shared in self.names}, weights)


def renamed(
    trace: dict[str, Any], names: dict[str, str], weights: Collection[str]
) -> dict[str, Any]:
    """A trace with other names of layers.

    Args:
        trace: keys end in the name of a weight, or are LAYER/input, LAYER/h and the like.
        names: layer → its other name.
        weights: names of all weights, as they are in the trace: they tell where a layer's name
            begins, whatever users call their layers.
    """
    found = {}
    for key, array in trace.items():
        parts = key.split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        layer = next((start for start, end in enumerate(ends) if end in weights), None)
        made = re.sub(r"_\d+$", "", parts[-1])  # with a number if the layer is called again
        if layer is None and made in ("input", "h", "e", "alpha", "context"):
            layer = 0
        if layer is not None:
            parts[layer] = names.get(parts[layer], parts[layer])
        found["/".join(parts)] = array
    return found


def load_factory(spec: str) -> Callable[[], Any]:
    """The function that `package.module:function` or `file.py:function` names; runs that module.

    Raises:
        InputError: no such module, or no such function in it.
    """
    module_name, _, path = spec.rpartition(":")
    if not module_name or not path:
        raise InputError(f"a model must be given as package.module:function, got {spec!r}")
    if module_name.endswith(".py") and not Path(module_name).is_file():
        raise InputError(f"a model's file must be there, got {module_name!r}")
    try:
        target = load_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module may raise
        text = " ".join(str(error).split())[:500]
        raise InputError(
            f"a model's module must be importable from here, got {module_name!r}: "
            f"{type(error).__name__}: {text}"
        ) from error
    for part in path.split("."):
        if not hasattr(target, part):
            raise InputError(f"{module_name} must have the function {path}, got no such name")
        target = getattr(target, part)
    if not callable(target):
        raise InputError(f"{spec} must be a function, got {type(target).__name__}")
    return target


def load_module(name: str) -> Any:
    """Import `package.module`, or a file once."""
    if not name.endswith(".py"):
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(name)
    file = Path(name).resolve()
    known = f"_guest_{file.stem}"
    if known not in sys.modules:
        found = importlib.util.spec_from_file_location(known, file)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.path.insert(0, str(file.parent))
        found.loader.exec_module(module)
        sys.modules[known] = module
    return sys.modules[known]


def visit(
    send: Send,
    receive: Callable[[], Any],
    twin: str,
    folder: Path,
    guest: Guest,
    backends: list[str],
    export: Path | None,
) -> None:
    """Show the network, wait to be told how layers pair up, climb with it in both types.

    Says `made` with what the network is made of; waits for the Guest with names, shapes and start
    filled in; then goes on as `ladder.climb`.

    Args:
        send: takes a kind and a content.
        receive: waits for the parent's word.
        twin: "keras" or "torch".
        folder: where this worker's traces go.
        guest: the network.
        backends: the Keras backends to train like.
        export: where to write the ported weights, in the framework's own format.
    """
    load_factory(guest.spec)  # first: what cannot be found is to be said at once
    package = importlib.import_module(f"{twin}_impl")
    layers = importlib.import_module(f"attention_twins.in_{twin}.kinds").layers
    model, dropped, input_shape, output_shape = guest.build(package)
    weights = package.get_weights(model)
    save_trace(folder / "made.safetensors", weights)
    send(
        "made",
        {
            "layers": [(layer.name, layer.kind, layer.settings) for layer in layers(model)],
            "shapes": {name: array.shape for name, array in weights.items()},
            "dropped": dropped,
            "input_shape": input_shape,
            "output_shape": output_shape,
        },
    )
    guest = receive()[folder.name]
    if export is not None and guest.donor is not None:
        package.set_weights(model, guest.own(load_trace(guest.donor)))
        importlib.import_module(f"attention_twins.in_{twin}.user_model").export(model, export)
    cases = [replace(guest, dtype=dtype) for dtype in ("float64", "float32")]
    ascend(send, receive, [Climber(package, case, folder / case.name, backends) for case in cases])
