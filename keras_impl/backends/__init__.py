"""Compiled training on each of Keras's backends, by that backend's own means."""
