"""Other people's models: what is compared, where it comes from, what a worker does with it."""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.parity import Trace, named, weight_trace
from attention_twins.processes import Send
from attention_twins.stages import ROWS, run_all
from attention_twins.subject import Arrays, Framework, Rows
from attention_twins.traces import Place, load_trace, save_traces
from attention_twins.training import Dtype, FitResult, KerasBackend, Loss, Training


@dataclass(frozen=True)
class UserModel:
    """A network that a user's function makes; a Subject."""

    spec: str
    """package.module:function, or file.py:function."""
    dtype: Dtype
    steps: int
    """Steps of the trajectory."""
    seed: int
    loss: Loss
    input_shape: tuple[int, ...] | None
    """Shape of one row of the input; None: Keras's network knows it."""

    output_shape: tuple[int, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    """(own name, name that all workers use) of every layer with weights."""
    initial: Path | None = None
    """Where the initial weights are, under the names that all workers use."""
    source: Path | None = None
    """Likewise the weights to port, as the one network has them."""

    title = "pair"
    batch_size = 7
    """Rows in a step of the trajectory: BatchNorm needs more than one."""

    @property
    def name(self) -> str:
        """pair-DTYPE."""
        return f"{self.title}-{self.dtype}"

    @property
    def correct(self) -> "UserModel":
        """The same: no fault is planted in it."""
        return self

    def in_place(self) -> contextlib.nullcontext[None]:
        """Nothing: no fault is planted in it."""
        return contextlib.nullcontext()

    def native_model(self, framework: Framework) -> Any:
        """The network with the weights that the user's function gives it."""
        return self.build(framework)[0]

    blank_model = native_model

    def small_model(self, framework: Framework) -> Any:
        """The network with its initial weights."""
        model = self.native_model(framework)
        assert self.initial is not None
        weights = {key: a.astype(self.dtype) for key, a in load_trace(self.initial).items()}
        framework.set_weights(model, named(self.own(weights)))
        return model

    trajectory_model = small_model

    def build(self, framework: Any) -> tuple[Any, list[str], tuple[int, ...], tuple[int, ...]]:
        """The network, what was switched off in it, shapes of input and output.

        Raises:
            InputError: the user's function cannot be found, or fails.
        """
        factory = load_factory(self.spec)
        try:
            return framework.build(factory, self.dtype, self.input_shape, self.seed)
        except InputError as error:
            raise InputError(f"{self.spec}: {error}") from error
        except (Exception, SystemExit) as error:  # whatever a user's code may raise
            text = " ".join(str(error).split())[:500]
            raise InputError(
                f"{self.spec} must make a network that takes the input, got "
                f"{type(error).__name__}: {text}"
            ) from error

    def rows(self) -> tuple[Arrays, None]:
        """Random rows for the network and the loss."""
        assert self.initial is not None and self.input_shape is not None
        generator = np.random.default_rng(self.seed)
        key, array = next(iter(load_trace(self.initial).items()))
        if key.tensor == "embeddings":
            x = generator.integers(0, len(array), (ROWS, *self.input_shape))
            x[1::3, ..., -2:] = 0  # padding, as it is mostly written
            x[0, ..., 0] = len(array) - 1
        else:
            x = generator.normal(size=(ROWS, *self.input_shape)).astype("float32")
            x = x.astype(self.dtype)
        if self.loss == "ce":
            return Arrays(x, generator.integers(0, self.output_shape[-1], ROWS)), None
        y = generator.uniform(-0.9, 0.9, (ROWS, *self.output_shape)).astype("float32")
        if self.loss == "bce":
            y = (y > 0).astype("float32")
        return Arrays(x, y.astype(self.dtype)), None

    def traced_x(self, rows: Rows) -> np.ndarray:
        """The rows as they are."""
        return rows.train_x

    def sequence(self) -> tuple[Arrays, np.ndarray]:
        """The same rows in the order of the trajectory, as one epoch."""
        count = self.steps * self.batch_size
        generator = np.random.default_rng([self.seed, *b"batch_order"])
        order = [generator.permutation(ROWS) for _ in range(-(-count // ROWS))]
        return self.rows()[0], np.concatenate(order)[np.newaxis, :count]

    def training(self, **settings: Any) -> Training:
        """The training's settings."""
        return Training(**settings)

    def further_stages(
        self, framework: Framework, train: Callable[..., FitResult], roundings: list[str]
    ) -> Iterator[tuple[str, dict[str, Trace]]]:
        """None."""
        yield from ()

    def shared(self, trace: Trace) -> Trace:
        """A trace with the names that all workers use."""
        return renamed(trace, dict(self.names))

    def own(self, trace: Trace) -> Trace:
        """A trace with the names that this worker's network uses."""
        return renamed(trace, {shared: own for own, shared in self.names})


def renamed(trace: Trace, names: dict[str, str]) -> Trace:
    """A trace with other names of layers."""
    return {
        key._replace(layer=names.get(key.layer, key.layer)): array for key, array in trace.items()
    }


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
    known = f"_user_model_{file.stem}"
    if known not in sys.modules:
        found = importlib.util.spec_from_file_location(known, file)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.path.insert(0, str(file.parent))
        found.loader.exec_module(module)
        sys.modules[known] = module
    return sys.modules[known]


def make_and_run(
    send: Send,
    receive: Callable[[], Any],
    package: str,
    folder: Path,
    model: UserModel,
    keras_backends: Sequence[KerasBackend],
    export: Path | None,
) -> None:
    """Make the network, wait to hear how layers pair up, run every stage in both types.

    Says `made` with what the network is made of; waits for the UserModel with names, shapes and
    initial weights filled in; then goes on as `stages.run`.

    Args:
        send: takes a kind and a content.
        receive: waits for the parent's word.
        package: attention_twins.in_keras or attention_twins.in_torch.
        folder: where this worker's traces go.
        model: the network.
        keras_backends: the Keras backends to train like.
        export: where to write the ported weights, in the framework's own format.
    """
    load_factory(model.spec)  # first: what cannot be found is to be said at once
    framework: Any = importlib.import_module(package)
    network, dropped, input_shape, output_shape = model.build(framework)
    weights = framework.get_weights(network)
    save_traces(folder / "made.safetensors", {Place("weights", 0): weight_trace(weights)})
    layers = framework.layers(network)
    send(
        "made",
        {
            "layers": [(layer.name, layer.kind, layer.settings) for layer in layers],
            "shapes": {name: array.shape for name, array in weights.items()},
            "dropped": dropped,
            "input_shape": input_shape,
            "output_shape": output_shape,
        },
    )
    model = receive()[folder.name]
    if export is not None and model.source is not None:
        framework.set_weights(network, named(model.own(load_trace(model.source))))
        framework.export(network, export)
    subjects: list[Any] = [replace(model, dtype=dtype) for dtype in ("float64", "float32")]
    run_all(send, receive, framework, folder, subjects, keras_backends)
