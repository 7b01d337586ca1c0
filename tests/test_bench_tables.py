"""The tables of `twins bench`, from records whose numbers are known."""

import csv
import io
from dataclasses import replace

import pytest
from synthetic import FAST, FLOOR, OTHER, PLAIN, line_of, record_of

from benchmarks.stopwatch import laws, plots, views
from benchmarks.stopwatch.cells import Cell
from benchmarks.stopwatch.costs import failures, ratios
from benchmarks.stopwatch.intervals import interval
from benchmarks.stopwatch.tables import shown, tables

BUSY = {"load": 3.0, "others": 0.9, "steal": 0.0, "mhz": 2000, "busy": "others used 0.90 cores"}


def found(record, title):
    """Lines of the only table with this title, as columns → text."""
    (table,) = (t for t in [*tables(record), *laws.law_tables(record)] if t.title.startswith(title))
    return [dict(zip(table.columns, line, strict=True)) for line in table.lines]


def test_costs_and_what_follows_from_them(tmp_path):
    record = record_of(
        tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5, FLOOR: [2.0] * 5, OTHER: [50.0] * 5}
    )
    lines = {(x["twin"], x["way to train"]): x for x in found(record, "Cost of a training step")}
    plain, fast = lines["PyTorch", "fit"], lines["PyTorch", "fit_compiled"]
    assert plain["µs per step and start"] == "100 [100, 100]" and plain["samples per s"] == "10,000"
    assert fast["times faster than its fit"] == "10 [10, 10]"
    assert fast["times the floor"] == "5 [5, 5]" and plain["tier"] == "A" and fast["tier"] == "C"
    assert fast["first call s, cold"] == "2" == fast["warm"]
    # 30 epochs of 826 steps at 100 µs, and 2 s before them; 19 epochs until the loss is reached.
    assert plain["30 epochs s"] == "4.48"
    assert plain["s to the loss"] == f"{2 + 19 * 826 * 100e-6:.3g}"
    # tiers in order, and within a tier the fastest first
    shown = [(x["tier"], x["twin"]) for x in found(record, "Cost of a training step")]
    assert shown == [("A", "Keras/jax"), ("A", "PyTorch"), ("C", "PyTorch"), ("E", "scalar loop")]


def test_twins_are_ranked_within_a_tier_only(tmp_path):
    noisy = [90.0, 110.0, 95.0, 105.0, 100.0]
    record = record_of(
        tmp_path / "r",
        {
            PLAIN: [100.0] * 5,
            OTHER: noisy,
            replace(OTHER, twin="Keras/torch"): [400.0] * 5,
            FAST: [1.0] * 5,
        },
    )
    lines = found(record, "Twins against each other")
    assert {line["tier"] for line in lines} == {"A"} and len(lines) == 3
    (close,) = (x for x in lines if {x["one"], x["the other"]} == {"PyTorch", "Keras/jax"})
    assert close["so"] == "no difference shown"
    (far,) = (x for x in lines if {x["one"], x["the other"]} == {"PyTorch", "Keras/torch"})
    assert far["one"] == "Keras/torch" and far["so"] == "the other is faster"
    assert far["takes times as long"] == "4 [4, 4]"


def test_cell_against_itself(tmp_path):
    copy = replace(PLAIN, copy=1)
    record = record_of(
        tmp_path / "r", {PLAIN: [100.0] * 5, copy: [99.0, 101.0, 100.0, 98.0, 103.0]}
    )
    (line,) = found(record, "A cell against itself")
    assert line["so"] == "no difference shown"
    record = record_of(tmp_path / "s", {PLAIN: [100.0] * 5, copy: [50.0] * 5})
    (line,) = found(record, "A cell against itself")
    assert line["so"] == "a difference where there is none"
    assert len(found(record, "Cost of a training step")) == 1  # the copy is not a row


def test_break_even(tmp_path):
    """0.0826 s an epoch against 0.00826 s and 10 s of compilation: 135 epochs."""
    slow = [line_of(FAST, block, 10.0) for block in range(5)]
    for line in slow:
        line["seconds"][0] += 8
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: slow})
    (line,) = found(record, "Break-even")
    assert line["instead of"] == "fit" and line["train by"] == "fit_compiled"
    assert line["pays after epochs"] == line["cold"] == "108"
    record = record_of(tmp_path / "s", {PLAIN: [100.0] * 5, FAST: [200.0] * 5})
    (line,) = found(record, "Break-even")
    assert line["pays after epochs"] == "never"


def test_busy_and_failed_processes_do_not_count_and_are_counted(tmp_path):
    values = [100.0] * 5
    spoiled = [
        *values,
        line_of(PLAIN, 5, 9000.0, machine=BUSY),
        line_of(PLAIN, 6, 1.0, failed="the loss is not finite"),
    ]
    broken = [line_of(OTHER, block, 1.0, failed="trained otherwise") for block in range(2)]
    record = record_of(tmp_path / "r", {PLAIN: spoiled, FAST: [10.0] * 7, OTHER: broken})
    lines = found(record, "Cost of a training step")
    assert {line["twin"] for line in lines} == {"PyTorch"}
    assert lines[0]["µs per step and start"] == "100 [100, 100]" and lines[0]["n"] == "5"
    assert lines[1]["times faster than its fit"] == "10 [10, 10]"
    counts = {x["because"]: (x["how many"], x["in blocks"]) for x in found(record, "Processes")}
    assert counts == {"busy machine": ("1 of 16", "6"), "failed": ("3 of 16", "1 2 7")}
    (line,) = found(record, "Not measured")
    assert line["twin"] == "Keras/jax" and line["failed"] == "trained otherwise"
    assert failures(record) == {OTHER: "trained otherwise"}
    rows = list(csv.DictReader(io.StringIO(views.texts(record)["cells.csv"])))
    assert [row["microseconds"] for row in rows] == ["100.0", "10.0", ""]
    assert rows[2]["failed"] == "trained otherwise"


def test_ledger(tmp_path):
    switched = replace(PLAIN, switch="item")
    two = replace(PLAIN, threads=2)
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, switched: [103.0] * 5, two: [50.0] * 5})
    lines = {x["flipped"]: x for x in found(record, "What a default costs")}
    assert lines["loss.item() in every step"]["costs times as much"] == "1.03 [1.03, 1.03]"
    assert lines["loss.item() in every step"]["so"] == "it costs"
    assert lines["2 threads instead of 1"]["so"] == "it gains"


def test_growth_is_linear_where_it_is(tmp_path):
    many = {replace(FAST, way="fit_many", starts=starts): [1.0] * 5 for starts in (100, 1000, 2000)}
    record = record_of(tmp_path / "r", {FAST: [10.0] * 5} | many)
    for line in found(record, "Growth"):
        assert line["exponent"] == "1.00"


def test_every_ratio_of_the_tables_is_among_the_ratios(tmp_path):
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5, FLOOR: [2.0] * 5})
    assert {(one, other) for one, other in ratios(record)} == {
        (FAST.key, PLAIN.key),
        (FAST.key, FLOOR.key),
        (PLAIN.key, FLOOR.key),
    }


def sweep(cost, twins=("PyTorch", "Keras/jax")):
    """Cells along each axis, at what `cost` says."""
    sizes = [{"units": u} for u in (2, 8, 32, 128)]
    sizes += [{"batch_size": b} for b in (8, 64, 512)] + [{"time_steps": t} for t in (5, 50, 200)]
    cells = [Cell(twin=twin, steps=50, **size) for twin in twins for size in sizes]
    noise = [1.0, 1.001, 0.999, 1.002, 0.998]
    return {cell: [cost(cell) * factor for factor in noise] for cell in cells}


def test_law_finds_overhead_and_work(tmp_path):
    def cost(cell):
        return 30 + 2 * cell.time_steps + 0.5 * laws.work(cell) / 1000

    record = record_of(tmp_path / "r", sweep(cost))
    for line in found(record, "Law"):
        assert line["µs per step"].startswith("30 [") and line["sizes"] == "10"
        assert line["µs per time step"].startswith("2 [")
        assert line["ns per multiplication"].startswith("0.5 [")
        assert line["largest error"] == "0%"


def test_crossovers_are_where_the_curves_cross(tmp_path):
    """1,000 µs and nothing more, or 25 µs a row: equal at 40 rows."""

    def cost(cell):
        return 1000.0 if cell.twin == "PyTorch" else 25.0 * cell.batch_size + 0.1 * cell.units

    record = record_of(tmp_path / "r", sweep(cost))
    lines = {line["axis"]: line for line in found(record, "Crossovers")}
    assert lines.keys() == {"batch_size"}
    line = lines["batch_size"]
    assert line["faster below"] == "Keras/jax fit" and line["faster above"] == "PyTorch fit"
    assert 38 < float(line["from"].split()[0]) < 42 and line["blocks that cross once"] == "5 of 5"
    plots.save_figures(record)
    for name in ("steps", "scaling"):
        for kind in ("svg", "png"):
            assert (record.folder / f"{name}.{kind}").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("gap", "at"), [([-1, 1], 4), ([-1, 0.5, 1], None), ([1, -1, 1], None), ([1, 2], None)]
)
def test_crossing(gap, at):
    sizes = [2, 8, 32][: len(gap)]
    place = laws.crossing(sizes, gap)
    if gap == [-1, 0.5, 1]:
        assert 4 < place < 8
    else:
        assert place == (None if at is None else pytest.approx(at))


def test_markdown_has_a_line_for_each_row(tmp_path):
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5})
    text = views.texts(record)["tables.md"]
    assert "| A | PyTorch | fit | 100 [100, 100] |" in text and "Tiers: A as everyone" in text
    views.save(record)
    assert (record.folder / "break_even.png").stat().st_size > 5_000


def test_numbers_are_shown_with_three_digits():
    assert shown(interval([1234.5] * 5)) == "1,234 [1,234, 1,234]"
    assert shown(interval([0.012345] * 3)) == "0.0123"
