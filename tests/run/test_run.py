"""`twins run` from end to end, on little data: what is kept and what is shown."""

import json
import os
import subprocess

import numpy as np
import pytest
from helpers import COMMAND, DEFAULT, QUICK, read

import keras_impl
import torch_impl
from attention_twins.cli import main
from attention_twins.provenance import environment
from shared.config import TUTORIAL_MODELS, DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data
from shared.weights import initial_weights, load_weights

KEPT = [
    "attention.png",
    "attention.svg",
    "loss.png",
    "loss.svg",
    "predictions.png",
    "predictions.svg",
    "record.json",
    "report.html",
    "weights/keras-rnn.safetensors",
    "weights/keras-rnn_with_attention.safetensors",
    "weights/torch-rnn.safetensors",
    "weights/torch-rnn_with_attention.safetensors",
]


@pytest.fixture(scope="session")
def finished(once):
    """One run with the defaults, where it keeps what it made, and what it printed."""

    def fill(folder):
        command = [*COMMAND, *DEFAULT, "--out", str(folder / "out")]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        (folder / "run.json").write_text(json.dumps([run.returncode, run.stdout, run.stderr]))

    folder = once("run", fill)
    run = subprocess.CompletedProcess([], *json.loads((folder / "run.json").read_text()))
    assert run.returncode == 0, run.stderr
    return folder / "out", run


def kept(out):
    """Files that a run has made; none of the figures is empty."""
    for path in out.glob("*.png"):
        assert path.stat().st_size > 10_000
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))


def test_plain_run_of_the_tutorial_keeps_all_and_its_twins_agree(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*QUICK, "--out", str(out)]) == 0
    assert kept(out) == KEPT
    assert max(read(out)["weight_difference"].values()) < 1e-6
    shown = capsys.readouterr().out
    for text in ("rnn_with_attention  PyTorch               33", "Read with care:"):
        assert text in shown


def test_keeps_record_weights_and_figures(finished):
    out, run = finished
    assert str(out / "report.html") in run.stdout.replace("\n", "")
    assert kept(out) == KEPT


def test_record_says_what_ran_where(finished):
    record = read(finished[0])
    assert record["status"] == "complete"
    assert record["train"]["epochs"] == 2 and record["data"]["numbers"] == 60
    assert record["devices"] == {"keras": "cpu", "torch": "cpu"}
    versions = record["environment"]["versions"]
    assert versions["keras"] and versions["torch"] and versions["tensorflow"]
    assert record["environment"] == environment()
    assert [(fit["model"], fit["twin"], fit["parameters"]) for fit in record["fits"]] == [
        ("rnn", "keras", 11),
        ("rnn", "torch", 11),
        ("rnn_with_attention", "keras", 33),
        ("rnn_with_attention", "torch", 33),
    ]
    for fit in record["fits"]:
        assert len(fit["loss"]) == len(fit["seconds"]) == 2
        assert fit["way"] == "fit_compiled" and fit["compile_seconds"] > 0


def test_twins_agree(finished):
    record = read(finished[0])
    assert set(record["weight_difference"]) == set(TUTORIAL_MODELS)
    for name, difference in record["weight_difference"].items():
        one, other = (fit for fit in record["fits"] if fit["model"] == name)
        np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-5)
        np.testing.assert_allclose(one["test_mse"], other["test_mse"], rtol=1e-4)
        assert difference < 1e-6


def test_errors_are_those_of_the_saved_weights(finished):
    out, _ = finished
    data = load_data(DataConfig(numbers=60))
    for fit in read(out)["fits"]:
        path = out / "weights" / f"{fit['twin']}-{fit['model']}.safetensors"
        weights, config = load_weights(path)
        other = {"keras": torch_impl, "torch": keras_impl}[fit["twin"]]  # the other way round
        model = other.create_model(config)
        other.set_weights(model, weights)
        prediction = other.predict(model, data.test_x)
        np.testing.assert_allclose(
            ((prediction - data.test_y) ** 2).mean(), fit["test_mse"], rtol=1e-4
        )
        start = initial_weights(ModelConfig(model=fit["model"]), 0)
        assert abs(weights["rnn/bias"] - start["rnn/bias"]).max() > 1e-4  # it has learned


def test_shows_everything(finished):
    out, run = finished
    for text in (
        "rnn_with_attention  Keras/tensorflow      33",
        "rnn_with_attention  PyTorch               33",
        "tutorial's own            5.631e-05  2.623e-05",
        "predict 0",
        "training mean",
        "persistence",
        "linear regression",
        "Test numbers, as predicted",
        "the trained weights of the two frameworks differ by at most",
        "Read with care:",
        "one start of each network cannot say whether attention helps",
        f"Record, weights and figures: {out}",
    ):
        assert text in run.stdout
    assert "…" not in run.stdout
    assert "2/2 epochs" in run.stderr


def test_same_command_twice_is_bit_equal(finished, tmp_path):
    assert main([*DEFAULT, "--out", str(tmp_path / "again")]) == 0
    first, second = read(finished[0]), read(tmp_path / "again")
    for one, other in zip(first["fits"], second["fits"], strict=True):
        for key in ("loss", "train_mse", "test_mse", "test_numbers", "alpha"):
            assert one[key] == other[key]
    for path in (finished[0] / "weights").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "weights" / path.name).read_bytes()


def test_starts_from_saved_weights(finished, tmp_path):
    weights = finished[0] / "weights" / "keras-rnn.safetensors"
    options = ["--weights", str(weights), "--twin", "torch", "--out", str(tmp_path / "out")]
    assert main([*QUICK, *options]) == 0
    record = read(tmp_path / "out")
    assert [(fit["model"], fit["twin"]) for fit in record["fits"]] == [("rnn", "torch")]
    start, config = load_weights(weights)
    model = torch_impl.create_model(config)
    torch_impl.set_weights(model, start)
    data = load_data(DataConfig(numbers=60))
    assert (
        torch_impl.fit(model, data, TrainConfig(epochs=2, batch_size=8)).loss
        == (record["fits"][0]["loss"])
    )


@pytest.mark.slow
def test_without_a_compiler_it_trains_by_fit(tmp_path):
    out = tmp_path / "out"
    command = [*COMMAND, *DEFAULT, "--model", "rnn", "--out", str(out)]
    environment = os.environ | {"CXX": "/no/such/compiler"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert "PyTorch trains by fit: torch.compile needs a C++ compiler" in run.stderr
    assert [fit["way"] for fit in read(out)["fits"]] == ["fit_compiled", "fit"]
    assert max(read(out)["weight_difference"].values()) < 1e-6


@pytest.mark.parametrize(
    "options",
    [
        ["--keras-backend", "jax", "--dtype", "float64"],
        ["--keras-backend", "torch", "--units", "3", "--time-steps", "7", "--threads", "2"],
    ],
)
@pytest.mark.slow
def test_other_backends_agree_too(tmp_path, options):
    assert main([*QUICK, *options, "--out", str(tmp_path / "out")]) == 0
    record = read(tmp_path / "out")
    limit = 1e-15 if record["data"]["dtype"] == "float64" else 1e-6
    assert set(record["weight_difference"]) == set(TUTORIAL_MODELS)
    assert max(record["weight_difference"].values()) < limit


@pytest.mark.slow
def test_native_set_up_differs(tmp_path):
    assert main([*QUICK, "--setup", "native", "--out", str(tmp_path / "out")]) == 0
    record = read(tmp_path / "out")
    assert [fit["parameters"] for fit in record["fits"]] == [11, 13, 33, 35]
    assert min(record["weight_difference"].values()) > 0.01


def test_other_data_is_not_compared_with_the_tutorials_figures(tmp_path, capsys):
    options = ["--data", "addition", "--twin", "torch", "--model", "rnn", "--numbers", "60"]
    out = tmp_path / "out"
    assert main(["run", *options, "--epochs", "2", "--fit", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "tutorial's own" not in printed and "persistence" in printed
    record = json.loads((out / "record.json").read_text())
    assert record["data"]["data"] == "addition" and record["models"][0]["features"] == 2


@pytest.mark.slow
def test_forecasts_of_several_numbers(tmp_path, capsys):
    """Another network by its name, three numbers ahead, in original numbers."""
    out = tmp_path / "out"
    options = ["--model", "encoder_decoder_with_attention", "--horizon", "3"]
    options += ["--data", "log_fibonacci", "--out", str(out)]
    assert main([*QUICK, *options]) == 0
    record = read(out)
    shown = capsys.readouterr().out
    assert "tutorial's own" not in shown and "encoder_decoder_with_attention" in shown
    assert record["weight_difference"]["encoder_decoder_with_attention"] < 1e-4
    forecast = record["forecast"]
    for seen, true in zip(forecast["seen"], forecast["true"], strict=True):
        numbers = [*seen, *true]
        assert len(seen) == 20 and len(true) == 3
        for one, other, both in zip(numbers, numbers[1:], numbers[2:], strict=False):
            np.testing.assert_allclose(one + other, both, rtol=1e-9)
    for fit in record["fits"]:
        assert np.shape(fit["forecast"]) == (4, 3) and len(fit["test_numbers"]) == 12
    assert (out / "forecast.png").stat().st_size > 10_000
