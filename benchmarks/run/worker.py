"""What happens in a twin's own process."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.processes import Send
from attention_twins.weights import Weights
from shared.baselines import mse
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data


def train(
    send: Send,
    receive: Callable[[], Any],
    twin: str,
    data_config: DataConfig,
    models: list[ModelConfig],
    config: TrainConfig,
    start: Weights | None,
    way: str,
) -> None:
    """Train the networks one after the other; says `ready`, waits for a word, then for each
    network `begun`, `epoch` after every epoch and `fitted` at its end; `plain` and why if it is
    not trained as wanted, but by `fit`.

    Args:
        send: takes a kind and a content.
        receive: waits for the parent's word.
        twin: "keras" or "torch".
        data_config: the data.
        models: the networks.
        config: the training.
        start: weights to start from instead of the set-up's.
        way: fit or fit_compiled.
    """
    package = importlib.import_module(f"{twin}_impl")
    send("ready", package.device_name(config.device))
    receive()
    data = load_data(data_config)
    examples = load_data(replace(data_config, dtype="float64")).examples()
    for model_config in models:
        model = package.create_model(model_config, config.setup, config.seed)
        if start is not None:
            package.set_weights(model, start)

        def progress(epochs: int, loss: float, name: str = model_config.model) -> None:
            send("epoch", {"model": name, "epochs": epochs, "loss": loss})

        send("begun", model_config.model)
        try:
            result, by = getattr(package, way)(model, data, config, progress=progress), way
        except InputError as error:  # no compiler, or it fails
            send("plain", str(error))
            result, by = package.fit(model, data, config, progress=progress), "fit"
        prediction = package.predict(model, data.test_x)
        alpha = package.attention_scores(model, data.test_x)
        send(
            "fitted",
            {
                "weights": result.weights,
                "twin": twin,
                "model": model_config.model,
                "way": by,
                "parameters": package.count_parameters(model),
                "train_mse": mse(package.predict(model, data.train_x), data.train_y),
                "test_mse": mse(prediction, data.test_y),
                "large_share": large_share(prediction, data.test_y),
                "seconds": result.seconds,
                "compile_seconds": result.compile_seconds,
                "loss": result.loss,
                "test_numbers": data.to_numbers(prediction)[:, 0].tolist(),
                "forecast": data.to_numbers(prediction[examples]).tolist(),
                "alpha": None if alpha is None else _quantiles(alpha),
            },
        )


def large_share(prediction: np.ndarray, target: np.ndarray, limit: float = 1e-3) -> float:
    """The share of the squared error that stems from targets above `limit`."""
    squared = (prediction.astype(np.float64) - target) ** 2
    return float(squared[target > limit].sum() / squared.sum())


def _quantiles(alpha: np.ndarray) -> dict[str, list[float]]:
    """Alpha (B, T) → its smallest, mean and largest value over the rows, for each time step."""
    return {
        "low": alpha.min(axis=0).tolist(),
        "mean": alpha.mean(axis=0).tolist(),
        "high": alpha.max(axis=0).tolist(),
    }
