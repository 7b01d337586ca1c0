"""What a check is done on, and by: a subject, and the functions of a framework."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from attention_twins.parity import Trace
from attention_twins.training import Dtype, FitResult, Loss, Snapshot, Training
from attention_twins.weights import Weights


class Rows(Protocol):
    """Training rows."""

    @property
    def train_x(self) -> np.ndarray:
        """(N, …)."""
        ...

    @property
    def train_y(self) -> np.ndarray:
        """(N, …)."""
        ...


@dataclass(frozen=True)
class Arrays:
    """Training rows, and nothing else."""

    train_x: np.ndarray
    train_y: np.ndarray


class Framework(Protocol):
    """The functions of a framework's package: keras_impl, attention_twins.in_torch, …"""

    def device_name(self, device: str) -> str:
        """The hardware behind cpu or cuda."""
        ...

    def get_weights(self, model: Any) -> Weights:
        """LAYER/VARIABLE → array."""
        ...

    def set_weights(self, model: Any, weights: Weights) -> None:
        """Load them."""
        ...

    def trace(
        self,
        model: Any,
        x: np.ndarray,
        y: np.ndarray,
        mask: np.ndarray | None = None,
        loss: str = "mse",
    ) -> Trace:
        """Forward pass, loss and gradients of one batch."""
        ...

    def fit(
        self,
        model: Any,
        data: Any,
        config: Any,
        order: np.ndarray,
        *,
        resume_from: Snapshot | None = None,
        snapshots: Collection[int] = (),
    ) -> FitResult:
        """Train."""
        ...


class Subject(Protocol):
    """What is compared: one network, in one type, from known weights, on known rows."""

    @property
    def name(self) -> str:
        """Names the folder of its traces."""
        ...

    @property
    def title(self) -> str:
        """What tables call it, whatever its type."""
        ...

    @property
    def correct(self) -> "Subject":
        """The same without a planted fault."""
        ...

    @property
    def dtype(self) -> Dtype:
        """Of weights and arithmetic."""
        ...

    @property
    def steps(self) -> int:
        """Steps of the trajectory."""
        ...

    @property
    def loss(self) -> Loss:
        """What is trained on."""
        ...

    @property
    def batch_size(self) -> int:
        """Rows in a step of the trajectory."""
        ...

    def in_place(self) -> AbstractContextManager[object]:
        """While it lasts, the subject's planted fault, if any, is in the framework's package."""
        ...

    def native_model(self, framework: Framework) -> Any:
        """The network with the weights that the framework gives it."""
        ...

    def blank_model(self, framework: Framework) -> Any:
        """A network to load weights into."""
        ...

    def small_model(self, framework: Framework) -> Any:
        """The network of the stages before the trajectory, with its initial weights."""
        ...

    def trajectory_model(self, framework: Framework) -> Any:
        """The network of the trajectory, with its initial weights."""
        ...

    def rows(self) -> tuple[Rows, np.ndarray | None]:
        """Rows for the stages before the trajectory, and a mask for them if there is any."""
        ...

    def traced_x(self, rows: Rows) -> np.ndarray:
        """Their inputs as the network is trained on them."""
        ...

    def sequence(self) -> tuple[Rows, np.ndarray]:
        """Rows of the trajectory, and their order (epochs, rows of an epoch)."""
        ...

    def training(self, **settings: Any) -> Training:
        """A training as the framework's package takes it."""
        ...

    def further_stages(
        self, framework: Framework, train: Callable[..., FitResult], roundings: list[str]
    ) -> Iterator[tuple[str, dict[str, Trace]]]:
        """Stages of its own, by name: for each rounding, what came of it."""
        ...

    def shared(self, trace: Trace) -> Trace:
        """A trace with the names of layers that all workers use."""
        ...

    def own(self, trace: Trace) -> Trace:
        """A trace with the names that this worker's network uses."""
        ...
