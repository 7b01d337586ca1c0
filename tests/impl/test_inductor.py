"""PyTorch's compiler for loops of small steps: small values on the stack, what is handed on not."""

import pytest
import torch
from torch._inductor.codegen.common import device_codegens
from torch._inductor.utils import run_and_get_cpp_code

from torch_impl.inductor import SMALL, StackWrapper, compiled

STATE = [torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3), torch.ones(3).double()]


def long_step(k, given, state):
    """Many values that are needed until the end; some are handed on as views of one another."""
    matrix, vector = state
    values = [torch.tanh(matrix + vector * (n + k)) for n in range(12)]
    both = torch.cat([values[0], values[1].flip(0)])  # (4, 3)
    for value in reversed(values):
        both = torch.cat([both[2:], value @ value.T @ matrix])
    return [both[1:3], both.T[:, 0] + given[0]]


def swapping_step(k, given, state):
    """What comes in goes out again, in another place."""
    return [state[1].repeat(2, 1) * 0.5, state[0][1].clone()]


def forgetful_step(k, given, state):
    """Values of which each is needed for the next only, so that places are used again."""
    matrix, vector = state
    sums = [(matrix * (vector + (n + k))).sum(1) for n in range(20)]
    for each in reversed(sums):
        size = vector.abs().sum()
        vector = (vector * each[:, None]).sum(0) / size + (matrix / size).sum(0)
    return [torch.tanh(matrix * 0.5 + vector), vector]


def large_step(k, given, state):
    """A product that a library takes, between values that none needs to."""
    matrix, vector = state
    wide = torch.tanh(matrix.repeat(1, 20).T @ matrix.repeat(1, 20))  # (60, 60)
    assert 60 * 2 * 60 > SMALL
    return [wide[:2, :3] * 0.9, torch.sin(vector) + wide.mean() + given[0]]


def many_calls_step(k, given, state):
    """Values that wait for one another between calls of a library: what is planned is long."""
    matrix, vector = state
    values = [torch.tanh(matrix + vector * (n + k)) for n in range(30)]
    for value in reversed(values):
        matrix = torch.sin(matrix.flip(0) + value.cumsum(0) - value.sum())
    return [matrix, torch.cos(vector) + given[0]]


STEPS = [
    long_step,
    pytest.param(forgetful_step, marks=pytest.mark.slow),
    swapping_step,
    large_step,
    pytest.param(many_calls_step, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("step", STEPS)
def test_what_is_handed_on_outlives_the_step(step):
    given, state = [torch.tensor([0.1, 0.2, 0.3]).double()], [tensor.clone() for tensor in STATE]
    run = compiled(step)
    results = [run(0, n, given, state) for n in (0, 1, 30)]
    for n, result in zip((0, 1, 30), results, strict=True):
        expected = STATE
        for k in range(n):
            expected = step(torch.tensor(k), given, expected)
        for actual, desired in zip(result, expected, strict=True):
            torch.testing.assert_close(actual, desired, rtol=1e-13, atol=1e-13)
    for before, after in zip(STATE, state, strict=True):
        assert (before == after).all()


@pytest.mark.slow
def test_small_values_are_not_allocated():
    given, state = [torch.zeros(3).double()], [tensor.clone() for tensor in STATE]
    _, code = run_and_get_cpp_code(compiled(long_step), 0, 1, given, state)
    assert code.count("_storage[") > 12
    assert code.count("aoti_torch_empty_strided(") < 6  # what is handed on


def test_inductor_is_as_it_was_afterwards():
    run = compiled(swapping_step)
    run(0, 1, [torch.zeros(3).double()], STATE)
    assert device_codegens["cpu"].cpp_wrapper_codegen is not StackWrapper
    assert not torch._inductor.config.aot_inductor.allow_stack_allocation
    assert not torch._inductor.config.cpp_wrapper
