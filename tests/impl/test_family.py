"""LSTM, GRU, convolution, encoder and decoder: what is theirs, and every faster way to train them."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import torch
from helpers import SLOW_IN_TORCH, config_of, furthest, some_data
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import keras_impl
import torch_impl
from attention_twins.errors import InputError
from attention_twins.in_keras.runtime import floatx
from attention_twins.parity import named
from shared import numpy_layers, reference
from shared.config import DECODERS, MODELS, DataConfig, ModelConfig, TrainConfig
from shared.data import windows
from shared.fibonacci import get_fib_seq
from shared.tasks import load_data
from shared.weights import initial_weights, random_weights

BACKEND = keras.backend.backend()
FAMILY = ["lstm", "gru_with_attention", "conv_with_attention", "encoder_decoder_with_attention"]


def made(twin, model, **options):
    """A network with random weights, and both."""
    config = replace(config_of(model, "float64"), **options)
    created = twin.create_model(config)
    twin.set_weights(created, random_weights(config))
    return created, config, random_weights(config)


def test_lstm_by_hand():
    """One unit, all weights 0 but the biases: i = f = o = σ(0) = ½, g = tanh(1)."""
    bias = np.array([0.0, 0.0, 1.0, 0.0])
    h = numpy_layers.lstm(np.zeros((1, 2, 1)), np.zeros((1, 4)), np.zeros((1, 4)), bias)
    c = [np.tanh(1) / 2, np.tanh(1) / 2 * 1.5]
    np.testing.assert_allclose(h[0, :, 0], np.tanh(c) / 2, rtol=1e-15)


def test_gru_by_hand():
    """z = ½, and the reset gate (½) acts on the second bias alone."""
    bias = np.array([[0.0, 0.0, 0.25], [0.0, 0.0, 0.5]])
    h = numpy_layers.gru(np.zeros((1, 2, 1)), np.zeros((1, 3)), np.zeros((1, 3)), bias)
    new = np.tanh(0.25 + 0.5 * 0.5)
    np.testing.assert_allclose(h[0, :, 0], [new / 2, new / 4 + new / 2], rtol=1e-15)


def test_convolution_and_pooling_by_hand():
    x = np.array([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1)
    kernel, bias = np.array([1.0, 10, 100]).reshape(3, 1, 1), np.array([0.5])
    y, mask = numpy_layers.conv1d(x, kernel, bias, "linear")
    np.testing.assert_array_equal(y[0, :, 0], [321.5, 432.5, 543.5, 654.5])
    pooled, _ = numpy_layers.max_pooling(-y, 2)
    assert mask is None
    np.testing.assert_array_equal(pooled[0, :, 0], [-321.5, -543.5])
    seen = np.array([[True, False, False, False, False, True]])
    y, mask = numpy_layers.conv1d(x, kernel, bias, "linear", seen)
    np.testing.assert_array_equal(y[0, :, 0], [1.5, 0.5, 0.5, 600.5])
    np.testing.assert_array_equal(mask, [[True, False, False, True]])
    pooled, mask = numpy_layers.max_pooling(-y, 2, mask)
    np.testing.assert_array_equal(pooled[0, :, 0], [-1.5, -600.5])


def test_pooling_breaks_ties_alike(twin):
    """All outputs of the convolution are equal: the first of two takes the gradient, everywhere."""
    created, config, weights = made(twin, "conv")
    weights["conv/kernel"] *= 0
    twin.set_weights(created, weights)
    data = some_data("float64", shape=config.input_shape)
    x, y = data.train_x[:5], data.train_y[:5]
    found = named(twin.trace(created, x, y))["gradient/conv/kernel"]
    desired = reference.gradients(config, weights, x, y)["conv/kernel"]
    np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)


def test_the_forget_gate_starts_open():
    bias = initial_weights(ModelConfig(model="lstm", units=3), 0)["lstm/bias"]
    np.testing.assert_array_equal(bias, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    native = keras_impl.create_model(ModelConfig(model="lstm", units=3), "native")
    np.testing.assert_array_equal(keras_impl.get_weights(native)["lstm/bias"], bias)


@pytest.mark.parametrize("model", ["lstm", "gru", "conv"])
def test_starts_are_drawn_as_keras_draws_them(model):
    """The same spread as the framework's own, variable by variable."""
    config = ModelConfig(model=model, units=64, features=8)
    ours = initial_weights(config, 0)
    theirs = keras_impl.get_weights(keras_impl.create_model(config, "native"))
    for name, array in ours.items():
        np.testing.assert_allclose(array.std(), theirs[name].std(), rtol=0.1, err_msg=name)
    if model != "conv":
        recurrent = ours[f"{model}/recurrent_kernel"].astype(np.float64)
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-6)


def test_pytorchs_own_spread(twin):
    """initializers and bias_start: as nn.LSTM, nn.GRU, nn.Conv1d and nn.Linear draw them."""
    for model in ("lstm", "gru", "conv"):
        config = ModelConfig(model=model, units=64, features=8)
        theirs = torch_impl.get_weights(torch_impl.create_model(config, "native"))
        for setup, variables in (
            ("initializers", ("kernel", "recurrent_kernel")),
            ("bias_start", ("bias",)),
        ):
            ours = twin.get_weights(twin.create_model(config, setup))
            for name, array in ours.items():
                if name.split("/")[1] in variables:
                    wanted = theirs[name].std()
                    np.testing.assert_allclose(array.std(), wanted, rtol=0.15, err_msg=name)


def test_windows_with_horizons():
    x, y = windows(np.arange(7.0), 3, 2)
    np.testing.assert_array_equal(x[:, :, 0], [[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    np.testing.assert_array_equal(y, [[3, 4], [4, 5], [5, 6]])


@pytest.mark.parametrize("name", ["fibonacci", "log_fibonacci", "recurrences"])
def test_rows_hold_what_follows(name):
    one, three = (
        load_data(DataConfig(data=name, numbers=60, time_steps=4, horizon=k, dtype="float64"))
        for k in (1, 3)
    )
    assert one.train_y.shape[1] == 1 and three.train_y.shape[1] == 3
    assert len(three.train_y) + len(three.test_y) == 60 - 4 - 3 + 1
    back = three.to_numbers(three.test_y)
    if name == "fibonacci":
        numbers = get_fib_seq(60, scale_data=False)[0]
        for row in back:
            start = np.argmin(abs(numbers - row[0]))
            np.testing.assert_allclose(row, numbers[start : start + 3], rtol=1e-9)
    followed = three.teacher_forced()
    assert followed.train_x.shape[1] == 4 + 2 and followed.test_x.shape[1] == 4
    np.testing.assert_array_equal(followed.train_x[:, 4:, 0], three.train_y[:, :2])
    np.testing.assert_array_equal(one.teacher_forced().train_x, one.train_x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon must be an integer from 1"),
        ({"horizon": 2, "data": "addition"}, "horizon must be 1 for addition, got 2"),
        (
            {"numbers": 30, "horizon": 11},
            "horizon must leave a row of 20 steps in 30 numbers, got 11",
        ),
    ],
)
def test_bad_horizons_are_one_line(options, message):
    with pytest.raises(InputError, match=message):
        DataConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "lstm", "activation": ("relu", "tanh")}, "activation of the recurrent layer"),
        ({"model": "conv", "time_steps": 3}, "time_steps must be an integer from 4"),
        ({"model": "encoder_decoder_with_attention", "score": "linear"}, "for a variant"),
    ],
)
def test_what_a_network_has_not_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        ModelConfig(**options)


@pytest.mark.parametrize("model", DECODERS)
def test_teacher_forced_behind_a_mask(twin, model):
    """Masked steps of the row, and the numbers that follow, which no mask hides."""
    created, config, weights = made(twin, model, dense_units=3)
    data = some_data("float64", shape=config.input_shape, dense_units=3)
    forced = twin.teacher_forced(created, data).train_x[:7]
    y, mask = data.train_y[:7], np.random.default_rng(1).random((7, config.time_steps)) < 0.6
    mask[2] = False
    found, desired = (
        named(twin.trace(created, forced, y, mask)),
        reference.forward(config, weights, forced, mask),
    )
    for name, array in desired.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-14, err_msg=name)
    for name, array in reference.gradients(config, weights, forced, y, mask).items():
        np.testing.assert_allclose(
            found[f"gradient/{name}"], array, rtol=0, atol=1e-13, err_msg=name
        )


@pytest.mark.parametrize("model", DECODERS)
def test_decoder_is_teacher_forced_in_training_and_runs_free_after_it(twin, model):
    created, config, weights = made(twin, model, dense_units=4)
    data = some_data("float64", shape=config.input_shape, dense_units=4)
    forced = twin.teacher_forced(created, data).train_x
    assert forced.shape == (23, 5 + 3, 3)
    free, forced_output = twin.predict(created, data.train_x), twin.predict(created, forced)
    for x, found in ((data.train_x, free), (forced, forced_output)):
        desired = reference.forward(config, weights, x)["output"]
        np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(free[:, 0], forced_output[:, 0])  # nothing has been given yet
    assert (abs(free[:, 1:] - forced_output[:, 1:]).max(axis=0) > 1e-4).all()
    own = np.concatenate([data.train_x, np.zeros((23, 3, 3))], axis=1)
    own[:, 5:, 0] = free[:, :3]  # given what it would have said itself
    np.testing.assert_allclose(twin.predict(created, own), free, rtol=0, atol=1e-14)


def test_each_step_of_the_decoder_looks_elsewhere(twin):
    created, config, weights = made(twin, DECODERS[1], dense_units=3)
    x = some_data("float64", shape=config.input_shape).train_x
    trace = reference.forward(config, weights, x)
    found = named(twin.trace(created, x, np.zeros((23, 3))))
    for suffix in ("", "_2", "_3"):
        name = f"attention/alpha{suffix}"
        np.testing.assert_allclose(found[name], trace[name], rtol=0, atol=1e-15)
    assert abs(trace["attention/alpha"] - trace["attention/alpha_2"]).max() > 1e-4


def test_masked_encoder_starts_from_its_last_number(twin):
    created, config, weights = made(twin, DECODERS[1])
    x = some_data("float64", shape=config.input_shape).train_x[:4]
    short = np.array([[True, True, True, False, False]] * 4)
    found = named(twin.trace(created, x, np.zeros((4, 2)), short))["output"]
    shorter = replace(config, time_steps=3)
    desired = reference.forward(shorter, weights, x[:, :3])["output"]
    np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, marks=[] if model.startswith(("lstm", "conv")) else pytest.mark.slow)
        for model in (FAMILY if BACKEND != "torch" else FAMILY[:1])
    ],
)
@SLOW_IN_TORCH
def test_faster_ways_do_what_fit_does(twin, model):
    if twin is torch_impl and model not in (FAMILY[0], FAMILY[-1]):
        pytest.skip("its compiler takes half a minute; the certificate has all of them")
    config = config_of(model, "float64")
    data = some_data("float64", shape=config.input_shape)
    train = TrainConfig(learning_rate=0.01, batch_size=8, epochs=3, keras_backend=BACKEND)
    results = []
    for way in (twin.fit, twin.fit_compiled):
        created = twin.create_model(config)
        twin.set_weights(created, random_weights(config, 1))
        results.append(way(created, data, train))
    assert furthest(*results) <= 1e-14
    np.testing.assert_allclose(results[1].loss, results[0].loss, rtol=0, atol=1e-14)
    many = twin.fit_many(config, data, replace(train, seed=1), [0, 1], initial=random_weights)
    created = twin.create_model(config)
    twin.set_weights(created, random_weights(config, 1))
    one = twin.fit(created, data, replace(train, seed=1))
    for name, array in one.weights.items():
        found = many.weights[name][1]
        np.testing.assert_allclose(found, array, rtol=0, atol=1e-14, err_msg=name)
    # Rows to predict are not given what follows them.
    should = twin.predict(created, data.train_x)
    np.testing.assert_allclose(many.train_prediction[1], should, rtol=0, atol=1e-14)


def test_a_file_brings_a_decoder_back(tmp_path):
    """Keras's own file format."""
    created, config, _ = made(keras_impl, DECODERS[1])
    x = some_data("float64", shape=config.input_shape).train_x
    created.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras_impl.predict(again, x), keras_impl.predict(created, x))


def test_many_starts_have_rows_of_their_own_size(twin):
    """A horizon is as good as any other number of outputs."""
    config = replace(config_of("gru", "float64"), dense_units=3)
    data = some_data("float64", shape=config.input_shape, dense_units=3)
    with pytest.raises(InputError, match="train_y"):
        twin.fit_many(replace(config, dense_units=2), data, TrainConfig(epochs=1), [0])


def rows_of_lengths(config):
    """Rows of several lengths, filled up with zeros, and their mask; T of the first."""
    lengths = np.array([config.time_steps, 3, 1, config.time_steps - 1])
    mask = np.arange(config.time_steps) < lengths[:, np.newaxis]
    x = some_data("float64", shape=config.input_shape).train_x[:4]
    return np.where(mask[..., np.newaxis], x, 0.0), mask, lengths


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
@pytest.mark.parametrize("model", MODELS)
def test_masking_layer_is_the_same_as_a_mask(model):
    """Keras finds the mask itself, PyTorch is given it: one result, the definition's."""
    config = config_of(model, "float64")
    x, mask, _ = rows_of_lengths(config)
    desired = reference.forward(config, random_weights(config), x, mask)["output"]
    created, *_ = made(keras_impl, model)
    layers = created.layers if isinstance(created, keras.Sequential) else [created]
    with floatx("float64"):
        masking = keras.layers.Masking(dtype="float64")
        inputs = keras.Input(config.input_shape, dtype="float64")
        found = keras_impl.predict(keras.Sequential([inputs, masking, *layers]), x)
    np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)
    created, *_ = made(torch_impl, model)
    with torch.no_grad():
        found = created(torch.tensor(x), torch.tensor(mask)).numpy()
    np.testing.assert_allclose(found, desired, rtol=0, atol=1e-14)


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru"])
def test_packed_sequences_end_where_masked_ones_do(model):
    """After its end a packed row is 0, a masked one stays as it was; both have one last state."""
    created, config, _ = made(torch_impl, model)
    x, mask, lengths = rows_of_lengths(config)
    layer, rows = created[0], torch.tensor(x)
    packed = pack_padded_sequence(rows, torch.tensor(lengths), True, enforce_sorted=False)
    with torch.no_grad():
        states, last = layer.core(packed)
        packed_states = pad_packed_sequence(states, batch_first=True)[0].numpy()
        ours = layer.states(rows, torch.tensor(mask)).numpy()
    last = (last[0] if model == "lstm" else last)[0].numpy()
    np.testing.assert_allclose(ours[mask], packed_states[mask], rtol=0, atol=1e-15)
    np.testing.assert_allclose(ours[:, -1], last, rtol=0, atol=1e-15)
    assert not packed_states[~mask].any() and ours[~mask].all()
