"""The command line: one line for bad input, exit codes, and nothing written by mistake."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from attention_twins.cli import commands_for, main
from benchmarks.run.command import chosen_twins
from shared.config import DATA, MODEL_GROUPS, MODELS, SETUPS, ModelConfig, TrainConfig
from shared.weights import random_weights, save_weights

NAMES = ", ".join([*MODEL_GROUPS, *MODELS])
TWIN_NAMES = "both, keras, torch, PyTorch, Keras/tensorflow, Keras/jax, Keras/torch"
MODULES = ("benchmarks", "attention_twins")
ROOT = Path(__file__).parents[2]
GROUPS = ("data", "network", "training", "measurement", "comparison", "output")


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
        ("--model gpt", f"--model must be one of {NAMES}, got 'gpt'"),
        (
            "--keras-backend mxnet",
            "--keras-backend must be one of tensorflow, jax, torch, got 'mxnet'",
        ),
        ("--device tpu", "--device must be one of cpu, cuda, got 'tpu'"),
        ("--twin both-of-them", f"--twin must be one of {TWIN_NAMES}, got 'both-of-them'"),
        ("--setup odd", f"--setup must be one of {', '.join(SETUPS)}, got 'odd'"),
        ("--data primes", f"--data must be one of {', '.join(DATA)}, got 'primes'"),
        ("--dtype float16", "--dtype must be one of float32, float64, got 'float16'"),
        ("--epochs many", "--epochs: invalid literal for int() with base 10: 'many'"),
        ("--epochs", "--epochs needs a value"),
        ("--model", "model must name at least one, got none"),
        ("--no-such-option", "unrecognized option --no-such-option"),
        ("here", "unexpected argument 'here'"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options, message):
    out = tmp_path / "out"
    assert main(["run", "--out", str(out), *options.split()]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("twins: error: ")
    assert printed.err.count("\n") == 1
    assert printed.err == f"twins: error: {message}\n"
    value = options.split()[-1].removeprefix("--")
    assert value in printed.err or f"{float(value)}" in printed.err
    assert printed.out == ""
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "a command is missing: check, run, prove, bench, study, report"),
        ("walk", "no such command 'walk'"),
        ("chek a b", "no such command 'chek'; did you mean check?"),
        ("run --epoch 3", "unrecognized option --epoch; did you mean --epochs?"),
        ("run --epoch=3", "unrecognized option --epoch; did you mean --epochs?"),
        ("run here --epoch 3", "unrecognized option --epoch; did you mean --epochs?"),
        ("bench --most_block 3", "unrecognized option --most-block; did you mean --most-blocks?"),
        ("check --los mse", "unrecognized option --los; did you mean --loss?"),
        ("check a b --los mse", "unrecognized option --los; did you mean --loss?"),
        ("report --output x", "unrecognized option --output; did you mean --out?"),
        ("--versoin", "unrecognized option --versoin; did you mean --version?"),
        ("check a b c", "unexpected argument 'c'"),
    ],
)
def test_nearest_name_is_proposed_for_a_mistyped_one(capsys, arguments, message):
    assert main(arguments.split()) == 2
    assert capsys.readouterr() == ("", f"twins: error: {message}\n")


def test_without_tyros_private_hook_its_own_message_is_shown(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tyro._errors", None)
    with pytest.raises(SystemExit) as end:
        main(["run", "--epoch", "3"])
    assert end.value.code == 2
    assert "--epochs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        ("check --keras a:b --torch a:c", "twins check KERAS TORCH"),
        ("check --keras=a:b --torch=a:c", "twins check KERAS TORCH"),
        ("check", "twins prove"),
        ("check --steps 50 --seed -1", "twins prove"),
        ("check --model rnn", "twins prove --model"),
        ("check --full", "twins prove --full"),
        ("check --no-faster", "twins prove --no-faster"),
        ("check --mutants --json x", "twins prove --wrong-ports"),
        ("prove --mutants", "--wrong-ports"),
        ("study --models rnn", "--model"),
        ("study --starts=9", "--seeds"),
        ("study --learning_rates 0.1", "--learning-rate"),
    ],
)
def test_old_spelling_names_the_new_one(capsys, arguments, new):
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("twins: error: ") and printed.err.count("\n") == 1
    assert printed.err.rstrip(")\n").endswith(new)


def test_new_names_of_old_options_exist(capsys):
    for name, command in commands_for("").items():
        for new in getattr(command, "RENAMED", {}).values():
            *words, option = new.split()
            if option.startswith("--"):
                assert option in options_of(capsys, words[1] if words else name)
            else:
                assert new == "twins check KERAS TORCH"


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


def help_of(capsys, *command):
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert not end.value.code
    return capsys.readouterr().out


def options_of(capsys, command):
    """Option → its group, in the order of --help."""
    found, group = {}, ""
    for line in help_of(capsys, command).splitlines():
        if title := re.match(r"(?:╭─)? (\w+ )?options ", line):
            group = (title[1] or "options").strip()
        if option := re.match(r"[│ ] (?:-h, )?(--[a-z][a-z-]*)(?:, (--no-[a-z-]+))?", line):
            found |= {name: group for name in option.groups() if name}
    return found


def test_options_stand_in_one_order_of_groups(capsys):
    everywhere = {}
    for name in commands_for(""):
        found = options_of(capsys, name)
        groups = [group for group in dict.fromkeys(found.values()) if group != "options"]
        assert groups == [group for group in GROUPS if group in groups], name
        assert groups or name == "report"
        for option, group in found.items() if name != "report" else []:
            everywhere.setdefault(option, {})[group] = name
    for option in ("--seed", "--full"):  # in a bench the order of its cells, and all the cells
        assert everywhere.pop(option).keys() == {"training", "measurement"}
    assert all(len(groups) == 1 for groups in everywhere.values()), everywhere
    assert everywhere.keys() > {"--model", "--twin", "--data", "--keras-backend", "--json", "--out"}
    assert not {f"{option}s" for option in everywhere} & everywhere.keys() - {"--splits"}


def test_names_to_choose_from_are_listed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    for command in ("run", "study"):
        shown = help_of(capsys, command)
        assert f"--data {{{','.join(DATA)}}}" in shown
        assert "PyTorch,Keras/tensorflow,Keras/jax,Keras/torch}" in shown
    for command in ("run", "prove", "bench", "study"):
        assert f"--model [{{{NAMES.replace(', ', ',')}}}" in help_of(capsys, command)


@pytest.mark.parametrize(
    ("names", "twins", "backend"),
    [
        ("both", ["keras", "torch"], "tensorflow"),
        ("torch keras", ["keras", "torch"], "tensorflow"),
        ("PyTorch", ["torch"], "tensorflow"),
        ("Keras/jax PyTorch", ["keras", "torch"], "jax"),
        ("Keras/torch", ["keras"], "torch"),
    ],
)
def test_twins_of_a_run(names, twins, backend):
    training = TrainConfig(epochs=3)
    assert chosen_twins(tuple(names.split()), training) == (
        twins,
        replace(training, keras_backend=backend),
    )


@pytest.mark.parametrize("options", ["Keras/jax Keras/torch", "Keras/jax --keras-backend torch"])
def test_run_has_keras_on_one_backend(capsys, options):
    assert main(["run", "--twin", *options.split()]) == 2
    said = "twin must name one backend of Keras in a run, got jax, torch"
    assert capsys.readouterr().err == f"twins: error: {said}\n"


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"attention-twins \d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert "--version" in help_of(capsys)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shell_completion_knows_commands_options_and_names(tmp_path, shell):
    script = tmp_path / "twins"
    with pytest.raises(SystemExit) as end:
        main(["--tyro-write-completion", shell, str(script)])
    assert not end.value.code
    assert all(word in script.read_text() for word in ("prove", "--epochs", "lstm_with_attention"))
    if shell == "bash":
        source = f"source {script}; COMP_WORDS=(twins st); COMP_CWORD=1; COMP_LINE='twins st'\n"
        source += (
            "COMP_POINT=8; $(complete -p twins | sed -E 's/.*-F ([^ ]+) .*/\\1/') twins st twins"
        )
        run = subprocess.run(
            ["bash", "-c", f'{source}; echo "${{COMPREPLY[@]}}"'], capture_output=True, text=True
        )
        assert run.stdout.strip() == "study", run.stderr


def run_module(name, *arguments, **changes):
    run = subprocess.run(
        [sys.executable, "-m", name, *arguments], capture_output=True, text=True, **changes
    )
    return run.returncode, run.stdout, run.stderr


def test_command_and_modules_are_the_same():
    helps = [run_module(name, "run", "--help", cwd=ROOT) for name in MODULES]
    command = Path(sys.executable).with_name("twins")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [command, "run", "--help"], capture_output=True, text=True, env=environment
    )
    helps.append((run.returncode, run.stdout, run.stderr))
    assert helps[0] == helps[1] == helps[2]
    assert helps[0][0] == 0
    for option in (
        "--epochs --batch-size --seed --units --time-steps --numbers --model --twin --keras-backend "
        "--setup --dtype --device --weights --out"
    ).split():
        assert option in helps[0][1]


@pytest.fixture
def project(tmp_path):
    """A user's folder, which has a `benchmarks` and a `shared` of its own."""
    for name in ("benchmarks", "shared"):
        (tmp_path / "project" / name).mkdir(parents=True)
        (tmp_path / "project" / name / "__init__.py").write_text("raise SystemExit('not ours')")
        (tmp_path / "project" / name / "commands.py").write_text("raise SystemExit('not ours')")
    return tmp_path / "project"


def test_own_benchmarks_of_a_user_are_not_taken_for_ours(project):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    code, shown, said = run_module("attention_twins", "--help", cwd=project, env=environment)
    assert code == 0, said
    assert "run,prove,bench,study,report" in shown
    assert run_module(
        "attention_twins", "report", "--results", "no", cwd=project, env=environment
    ) == ((2, "", "twins: error: results must be a folder, got 'no'\n"))


def test_without_the_repository_there_is_check_alone(tmp_path, project):
    """As from a wheel: attention_twins lies there without the other folders."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "attention_twins", site / "attention_twins")
    environment = os.environ | {"PYTHONPATH": str(site)}
    code, shown, _ = run_module("attention_twins", "--help", cwd=project, env=environment)
    assert code == 0 and "{check}" in shown and "study" not in shown
    for name in ("run", "prove", "bench", "study", "report"):
        said = f"twins: error: twins {name} needs a clone of the repository: run it there\n"
        assert run_module("attention_twins", name, cwd=project, env=environment) == (2, "", said)
    code, shown, said = run_module("attention_twins", "check", "a", cwd=project, env=environment)
    assert (code, shown) == (2, "") and said.startswith("twins: error: two models must be given")
