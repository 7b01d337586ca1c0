"""The tutorial's layer, networks and training in PyTorch. Mirror: keras_impl."""

import torch_impl.registration  # makes our layers known to the checker
from attention_twins.in_torch.runtime import device_name
from attention_twins.in_torch.trace import trace
from attention_twins.in_torch.weights import count_parameters, get_weights, set_weights
from torch_impl.attention import AdditiveAttention, Attention
from torch_impl.compiled import fit_compiled
from torch_impl.many import fit_many
from torch_impl.models import MODELS, attention_scores, create_model, predict
from torch_impl.networks import (
    create_conv,
    create_gru,
    create_lstm,
    create_rnn,
    create_rnn_with_attention,
)
from torch_impl.onnx import export_onnx
from torch_impl.seq2seq import EncoderDecoder, create_encoder_decoder, teacher_forced
from torch_impl.training import fit
