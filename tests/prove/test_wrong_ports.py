"""Wrong ports: each is seen, by the stage that should see it first; the correct one passes."""

import inspect
import json

import pytest

import torch_impl
from attention_twins.cli import main
from attention_twins.in_torch import steps
from attention_twins.traces import STAGES
from benchmarks.prove.wrong_ports import WRONG_PORTS, applied, edited, find
from shared.config import TUTORIAL_MODELS

# The eleven that are made most often, and what sees them first.
ELEVEN = {
    "recurrent kernel not transposed": "forward",
    "bias copied into both biases": "forward",
    "softmax over the rows": "forward",
    "attention's b dropped": "forward",
    "tanh of the scores missing": "forward",
    "alpha detached": "gradients",
    "bias halved into two trained ones": "step",
    "second bias 0, but trained": "step",
    "Adam's ε 1e-8, as PyTorch has it": "step",
    "Adam's ε 1e-7, as Keras has it": "step",
    "AdamW in place of Adam": "step",
}


def detections(path):
    """What `twins prove --wrong-ports` finds of every port."""
    assert main(["prove", "--wrong-ports", "--json", str(path)]) == 0
    record = json.loads(path.read_text())
    assert record["ok"]
    return {(found["mutant"], found["model"]): found for found in record["kills"]}


@pytest.fixture(scope="session")
def matrix(once):
    path = once("wrong-ports", lambda folder: detections(folder / "m.json")) / "m.json"
    record = json.loads(path.read_text())
    return {(found["mutant"], found["model"]): found for found in record["kills"]}


def test_one_port_for_each_stage_is_seen_by_it(tmp_path, monkeypatch):
    few = {
        port.seen_first_by: (name, port)
        for name, port in reversed(WRONG_PORTS.items())
        if port.model in TUTORIAL_MODELS
    }
    assert {"forward", "gradients", "step"} <= few.keys()
    monkeypatch.setattr("benchmarks.prove.detection.WRONG_PORTS", dict(few.values()))
    found = detections(tmp_path / "m.json")
    assert len(found) == len(TUTORIAL_MODELS) + len(few)
    for stage, (name, port) in few.items():
        assert found[name, port.model]["killed_by"] == stage
    for model in TUTORIAL_MODELS:
        assert found["", model]["killed_by"] is None


def test_correct_port_passes(matrix):
    for model in {port.model for port in WRONG_PORTS.values()}:
        found = matrix["", model]
        assert found["killed_by"] is None and not any(found["rungs"].values())


@pytest.mark.parametrize("name", WRONG_PORTS)
def test_wrong_port_is_seen_first_by_its_stage(matrix, name):
    found = matrix[name, WRONG_PORTS[name].model]
    first = WRONG_PORTS[name].seen_first_by
    assert found["killed_by"] == first
    stages = list(STAGES)
    assert found["rungs"][first]
    assert not any(found["rungs"][stage] for stage in stages[: stages.index(first)])
    assert any("tensor" in line for line in found["first_divergence"])


def test_the_eleven_are_seen_by_forward_gradients_and_one_step():
    assert {name: WRONG_PORTS[name].seen_first_by for name in ELEVEN} == ELEVEN
    assert len(WRONG_PORTS) >= 21


@pytest.mark.parametrize("name", WRONG_PORTS)
def test_mutants_leave_nothing_behind(name):
    originals = {target: find(target)[2] for target in WRONG_PORTS[name].edits}
    with applied(name):
        assert all(find(target)[2] is not originals[target] for target in originals)
    assert {target: find(target)[2] for target in originals} == originals


def test_a_function_that_others_have_imported_is_changed_there_too():
    target = "weights:set_weights"
    with applied("bias copied into both biases"):
        changed = find(target)[2]
        assert torch_impl.set_weights is changed
        assert steps.set_weights is changed
    assert torch_impl.set_weights is find(target)[2] is not changed


def test_stale_mutants_are_an_error():
    *_, function = find("steps:fit")
    with pytest.raises(ValueError, match="must hold 'no such text' once"):
        edited(function, [("no such text", "")])
    assert inspect.getsource(function).count("step") > 1
    with pytest.raises(ValueError, match="once"):
        edited(function, [("step", "")])
