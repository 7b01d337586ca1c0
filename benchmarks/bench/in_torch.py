"""What the bench must know of PyTorch: switches, clock, proof of the path. See in_keras."""

import contextlib
import functools
import sys
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import torch_impl.models
from attention_twins.in_torch import steps as training
from attention_twins.training import FitResult, Snapshot
from benchmarks.bench.cells import Cell
from benchmarks.common.journal import Line
from shared.config import ModelConfig, TrainConfig
from shared.data import Data
from shared.tasks import load_data
from torch_impl.rnn import SimpleRNNCell

Adam = torch.optim.Adam
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

optimizers: list[torch.optim.Optimizer] = []
"""Those that `fit` has made."""


def begin(cell: Cell) -> None:
    """Nothing is to be done before the first use."""


def synchronise(cell: Cell) -> None:
    """Wait until the device has done all its work."""
    if cell.device == "cuda":
        torch.cuda.synchronize()


@contextlib.contextmanager
def flipped(cell: Cell, package: ModuleType) -> Iterator[None]:
    """The cell's switch, on for a while: patched into the very `fit` that is measured without."""
    unroll = {
        name: functools.partial(create, unroll=True)
        for name, create in torch_impl.models.MODELS.items()
    }
    patches: dict[str, list[contextlib.AbstractContextManager[object]]] = {
        "fused": [patch("torch.optim.Adam", functools.partial(Adam, fused=True))],
        "foreach": [patch("torch.optim.Adam", functools.partial(Adam, foreach=True))],
        "unrolled": [patch.dict(torch_impl.models.MODELS, unroll)],
        "torch.compile": [
            patch.dict(torch_impl.models.MODELS, unroll),
            patch.object(package, "create_model", _create_compiled),
        ],
        "loader": [patch.object(package, "fit", _fit_with_loader)],
        "item": [patch.dict(training.LOSSES, mse=_read(training.LOSSES["mse"]))],
        "zeros": [patch("torch.optim.Adam", _Zeros)],
        "epsilon": [patch.object(training, "follow_keras", lambda _, steps, *__: steps)],
        "deterministic": [_deterministic()],
        "TF32": [tf32(True)],
    }
    with contextlib.ExitStack() as stack:
        for entered in (tf32(False), *patches.get(cell.switch, [])):
            stack.enter_context(entered)
        if cell.way == "fit":
            stack.enter_context(patch("torch.optim.Adam", _remembered(torch.optim.Adam)))
        yield


def _remembered(make: Callable[..., torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same, and `optimizers` keeps what it makes."""

    def remembering(*arguments: object, **options: object) -> torch.optim.Optimizer:
        optimizers.append(make(*arguments, **options))
        return optimizers[-1]

    return remembering


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """TF32 in matrix products and in cuDNN, or not, for a while."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        setattr(backend, "allow_tf32", allowed)  # noqa: B010  unknown to pyright
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            setattr(backend, "allow_tf32", value)  # noqa: B010


def _create_compiled(config: ModelConfig) -> nn.Module:
    """A network whose forward pass torch.compile compiles."""
    model = torch_impl.models.create_model(config)
    model.compile()
    return model


def _read(loss: Loss) -> Loss:
    """The same loss, its value fetched at once."""

    def read(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        value = loss(output, target)
        value.item()
        return value

    return read


class _Zeros(Adam):
    """Adam that fills gradients with zeros instead of dropping them."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none=False)


def _fit_with_loader(
    model: nn.Module,
    data: Data,
    config: TrainConfig,
    order: np.ndarray,
    progress: Callable[[int, float], bool],
    snapshots: Collection[int],
) -> FitResult:
    """`fit` with the batches of a DataLoader, as PyTorch's tutorials have them."""
    data = torch_impl.teacher_forced(model, data)
    losses, kept, dtype = [], {}, data.train_x.dtype
    optimizer = training.create_optimizer(model.to(config.device), config)
    dataset = TensorDataset(torch.tensor(data.train_x), torch.tensor(data.train_y))
    step = 0
    for rows in order:
        loader = DataLoader(dataset, config.batch_size, sampler=rows.tolist())
        total = torch.zeros((), device=config.device)
        steps = range(step + 1, step + 1 + len(loader))
        following = training.follow_keras(optimizer, steps, config, dtype)
        for step, (x, y) in zip(following, loader, strict=True):
            optimizer.zero_grad()
            x, y = x.to(config.device), y.to(config.device)
            loss = training.LOSSES[config.loss](model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
            if step in snapshots:
                kept[step] = Snapshot(torch_impl.get_weights(model), {})
        losses.append(total.item() / len(rows))
        if progress(len(losses), losses[-1]):
            break
    return FitResult(torch_impl.get_weights(model), {}, losses, [], 0.0, kept)


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def device_mib(cell: Cell) -> float | None:
    """The most memory of the device that was taken, in MiB."""
    return torch.cuda.max_memory_allocated() / 2**20 if cell.device == "cuda" else None


def proof(cell: Cell, model: nn.Module | None) -> Line:
    """What the runtime says about the path that the training took."""
    path: Line = {**dynamo()}
    if cell.way == "fit" and model is not None:
        path |= {name: bool(optimizers[-1].defaults[name]) for name in ("fused", "foreach")}
        path["unrolled"] = any(
            getattr(m, "unroll", False) for m in model.modules() if not isinstance(m, SimpleRNNCell)
        )
    return path | {
        "GPU": bool(device_mib(cell)),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cell.device == "cuda" else "cpu",
        "TF32": cell.device == "cuda" and uses_tf32(),
        "cuDNN": _cudnn(cell),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def uses_tf32() -> bool:
    """Whether PyTorch would use TF32 anywhere."""
    backends = torch.backends
    return bool(backends.cuda.matmul.allow_tf32 or backends.cudnn.allow_tf32)


def dynamo() -> dict[str, int]:
    """Graphs that torch.compile made, and where it broke them, by its private counters."""
    if "torch._dynamo.utils" not in sys.modules:  # never imported: nothing was compiled
        return {"graphs": 0, "graph breaks": 0}
    counters = sys.modules["torch._dynamo.utils"].counters
    return {
        "graphs": counters["stats"]["unique_graphs"],
        "graph breaks": sum(counters["graph_break"].values()),
    }


def _cudnn(cell: Cell) -> bool:
    """Whether a forward pass calls cuDNN's recurrent kernel, as the profiler sees it."""
    if cell.device == "cpu" or cell.way != "fit":
        return False
    model = torch_impl.models.create_model(cell.model_config).to(cell.device)
    x = torch.tensor(load_data(cell.data_config).train_x[:1], device=cell.device)
    with torch.profiler.profile() as profile:
        model(x)
    return any("cudnn_rnn" in event.key for event in profile.key_averages())
