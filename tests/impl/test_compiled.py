"""fit_compiled, in both twins: what `fit` does, in whole epochs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import torch
from helpers import SLOW_IN_TORCH, config_of, furthest, some_data

import keras_impl
import torch_impl
from attention_twins.errors import InputError
from attention_twins.in_keras import kinds as keras_kinds
from attention_twins.in_torch import kinds as torch_kinds
from attention_twins.in_torch.keras_steps import follow_keras, step_table, update
from attention_twins.in_torch.optimizer import create_optimizer
from attention_twins.training import OPTIMIZERS
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.data import batch_order, batches
from shared.tasks import load_data
from shared.weights import random_weights
from torch_impl.loop import Loop, Replay

BACKEND = keras.backend.backend()
SLOW = BACKEND == "torch"  # its compiler takes half a minute each time

CASES = [("rnn_with_attention", "float64", 8)]  # 8: the last batch of 23 rows has 7
if not SLOW:
    CASES += [("rnn", "float32", 1)]


def some_tutorial_data():
    return load_data(DataConfig(numbers=40))


def start_of(twin, config, setup="twin"):
    model = twin.create_model(config, setup, seed=3)
    if setup == "twin":
        twin.set_weights(model, random_weights(config))
    return model


def by_both(twin, model, dtype, options, order=None, snapshots=()):
    """The same training by `fit` and by `fit_compiled`."""
    config = TrainConfig(**{"learning_rate": 0.01, "keras_backend": BACKEND} | options)
    model_config = config_of(model, dtype)
    results = []
    for way in (twin.fit, twin.fit_compiled):
        created = start_of(twin, model_config, config.setup)
        results.append(way(created, some_data(dtype), config, order, snapshots=snapshots))
    return results


@pytest.mark.parametrize(("model", "dtype", "batch_size"), CASES)
def test_equals_fit(twin, model, dtype, batch_size):
    tolerance = {"float64": 1e-14, "float32": 2e-6}[dtype]
    options = {"batch_size": batch_size, "epochs": 6}
    plain, fast = by_both(twin, model, dtype, options, snapshots=(1, 4, 17))
    assert furthest(fast, plain) <= tolerance
    np.testing.assert_allclose(fast.loss, plain.loss, rtol=0, atol=tolerance)
    assert fast.loss[-1] < fast.loss[0]
    assert len(fast.seconds) == 6 and min(fast.seconds) > 0
    assert fast.compile_seconds > 0
    assert fast.snapshots.keys() == {1, 4, 17}
    for step, desired in [*plain.snapshots.items(), (0, plain)]:
        actual = fast.snapshots.get(step, fast)
        assert furthest(actual, desired) <= tolerance
        assert actual.state.keys() == desired.state.keys()
        for name, array in desired.state.items():
            found = actual.state[name]
            np.testing.assert_allclose(found, array, rtol=0, atol=tolerance, err_msg=name)
            assert found.dtype == array.dtype


@pytest.mark.skipif(SLOW, reason="each optimizer is compiled")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_in_keras(optimizer):
    options = {"batch_size": 7, "epochs": 4, "optimizer": optimizer}
    plain, fast = by_both(keras_impl, "rnn", "float64", options)
    assert furthest(fast, plain) <= 1e-14


@pytest.mark.parametrize("setup", ["twin", "native"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_update_is_pytorchs_own(optimizer, setup):
    """`update` with its table takes the steps of torch.optim, as `fit` sets it."""
    config = TrainConfig(optimizer=optimizer, setup=setup, learning_rate=0.02)
    generator = np.random.default_rng(1)
    dtype = np.dtype("float64")
    weights = torch.nn.Parameter(torch.tensor(generator.normal(size=5)))
    model = torch.nn.ParameterList([weights])
    own = create_optimizer(model, config)
    table = torch.tensor(step_table(own, np.arange(1, 31), config, dtype))
    state = weights.detach().clone(), torch.zeros(5).double(), torch.zeros(5).double()
    for step in range(30):
        weights.grad = torch.tensor(generator.normal(size=5))
        if setup == "twin":
            next(follow_keras(own, range(step + 1, 31), config, dtype))
        rate = torch.tensor(config.learning_rate, dtype=torch.float64)
        state = update(config, own.defaults, table[step], rate, state, weights.grad)
        own.step()
        np.testing.assert_allclose(
            state[0].numpy(), weights.detach().numpy(), rtol=0, atol=1e-14, err_msg=str(step)
        )


@pytest.mark.skipif(SLOW, reason="as above")
@SLOW_IN_TORCH
def test_goes_on_from_a_start(twin):
    config = TrainConfig(learning_rate=0.01, keras_backend=BACKEND)
    model_config, data = config_of("rnn", "float32"), some_data("float32")
    order = batch_order(23, 4, 0)
    whole = twin.fit(start_of(twin, model_config), data, config, order)
    half = twin.fit_compiled(start_of(twin, model_config), data, config, order[:2])
    other = twin.create_model(model_config)
    second = twin.fit_compiled(other, data, config, order[2:], resume_from=half)
    assert furthest(second, whole) <= 1e-6
    assert int(second.state["t"]) == 4 * 23
    for name, array in twin.get_weights(other).items():
        np.testing.assert_array_equal(array, second.weights[name])
    with pytest.raises(InputError, match="setup must be twin to resume a training"):
        twin.fit_compiled(other, data, replace(config, setup="native"), order, resume_from=half)


@pytest.mark.skipif(SLOW, reason="as above")
@SLOW_IN_TORCH
def test_native_set_up(twin):
    plain, fast = by_both(twin, "rnn", "float64", {"setup": "native", "epochs": 3})
    assert furthest(fast, plain) <= 1e-14


@pytest.mark.skipif(SLOW, reason="as above")
@pytest.mark.parametrize("loss", ["mae", "bce", "ce"])
@SLOW_IN_TORCH
def test_every_loss(twin, loss):
    data = some_data("float64")
    if loss == "ce":
        data = replace(data, train_y=np.arange(23) % 2, test_y=np.arange(4) % 2)
    elif loss == "bce":
        data = replace(data, train_y=(data.train_y > 0).astype("float64"))
    config = TrainConfig(loss=loss, epochs=2, batch_size=8, keras_backend=BACKEND)
    plain, fast = (
        getattr(twin, way)(start_of(twin, config_of("rnn", "float64")), data, config)
        for way in ("fit", "fit_compiled")
    )
    assert furthest(fast, plain) <= 1e-14
    np.testing.assert_allclose(fast.loss, plain.loss, rtol=0, atol=1e-14)


@pytest.mark.slow
@pytest.mark.skipif(SLOW, reason="as above")
def test_progress_and_order_from_the_seed():
    told = []
    config = TrainConfig(epochs=3, seed=4, batch_size=8, keras_backend=BACKEND)
    data, model_config = some_data("float32"), config_of("rnn", "float32")
    drawn = keras_impl.fit_compiled(
        keras_impl.create_model(model_config),
        data,
        config,
        progress=lambda epochs, loss: told.append((epochs, loss)),
    )
    order = batch_order(23, 3, 4)
    model = keras_impl.create_model(model_config)
    given = keras_impl.fit_compiled(model, data, replace(config, seed=5), order)
    assert told == list(enumerate(drawn.loss, 1))
    assert given.loss == drawn.loss
    assert model.optimizer is not None  # as after `fit`


@pytest.mark.skipif(SLOW, reason="as above")
def test_losses_of_layers_are_added():
    plain, fast = [], []
    for found, way in ((plain, keras_impl.fit), (fast, keras_impl.fit_compiled)):
        keras.utils.set_random_seed(1)
        layers = [
            keras.layers.SimpleRNN(3, name="rnn"),
            keras.layers.Dense(2, kernel_regularizer="l2", name="dense"),
        ]
        model = keras.Sequential([keras.Input((5, 3)), *layers])
        found.append(way(model, some_data("float32"), TrainConfig(epochs=3, learning_rate=0.01)))
    assert furthest(fast[0], plain[0]) <= 1e-6
    np.testing.assert_allclose(fast[0].loss, plain[0].loss, rtol=1e-6)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (np.zeros((0, 23), int), r"order must be integers \(epochs, rows\), got int64 \(0, 23\)"),
        (np.zeros((1, 0), int), r"order must be integers \(epochs, rows\), got int64 \(1, 0\)"),
        (np.arange(23), r"order must be integers \(epochs, rows\), got int64 \(23,\)"),
        (np.zeros((1, 3)), r"order must be integers \(epochs, rows\), got float64 \(1, 3\)"),
        ([[0, 23]], "order must name 23 rows, from 0, got rows from 0 to 23"),
        ([[0, -24]], "order must name 23 rows, from 0, got rows from -24 to 0"),
    ],
)
def test_wrong_orders_are_one_line(twin, order, message):
    model = twin.create_model(config_of("rnn", "float32"))
    with pytest.raises(InputError, match=message):
        twin.fit_compiled(model, some_data("float32"), TrainConfig(), order)


def test_layers_are_as_they_were_afterwards():
    model = torch_impl.create_model(config_of("rnn", "float32"))
    with torch_kinds.unrolled(model):
        assert model.rnn.unroll
    assert not model.rnn.unroll
    model = keras_impl.create_model(config_of("rnn", "float32"))
    with pytest.raises(ZeroDivisionError), keras_kinds.unrolled(model):
        assert model.layers[0].unroll
        _ = 1 / 0
    assert not model.layers[0].unroll


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere no compiler stumbles over it")
def test_compiles_without_cudnns_kernels(monkeypatch):
    """On a GPU Keras's LSTM would call one, which XLA cannot take; afterwards it may again."""
    seen, config = [], config_of("lstm", "float32")
    model, data = keras_impl.create_model(config), some_data("float32")
    lstm = model.layers[0]
    own = lstm.inner_loop

    def inner_loop(*arguments, **options):
        seen.append(lstm.use_cudnn)
        return own(*arguments, **options)

    monkeypatch.setattr(lstm, "inner_loop", inner_loop)
    keras_impl.fit_compiled(model, data, TrainConfig(batch_size=8), batch_order(23, 1, 0))
    assert seen and not any(seen)
    assert lstm.use_cudnn == "auto"


def test_replay_takes_the_same_steps():
    """On a GPU the steps are replayed from a graph; here, at least, without the graph."""
    config, data = TrainConfig(batch_size=8, epochs=2), some_data("float64")
    model_config = config_of("rnn", "float64")
    order = batch_order(23, 1, 0)
    plain = torch_impl.fit(start_of(torch_impl, model_config), data, config, order)
    model = start_of(torch_impl, model_config)
    loop = Loop(model, data, config, create_optimizer(model, config))
    for part in batches(order[0], 8):
        replay = Replay(loop._step())
        replay._step = loop._step()  # not compiled
        loop._runs[part.shape] = replay
        loop.run(part, 0, len(part))
    assert float(loop.take_loss()) / 23 == pytest.approx(plain.loss[0], abs=1e-14)
    loop.store()
    for name, array in torch_impl.get_weights(model).items():
        np.testing.assert_allclose(array, plain.weights[name], rtol=0, atol=1e-14)


def test_refuses_a_state_that_it_would_lose():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    data, config = some_data("float32"), TrainConfig()
    with pytest.raises(InputError, match="model must have no state beside its weights"):
        Loop(model, data, config, create_optimizer(model, config))


def test_refuses_a_parameter_that_nothing_uses():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(15, 2))
    model.register_module("unused", torch.nn.Linear(2, 2))
    model.forward = lambda x: model[1](model[0](x))
    with pytest.raises(InputError, match="model must use every parameter that it trains"):
        torch_impl.fit_compiled(model, some_data("float32"), TrainConfig())


def test_what_cannot_be_compiled_is_one_line(monkeypatch):
    def fail(*_):
        raise RuntimeError("no header\nand a page of output")

    monkeypatch.setattr(Loop, "run", fail)
    with pytest.raises(InputError) as error:
        torch_impl.fit_compiled(
            torch_impl.create_model(ModelConfig()), some_tutorial_data(), TrainConfig()
        )
    assert str(error.value) == "model cannot be compiled here: no header"


def test_needs_a_compiler(monkeypatch):
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", _no_compiler)
    model = torch_impl.create_model(ModelConfig())
    with pytest.raises(InputError, match=r"torch.compile needs a C\+\+ compiler"):
        torch_impl.fit_compiled(model, some_data("float32"), TrainConfig())


def _no_compiler():
    raise torch._inductor.exc.InvalidCxxCompiler()
