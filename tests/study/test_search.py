"""`twins study --search`: what is proposed, from which rows, and on what it is compared."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import FAST, study

from attention_twins.cli import main
from benchmarks.study import worker
from benchmarks.study.arms import Arm
from benchmarks.study.comparisons import of, rivals, searched_table
from benchmarks.study.documents import search_sentence
from benchmarks.study.summary import middle
from shared.config import DataConfig
from shared.tasks import load_data


@pytest.mark.slow
def test_search_proposes_and_the_study_judges(tmp_path, capsys):
    """What is found is trained on all rows, from starts that no trial has seen."""
    options = [*FAST, "--model", "rnn", "--search", "6"]
    code, found = study(tmp_path, *options)
    assert code == 0 and not found.left
    plain, proposed = found.arms
    assert plain == Arm(twin="Keras/jax", model="rnn", numbers=60, epochs=2)
    assert not proposed.held_out and (proposed.units, proposed.batch_size) != (2, 1)
    assert found.rates == [1e-3] and 1e-4 <= proposed.learning_rate <= 1e-1
    assert (found.folder / "search.journal").stat().st_size > 100
    assert found.searched == [(plain, proposed)] and found.plan["searched"]["trials"] == 6
    assert sorted(found.errors(proposed, proposed.learning_rate)) == [*range(6)]
    assert not found.errors(plain, proposed.learning_rate)  # no rate that was found for another
    assert "Found by search, 6 trials each" in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_found_with_attention_meets_what_was_found_without(tmp_path, monkeypatch):
    def proposed(arm, *_):
        return replace(arm, units=8 if arm.model == "rnn" else 4, learning_rate=0.5)

    monkeypatch.setattr("benchmarks.study.search.proposed", proposed)
    _, found = study(tmp_path, *FAST, "--search", "3")
    sizes = [(arm.units, other.units) for arm, other in rivals(found)]
    assert sizes == [(2, 2), (4, 8)]
    said = search_sentence(found)
    for line in searched_table(found).lines:
        model, so = line[0], line[-2]
        assert re.search(rf"{so}: [a-z_, ]*\b{model}\b", said)
    medians = {middle([*of(found, arm).values()]): arm.model for _, arm in found.searched}
    assert f"{min(medians):.1e}, has {medians[min(medians)]}; the next" in said


def test_one_search_for_all_twins_and_variants(tmp_path, monkeypatch):
    searched = []

    def proposed(arm, *_):
        searched.append(arm)
        return replace(arm, units=8, learning_rate=0.5, variant="linear")

    monkeypatch.setattr("benchmarks.study.search.proposed", proposed)
    monkeypatch.setattr("benchmarks.study.session.carry_out", lambda study, *_: 0)
    options = ["--model", "rnn_with_attention", "--variant", "tutorial", "additive"]
    twins = ["--twin", "Keras/jax", "PyTorch", "--setup", "twin", "--search", "3"]
    _, found = study(tmp_path, *options, *twins)
    assert [arm.twin for arm in searched] == ["Keras/jax"]
    assert [(base.twin, base.variant, arm.twin) for base, arm in found.searched] == [
        ("Keras/jax", "tutorial", "Keras/jax"),
        ("PyTorch", "tutorial", "PyTorch"),
    ]
    assert len(found.arms) == 4 + 2


@pytest.mark.parametrize("error", [worker.ChunkError("no compiler"), KeyboardInterrupt()])
def test_search_that_stops_says_how_to_go_on(tmp_path, monkeypatch, capsys, error):
    def proposed(*_):
        raise error

    monkeypatch.setattr("benchmarks.study.search.proposed", proposed)
    out = str(tmp_path / "out")
    code = main(["study", *FAST, "--model", "rnn", "--search", "3", "--out", out])
    printed = " ".join(capsys.readouterr().err.split())
    assert code == (2 if isinstance(error, worker.ChunkError) else 130)
    assert f"go on with the same command and --out {out}" in printed


def test_search_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from benchmarks.study import search

    arm = Arm(twin="Keras/jax", model="rnn", numbers=60, epochs=2)
    trained = []

    def compute(chunks, workers, scheduler):
        for chunk in chunks:
            trained.extend(zip(chunk.seeds, chunk.rates, strict=True))
            assert chunk.arm.held_out and min(chunk.seeds) == search.SEEDS[0]
            starts = [
                {"learning_rate": rate, "test_mse": abs(np.log10(rate) + 2) + chunk.arm.units}
                for rate in chunk.rates
            ]
            yield chunk, {"starts": starts}

    monkeypatch.setattr(search, "compute", compute)
    told = []
    search.proposed(arm, 20, tmp_path, 1, None, told.append)
    assert told == [*range(1, 21)] and len(trained) == 20 * len(search.SEEDS)
    own = search.proposed(arm, 60, tmp_path, 1, None, told.append)
    assert told == [*range(1, 61)] and len(trained) == 60 * len(search.SEEDS)
    assert own.units == 1 and 10**-2.7 < own.learning_rate < 10**-1.3  # the smallest error
    for trials in (60, 20):  # fewer than there are already
        again = search.proposed(arm, trials, tmp_path, 1, None, told.append)
        assert again == own and len(trained) == 60 * len(search.SEEDS)


def test_held_out_rows_are_of_the_training_set():
    data = load_data(DataConfig())
    held = data.held_out()
    assert len(held.train_x) == 661 and len(held.test_x) == 165
    both = np.concatenate([held.train_x, held.test_x]), np.concatenate([held.train_y, held.test_y])
    found = {(x.tobytes(), y.tobytes()) for x, y in zip(*both, strict=True)}
    rows = {(x.tobytes(), y.tobytes()) for x, y in zip(data.train_x, data.train_y, strict=True)}
    assert found == rows and len(both[0]) == len(data.train_x)


@pytest.mark.parametrize("name", ["fibonacci", "log_fibonacci", "recurrences", "addition"])
def test_held_out_rows_are_of_every_size(name):
    """Of any five numbers to predict that follow each other by size, one is held out."""
    held = load_data(DataConfig(data=name)).held_out()
    targets = [(y, False) for y in held.train_y[:, 0]] + [(y, True) for y in held.test_y[:, 0]]
    out = [held for _, held in sorted(targets)[::-1]]
    assert not out[0]
    if len({y for y, _ in targets}) == len(targets):
        assert all(sum(out[i : i + 5]) == 1 for i in range(0, len(out) - 4, 5))
    else:
        assert sum(out[:10]) == 2 and sum(out[:5]) == 1  # the many small ones may be equal


def test_of_few_rows_one_is_held_out():
    held = load_data(DataConfig(numbers=25)).held_out()
    assert len(held.test_x) == 1 and len(held.train_x) == 2
