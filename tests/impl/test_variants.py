"""The variants of attention, in both twins: the definition, gradients, every way to train."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import torch
from helpers import SLOW_IN_TORCH, some_data

import keras_impl
import torch_impl
from attention_twins.cli import main
from attention_twins.errors import InputError
from attention_twins.in_keras.runtime import floatx
from attention_twins.parity import named
from shared import reference
from shared.config import VARIANTS, ModelConfig, TrainConfig
from shared.weights import initial_weights, random_weights, weight_shapes

NAMES = [name for name in VARIANTS if name != "tutorial"]
SLOW = keras.backend.backend() == "torch"  # its compiler takes half a minute each time


def config_of(variant, **options):
    sizes = {"units": 4, "dense_units": 2, "time_steps": 5, "features": 3, "dtype": "float64"}
    return ModelConfig(**sizes | options, **VARIANTS[variant])


def rows(config, count=6):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(count, *config.input_shape)).astype(config.dtype)
    y = generator.uniform(-0.9, 0.9, (count, config.dense_units)).astype(config.dtype)
    mask = generator.random((count, config.time_steps)) < 0.6
    mask[0], mask[1], mask[2] = True, False, [False, True, False, False, False]
    return x, y, mask


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("variant", NAMES)
def test_equals_the_definition_with_every_gradient(twin, variant, masked):
    config = config_of(variant)
    weights, (x, y, mask) = random_weights(config), rows(config)
    model = twin.create_model(config)
    twin.set_weights(model, weights)
    found = named(twin.trace(model, x, y, mask if masked else None))
    desired = reference.forward(config, weights, x, mask if masked else None)
    for name, array in desired.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-14, err_msg=name)
    slopes = reference.gradients(config, weights, x, y, mask if masked else None)
    # A gradient that sums over all time steps cancels: its rounding is that of what is summed.
    limit = 1e-14 * max(abs(array).max() for array in slopes.values())
    for name, array in slopes.items():
        actual = found[f"gradient/{name}"]
        np.testing.assert_allclose(actual, array, rtol=0, atol=limit, err_msg=name)
        assert array.any() or name == "x"


@pytest.mark.parametrize("variant", NAMES)
def test_float32_and_the_scores_of_a_network(twin, variant):
    config = config_of(variant, dtype="float32")
    weights, (x, _, _) = random_weights(config), rows(config)
    model = twin.create_model(config)
    twin.set_weights(model, weights)
    desired = reference.forward(config, weights, x.astype(np.float64))
    assert twin.predict(model, x).dtype == "float32"
    np.testing.assert_allclose(twin.predict(model, x), desired["output"], rtol=0, atol=2e-6)
    scores = twin.attention_scores(model, x)
    np.testing.assert_allclose(scores, desired["attention/alpha"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("variant", NAMES)
def test_masked_values_touch_nothing(twin, variant):
    config = config_of(variant)
    weights, (x, y, mask) = random_weights(config), rows(config)
    model = twin.create_model(config)
    twin.set_weights(model, weights)
    clean = named(twin.trace(model, np.where(mask[..., None], x, 0), y, mask))
    other = named(twin.trace(model, np.where(mask[..., None], x, 9e9), y, mask))
    for name, array in clean.items():
        if name not in ("rnn/h", "attention/input"):
            np.testing.assert_array_equal(other[name], array, err_msg=name)
    assert not clean["attention/alpha"][1].any() and not clean["attention/context"][1].any()
    np.testing.assert_array_equal(clean["attention/alpha"][2], [0, 1, 0, 0, 0])


def test_definitions_by_hand():
    x, W = np.array([[[0.0], [2.0]]]), np.array([[3.0]])
    share = 1 / (1 + math.exp(-6))
    linear = reference.attention(x, W, np.full((1, 1), 7.0), score="linear")
    np.testing.assert_allclose(linear["e"], [[7, 13]], rtol=1e-15)
    np.testing.assert_allclose(linear["alpha"], [[1 - share, share]], rtol=1e-13)
    warm = reference.attention(x, W, log_scale=np.array([math.log(2)]))
    np.testing.assert_allclose(warm["e"], [[0, 2 * math.tanh(6)]], rtol=1e-15)
    asked = reference.additive_attention(
        x, np.array([[0.5]]), np.array([[0.25]]), np.array([[3.0]])
    )
    np.testing.assert_allclose(asked["e"], [[3 * math.tanh(1), 3 * math.tanh(1.5)]], rtol=1e-15)
    # The query is the last step that the mask leaves.
    mask = np.array([[True, False]])
    asked = reference.additive_attention(x + 1, *(np.array([[1.0]]),) * 3, mask=mask)
    np.testing.assert_allclose(asked["e"][0, 0], math.tanh(2), rtol=1e-15)


def test_large_scores_do_not_overflow():
    """The tutorial's lie within (−1, 1); those of the other variants need not."""
    x = np.array([[[0.0], [1.0]]])
    found = reference.attention(x, np.array([[2000.0]]), score="linear")
    np.testing.assert_array_equal(found["alpha"], [[0, 1]])


@pytest.mark.parametrize("variant", ["linear", "temperature", "additive"])
def test_ceiling_of_the_tutorials_scores_is_gone(twin, variant):
    """At T = 20 no weight of the tutorial's can pass 0.280."""
    config = config_of(variant, time_steps=20, units=2, features=1, dense_units=1)
    large = 1 if variant == "temperature" else 5
    weights = {name: large * array for name, array in random_weights(config, 3).items()}
    if variant == "temperature":
        weights["attention/log_scale"][:] = 3
    elif variant == "additive":
        weights["attention/v_a"][:] = 3
    model = twin.create_model(config)
    twin.set_weights(model, weights)
    x = np.random.default_rng(0).normal(size=(9, 20, 1))
    assert twin.attention_scores(model, x).max() > 0.28


@pytest.mark.parametrize("variant", NAMES)
def test_weights_have_the_canonical_names_and_start(twin, variant):
    config = config_of(variant)
    found = twin.get_weights(twin.create_model(config, seed=5))
    assert {name: array.shape for name, array in found.items()} == weight_shapes(config)
    for name, array in initial_weights(config, 5).items():
        np.testing.assert_array_equal(found[name], array)
    own = twin.get_weights(twin.create_model(config, "native", seed=5))
    for name in ("b", "log_scale"):
        assert not own.get(f"attention/{name}", np.zeros(1)).any()
    assert variant != "additive" or all(own[f"attention/{n}"].any() for n in ("W_a", "U_a", "v_a"))


@pytest.mark.parametrize("variant", NAMES)
def test_only_a_bias_for_each_step_fixes_their_number(twin, variant):
    if variant == "additive":
        made = (
            keras_impl.AdditiveAttention(dtype="float64")
            if twin is keras_impl
            else torch_impl.AdditiveAttention(3, dtype=torch.float64)
        )
    else:
        options = dict(VARIANTS[variant])
        made = (
            keras_impl.Attention(dtype="float64", **options)
            if twin is keras_impl
            else torch_impl.Attention(5, 3, dtype=torch.float64, **options)
        )
    tensor = keras.ops.convert_to_tensor if twin is keras_impl else torch.tensor
    assert tuple(made(tensor(np.ones((2, 5, 3)))).shape) == (2, 3)
    if variant == "additive" or made.bias in ("shared", "none"):
        assert tuple(made(tensor(np.ones((2, 9, 3)))).shape) == (2, 3)
    else:
        with pytest.raises(ValueError, match="5 time steps, got 9"):
            made(tensor(np.ones((2, 9, 3))))


@pytest.mark.parametrize("units", [None, 7])
def test_additive_attention_with_units_and_a_query_of_ones_own(twin, units):
    generator = np.random.default_rng(0)
    x, query = generator.normal(size=(4, 5, 3)), generator.normal(size=(4, 3))
    mask = rows(config_of("additive"), 4)[2]
    with floatx("float64"):
        if twin is keras_impl:
            layer = keras_impl.AdditiveAttention(units, dtype="float64")
            layer.build((None, 5, 3))
            weights = {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}
            tensor, array = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
        else:
            layer = torch_impl.AdditiveAttention(3, units, dtype=torch.float64)
            weights = {name: p.numpy(force=True) for name, p in layer.named_parameters()}
            tensor, array = torch.tensor, lambda t: t.numpy(force=True)
        assert [w.shape for w in weights.values()] == [(3, units or 3)] * 2 + [(units or 3, 1)]
        found = array(layer.attend(tensor(x), tensor(mask))[1])
        desired = reference.additive_attention(x, **weights, mask=mask)["alpha"]
        np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)
        asked = array(layer.score(tensor(x), tensor(query)))
        own = np.tanh((query @ weights["W_a"])[:, None] + x @ weights["U_a"]) @ weights["v_a"]
        np.testing.assert_allclose(asked, own[..., 0], rtol=0, atol=1e-14)
        given = array(layer.attend(tensor(x), None, tensor(query))[1])
        np.testing.assert_allclose(given, np.exp(own[..., 0]) / np.exp(own).sum(1), rtol=1e-13)


@pytest.mark.parametrize("variant", NAMES)
def test_keras_saves_and_loads_them(tmp_path, variant):
    config = config_of(variant, dtype="float32")
    model = keras_impl.create_model(config)
    keras_impl.set_weights(model, random_weights(config))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = rows(config)[0]
    np.testing.assert_array_equal(keras_impl.predict(loaded, x), keras_impl.predict(model, x))


@pytest.mark.parametrize("variant", NAMES)
@SLOW_IN_TORCH
def test_faster_ways_train_them_as_fit_does(twin, variant):
    """PyTorch's compiler takes half a minute for each: there only the additive one, by fit_many."""
    if SLOW or (twin is torch_impl and variant != "additive"):
        pytest.skip("a compiler takes half a minute for it")
    data, backend = some_data("float64"), keras.backend.backend()
    options = TrainConfig(epochs=3, batch_size=8, learning_rate=0.01, keras_backend=backend)
    (_, T, F), (_, D) = data.train_x.shape, data.train_y.shape
    config = config_of(variant, time_steps=T, features=F, dense_units=D)
    many = twin.fit_many(config, data, options, [5, 0, 7], initial=random_weights)
    for i, seed in enumerate(many.seeds):
        model = twin.create_model(config)
        twin.set_weights(model, random_weights(config, seed))
        one = twin.fit(model, data, replace(options, seed=seed))
        for name, array in one.weights.items():
            np.testing.assert_allclose(many.weights[name][i], array, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "cosine"}, "score must be one of tanh, linear, additive, got 'cosine'"),
        ({"bias": "two"}, "bias must be one of per_step, shared, none, got 'two'"),
        ({"model": "rnn", "score": "linear"}, "for a variant, got"),
        ({"score": "additive", "bias": "none"}, "score must not be additive for a temperature or"),
        ({"score": "additive", "temperature": True}, "score must not be additive for"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        ModelConfig(**options)


@pytest.mark.parametrize("options", [{"score": "additive"}, {"score": "x"}, {"bias": "x"}])
def test_layers_refuse_what_they_do_not_know(twin, options):
    with pytest.raises(ValueError, match="must be one of"):
        twin.Attention(
            **({} if twin is keras_impl else {"time_steps": 2, "features": 1}), **options
        )


@pytest.mark.parametrize("variant", ["linear", "temperature", "additive"])
@pytest.mark.slow
def test_variants_pass_every_stage(capsys, variant):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("its workers have backends of their own")
    options = ["--variant", variant, "--dtype", "float64", "--keras-backend", "tensorflow"]
    assert main(["prove", *options, "--steps", "40", "--no-faster"]) == 0
    assert f"rnn_with_attention, {variant}" in " ".join(capsys.readouterr().out.split())


def test_unknown_variant_is_one_line(capsys):
    assert main(["prove", "--variant", "softer"]) == 2
    assert "variant must be one of all, tutorial, linear" in capsys.readouterr().err
    assert main(["prove", "--variant", "linear", "--model", "rnn"]) == 2
    assert "for a variant, got 'rnn'" in capsys.readouterr().err
