"""`twins check KERAS TORCH`: right ports pass, wrong ones are shown where they part."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import user_models
from safetensors.torch import load_model

import keras_impl
import torch_impl
from attention_twins.check import as_spec, check_pair
from attention_twins.cli import main
from attention_twins.errors import InputError

FILE = str(Path(user_models.__file__))
QUICK = ["--keras-backend", "torch", "--steps", "6"]


def check(ours, theirs, *options):
    models = [f"{FILE}:{ours}", f"{FILE}:{theirs}"]
    return main(["check", *models, *QUICK, *map(str, options)])


def test_right_port_of_many_layers_passes_and_is_saved(tmp_path, capsys):
    saved, certificate = tmp_path / "port.safetensors", tmp_path / "c.json"
    options = ["--save", saved, "--json", certificate, "--loss", "ce"]
    assert check("keras_many", "torch_many", *options) == 0
    record = json.loads(certificate.read_text())
    assert record["ok"] and {row["dtype"] for row in record["rows"]} == {"float64", "float32"}
    rungs = {row["rung"] for row in record["rows"]}
    assert rungs == {"weights", "forward", "loss", "gradients", "step", "trajectory", "hand-off"}
    assert len(record["layers"]) == 8
    assert any("Dropout is switched off" in text for text in record["differences"])
    assert not any("trained biases" in text for text in record["differences"])
    assert "Dropout is switched off" in capsys.readouterr().out

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    original, port = user_models.keras_many(), user_models.torch_many().eval()
    load_model(port, saved)
    names = {theirs: ours for _, ours, theirs in record["layers"]}
    if keras.backend.backend() == "torch":  # the same initialisers draw the same numbers
        for name, array in torch_impl.get_weights(port).items():
            layer, variable = name.split("/", 1)
            ours = keras_impl.get_weights(original)[f"{names[layer]}/{variable}"]
            np.testing.assert_array_equal(array, ours)
    x = np.arange(20).reshape(2, 10) % 11
    assert torch_impl.predict(port, x).shape == (2, 3)


@pytest.mark.slow
def test_weights_go_to_keras_as_well(tmp_path):
    saved = tmp_path / "port.weights.h5"
    report = check_pair(
        user_models.keras_bidirectional,
        f"{FILE}:torch_bidirectional",
        source="torch",
        save=saved,
        keras_backends=("torch",),
        steps=6,
    )
    assert report.ok and report.comparison.rows and not report.differences
    original = user_models.keras_bidirectional()
    original.load_weights(saved)
    import torch

    torch.manual_seed(0)
    port = user_models.torch_bidirectional().eval()
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    ours, theirs = keras_impl.predict(original, x), torch_impl.predict(port, x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_wrong_port_is_shown_where_it_parts(tmp_path, capsys):
    certificate = tmp_path / "c.json"
    assert check("keras_bidirectional", "torch_bidirectional_wrong", "--json", certificate) == 1
    record = json.loads(certificate.read_text())
    assert not record["ok"]
    first = record["divergences"][0]
    # The states are equal, what is taken of them is not.
    assert (first["rung"], first["tensor"], first["phase"]) == ("forward", "dense/input", "forward")
    assert first["index"] == {"row": 0, "unit": 3}
    bad = {row["tensor"] for row in record["rows"] if row["rung"] == "forward" and not row["ok"]}
    assert bad == {"dense/input", "output"}
    shown = capsys.readouterr().out
    assert "dense/input" in shown and "phase    forward, training step 1" in shown
    assert "row 0, unit 3" in shown


@pytest.mark.slow
def test_what_weights_cannot_mend_is_named_and_fails_at_its_stage(tmp_path, capsys):
    certificate = tmp_path / "c.json"
    assert check("keras_small", "torch_small", "--json", certificate) == 1
    record = json.loads(certificate.read_text())
    failed = {}
    for row in record["rows"]:
        if not row["ok"] and row["dtype"] == "float64":
            failed.setdefault(row["rung"], set()).add(row["tensor"])
    assert not {"weights", "forward", "loss", "gradients"} & failed.keys()
    # Two trained biases move twice as far; the running variance is known to be another.
    assert "lstm/bias" in failed["step"]
    first = [row for row in record["rows"] if row["rung"] == "step" and row["step"] == 1]
    assert "batch_normalization/moving_mean" not in {r["tensor"] for r in first if not r["ok"]}
    variances = [r for r in first if r["tensor"] == "batch_normalization/moving_variance"]
    assert len(variances) == 8 and all(r["gate"] is None and r["ok"] for r in variances)
    assert all(r["max_abs"] > 1e-5 and "unbiased" in r["problem"] for r in variances)
    shown = capsys.readouterr().out
    assert "trained biases is 1 in Keras and 2 in PyTorch" in shown
    assert "requires_grad_(False)" in shown
    assert "running variance is biased in Keras and unbiased in PyTorch" in shown
    assert "epsilon" not in shown and "momentum is" not in shown


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "message"),
    [
        ("keras_small", "torch_other", [], "lstm (lstm), batch_norm (batch_normalization), dense"),
        pytest.param(
            *("keras_old_gru", "torch_gru", [], "reset_after=True in Keras"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("fails", "torch_gru", [], "got RuntimeError: two lines"), marks=pytest.mark.slow
        ),
        ("keras_small", "torch_own_weight", [], "layers of known kinds, got scale"),
        ("nothing", "torch_gru", [], "must have the function nothing"),
        ("number", "torch_gru", [], "must be a function, got int"),
        ("keras_small", "torch_small", ["--input-shape", "5", "9"], "must make a network that"),
        ("keras_small", "torch_small", ["--save", "x.pt"], "save must end in .safetensors"),
        ("keras_small", "torch_small", ["--from", "torch", "--save", "x.pt"], ".weights.h5"),
        ("keras_small", "torch_small", ["--full"], "write twins prove --full"),
        ("keras_small", "torch_small", ["--loss", "hinge"], "--loss"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(capsys, ours, theirs, options, message):
    assert check(ours, theirs, *options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1 and message in errors[0], errors


@pytest.mark.parametrize(
    ("ours", "theirs", "tensor"),
    [
        ("keras_masked", "torch_unmasked", "gru/h"),
        ("keras_bidirectional", "torch_nan", "gradient/bidirectional"),
    ],
)
@pytest.mark.slow
def test_faults_that_hide_are_found(tmp_path, ours, theirs, tensor):
    """In padding, and in a gradient that is NaN: a failed tolerance, not bad input."""
    certificate = tmp_path / "c.json"
    assert check(ours, theirs, "--json", certificate) == 1
    record = json.loads(certificate.read_text())
    bad = [row["tensor"] for row in record["rows"] if not row["ok"]]
    assert any(name.startswith(tensor) for name in bad)
    good = [row for row in record["rows"] if row["rung"] == "weights"]
    assert good and all(row["ok"] for row in good)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_colon", "package.module:function, got 'no_colon'"),
        ("no_such_module:f", "importable from here, got 'no_such_module'"),
        ("no_such_file.py:f", "file must be there, got 'no_such_file.py'"),
    ],
)
def test_models_that_are_not_there_are_named(capsys, spec, message):
    assert main(["check", spec, spec, *QUICK]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_functions_are_found_again_by_another_process():
    assert as_spec(user_models.keras_small) == "user_models:keras_small"
    assert as_spec("a.py:f") == "a.py:f"
    with pytest.raises(InputError, match="top of a module"):
        as_spec(lambda: None)


@pytest.mark.slow
def test_example_of_the_page_on_porting_does_what_the_page_says(tmp_path, capsys):
    page = Path(__file__).parents[2] / "docs" / "porting.md"
    file = tmp_path / "mine.py"
    file.write_text(page.read_text().split("```python\n# mine.py\n")[1].split("```")[0])
    models = [f"{file}:keras_model", f"{file}:torch_model"]
    assert main(["check", *models, *QUICK]) == 1
    shown = capsys.readouterr().out
    assert "trained biases is 1 in Keras and 2 in PyTorch" in shown
    assert "at the stage step" in shown and "at the stage forward" not in shown
    float64 = shown.split("float32: largest")[0]
    lines = {line.split("  ")[0].strip(): line for line in float64.splitlines()}
    assert "✓" in lines["forward"] and "✓" in lines["gradients"] and "✗" in lines["step, adam"]
