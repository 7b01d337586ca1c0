"""What each way to train costs: measured in a process each, tables from samples with known answers."""

import json

import pytest

from benchmarks import costs, speed
from benchmarks.costs import cost_lines, growth, memory_lines, save_costs, spread, tables
from benchmarks.readme import code_lines
from benchmarks.speed import Cell, Speed, cells


def sample(twin, way, number, microseconds, **options):
    cell = Cell(twin, way, options.pop("epochs", 90), options.pop("starts", 1))
    return {
        "name": cell.name,
        "round": number,
        **vars(cell),
        "microseconds": microseconds,
        "seconds": [0.001] * cell.epochs,
        "compile_seconds": 0.0,
        "imported_mib": 100.0,
        "peak_mib": 150.0,
    } | options


RECORD = {
    "rounds": 3,
    "failures": {},
    "samples": [
        *(sample("scalar loop", "floor", i, us) for i, us in enumerate((2, 4, 2))),
        # In the second round the machine was half as fast: no ratio knows of it.
        *(sample("PyTorch", "fit", i, us) for i, us in enumerate((1000, 2000, 1000))),
        *(
            sample("PyTorch", "fit_compiled", i, us, compile_seconds=s)
            for i, (us, s) in enumerate(((10, 9.9), (20, 1.5), (10, 2.5)))
        ),
        *(
            sample("PyTorch", "fit_many", 0, us, starts=starts, epochs=4)
            for starts, us in ((100, 4), (1000, 2), (2000, 2))
        ),
    ],
}


def test_costs_are_medians_and_ratios_within_a_round():
    lines = {line[1]: line for line in cost_lines(RECORD)}
    assert lines["floor"][2:] == ["2 (2–4)", "", "", "", "", ""]
    assert lines["fit"][2:] == ["1,000 (1,000–2,000)", "", "500 (500–500)", "", "", ""]
    # 9.9 s cold, saved 990, 1,980 and 990 µs a step.
    assert lines["fit_compiled"][2:] == [
        "10 (10–20)",
        "100 (100–100)",
        "5 (5–5)",
        "9.9",
        "2.0",
        "10,000",
    ]
    assert lines["fit_many, 1,000 starts"][2:5] == ["2", "500", "1"]
    assert [line[1] for line in cost_lines(RECORD)][:3] == ["floor", "fit", "fit_compiled"]


def test_growth_is_the_slope_on_logarithmic_axes():
    steps, starts = growth(RECORD)
    assert steps == ["PyTorch", "steps", "8,260 24,780 74,340", "0.010 0.030 0.090", "1.00"]
    assert starts[:3] == ["PyTorch", "starts, for an epoch", "100 1,000 2,000"]
    assert starts[3] == "0.330 1.652 3.304"
    assert (
        0.7 < float(starts[4]) < 0.8
    )  # 100 starts are dear here: ten times as many cost five times


def test_memory_is_what_comes_on_top_of_the_import():
    assert memory_lines(RECORD) == [
        ["PyTorch", "fit", "100", "150", "50"],
        ["PyTorch", "fit_many, 1,000 starts", "100", "150", "50"],
    ]


def test_a_round_without_its_partner_is_left_out():
    samples = RECORD["samples"]
    record = RECORD | {"samples": [s for s in samples if (s["way"], s["round"]) != ("fit", 1)]}
    line = next(line for line in cost_lines(record) if line[1] == "fit_compiled")
    assert line[3] == "100 (100–100)"
    assert spread([]) == "" and spread([123.4]) == "123"


def test_incomplete_records_have_a_table_too():
    samples = RECORD["samples"]
    late = [s for s in samples if s["way"] == "fit" and s["round"] == 0]
    late += [s for s in samples if s["way"] == "fit_compiled" and s["round"] == 1]
    slow = [sample("PyTorch", "fit", 0, 1), sample("PyTorch", "fit_compiled", 0, 2)]
    for some in (late, slow):
        lines = {line[1]: line for line in cost_lines(RECORD | {"samples": some})}
        assert lines["fit_compiled"][-1] == ""


def test_tables_without_a_floor_and_the_figure(tmp_path, capsys):
    record = RECORD | {"samples": RECORD["samples"][3:], "failures": {"Keras/jax, fit": "no jax"}}
    assert [title for title, *_ in tables(record)]
    costs.show(record)
    shown = capsys.readouterr().out
    assert "fit_compiled" in shown and "Keras/jax, fit: not measured: no jax" in shown
    save_costs(RECORD, tmp_path / "costs.png")
    assert (tmp_path / "costs.png").stat().st_size > 10_000


def test_every_twin_is_measured_in_every_way():
    found = {(cell.twin, cell.way) for cell in cells()}
    for twin in speed.BACKENDS:
        assert {(twin, way) for way in ("fit", "fit_compiled", "fit_many")} <= found
    assert ("scalar loop", "floor") in found
    names = [(cell.twin, cell.name) for cell in cells()]
    assert len(names) == len(set(names))


def test_measures_cells_and_keeps_them(tmp_path, monkeypatch):
    """Two tiny cells and one that fails, for real, in processes of their own."""
    tiny = [
        Cell("scalar loop", "floor", 3),
        Cell("Keras/jax", "fit_many", 2, starts=2, one_kernel=False),
        Cell("Keras/jax", "no such way", 2),
    ]
    monkeypatch.setattr(speed, "cells", lambda: tiny)
    assert Speed(rounds=2, out=tmp_path / "speed")() == 1
    record = json.loads((tmp_path / "speed" / "record.json").read_text())
    assert record["status"] == "complete" and record["rounds"] == 2
    assert [*record["failures"]] == ["Keras/jax, no such way"]
    assert len(record["samples"]) == 4
    for found in record["samples"]:
        assert found["microseconds"] > 0 and found["peak_mib"] >= found["imported_mib"] > 10
        assert len(found["seconds"]) == found["epochs"]
    many = [s for s in record["samples"] if s["way"] == "fit_many"]
    assert {s["round"] for s in many} == {0, 1} and many[0]["compile_seconds"] > 0
    assert (tmp_path / "speed" / "costs.png").exists()


def test_code_is_counted_without_docstrings_comments_and_blank_lines(tmp_path):
    file = tmp_path / "some.py"
    file.write_text('"""Doc\n\nstring."""\n\n# Why.\nx = 1  # here\n\n\ndef f():\n    """One."""\n')
    assert code_lines(file) == 2


@pytest.mark.parametrize("rounds", [0, 101])
def test_refuses_what_cannot_be(rounds, tmp_path):
    with pytest.raises(ValueError, match="rounds must be an integer from 1 to 100"):
        Speed(rounds=rounds, out=tmp_path)()
