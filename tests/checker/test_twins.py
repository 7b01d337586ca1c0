"""The list of twins: each is called and drawn in one way, and no two alike."""

from matplotlib.colors import to_rgb

from attention_twins.twins import (
    PYTORCH,
    SCALAR_LIMIT,
    TENSORFLOW,
    TWIN_OF,
    TWINS,
    title,
    trained_twin,
)


def test_no_two_are_named_or_drawn_alike():
    everyone = (*TWINS, SCALAR_LIMIT)
    for field in ("name", "worker", "colour", "marker"):
        assert len({getattr(twin, field) for twin in everyone}) == len(everyone), field
    assert len({twin.dash for twin in TWINS}) == len(TWINS)


def test_blue_is_one_twin_and_nothing_is_green():
    colours = {twin.name: to_rgb(twin.colour) for twin in (*TWINS, SCALAR_LIMIT)}
    assert [name for name, (r, _, b) in colours.items() if b > r] == ["PyTorch"]
    assert not any(g > max(r, b) for r, g, b in colours.values())


def test_spellings_lead_to_one_twin():
    assert TWIN_OF["torch"] is TWIN_OF["PyTorch"] is trained_twin("torch", "jax") is PYTORCH
    assert TWIN_OF["keras-tensorflow"] is trained_twin("keras", "tensorflow") is TENSORFLOW
    assert title("keras-jax") == "Keras/jax" and title("scalar loop") == "scalar limit"
    assert title("no_tanh") == "no_tanh"  # a wrong port keeps its name
