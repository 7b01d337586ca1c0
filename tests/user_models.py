"""Models as users have them, and ports of them, right and wrong."""


def keras_many():
    import keras

    import keras_impl

    layers = keras.layers
    x = inputs = keras.Input((10,), dtype="int64")
    x = layers.Embedding(11, 6)(x)
    x = layers.Conv1D(5, 3, activation="relu")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.Dropout(0.5)(x)
    x = layers.GRU(4, return_sequences=True, dropout=0.2)(x)
    x = layers.SimpleRNN(4, return_sequences=True)(x)
    x = keras_impl.Attention()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def torch_many():
    import torch
    from torch import nn

    import torch_impl

    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(11, 6)
            self.conv = nn.Conv1d(6, 5, 3)
            self.norm = nn.LayerNorm(5)
            self.both = nn.LSTM(5, 3, batch_first=True, bidirectional=True)
            self.drop = nn.Dropout(0.5)
            self.m = nn.GRU(6, 4, batch_first=True)
            self.v = nn.RNN(4, 4, batch_first=True)
            self.attention = torch_impl.Attention(4, 4)
            self.backward = nn.Linear(4, 3)
            for module in (self.both, self.v):
                for name, parameter in module.named_parameters():
                    if name.startswith("bias_hh"):
                        nn.init.zeros_(parameter.requires_grad_(False))

        def forward(self, x):
            x = torch.relu(self.conv(self.table(x).transpose(1, 2)))
            x = nn.functional.max_pool1d(x, 2).transpose(1, 2)
            x, _ = self.both(self.norm(x))
            x, _ = self.m(self.drop(x), torch.zeros(1, len(x), 4))
            x, _ = self.v(x)
            return self.backward(self.attention(x))

    return Many()


def keras_bidirectional():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [keras.Input((5, 2)), layers.Bidirectional(layers.GRU(3)), layers.Dense(1)]
    )


def torch_bidirectional(wrong=False):
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(2, 3, bidirectional=True)
            self.out = nn.Linear(6, 1)

        def forward(self, x):
            states, last = self.gru(x.transpose(0, 1))
            return self.out(states[-1] if wrong else torch.cat([last[0], last[1]], -1))

    return Net()


def torch_bidirectional_wrong():
    """The last state of both directions: of the backward one, that is its first."""
    return torch_bidirectional(wrong=True)


def keras_small():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [keras.Input((5, 2)), layers.LSTM(3), layers.BatchNormalization(), layers.Dense(1)]
    )


def torch_small():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 3, batch_first=True)
            self.norm = nn.BatchNorm1d(3, eps=1e-3, momentum=0.01)
            self.out = nn.Linear(3, 1)

        def forward(self, x):
            return self.out(self.norm(self.lstm(x)[0][:, -1]))

    return Net()


def keras_masked():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [keras.Input((9,)), layers.Embedding(5000, 2, mask_zero=True), layers.GRU(2)]
    )


def torch_unmasked():
    """Padding moves the state on."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5000, 2)
            self.gru = nn.GRU(2, 2, batch_first=True)

        def forward(self, x):
            return self.gru(self.table(x))[0][:, -1]

    return Net()


def torch_nan():
    """The right output, and NaN in a gradient."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(2, 3, bidirectional=True, batch_first=True)
            self.out = nn.Linear(6, 1)

        def forward(self, x):
            _, last = self.gru(x)
            h = torch.cat([last[0], last[1]], -1)
            return self.out(h) + torch.sqrt(0 * h[:, :1])

    return Net()


def torch_own_weight():
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.gru = nn.GRU(2, 3, batch_first=True)

        def forward(self, x):
            return self.gru(x)[0][:, -1] * self.scale

    return Net()


def torch_other():
    from torch import nn

    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def keras_old_gru():
    import keras

    return keras.Sequential([keras.Input((5, 2)), keras.layers.GRU(3, reset_after=False)])


def torch_gru():
    from torch import nn

    return nn.Sequential(nn.GRU(2, 3, batch_first=True))


def fails():
    raise RuntimeError("two\nlines")


number = 3
