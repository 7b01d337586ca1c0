"""The networks, in both twins: against the definition, and against each other."""

import keras
import numpy as np
import pytest
import torch
from helpers import aligned

import attention_twins.in_keras.weights
import attention_twins.in_torch.weights
import keras_impl
import torch_impl
from attention_twins.errors import InputError
from shared import reference
from shared.config import MODELS, TUTORIAL_MODELS, ModelConfig
from shared.weights import initial_weights, random_weights, weight_shapes

WEIGHTS = {
    keras_impl: attention_twins.in_keras.weights,
    torch_impl: attention_twins.in_torch.weights,
}
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}

SIZES = {
    "the tutorial's": {},
    "F ≠ H": {"units": 5, "features": 3, "time_steps": 7, "dense_units": 2},
    "square": {"units": 4, "features": 4, "time_steps": 4, "dense_units": 4},
    "wide": {"units": 64, "time_steps": 40},
}
SIZED = [(model, size) for model in TUTORIAL_MODELS for size in SIZES]
SIZED += [(m, size) for m in MODELS for size in ("F ≠ H", "square") if m not in TUTORIAL_MODELS]

ACTIVATIONS = [("relu", "linear"), ("tanh", "sigmoid"), ("tanh", "relu"), ("relu", "tanh")]
ACTIVATED = [(model, pair) for model in TUTORIAL_MODELS for pair in ACTIVATIONS]
ACTIVATED += [
    (model, pair)
    for model in MODELS
    for pair in ACTIVATIONS[:2]
    # PyTorch has no other than tanh in its LSTM and GRU.
    if model not in TUTORIAL_MODELS and (MODELS[model][0] not in ("lstm", "gru") or "tanh" in pair)
]


def inputs(config, rows=9, seed=1):
    shape = (rows, *config.input_shape)
    return np.random.default_rng(seed).normal(size=shape).astype(config.dtype)


@pytest.mark.parametrize(("model", "count"), [("rnn", 11), ("rnn_with_attention", 33)])
def test_the_tutorials_parameter_tables(twin, model, count):
    created = twin.MODELS[model](2, 1, (20, 1), "tanh")
    assert twin.count_parameters(created) == count
    assert sum(array.size for array in twin.get_weights(created).values()) == count


@pytest.mark.parametrize(("model", "size"), SIZED)
def test_equals_the_definition(twin, dtype, model, size):
    config = ModelConfig(model=model, dtype=dtype, **SIZES[size])
    weights, x = random_weights(config), inputs(config)
    created = twin.create_model(config)
    twin.set_weights(created, weights)
    prediction = twin.predict(created, x)
    desired = reference.forward(config, weights, x.astype(np.float64))["output"]
    assert prediction.dtype == dtype
    np.testing.assert_allclose(prediction, desired, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("model", "activation"), ACTIVATED)
def test_activations_equal_the_definition(twin, model, activation):
    config = ModelConfig(model=model, units=8, activation=activation, dtype="float64")
    weights, x = random_weights(config), inputs(config)
    weights["dense/bias"] += 1  # keep relu from a constant 0
    created = twin.create_model(config)
    twin.set_weights(created, weights)
    desired = reference.forward(config, weights, x)["output"]
    np.testing.assert_allclose(twin.predict(created, x), desired, rtol=1e-13, atol=1e-14)
    assert np.ptp(desired) > 0


@pytest.mark.parametrize("model", MODELS)
def test_unrolled_is_the_same_network(twin, model):
    config = ModelConfig(model=model, units=3, time_steps=6, dtype="float64")
    x, predictions = inputs(config), []
    for unroll in (False, True):
        created = twin.MODELS[model](3, 1, (6, 1), "tanh", unroll=unroll, dtype="float64")
        twin.set_weights(created, random_weights(config))
        predictions.append(twin.predict(created, x))
    np.testing.assert_allclose(*predictions, rtol=0, atol=1e-15)


@pytest.mark.parametrize("model", [name for name in MODELS if "attention" in MODELS[name]])
def test_attention_scores_of_a_network(twin, model):
    config = ModelConfig(model=model, units=3, time_steps=6, dtype="float64")
    created, x = twin.create_model(config), inputs(config)
    twin.set_weights(created, random_weights(config))
    desired = reference.forward(config, random_weights(config), x)["attention/alpha"]
    np.testing.assert_allclose(twin.attention_scores(created, x), desired, rtol=0, atol=1e-15)
    plain = ModelConfig(model=model.removesuffix("_with_attention"), time_steps=6)
    assert twin.attention_scores(twin.create_model(plain), x.astype("float32")) is None


@pytest.mark.parametrize("model", MODELS)
def test_weights_go_to_the_other_twin_and_back_bit_for_bit(model, dtype):
    config = ModelConfig(model=model, units=4, features=4, time_steps=5, dense_units=3, dtype=dtype)
    for there, back in ((keras_impl, torch_impl), (torch_impl, keras_impl)):
        weights, created = random_weights(config), there.create_model(config)
        there.set_weights(created, weights)
        other = back.create_model(config)
        back.set_weights(other, there.get_weights(created))
        again = there.create_model(config)
        there.set_weights(again, back.get_weights(other))
        actual = there.get_weights(again)
        assert list(actual) == list(weight_shapes(config))
        for name, array in weights.items():
            assert actual[name].dtype == dtype
            assert actual[name].tobytes() == array.tobytes(), name


def test_weights_are_copies(twin):
    config = ModelConfig()
    created = twin.create_model(config)
    weights = {name: aligned(array) for name, array in random_weights(config).items()}
    twin.set_weights(created, weights)
    own = WEIGHTS[twin].get_own(created)
    for array in [*own, *weights.values(), *twin.get_weights(created).values()]:
        array[...] = 7
    for name, array in random_weights(config).items():
        np.testing.assert_array_equal(twin.get_weights(created)[name], array, err_msg=name)


@pytest.mark.parametrize("setup", ["twin", "second_bias"])
@pytest.mark.parametrize("model", MODELS)
def test_weights_of_many_seeds_at_once_are_as_of_each(twin, model, setup):
    config = ModelConfig(model=model, units=3, time_steps=6, features=2, dtype="float64")
    created, seeds = twin.create_model(config, setup), (0, 4, 9)
    drawn = [random_weights(config, seed) for seed in seeds]
    many = {name: np.stack([weights[name] for weights in drawn], axis=-1) for name in drawn[0]}
    arrays = WEIGHTS[twin].to_own(created, many)
    for i, weights in enumerate(drawn):
        twin.set_weights(created, weights)
        for array, desired in zip(arrays, WEIGHTS[twin].get_own(created), strict=True):
            np.testing.assert_array_equal(array[..., i], desired)
    back = WEIGHTS[twin].to_canonical(created, arrays)
    assert list(back) == list(weight_shapes(config))
    for name, array in many.items():
        np.testing.assert_array_equal(back[name], array)


def test_second_biases_of_many_seeds_are_added():
    config = ModelConfig(model="lstm", units=3, dtype="float64")
    models = [torch_impl.create_model(config, "native", seed) for seed in (1, 2)]
    own = [attention_twins.in_torch.weights.get_own(model) for model in models]
    arrays = [np.stack(pair, axis=-1) for pair in zip(*own, strict=True)]
    found = attention_twins.in_torch.weights.to_canonical(models[0], arrays)
    for i, model in enumerate(models):
        for name, array in torch_impl.get_weights(model).items():
            np.testing.assert_array_equal(found[name][..., i], array)


@pytest.mark.parametrize(
    ("torch_shape", "keras_shape"),
    [((5, 4), (4, 5)), ((5, 4, 3), (3, 4, 5)), ((5, 4, 3, 2), (3, 2, 4, 5))],
)
def test_kernels_of_any_rank_are_turned(torch_shape, keras_shape):
    """Dense, Conv1D, Conv2D: (out, in, height, width) is (height, width, in, out) in Keras."""
    kernel = torch.arange(float(np.prod(torch_shape))).reshape(torch_shape)
    view = attention_twins.in_torch.weights.Variable(kernel, transposed=True).view(lambda t: t)
    assert view.shape == keras_shape
    layer = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D)[len(torch_shape) - 2]
    made = layer(5, *([torch_shape[2:]] if len(torch_shape) > 2 else []))
    made.build((None, *[8] * (len(torch_shape) - 2), 4))
    assert made.kernel.shape == keras_shape
    for index in np.ndindex(*keras_shape):
        *steps, i, o = index
        assert view[index] == kernel[(o, i, *steps)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {k: v for k, v in w.items() if k != "rnn/bias"}, "missing: rnn/bias"),
        (lambda w: w | {"rnn/bias_2": w["rnn/bias"]}, "extra: 'rnn/bias_2'"),
        (lambda w: w | {"rnn/kernel": w["rnn/kernel"].T}, r"must have shape \(1, 2\), got \(2, 1\)"),
        (lambda w: w | {"rnn/bias": w["rnn/bias"].astype("float64")}, "must be float32, got float64"),
        (lambda w: w | {"rnn/bias": w["rnn/bias"] * np.float32("nan")}, "must be finite, got nan"),
    ],
)  # fmt: skip
def test_set_weights_refuses_and_changes_nothing(twin, change, message):
    config = ModelConfig()
    created = twin.create_model(config)
    before = twin.get_weights(created)
    with pytest.raises(InputError, match=message):
        twin.set_weights(created, change(random_weights(config)))
    for name, array in twin.get_weights(created).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("activation", ["gelu", ["tanh"], ["sigmoid", "tanh"], ("tanh", "gelu")])
def test_unknown_activation_is_refused(twin, activation):
    with pytest.raises(InputError, match="activation"):
        twin.create_rnn(2, 1, (20, 1), activation)


def test_twin_set_up_starts_from_the_shared_weights(twin, dtype):
    config = ModelConfig(dtype=dtype)
    actual, desired = (
        twin.get_weights(twin.create_model(config, seed=5)),
        initial_weights(config, 5),
    )
    for name, array in desired.items():
        np.testing.assert_array_equal(actual[name], array)


def test_native_set_up_starts_as_the_framework_does(twin):
    config = ModelConfig(units=50)
    first, again, other = (
        twin.get_weights(twin.create_model(config, "native", seed)) for seed in (1, 1, 2)
    )
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    assert (other["rnn/kernel"] != first["rnn/kernel"]).any()
    assert bool(first["rnn/bias"].any()) == (twin is torch_impl)  # Keras: zeros; PyTorch: uniform
    kernel_limit = (6 / 51) ** 0.5 if twin is keras_impl else 50**-0.5
    assert 0.8 * kernel_limit < abs(first["rnn/kernel"]).max() <= kernel_limit


def test_native_pytorch_trains_a_second_bias():
    config = ModelConfig()
    assert torch_impl.count_parameters(torch_impl.create_model(config, "native")) == 35
    assert torch_impl.count_parameters(torch_impl.create_model(config)) == 33
    assert keras_impl.count_parameters(keras_impl.create_model(config, "native")) == 33


def test_keras_float_type_is_left_as_it_was():
    before = keras.config.floatx()
    config = ModelConfig(dtype="float64")
    keras_impl.predict(keras_impl.create_model(config), inputs(config))
    assert keras.config.floatx() == before == "float32"


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow keeps float64")
def test_keras_still_narrows_float64_by_itself():
    """The reason for floatx; when this fails, Keras has mended it."""
    keras.config.set_floatx("float64")
    try:
        x = keras.ops.convert_to_tensor(np.ones((2, 2)))
        y = keras.ops.tanh(keras.ops.matmul(x, x))
        narrowed = keras.backend.result_type("float64", float)
    finally:
        keras.config.set_floatx("float32")
    assert narrowed == "float32"
    assert "float32" in (
        keras.backend.standardize_dtype(y.dtype),
        keras.backend.standardize_dtype(keras.ops.matmul(x, x).dtype),
    )
