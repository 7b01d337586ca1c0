"""Training, in both twins: the same steps, the same losses, the same weights."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import BACKEND, config_of, furthest, some_data

import keras_impl
import torch_impl
from attention_twins.in_torch.keras_steps import follow_keras
from shared import reference
from shared.config import MODELS, TUTORIAL_MODELS, DataConfig, ModelConfig, TrainConfig
from shared.data import batch_order
from shared.tasks import load_data
from shared.weights import initial_weights, random_weights


def train(twin, model, dtype, order, **options):
    """A network with random weights trained in the given order."""
    config = TrainConfig(**{"learning_rate": 0.01, "keras_backend": BACKEND} | options)
    model_config = config_of(model, dtype)
    created = twin.create_model(model_config, config.setup)
    twin.set_weights(created, random_weights(model_config))
    data = some_data(dtype, shape=model_config.input_shape)
    return twin.fit(created, data, config, order=order)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("batch", [1, 5])
def test_one_step_is_equal(model, batch):
    order = np.arange(batch)[np.newaxis]
    results = [
        train(t, model, "float64", order, batch_size=batch) for t in (keras_impl, torch_impl)
    ]
    start = random_weights(config_of(model, "float64"))
    # A gradient as small as Adam's ε makes more of its rounding; the LSTM has such.
    assert furthest(*results) <= (1e-14 if MODELS[model][0] == "lstm" else 1e-15)
    for name, array in results[0].weights.items():
        moved = abs(array - start[name])
        # Adam's first step is lr wherever the gradient is not tiny: every weight has moved.
        least = 0.0005 if MODELS[model][0] == "lstm" else 0.005
        assert (moved > least).all() and (moved < 0.0101).all(), name


@pytest.mark.parametrize(
    ("model", "batch_size", "dtype"),  # 8: the last batch of 23 rows has 7
    [
        *((model, 8, "float64") for model in MODELS),
        *((model, 1, "float64") for model in TUTORIAL_MODELS),
        *((model, 8, "float32") for model in MODELS),
        *((model, 1, "float32") for model in TUTORIAL_MODELS),
    ],
)
def test_hundreds_of_steps_are_equal(model, batch_size, dtype):
    tolerance = {"float64": 1e-14, "float32": 5e-6}[dtype]
    epochs = 10 if batch_size == 1 else 30
    order = batch_order(23, epochs, 0)
    keras_result, torch_result = (
        train(twin, model, dtype, order, batch_size=batch_size) for twin in (keras_impl, torch_impl)
    )
    assert furthest(keras_result, torch_result) <= tolerance
    np.testing.assert_allclose(keras_result.loss, torch_result.loss, rtol=0, atol=tolerance)
    assert len(keras_result.loss) == len(keras_result.seconds) == epochs
    assert keras_result.loss[-1] < keras_result.loss[0]
    for result in (keras_result, torch_result):
        assert {array.dtype.name for array in result.weights.values()} == {dtype}


def test_subnormal_numbers_part_float32_trainings():
    """TensorFlow and XLA take them for 0; Adam makes much of gradients far below its ε."""
    order = batch_order(824, 1, 0)[0, :24]

    def apart(dtype, smallest):
        data = load_data(DataConfig(horizon=3, dtype=dtype))
        x, y = (
            np.where(array < smallest, 0, array).astype(dtype)
            for array in (data.train_x[order], data.train_y[order])
        )
        data = replace(data, train_x=x, train_y=y)
        config = ModelConfig(dense_units=3, dtype=dtype)
        results = []
        for twin in (keras_impl, torch_impl):
            model = twin.create_model(config)
            twin.set_weights(model, initial_weights(config, 0))
            train = TrainConfig(epochs=1, keras_backend=BACKEND)
            results.append(twin.fit(model, data, train, order=np.arange(24)[np.newaxis]))
        return furthest(*results)

    assert apart("float32", 0) < 1e-6 if BACKEND == "torch" else apart("float32", 0) > 1e-4
    assert apart("float32", 1e-30) < 1e-6
    assert apart("float64", 0) < 1e-14


def test_loss_of_an_epoch_weighs_batches_by_their_rows(twin):
    """With a learning rate of nearly 0 it is the mean squared error over all rows."""
    order = batch_order(23, 1, 0)
    result = train(twin, "rnn_with_attention", "float64", order, batch_size=8, learning_rate=1e-15)
    config, data = config_of("rnn_with_attention", "float64"), some_data("float64")
    output = reference.forward(config, random_weights(config), data.train_x)["output"]
    np.testing.assert_allclose(result.loss, [((output - data.train_y) ** 2).mean()], rtol=1e-12)


def test_gradient_step_follows_the_definition(twin):
    """Adam's first step is lr · g / (|g| + ε / √(1 − β₂)), with the complex-step gradient g."""
    config, data = config_of("rnn_with_attention", "float64"), some_data("float64")
    start, order = random_weights(config), np.arange(23)[np.newaxis]
    result = train(twin, "rnn_with_attention", "float64", order, batch_size=23)

    def loss(weights):
        return (
            (reference.forward(config, weights, data.train_x)["output"] - data.train_y) ** 2
        ).mean()

    for name, array in start.items():
        for index in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[index] += 1e-30j
            g = loss(start | {name: moved}).imag / 1e-30
            step = 0.01 * g / (abs(g) + 1e-7 / np.sqrt(1 - 0.999))
            np.testing.assert_allclose(array[index] - result.weights[name][index], step, rtol=1e-5)


def test_order_decides(twin):
    first = train(twin, "rnn", "float64", batch_order(23, 1, 0))
    other = train(twin, "rnn", "float64", batch_order(23, 1, 1))
    assert furthest(first, other) > 1e-4


def test_order_is_drawn_from_the_seed_if_not_given(twin):
    drawn = train(twin, "rnn", "float64", None, epochs=2, seed=4)
    given = train(twin, "rnn", "float64", batch_order(23, 2, 4), epochs=7, seed=5)
    assert drawn.loss == given.loss
    assert furthest(drawn, given) == 0


@pytest.mark.parametrize("setup", ["twin", "native"])
def test_twice_is_bit_equal(twin, setup, dtype):
    order = batch_order(23, 3, 0)
    first, second = (
        train(twin, "rnn_with_attention", dtype, order, setup=setup, batch_size=4) for _ in range(2)
    )
    assert first.loss == second.loss
    assert furthest(first, second) == 0


def test_progress_is_told_after_every_epoch(twin):
    told = []
    config, model_config = TrainConfig(epochs=3), config_of("rnn", "float32")
    result = twin.fit(
        twin.create_model(model_config),
        some_data("float32"),
        config,
        progress=lambda epochs, loss: told.append((epochs, loss)),
    )
    assert told == list(enumerate(result.loss, 1))


@pytest.mark.parametrize("way", ["fit", "fit_compiled"])
def test_progress_can_end_the_training(twin, way):
    if way == "fit_compiled" and BACKEND == "torch":
        pytest.skip("its compiler takes half a minute")
    config, model_config = TrainConfig(epochs=9), config_of("rnn", "float32")
    created = twin.create_model(model_config)
    result = getattr(twin, way)(
        created, some_data("float32"), config, progress=lambda epochs, _: epochs == 2
    )
    assert len(result.loss) == len(result.seconds) == 2 and int(result.state["t"]) == 2 * 23
    for name, array in twin.get_weights(created).items():
        np.testing.assert_array_equal(array, result.weights[name])


@pytest.mark.skipif(BACKEND == "torch", reason="the switch does nothing there")
def test_snapshots_where_many_steps_are_one_execution():
    """What stands between two executions cannot be seen; their ends can."""
    config, model_config = TrainConfig(epochs=2), config_of("rnn", "float64")
    results = []
    for switches in ({}, {"steps_per_execution": 23}):
        created = keras_impl.create_model(model_config)
        created.compile = functools.partial(created.compile, **switches)
        results.append(keras_impl.fit(created, some_data("float64"), config, snapshots=(23, 46)))
    for step in (23, 46):
        plain, together = (result.snapshots[step] for result in results)
        assert furthest(together, plain) <= 1e-15
    assert furthest(results[1].snapshots[46], results[1]) == 0
    assert furthest(results[1].snapshots[23], results[1]) > 0


def test_weights_stay_in_the_model(twin):
    model_config = config_of("rnn", "float32")
    created = twin.create_model(model_config)
    result = twin.fit(created, some_data("float32"), TrainConfig(epochs=1))
    for name, array in twin.get_weights(created).items():
        np.testing.assert_array_equal(array, result.weights[name])


def test_native_set_up_takes_the_frameworks_own_steps():
    """PyTorch's second bias alone moves the effective one twice as far in the first step."""
    order = np.zeros((1, 1), int)
    twin_result = train(torch_impl, "rnn", "float64", order)
    native = train(torch_impl, "rnn", "float64", order, setup="native")
    start = random_weights(config_of("rnn", "float64"))["rnn/bias"]
    ratio = (native.weights["rnn/bias"] - start) / (twin_result.weights["rnn/bias"] - start)
    np.testing.assert_allclose(ratio, 2, rtol=1e-2)  # ε differs too


def test_native_pytorch_keeps_its_own_adam():
    order = np.zeros((1, 1), int)
    native = train(torch_impl, "rnn", "float64", order, setup="native")
    created = torch_impl.create_model(config_of("rnn", "float64"), "native")
    torch_impl.set_weights(created, random_weights(config_of("rnn", "float64")))
    optimizer = torch.optim.Adam(created.parameters(), lr=0.01)
    data = some_data("float64")
    loss = ((created(torch.tensor(data.train_x[:1])) - torch.tensor(data.train_y[:1])) ** 2).mean()
    loss.backward()
    optimizer.step()
    for name, array in torch_impl.get_weights(created).items():
        np.testing.assert_array_equal(native.weights[name], array)


@pytest.mark.parametrize("step", [1, 2, 10, 1000, 24_780])
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_bridge_turns_pytorchs_formula_into_keras(step, backend):
    config = TrainConfig(keras_backend=backend)
    optimizer = torch.optim.Adam([torch.zeros(1)])
    next(follow_keras(optimizer, range(step, step + 1), config, np.dtype("float64")))
    lr, eps = optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["eps"]
    m, v = 0.3, 0.02
    pytorchs = lr / (1 - 0.9**step) * m / (np.sqrt(v) / np.sqrt(1 - 0.999**step) + eps)
    beta_1, beta_2 = map(np.float32 if backend == "tensorflow" else np.float64, (0.9, 0.999))
    a = 1e-3 * np.sqrt(1 - float(beta_2) ** step) / (1 - float(beta_1) ** step)
    np.testing.assert_allclose(pytorchs, a * m / (np.sqrt(v) + 1e-7), rtol=1e-14)
