"""What Keras's users expect of a layer and a model. Runs on whatever Keras runs on."""

import keras
import numpy as np
import pytest
from keras.src import testing

from keras_impl import Attention, create_rnn_with_attention


class LayerTest(testing.TestCase):
    """Keras's own examination of a layer."""

    __test__ = False  # it is run by the test below

    def runTest(self):
        shared = {"input_shape": (2, 5, 3), "supports_masking": True}
        counts = {"expected_num_trainable_weights": 2, "expected_num_non_trainable_weights": 0}
        self.run_layer_test(Attention, {}, expected_output_shape=(2, 3), **shared, **counts)
        self.run_layer_test(
            Attention,
            {"return_attention_scores": True},
            expected_output_shape=((2, 3), (2, 5)),
            run_training_check=False,  # it has one target for two outputs
            **shared,
            **counts,
        )


@pytest.mark.filterwarnings("ignore")  # Keras's examination deprecates things of its own
def test_passes_keras_layer_test():
    result = LayerTest().run()
    assert result is not None
    assert result.testsRun == 1
    assert not result.errors + result.failures, result.errors + result.failures


def test_reloads_without_custom_objects(tmp_path):
    model = create_rnn_with_attention(3, 2, (5, 4), "tanh")
    x = np.random.default_rng(0).normal(size=(6, 5, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(reloaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_scores_flag_survives_config():
    layer = Attention.from_config(Attention(return_attention_scores=True, name="a").get_config())
    assert layer.return_attention_scores
    context, alpha = layer(np.ones((2, 5, 3), "float32"))
    assert context.shape == (2, 3)
    assert alpha.shape == (2, 5)


def test_mask_of_a_masking_layer_arrives_and_ends_here():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[0, 3:] = 0
    inputs = keras.Input((5, 3))
    masked = keras.layers.Masking()(inputs)
    context, alpha = Attention(return_attention_scores=True)(masked)
    assert getattr(context, "_keras_mask", None) is None
    alpha = keras.Model(inputs, [context, alpha]).predict(x, verbose=0)[1]
    assert not alpha[0, 3:].any()
    assert alpha[0, :3].all() and alpha[1].all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    generator = np.random.default_rng(0)
    x, mask = generator.normal(size=(4, 5, 3)).astype("float32"), np.ones((4, 5), bool)
    mask[0], mask[1, 2:] = False, False
    mixed, full = Attention(dtype=policy), Attention()
    for layer in (mixed, full):
        layer.build((None, 5, 3))
        layer.W.assign([[0.3], [-0.7], [0.5]])
        layer.b.assign([[0.2], [-0.4], [0.1], [0.9], [-0.6]])
    half, single = (layer(x, mask=keras.ops.convert_to_tensor(mask)) for layer in (mixed, full))
    assert keras.backend.standardize_dtype(half.dtype) == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(mixed.W.dtype) == "float32"
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(half, "float32")),
        keras.ops.convert_to_numpy(single),
        atol=2e-3 if policy == "mixed_float16" else 2e-2,
    )


@pytest.mark.parametrize("time_steps", [1, 4, None])
def test_built_for_20_steps_refuses_others_symbolically(time_steps):
    layer = Attention()
    layer.build((None, 20, 3))
    with pytest.raises(ValueError, match=f"20 time steps, got {time_steps}"):
        layer(keras.Input((time_steps, 3)))


def test_unknown_number_of_time_steps_is_refused():
    with pytest.raises(ValueError, match="needs a known number of time steps, got None"):
        Attention()(keras.Input((None, 3)))


def test_softmax_over_one_step_warns():
    with pytest.warns(UserWarning, match="softmax over axis 1"):
        Attention()(np.ones((2, 1, 3), "float32"))
