"""The recurrent layers, in Keras 3. Mirror: torch_impl/rnn.py."""

import keras

# Keras's own layers are the ones to be like; PyTorch's have to be adapted to them.
from keras.layers import GRU, LSTM, SimpleRNN

__all__ = ["GRU", "LSTM", "SimpleRNN", "SimpleRNNCell"]


@keras.saving.register_keras_serializable(package="attention_twins")
class SimpleRNNCell(keras.layers.SimpleRNNCell):
    """A single step of SimpleRNN.

    Args: as SimpleRNN.

    Shape:
        x (B, F), [h (B, H)] → h (B, H), [h]: what is put out, and what the next step begins from.
    """
