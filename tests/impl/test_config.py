"""Every knob refuses what it cannot use, in one line: argument, need, value."""

import dataclasses

import pytest

from attention_twins.errors import InputError
from shared.config import MODELS, DataConfig, ModelConfig, TrainConfig


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (DataConfig, {"numbers": 1476}, "numbers must be an integer from 3 to 1475, got 1476"),
        (DataConfig, {"numbers": 0}, "numbers must be an integer from 3 to 1475, got 0"),
        (DataConfig, {"time_steps": 0}, "time_steps must be an integer from 1 to 1475, got 0"),
        (
            DataConfig,
            {"numbers": 20},
            "time_steps must be smaller than numbers (20), got 20",
        ),
        (
            DataConfig,
            {"train_percent": 1.5},
            "train_percent must lie between 0 and 1, both excluded, got 1.5",
        ),
        (
            DataConfig,
            {"numbers": 22, "train_percent": 0.1},
            "train_percent must leave a row on both sides of 2 windows, got 0.1",
        ),
        (DataConfig, {"dtype": "int8"}, "dtype must be one of float32, float64, got 'int8'"),
        (ModelConfig, {"model": "gpt"}, f"model must be one of {', '.join(MODELS)}, got 'gpt'"),
        (ModelConfig, {"units": 0}, "units must be an integer from 1 to 4096, got 0"),
        (ModelConfig, {"units": 2.0}, "units must be an integer from 1 to 4096, got 2.0"),
        (ModelConfig, {"features": -1}, "features must be an integer from 1 to 4096, got -1"),
        (
            ModelConfig,
            {"dense_units": True},
            "dense_units must be an integer from 1 to 4096, got True",
        ),
        (
            ModelConfig,
            {"activation": ("sigmoid", "tanh")},
            "activation of the recurrent layer must be one of tanh, relu, got 'sigmoid'",
        ),
        (
            ModelConfig,
            {"activation": ("tanh", "gelu")},
            "activation of the output layer must be one of tanh, relu, sigmoid, linear, got 'gelu'",
        ),
        (ModelConfig, {"activation": ()}, "activation must be one name or two, got ()"),
        (TrainConfig, {"epochs": 0}, "epochs must be an integer from 1 to 10000, got 0"),
        (TrainConfig, {"batch_size": 0}, "batch_size must be an integer from 1 to 1000000, got 0"),
        (
            TrainConfig,
            {"learning_rate": 0.0},
            "learning_rate must be positive and at most 10, got 0.0",
        ),
        (
            TrainConfig,
            {"learning_rate": float("nan")},
            "learning_rate must be positive and at most 10, got nan",
        ),
        (TrainConfig, {"seed": -1}, "seed must be an integer from 0 to 4294967295, got -1"),
        (
            TrainConfig,
            {"setup": "odd"},
            "setup must be one of twin, native, initializers, bias_start, second_bias, optimizer, got 'odd'",
        ),
        (
            TrainConfig,
            {"keras_backend": "mxnet"},
            "keras_backend must be one of tensorflow, jax, torch, got 'mxnet'",
        ),
        (TrainConfig, {"device": "tpu"}, "device must be one of cpu, cuda, got 'tpu'"),
        (TrainConfig, {"threads": 0}, "threads must be an integer from 1 to 256, got 0"),
    ],
)
def test_refuses(config, values, message):
    with pytest.raises(InputError) as error:
        config(**values)
    assert str(error.value) == message


@pytest.mark.parametrize("config", [DataConfig, ModelConfig, TrainConfig])
def test_cannot_be_changed(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().dtype = "float64"


def test_defaults_are_the_tutorials():
    data, model, train = DataConfig(), ModelConfig(), TrainConfig()
    assert (data.numbers, data.time_steps, data.train_percent) == (1200, 20, 0.7)
    assert (model.units, model.dense_units, model.activation) == (2, 1, ("tanh", "tanh"))
    assert (train.epochs, train.batch_size, train.learning_rate) == (30, 1, 1e-3)
    assert model.input_shape == (20, 1)
