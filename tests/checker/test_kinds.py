"""Other people's models: every known kind of layer, carried over in both directions."""

import keras
import numpy as np
import pytest
import torch
from torch import nn

import keras_impl
import torch_impl
from attention_twins.errors import InputError
from attention_twins.in_keras.kinds import layers as keras_layers
from attention_twins.in_keras.runtime import floatx
from attention_twins.in_torch.kinds import layers as torch_layers
from attention_twins.pairing import pair_layers, settings
from attention_twins.parity import Key, named, weight_trace
from attention_twins.user_model import renamed

K = keras.layers


class Last(nn.Module):
    """The last state, or of two directions the last one of each, as Keras returns it."""

    def forward(self, outputs):
        states, final = outputs
        final = final[0] if isinstance(final, tuple) else final
        return torch.cat([*final[-2:]], -1) if final.shape[0] == 2 else states[:, -1]


class All(nn.Module):
    def forward(self, outputs):
        return outputs[0]


class Swap(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class Loop(nn.Module):
    """A recurrent cell, called for every step by its user."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state[0] if isinstance(state, tuple) else state


PAIRS = {
    "dense": (lambda: [K.Dense(4)], lambda: [nn.Linear(3, 4)]),
    "dense without bias": (
        lambda: [K.Dense(4, use_bias=False)],
        lambda: [nn.Linear(3, 4, bias=False)],
    ),
    "simple_rnn": (lambda: [K.SimpleRNN(3)], lambda: [nn.RNN(3, 3, batch_first=True), Last()]),
    "simple_rnn, relu": (
        lambda: [K.SimpleRNN(4, activation="relu")],
        lambda: [nn.RNN(3, 4, nonlinearity="relu", batch_first=True), Last()],
    ),
    "lstm": (lambda: [K.LSTM(3)], lambda: [nn.LSTM(3, 3, batch_first=True), Last()]),
    "gru": (lambda: [K.GRU(3)], lambda: [nn.GRU(3, 3, batch_first=True), Last()]),
    "simple_rnn as a cell": (lambda: [K.SimpleRNN(4)], lambda: [Loop(nn.RNNCell(3, 4))]),
    "lstm as a cell": (lambda: [K.LSTM(4)], lambda: [Loop(nn.LSTMCell(3, 4))]),
    "gru as a cell": (lambda: [K.GRU(4)], lambda: [Loop(nn.GRUCell(3, 4))]),
    "two lstms in one module": (
        lambda: [K.LSTM(4, return_sequences=True), K.LSTM(4)],
        lambda: [nn.LSTM(3, 4, num_layers=2, batch_first=True), All(), Pick()],
    ),
    "bidirectional lstm": (
        lambda: [K.Bidirectional(K.LSTM(4))],
        lambda: [nn.LSTM(3, 4, batch_first=True, bidirectional=True), Last()],
    ),
    "bidirectional gru, all states": (
        lambda: [K.Bidirectional(K.GRU(4, return_sequences=True))],
        lambda: [nn.GRU(3, 4, batch_first=True, bidirectional=True), All()],
    ),
    "conv1d": (
        lambda: [K.Conv1D(3, 3)],
        lambda: [Swap(), nn.Conv1d(3, 3, 3), Swap()],
    ),
    "conv1d, strided, same size": (
        lambda: [K.Conv1D(4, 3, padding="same"), K.Conv1D(5, 2, strides=2), K.AveragePooling1D(2)],
        lambda: [
            Swap(),
            nn.Conv1d(3, 4, 3, padding="same"),
            nn.Conv1d(4, 5, 2, stride=2),
            nn.AvgPool1d(2),
            Swap(),
        ],
    ),
    "layer_norm": (
        lambda: [K.LayerNormalization(epsilon=1e-5)],
        lambda: [nn.LayerNorm(3)],
    ),
    "batch_norm": (
        lambda: [K.BatchNormalization(epsilon=1e-5)],
        lambda: [Swap(), nn.BatchNorm1d(3), Swap()],
    ),
    "attention": (
        lambda: [keras_impl.Attention()],
        lambda: [torch_impl.Attention(8, 3)],
    ),
    "nested": (
        lambda: [keras.Sequential([K.Dense(3), K.Dropout(0.5)]), K.Dense(2)],
        lambda: [nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), nn.Linear(3, 2)],
    ),
}


class Pick(nn.Module):
    def forward(self, states):
        return states[:, -1]


def made(name):
    ours, theirs = PAIRS[name]
    with floatx("float64"):
        model = keras.Sequential([keras.Input((8, 3)), *ours()])
    return model, nn.Sequential(*theirs()).double()


def with_names(weights, names):
    """Weights with other names of layers."""
    return named(renamed(weight_trace(weights), names))


def noisy(weights):
    generator = np.random.default_rng(0)
    return {n: abs(a + generator.normal(0, 0.3, a.shape)) + 0.05 for n, a in weights.items()}


def names_of(model, port):
    described = [
        [(layer.name, layer.kind, layer.settings) for layer in layers]
        for layers in (keras_layers(model), torch_layers(port))
    ]
    return {theirs: ours for _, ours, theirs in pair_layers(*described)}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("source", ["keras", "torch"])
def test_carried_over_weights_give_the_same_output(name, source):
    model, port = made(name)
    to_keras = names_of(model, port)
    to_torch = {ours: theirs for theirs, ours in to_keras.items()}
    if source == "keras":
        weights = noisy(keras_impl.get_weights(model))
    else:
        weights = noisy(torch_impl.get_weights(port))
        weights = with_names(weights, to_keras)
    keras_impl.set_weights(model, weights)
    torch_impl.set_weights(port, with_names(weights, to_torch))
    x = np.random.default_rng(1).normal(size=(5, 8, 3))
    port.eval()
    ours, theirs = keras_impl.predict(model, x), torch_impl.predict(port, x)
    assert ours.dtype == theirs.dtype == np.float64
    scale = max(1, abs(ours).max())
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-14 * scale)
    back = torch_impl.get_weights(port)
    for weights_again in (keras_impl.get_weights(model), with_names(back, to_keras)):
        assert weights_again.keys() == weights.keys()
        for key, array in weights.items():
            np.testing.assert_array_equal(weights_again[key], array, err_msg=key)


def test_embedding():
    with floatx("float64"):
        model = keras.Sequential(
            [keras.Input((8,), dtype="int64"), K.Embedding(11, 3, name="embedding")]
        )
    port = nn.Sequential(nn.Embedding(11, 3)).double()
    weights = keras_impl.get_weights(model)
    torch_impl.set_weights(port, {"0/embeddings": weights["embedding/embeddings"]})
    x = np.random.default_rng(0).integers(0, 11, (5, 8))
    with floatx("float64"):
        ours = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_array_equal(torch_impl.predict(port, x), ours)


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
def test_gates_in_another_order_would_be_seen(kind):
    """Swapping the blocks of two gates changes the output: the tests above can fail."""
    model, port = made(kind)
    weights = noisy(keras_impl.get_weights(model))
    (start, *_) = {name.split("/")[0] for name in weights}
    kernel = weights[f"{start}/kernel"]
    gates = {"lstm": 4, "gru": 3, "simple_rnn": 3}[kind]
    blocks = np.split(kernel, gates, -1)
    keras_impl.set_weights(model, weights)
    wrong = weights | {f"{start}/kernel": np.concatenate([blocks[1], blocks[0], *blocks[2:]], -1)}
    torch_impl.set_weights(port, with_names(wrong, {start: "0"}))
    x = np.random.default_rng(1).normal(size=(5, 8, 3))
    assert abs(keras_impl.predict(model, x) - torch_impl.predict(port, x)).max() > 1e-3


def test_layers_may_have_any_name():
    names = {"v": "a", "m": "b", "backward": "c", "0": "d"}
    for own, layer in (
        (Key("weight", "v", "kernel"), "a"),
        (Key("weight", "m", "forward/kernel"), "b"),
        (Key("v", "v", "kernel"), "a"),
        (Key("m", "backward", "bias"), "c"),
        (Key("v", "0", "kernel"), "d"),
        (Key("t", "", "t"), ""),
        (Key("v", "m", "forward/kernel"), "b"),
        (Key("gradient", "backward", "bias"), "c"),
        (Key("gradient", "", "x"), ""),
        (Key("forward", "0", "input"), "d"),
        (Key("forward", "m", "h", 2), "b"),
        (Key("forward", "", "output"), ""),
    ):
        assert renamed({own: 1}, names) == {own._replace(layer=layer): 1}


def test_unknown_layers_are_named(twin):
    if twin is keras_impl:
        model = keras.Sequential([keras.Input((8, 3)), K.SeparableConv1D(2, 1, name="odd")])
        expected = "got SeparableConv1D"
    else:
        model, expected = nn.Sequential(nn.Bilinear(2, 2, 2)), "got Bilinear"
    with pytest.raises(InputError, match=expected):
        twin.get_weights(model)


def test_lists_that_cannot_be_paired_are_both_named():
    ours = [("a", "dense", {}), ("b", "lstm", {})]
    theirs = [("0", "dense", {}), ("1", "gru", {})]
    with pytest.raises(InputError, match=r"dense \(a\), lstm \(b\); PyTorch has dense \(0\), gru"):
        pair_layers(ours, theirs)
    with pytest.raises(InputError, match="PyTorch has none"):
        pair_layers(ours, [])
    with pytest.raises(InputError, match="got none"):
        pair_layers([], [])


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (lambda: K.LSTM(2), lambda: nn.LSTM(3, 2), "trained biases is 1 in Keras and 2 in PyTorch"),
        (lambda: K.LayerNormalization(), lambda: nn.LayerNorm(3), "epsilon is 0.001 in Keras"),
        (lambda: K.BatchNormalization(), lambda: nn.BatchNorm1d(3), "running variance is biased"),
        (lambda: K.BatchNormalization(), lambda: nn.BatchNorm1d(3), "momentum is 0.99 in Keras"),
        (lambda: K.GRU(2, reset_after=False), lambda: nn.GRU(3, 2), "reset_after is False"),
        (lambda: K.SimpleRNN(2, activation="relu"), lambda: nn.RNN(3, 2), "activation is relu"),
        (
            lambda: K.LSTM(2, recurrent_activation="hard_sigmoid"),
            lambda: nn.LSTM(3, 2),
            "recurrent_activation is hard_sigmoid",
        ),
        (lambda: K.Conv1D(2, 3, strides=2), lambda: nn.Conv1d(3, 2, 3), "strides is 2 in Keras"),
    ],
)
def test_what_no_copy_of_weights_mends_is_named(ours, theirs, said):
    model = keras.Sequential([keras.Input((8, 3)), ours()])
    sides = [
        {"layers": [(x.name, x.kind, x.settings) for x in layers], "dropped": []}
        for layers in (keras_layers(model), torch_layers(nn.Sequential(theirs())))
    ]
    pairs = pair_layers(*(side["layers"] for side in sides))
    assert any(said in sentence for sentence in settings(*sides, pairs))


def test_matching_settings_are_not_named():
    model, port = made("conv1d, strided, same size")
    sides = [
        {"layers": [(x.name, x.kind, x.settings) for x in layers], "dropped": []}
        for layers in (keras_layers(model), torch_layers(port))
    ]
    pairs = pair_layers(*(side["layers"] for side in sides))
    assert [*settings(*sides, pairs)] == []
