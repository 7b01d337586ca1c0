"""What is proven: our networks, from random weights, on random rows and on the tutorial's."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from attention_twins.parity import Trace, weight_trace
from attention_twins.stages import LOSSES, ROWS, ending
from attention_twins.training import Dtype, FitResult, Loss
from attention_twins.weights import Weights
from benchmarks.prove.wrong_ports import applied
from shared.config import (
    DECODERS,
    MODELS,
    TUTORIAL_MODELS,
    VARIANTS,
    DataConfig,
    ModelConfig,
    TrainConfig,
)
from shared.data import Data, batch_order
from shared.tasks import load_data
from shared.weights import random_weights


@dataclass(frozen=True)
class Case:
    """One of our networks, in a floating-point type, from random weights; a Subject."""

    model: str
    dtype: Dtype
    steps: int
    """Steps of the trajectory."""
    seed: int
    mutant: str = ""
    """A name in WRONG_PORTS: run as this wrong port."""
    faster: bool = False
    """Train by fit_compiled and fit_many as well."""
    variant: str = "tutorial"
    """A name in VARIANTS."""

    @property
    def loss(self) -> Loss:
        """What is trained on."""
        return "mse"

    @property
    def batch_size(self) -> int:
        """Rows in a step of the trajectory."""
        return 1

    @property
    def name(self) -> str:
        """TITLE-DTYPE, and the wrong port if it is one."""
        name = f"{self.title}-{self.dtype}"
        return f"{name}-{self.mutant}" if self.mutant else name

    @property
    def title(self) -> str:
        """The network, and the variant of its attention if it is not the tutorial's."""
        return self.model if self.variant == "tutorial" else f"{self.model}, {self.variant}"

    @property
    def correct(self) -> "Case":
        """The same as the correct port."""
        return replace(self, mutant="")

    @property
    def small(self) -> ModelConfig:
        """The network of the small stages: no two sizes of an array are equal: no axis hides."""
        return ModelConfig(
            model=self.model,
            units=4,
            dense_units=2,
            time_steps=13 if "conv" in MODELS[self.model] else 5,  # 5 pooled ones
            features=3,
            dtype=self.dtype,
            **VARIANTS[self.variant],
        )

    @property
    def is_derived(self) -> bool:
        """Its tolerances follow from its own float32 errors, too: it is not the tutorial's."""
        return self.variant != "tutorial" or self.model not in TUTORIAL_MODELS

    def in_place(self) -> contextlib.AbstractContextManager[object]:
        """While it lasts, PyTorch's twin is the wrong port, if it is one."""
        return applied(self.mutant)

    def initial_weights(self, config: ModelConfig) -> Weights:
        """Random weights without a zero: the same numbers in either type."""
        weights = random_weights(replace(config, dtype="float32"), self.seed)
        return {name: array.astype(self.dtype) for name, array in weights.items()}

    def native_model(self, framework: Any) -> Any:
        """The small network with the weights that the framework gives it."""
        return framework.create_model(self.small, "native", self.seed)

    def blank_model(self, framework: Any) -> Any:
        """A small network to load weights into."""
        return framework.create_model(self.small)

    def small_model(self, framework: Any) -> Any:
        """The small network with its initial weights."""
        model = self.blank_model(framework)
        framework.set_weights(model, self.initial_weights(self.small))
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

    def trajectory_model(self, framework: Any) -> Any:
        """That network with its initial weights."""
        model = framework.create_model(self.large)
        framework.set_weights(model, self.initial_weights(self.large))
        return model

    def training(self, **settings: Any) -> TrainConfig:
        """The training's settings."""
        return TrainConfig(**settings)

    def further_stages(
        self, framework: Any, train: Callable[..., FitResult], roundings: list[str]
    ) -> Iterator[tuple[str, dict[str, Trace]]]:
        """The trajectory by the faster ways, if they are asked for."""
        if self.faster:
            yield (
                "compiled",
                {
                    rounding: ending(train(rounding, 0, self.steps, way="fit_compiled"))
                    for rounding in roundings
                },
            )
            yield (
                "many",
                {rounding: self.as_one_of_many(framework, rounding) for rounding in roundings},
            )

    def as_one_of_many(self, framework: Any, rounding: str) -> Trace:
        """The end of the trajectory by fit_many, as the second of three seeds."""
        data, order = self.sequence()
        config = self.training(keras_backend=rounding)

        def initial(config: ModelConfig, seed: int) -> Weights:
            return replace(self, seed=seed).initial_weights(config)

        seeds = [self.seed + 1, self.seed, self.seed + 2]
        orders = np.stack([order[:, ::-1], order, order])
        result = framework.fit_many(self.large, data, config, seeds, order=orders, initial=initial)
        weights = {name: array[1] for name, array in result.weights.items()}
        return {LOSSES: np.array(result.loss[1], self.dtype), **weight_trace(weights)}

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
        order = batch_order(rows, -(-self.steps // rows), self.seed).ravel()[: self.steps]
        return data, epochs(order) if self.faster else order[np.newaxis]

    def traced_x(self, rows: Any) -> np.ndarray:
        """The inputs of rows as the network is trained on them."""
        return (rows.teacher_forced() if self.model in DECODERS else rows).train_x

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
