"""The tutorial's layer, networks and training in PyTorch. Mirror: keras_impl."""

from torch_impl.attention import AdditiveAttention, Attention
from torch_impl.compiled import fit_compiled
from torch_impl.many import fit_many
from torch_impl.models import (
    MODELS,
    attention_scores,
    create_model,
    create_rnn,
    create_rnn_with_attention,
    predict,
)
from torch_impl.runtime import device_name
from torch_impl.trace import trace
from torch_impl.training import fit
from torch_impl.weights import count_parameters, get_weights, set_weights

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
