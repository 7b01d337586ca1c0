"""Our own layers, made known to the checker. Mirror: keras_impl/registration.py."""

from attention_twins import register_layer
from torch_impl.attention import AttentionBase
from torch_impl.conv import Conv1D
from torch_impl.rnn import GRU, LSTM, SimpleRNN, SimpleRNNCell

register_layer(
    torch_class=AttentionBase,
    kind="attention",
    intermediates={"e": ("score",), "alpha": ("attend", 1), "context": ("attend", 0)},
    settings=lambda layer: {"score": layer.scoring},
)
register_layer(torch_class=Conv1D, kind="conv1d", core="core", intermediates={"h": ("forward",)})
register_layer(
    torch_class=SimpleRNNCell, kind="simple_rnn", core="core", intermediates={"h": ("forward", 0)}
)
for recurrent, kind in ((SimpleRNN, "simple_rnn"), (LSTM, "lstm"), (GRU, "gru")):
    register_layer(
        torch_class=recurrent,
        kind=kind,
        core="core",
        intermediates={"h": lambda layer, _, x, mask=None: layer.states(x, mask)},
    )
