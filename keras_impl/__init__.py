"""The tutorial's layer, networks and training in Keras 3. Mirror: torch_impl."""

import keras_impl.registration  # makes our layers known to the checker
from attention_twins.in_keras.runtime import device_name
from attention_twins.in_keras.trace import trace
from attention_twins.in_keras.weights import count_parameters, get_weights, set_weights
from keras_impl.attention import AdditiveAttention, Attention
from keras_impl.compiled import fit_compiled
from keras_impl.many import fit_many
from keras_impl.models import MODELS, attention_scores, create_model, predict
from keras_impl.networks import (
    create_conv,
    create_gru,
    create_lstm,
    create_rnn,
    create_rnn_with_attention,
)
from keras_impl.onnx import export_onnx
from keras_impl.seq2seq import EncoderDecoder, create_encoder_decoder, teacher_forced
from keras_impl.training import fit
