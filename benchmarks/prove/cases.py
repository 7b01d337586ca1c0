"""What is climbed with: our networks, from random starts, on random rows and on the tutorial's."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from attention_twins.parity import Trace
from attention_twins.training import Dtype
from attention_twins.weights import Weights
from shared.config import DECODERS, MODELS, VARIANTS, DataConfig, ModelConfig, TrainConfig
from shared.data import Data, batch_order
from shared.many import ManyResult
from shared.tasks import load_data
from shared.weights import random_weights

LANDMARKS = (1, 10, 100, 1000)
"""Steps of the trajectory that have a row of their own; the last one has one, too."""

ROWS, BATCH = 28, 7
"""Rows of the small rungs, and rows in a batch of them."""


@dataclass(frozen=True)
class Case:
    """What is climbed with: one of our networks, in a floating-point type, from a random start."""

    model: str
    dtype: Dtype
    steps: int
    """Steps of the trajectory."""
    seed: int
    mutant: str = ""
    """A name in MUTANTS: climb as this wrong port."""
    faster: bool = False
    """Train by fit_compiled and fit_many as well."""
    variant: str = "tutorial"
    """A name in VARIANTS."""

    loss = "mse"
    batch_size = 1
    """Rows in a step of the trajectory."""

    @property
    def name(self) -> str:
        """TITLE-DTYPE, and the mutant if there is one."""
        name = f"{self.title}-{self.dtype}"
        return f"{name}-{self.mutant}" if self.mutant else name

    @property
    def title(self) -> str:
        """The network, and the variant of its attention if it is not the tutorial's."""
        return self.model if self.variant == "tutorial" else f"{self.model}, {self.variant}"

    @property
    def correct(self) -> "Case":
        """The same without a mutant."""
        return replace(self, mutant="")

    @property
    def small(self) -> ModelConfig:
        """The network of the small rungs: no two sizes of an array are equal: no axis hides."""
        return ModelConfig(
            model=self.model,
            units=4,
            dense_units=2,
            time_steps=13 if "conv" in MODELS[self.model] else 5,  # 5 pooled ones
            features=3,
            dtype=self.dtype,
            **VARIANTS[self.variant],
        )

    def start(self, config: ModelConfig) -> Weights:
        """Random weights without a zero: the same numbers in either type."""
        weights = random_weights(replace(config, dtype="float32"), self.seed)
        return {name: array.astype(self.dtype) for name, array in weights.items()}

    def fresh(self, package: Any) -> Any:
        """The small network with the weights that the framework gives it."""
        return package.create_model(self.small, "native", self.seed)

    def empty(self, package: Any) -> Any:
        """A small network to load weights into."""
        return package.create_model(self.small)

    def short(self, package: Any) -> Any:
        """The small network with its start."""
        model = self.empty(package)
        package.set_weights(model, self.start(self.small))
        return model

    @property
    def large(self) -> ModelConfig:
        """The network of the trajectory, of the tutorial's size."""
        return ModelConfig(
            model=self.model,
            dense_units=self.horizon,
            dtype=self.dtype,
            **VARIANTS[self.variant],
        )

    @property
    def horizon(self) -> int:
        """Numbers to predict on the trajectory: of a decoder some, of others the next one."""
        return 3 if self.model in DECODERS else 1

    def long(self, package: Any) -> Any:
        """That network with its start."""
        model = package.create_model(self.large)
        package.set_weights(model, self.start(self.large))
        return model

    def many(self, package: Any, config: TrainConfig) -> ManyResult:
        """The trajectory by fit_many, as the second of three starts."""
        data, order = self.sequence()
        order = epochs(order)

        def start(config: ModelConfig, seed: int) -> Weights:
            return replace(self, seed=seed).start(config)

        seeds = [self.seed + 1, self.seed, self.seed + 2]
        orders = np.stack([order[:, ::-1], order, order])
        return package.fit_many(self.large, data, config, seeds, order=orders, initial=start)

    def rows(self) -> tuple[Data, np.ndarray | None]:
        """Random rows, and a mask for them: some steps are masked, of one row all."""
        generator = np.random.default_rng(self.seed)
        config = self.small
        x = generator.normal(size=(ROWS, *config.input_shape)).astype("float32")
        y = generator.uniform(-0.9, 0.9, (ROWS, config.dense_units)).astype("float32")
        mask = generator.uniform(size=x.shape[:2]) < 0.6
        mask[2] = False
        return as_data(x.astype(self.dtype), y.astype(self.dtype)), mask

    def sequence(self) -> tuple[Data, np.ndarray]:
        """The tutorial's data, and its rows in the order of the trajectory."""
        data = load_data(DataConfig(horizon=self.horizon, dtype="float32"))
        data = as_data(data.train_x.astype(self.dtype), data.train_y.astype(self.dtype))
        rows = len(data.train_x)
        return data, batch_order(rows, -(-self.steps // rows), self.seed).ravel()[: self.steps]

    def told(self, data: Data) -> Data:
        """The rows as the network is trained on them."""
        return data.teacher_forced() if self.model in DECODERS else data

    def shared(self, trace: Trace) -> Trace:
        """A trace with the names that all workers use."""
        return trace

    def own(self, trace: Trace) -> Trace:
        """A trace with the names that this worker's network uses."""
        return trace


def epochs(order: np.ndarray, most: int = 826) -> np.ndarray:
    """Rows in an order as epochs (epochs, rows) of one length, as long as can be."""
    rows = next(n for n in range(min(most, len(order)), 0, -1) if len(order) % n == 0)
    return order.reshape(-1, rows)


def as_data(x: np.ndarray, y: np.ndarray) -> Data:
    """Training rows, and none to test."""
    return Data(x, y, x[:0], y[:0], MinMaxScaler())


def snapshot_steps(steps: int) -> list[int]:
    """Where on a trajectory to look: all of the first 100 steps, then every 5 %; the landmarks."""
    found = {*range(1, 101), *LANDMARKS, steps, steps // 2}
    step = 100.0
    while step < steps:
        found.add(int(step))
        step *= 1.05
    return sorted(step for step in found if 0 < step <= steps)


def follows(keras_backend: str, dtype: str) -> str:
    """The backend whose rounding PyTorch is to follow; in float32 there is no difference."""
    return "tensorflow" if (keras_backend, dtype) == ("tensorflow", "float64") else "jax"
