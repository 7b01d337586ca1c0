"""Cells and the grids that name them."""

import pytest

from attention_twins.errors import InputError
from benchmarks.bench.cells import Cell
from benchmarks.bench.grid import GRIDS, load_grid
from benchmarks.bench.scaling import work
from benchmarks.bench.switches import SWITCHES, TIERS
from benchmarks.bench.validity import claims
from benchmarks.bench.worker import order_of, variables
from shared.data import batch_order


def grid(tmp_path, text, **options):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return load_grid(path, **options)


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.toml")), ids=lambda path: path.stem)
def test_grids_that_come_with_it(path):
    found = load_grid(path)
    assert len(set(found.cells)) == len(found.cells)
    assert any(cell.copy for cell in found.cells)  # something is compared with itself
    assert all(cell.tier in TIERS for cell in found.cells)
    for cell in found.cells:
        assert claims(cell)
    on_gpu = load_grid(path, "cuda")
    assert {cell.device for cell in on_gpu.cells if cell.way != "floor"} == {"cuda"}
    assert {cell.device for cell in on_gpu.cells if cell.way == "floor"} <= {"cpu"}


def test_default_grid_has_every_tier_and_twin_of_the_comparison():
    cells = load_grid(GRIDS / "default.toml").cells
    assert {cell.tier for cell in cells} == set("ABCDE")
    for way in ("fit", "fit_compiled"):
        assert len({c.twin for c in cells if c.way == way and not c.switch}) == 4
    for name, switch in SWITCHES.items():
        if switch.tier == "B":
            assert {c.twin for c in cells if c.switch == name} == set(switch.twins)


def test_ledger_flips_everything_on_a_gpu():
    flipped = {cell.switch for cell in load_grid(GRIDS / "ledger.toml", "cuda").cells}
    assert {name for name, switch in SWITCHES.items() if switch.tier == "L"} <= flipped | {"TF32"}
    assert "TF32" in flipped
    assert "TF32" not in {cell.switch for cell in load_grid(GRIDS / "ledger.toml").cells}


def test_lists_stand_for_all_combinations(tmp_path):
    text = '[[cells]]\ntwin = ["PyTorch", "Keras/jax"]\nunits = [2, 8]\ncopies = 2\n'
    found = grid(tmp_path, "blocks = 3\n" + text)
    assert len(found.cells) == 8 and found.blocks == found.most_blocks == 3
    assert {(c.twin, c.units, c.copy) for c in found.cells} == {
        (twin, units, copy)
        for twin in ("PyTorch", "Keras/jax")
        for units in (2, 8)
        for copy in (0, 1)
    }
    assert len(grid(tmp_path, text + text).cells) == 8  # once each


def test_every_grid_has_a_null_comparison(tmp_path):
    found = grid(tmp_path, '[[cells]]\ntwin = "PyTorch"\n')
    assert [cell.copy for cell in found.cells] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have at least one cell"),
        ("blocks = 0\n", "blocks must be an integer from 1"),
        ("blocks = 5\nmost_blocks = 4\n", "most_blocks must be an integer from 5"),
        ("cell = 3\n", "must hold blocks, most_blocks and cells, got 'cell'"),
        ("cells = 3\n", r"must have tables \[\[cells\]\]"),
        ("blocks = \n", "grid must be a TOML file"),
        ('[[cells]]\ntwin = "Torch"\n', "twin must be one of"),
        ('[[cells]]\ntwin = "PyTorch"\nwidth = 3\n', "cells have no 'width'"),
        ('[[cells]]\ntwin = "PyTorch"\ncopies = 0\n', "copies must be an integer from 1"),
        ("[[cells]]\nunits = 3\n", "twin"),
        ('[[cells]]\ntwin = "PyTorch"\nunits = "many"\n', "units must be an integer"),
        ('[[cells]]\ntwin = "PyTorch"\nway = "floor"\n', "for the scalar loop alone"),
        ('[[cells]]\ntwin = "PyTorch"\nswitch = "jit_compile"\n', "with the switch jit_compile"),
        ('[[cells]]\ntwin = "PyTorch"\nstarts = 5\n', "starts must be 1 but for fit_many"),
        ('[[cells]]\ntwin = "PyTorch"\nway = "fit_compiled"\nswitch = "fused"\n', "way, with the"),
        ('[[cells]]\ntwin = "scalar loop"\nway = "floor"\nthreads = 2\n', "of the floor must be"),
    ],
)
def test_what_cannot_be_measured_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        grid(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_grid_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="grid must be a TOML file, got"):
        load_grid(tmp_path / "none.toml")


def test_order_of_the_tutorial_is_the_tutorials():
    order = order_of(Cell(twin="PyTorch"), 7)
    assert order.shape == (20, 826)
    assert (order == batch_order(826, 20, 0)).all()
    assert (order_of(Cell(twin="PyTorch"), 1000)[:20] == order).all()


@pytest.mark.parametrize(("steps", "batch"), [(50, 1), (50, 64), (7, 1000)])
def test_epochs_of_other_lengths_have_always_the_same_rows(steps, batch):
    cell = Cell(twin="PyTorch", steps=steps, batch_size=batch)
    order = order_of(cell, 30)
    assert order.shape[1] == steps * batch and len(order) >= 20
    assert (order == order[0]).all(axis=1).sum() == 1  # not in the same order
    for epoch in order:
        assert sorted(epoch) == sorted(order[0])
    assert set(order[0]) <= set(range(826))


def test_only_our_own_tiers_have_our_compilers_option(tmp_path):
    def flags(**options):
        return variables(Cell(twin="Keras/jax", **options), tmp_path)["XLA_FLAGS"]

    ours = "small_while_loop"
    assert ours in flags(way="fit_compiled") and ours in flags(way="fit_many")
    assert ours not in flags() and ours not in flags(switch="unroll")
    assert ours not in flags(way="fit_compiled", switch="many kernels")
    for options in ({}, {"way": "fit_compiled"}):
        found = variables(Cell(twin="Keras/tensorflow", **options), tmp_path)
        assert found["TF_DETERMINISTIC_OPS"] == "0" and found["NVIDIA_TF32_OVERRIDE"] == "0"


def test_any_grid_measures_another_network():
    cells = load_grid(GRIDS / "quick.toml", models=("lstm",)).cells
    assert {cell.model for cell in cells} == {"lstm"}
    assert all(cell.way != "floor" for cell in cells)  # which knows the tutorial's two only
    both = load_grid(GRIDS / "quick.toml", models=("tutorial",)).cells
    assert {cell.model for cell in both if cell.way == "floor"} == {"rnn", "rnn_with_attention"}
    with pytest.raises(InputError, match="model must be one of tutorial, all, rnn"):
        load_grid(GRIDS / "quick.toml", models=("gpt",))
    with pytest.raises(InputError, match="model, for the floor, must be one of rnn"):
        Cell(twin="scalar loop", way="floor", model="lstm")


def test_work_is_multiplications_by_weights_and_by_alpha():
    assert work(Cell(twin="PyTorch", model="rnn")) == 20 * (2 + 4) + 2
    assert work(Cell(twin="PyTorch")) == 20 * (2 + 4 + 2 + 2) + 2
    assert work(Cell(twin="PyTorch", model="lstm", batch_size=3)) == 3 * (20 * 4 * (2 + 4) + 2)
