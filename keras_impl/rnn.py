"""The recurrent layer, in Keras 3. Mirror: torch_impl/rnn.py."""

# Keras's own layer is the one that the tutorial uses; PyTorch's has to be adapted to it.
from keras.layers import SimpleRNN

__all__ = ["SimpleRNN"]
