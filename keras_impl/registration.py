"""Our own layers, made known to the checker. Mirror: torch_impl/registration.py."""

from attention_twins import register_layer
from keras_impl.attention import AttentionBase
from keras_impl.conv import Conv1D
from keras_impl.rnn import SimpleRNNCell

register_layer(
    AttentionBase,
    kind="attention",
    intermediates={"e": ("score",), "alpha": ("attend", 1), "context": ("attend", 0)},
    settings=lambda layer: {"score": layer.scoring},
)
register_layer(Conv1D, kind="conv1d", intermediates={"h": ("call",)})
register_layer(SimpleRNNCell, kind="simple_rnn", intermediates={"h": ("call", 0)})
