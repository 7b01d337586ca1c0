"""The command line: one line for bad input, exit codes, and nothing written by mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from benchmarks.cli import main
from shared.config import MODEL_GROUPS, MODELS, ModelConfig
from shared.weights import random_weights, save_weights

NAMES = ", ".join([*MODEL_GROUPS, *MODELS])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--numbers 1476", "numbers must be an integer from 3 to 1475, got 1476"),
        ("--numbers -5", "numbers must be an integer from 3 to 1475, got -5"),
        ("--numbers 20", "time_steps must be smaller than numbers (20), got 20"),
        ("--time-steps 0", "time_steps must be an integer from 1 to 1475, got 0"),
        ("--train-percent 0", "train_percent must lie between 0 and 1, both excluded, got 0.0"),
        ("--train-percent 1", "train_percent must lie between 0 and 1, both excluded, got 1.0"),
        ("--train-percent nan", "train_percent must lie between 0 and 1, both excluded, got nan"),
        (
            "--numbers 23 --train-percent 0.1",
            "train_percent must leave a row on both sides of 3 windows, got 0.1",
        ),
        ("--epochs 0", "epochs must be an integer from 1 to 10000, got 0"),
        ("--batch-size 0", "batch_size must be an integer from 1 to 1000000, got 0"),
        ("--units 0", "units must be an integer from 1 to 4096, got 0"),
        ("--units 1000000", "units must be an integer from 1 to 4096, got 1000000"),
        ("--learning-rate 0", "learning_rate must be positive and at most 10, got 0.0"),
        ("--learning-rate nan", "learning_rate must be positive and at most 10, got nan"),
        ("--learning-rate inf", "learning_rate must be positive and at most 10, got inf"),
        ("--seed -1", "seed must be an integer from 0 to 4294967295, got -1"),
        ("--threads 0", "threads must be an integer from 1 to 256, got 0"),
        ("--model gpt", f"model must be one of {NAMES}, got 'gpt'"),
        ("--keras-backend mxnet", "--keras-backend"),
        ("--device tpu", "--device"),
        ("--twin both-of-them", "--twin"),
        ("--setup odd", "--setup"),
        ("--dtype float16", "--dtype"),
        ("--epochs many", "--epochs"),
        ("--no-such-option", "--no-such-option"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options, message):
    out = tmp_path / "out"
    assert main(["run", "--out", str(out), *options.split()]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("twins: error: ")
    assert printed.err.count("\n") == 1
    if message.startswith("--"):  # tyro's words
        assert message in printed.err
    else:
        assert printed.err == f"twins: error: {message}\n"
    assert "Error parsing" not in printed.err
    value = options.split()[-1]
    assert value in printed.err or f"{float(value)}" in printed.err
    assert printed.out == ""
    assert not out.exists()


@pytest.mark.parametrize(("arguments", "named"), [([], "run"), (["walk"], "walk")])
def test_unknown_commands_are_refused_in_one_line(capsys, arguments, named):
    assert main(arguments) == 2
    assert named in (err := capsys.readouterr().err)
    assert err.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", ["30", "200"])
def test_message_is_whole_in_any_terminal(encoding, width):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "run", "--numbers", "1476"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": width},
        capture_output=True,
        text=True,
    )
    assert run.stderr == "twins: error: numbers must be an integer from 3 to 1475, got 1476\n"


def weight_file(path, **changes):
    config = ModelConfig(**changes)
    save_weights(path, random_weights(config), config)
    return path


def file_with(change):
    """Makes a file with the right metadata whose weights are changed."""

    def make(path):
        weights = random_weights(ModelConfig())
        change(weights)
        path.write_bytes(save(weights, {"model_config": json.dumps(vars(ModelConfig()))}))
        return path

    return make


def cut(path):
    path.write_bytes(weight_file(path).read_bytes()[:-4])
    return path


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda path: path, [], "weights must be a safetensors file"),
        (lambda path: path.parent, [], "weights must be a safetensors file"),
        (lambda path: path.write_text("hello") and path, [], "weights must be a safetensors file"),
        (cut, [], "weights must be a safetensors file"),
        (file_with(lambda w: w["rnn/bias"].fill(np.nan)), [], "rnn/bias must be finite, got nan"),
        (file_with(lambda w: w.pop("rnn/bias")), [], "missing: rnn/bias; extra: none"),
        (file_with(lambda w: w.update(new=w["rnn/bias"])), [], "missing: none; extra: 'new'"),
        (file_with(lambda w: w.update({"a\nb": w["rnn/bias"]})), [], "extra: 'a\\nb'"),
        (
            file_with(lambda w: w.update({"rnn/bias": np.ones(3, "float32")})),
            [],
            "rnn/bias must have shape (2,), got (3,)",
        ),
        (lambda path: weight_file(path, units=4), [], "weights must be for units 2, got 4"),
        (lambda path: weight_file(path, dtype="float64"), [], "for dtype float32, got float64"),
        (lambda path: weight_file(path, time_steps=5), [], "for time_steps 20, got 5"),
        (
            lambda path: weight_file(path, model="rnn"),
            ["--model", "rnn_with_attention"],
            "weights must be for model rnn_with_attention, got rnn",
        ),
    ],
)
def test_bad_weight_files_are_refused_in_one_line(tmp_path, capsys, make, options, message):
    path, out = make(tmp_path / "weights\nfile"), tmp_path / "out"
    assert main(["run", "--weights", str(path), "--out", str(out), *options]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("name", ["link", "/proc/twins-cannot-write-here"])
def test_folder_that_turns_out_to_be_impossible_is_refused(tmp_path, capsys, name):
    out = tmp_path / name
    if name == "link":
        out.symlink_to(tmp_path / "nowhere")
    quick = ["--numbers", "60", "--epochs", "1", "--twin", "torch"]
    assert main(["run", *quick, "--out", str(out)]) == 2
    assert "out must be" in capsys.readouterr().err.splitlines()[-1]


def test_folder_with_something_in_it_is_refused(tmp_path, capsys):
    (tmp_path / "precious").write_text("data")
    assert main(["run", "--out", str(tmp_path)]) == 2
    assert "out must be a new or empty folder, got" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("data")
    assert main(["run", "--out", str(tmp_path / "file" / "out")]) == 2
    err = capsys.readouterr().err
    assert "out must be in a folder that can be written to, got" in err and err.count("\n") == 1


def test_help_is_the_same_for_command_and_module():
    commands = [[Path(sys.executable).with_name("twins")], [sys.executable, "-m", "benchmarks"]]
    helps = [
        subprocess.run([*start, "run", "--help"], capture_output=True, text=True, check=True).stdout
        for start in commands
    ]
    assert helps[0] == helps[1]
    for option in (
        "--epochs --batch-size --seed --units --time-steps --numbers --model --twin --keras-backend "
        "--setup --dtype --device --weights --out"
    ).split():
        assert option in helps[0]
