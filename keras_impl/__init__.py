"""The tutorial's layer, networks and training in Keras 3. Mirror: torch_impl."""

from keras_impl.attention import AdditiveAttention, Attention
from keras_impl.compiled import fit_compiled
from keras_impl.many import fit_many
from keras_impl.models import (
    MODELS,
    attention_scores,
    create_model,
    create_rnn,
    create_rnn_with_attention,
    predict,
)
from keras_impl.runtime import device_name
from keras_impl.trace import trace
from keras_impl.training import fit
from keras_impl.weights import count_parameters, get_weights, set_weights

__all__ = [
    "MODELS",
    "AdditiveAttention",
    "Attention",
    "attention_scores",
    "count_parameters",
    "create_model",
    "create_rnn",
    "create_rnn_with_attention",
    "device_name",
    "fit",
    "fit_compiled",
    "fit_many",
    "get_weights",
    "predict",
    "set_weights",
    "trace",
]
