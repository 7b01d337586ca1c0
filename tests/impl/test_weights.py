"""The canonical layout, the initial weights, and weight files, good and bad."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save

from attention_twins.errors import InputError
from attention_twins.weights import check_weights
from shared.config import MODELS, TUTORIAL_MODELS, ModelConfig
from shared.weights import (
    initial_weights,
    load_weights,
    random_weights,
    save_weights,
    weight_shapes,
)

CONFIG = ModelConfig(units=3, dense_units=2, time_steps=5, features=4)


def test_names_and_shapes_in_the_order_of_computation():
    assert list(weight_shapes(CONFIG).items()) == [
        ("rnn/kernel", (4, 3)),
        ("rnn/recurrent_kernel", (3, 3)),
        ("rnn/bias", (3,)),
        ("attention/W", (3, 1)),
        ("attention/b", (5, 1)),
        ("dense/kernel", (3, 2)),
        ("dense/bias", (2,)),
    ]


@pytest.mark.parametrize(("model", "count"), [("rnn", 11), ("rnn_with_attention", 33)])
def test_the_tutorials_parameter_tables(model, count):
    shapes = weight_shapes(ModelConfig(model=model))
    assert sum(math.prod(shape) for shape in shapes.values()) == count


def test_initial_weights_follow_keras_rules():
    config = ModelConfig(units=200, time_steps=30, features=100, dtype="float64")
    weights = initial_weights(config, 0)
    check_weights(weights, weight_shapes(config), "float64")
    for name, fans in (("rnn/kernel", 300), ("dense/kernel", 201)):
        limit = math.sqrt(6 / fans)
        assert 0.95 * limit < abs(weights[name]).max() <= limit
        np.testing.assert_allclose(weights[name].std(), limit / math.sqrt(3), rtol=0.2)
    square = weights["rnn/recurrent_kernel"]
    np.testing.assert_allclose(square @ square.T, np.eye(200), atol=1e-13)
    np.testing.assert_allclose(weights["attention/W"].std(), 0.05, rtol=0.2)
    for name in ("rnn/bias", "attention/b", "dense/bias"):
        assert not weights[name].any()


def test_orthogonal_matrices_are_uniform():
    """Half of them rotate and half reflect; without the signs of R, LAPACK's all reflect."""
    determinants = [
        np.linalg.det(initial_weights(ModelConfig(dtype="float64"), seed)["rnn/recurrent_kernel"])
        for seed in range(400)
    ]
    assert 150 < np.sum(np.array(determinants) > 0) < 250


def test_initial_weights_depend_on_the_seed_alone():
    first, again, other = (initial_weights(CONFIG, seed) for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    assert (other["rnn/kernel"] != first["rnn/kernel"]).any()


def test_networks_share_the_start_of_what_they_share():
    rnn, attention = (initial_weights(ModelConfig(model=model), 7) for model in TUTORIAL_MODELS)
    for name, array in rnn.items():
        np.testing.assert_array_equal(attention[name], array)


def test_float32_is_float64_rounded():
    single, double = (initial_weights(ModelConfig(dtype=d), 7) for d in ("float32", "float64"))
    for name, array in double.items():
        np.testing.assert_array_equal(single[name], array.astype(np.float32))


@pytest.mark.parametrize("model", MODELS)
def test_file_brings_everything_back(tmp_path, model, dtype):
    first = "tanh" if MODELS[model][0] in ("lstm", "gru") else "relu"
    config = ModelConfig(
        model=model, units=3, time_steps=4, activation=(first, "linear"), dtype=dtype
    )
    weights = random_weights(config)
    save_weights(tmp_path / "w.safetensors", weights, config)
    loaded, loaded_config = load_weights(tmp_path / "w.safetensors")
    assert loaded_config == config
    assert loaded.keys() == weights.keys()
    for name, array in weights.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_transposed_views_are_saved_as_they_read(tmp_path):
    config = ModelConfig(model="rnn", units=3, features=2)
    weights = random_weights(config)
    views = {name: np.asfortranarray(array) for name, array in weights.items()}
    save_weights(tmp_path / "w", views, config)
    np.testing.assert_array_equal(
        load_weights(tmp_path / "w")[0]["rnn/kernel"], weights["rnn/kernel"]
    )


def change(weights, name, array):
    return weights | {name: array}


GOOD = random_weights(CONFIG)
BAD = {
    "missing": ({k: v for k, v in GOOD.items() if k != "dense/bias"}, "missing: dense/bias;"),
    "extra": (GOOD | {"dense/scale": np.ones(1, np.float32)}, "extra: 'dense/scale'"),
    "shape": (change(GOOD, "attention/b", np.ones((6, 1), np.float32)), "attention/b must have shape (5, 1), got (6, 1)"),
    "dtype": (change(GOOD, "rnn/bias", np.ones(3)), "rnn/bias must be float32, got float64"),
    "nan": (change(GOOD, "rnn/bias", np.array([1, np.nan, 2], np.float32)), "rnn/bias must be finite, got nan"),
    "inf": (change(GOOD, "rnn/bias", np.array([1, np.inf, 2], np.float32)), "rnn/bias must be finite, got inf"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_bad_weights_are_refused_in_one_line(tmp_path, fault):
    weights, message = BAD[fault]
    path = tmp_path / "bad.safetensors"
    config = {"model_config": json.dumps(vars(CONFIG))}
    path.write_bytes(save({k: np.ascontiguousarray(v) for k, v in weights.items()}, config))
    with pytest.raises(InputError) as error:
        load_weights(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError):
        save_weights(tmp_path / "other", weights, CONFIG)
    assert not (tmp_path / "other").exists()


def whole_file(tmp_path):
    save_weights(tmp_path / "whole", GOOD, CONFIG)
    return (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda whole: whole[:-1], "weights must be a safetensors file"),
        (lambda whole: whole[:5], "weights must be a safetensors file"),
        (lambda whole: b"", "weights must be a safetensors file"),
        (lambda whole: b"not weights at all, but some text", "weights must be a safetensors file"),
        (lambda whole: save(GOOD), "weights must name their network"),
        (lambda whole: save(GOOD, {"model_config": "{"}), "weights must name their network"),
        (lambda whole: save(GOOD, {"model_config": "[]"}), "weights must name their network"),
        (
            lambda whole: save(GOOD, {"model_config": json.dumps(vars(CONFIG) | {"units": 0})}),
            "units must be an integer",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(make(whole_file(tmp_path)))
    with pytest.raises(InputError) as error:
        load_weights(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match="weights must be a safetensors file"):
            load_weights(path)
