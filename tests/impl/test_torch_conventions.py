"""What PyTorch's users expect of a module."""

import copy

import numpy as np
import pytest
import torch

from torch_impl import Attention, create_rnn, create_rnn_with_attention
from torch_impl.rnn import SimpleRNN

CREATE = [create_rnn, create_rnn_with_attention]


def rows(count=6):
    return torch.randn(count, 5, 4, generator=torch.Generator().manual_seed(0))


def close(actual, desired):
    np.testing.assert_allclose(actual.detach(), desired.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("create", CREATE)
def test_deep_copy_is_equal_and_apart(create):
    model = create(3, 2, (5, 4), "tanh")
    twin = copy.deepcopy(model)
    close(twin(rows()), model(rows()))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.5)
    assert (twin(rows()) - model(rows())).abs().max() > 1e-3


@pytest.mark.parametrize("create", CREATE)
def test_state_dict_goes_round(create):
    model, other = create(3, 2, (5, 4), "tanh"), create(3, 2, (5, 4), "tanh")
    other.load_state_dict(model.state_dict())
    close(other(rows()), model(rows()))


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("dtype", [torch.float64, "float64"])
def test_takes_a_dtype(create, dtype):
    model = create(3, 2, (5, 4), "tanh", dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert model(rows().double()).dtype == torch.float64


def test_layer_takes_device_and_dtype():
    layer = Attention(5, 3, device="meta", dtype=torch.float64)
    assert layer.W.is_meta and layer.b.is_meta
    assert layer.W.dtype == layer.b.dtype == torch.float64
    assert all(parameter.is_meta for parameter in SimpleRNN(2, 3, device="meta").parameters())


def test_layer_says_what_it_is_and_starts_as_documented():
    torch.manual_seed(0)
    layer = Attention(5, 4000)
    assert (
        repr(layer)
        == "Attention(features=4000, score=tanh, temperature=False, bias=per_step, return_attention_scores=False)"
    )
    np.testing.assert_allclose(layer.W.detach().std(), 0.05, rtol=0.1)
    assert not layer.b.detach().any()


def test_scores_flag():
    context, alpha = Attention(5, 4, return_attention_scores=True)(rows())
    assert context.shape == (6, 4)
    assert alpha.shape == (6, 5)
    assert Attention(5, 4)(rows()).shape == (6, 4)


@pytest.mark.parametrize("create", CREATE)
def test_compiles_as_one_graph(create):
    model = create(3, 2, (5, 4), "tanh", unroll=True)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    close(compiled(rows()), model(rows()))
    compiled(rows()).sum().backward()
    for parameter in model.parameters():
        assert not parameter.requires_grad or parameter.grad is not None


def test_layer_compiles_as_one_graph_with_a_mask():
    layer, mask = Attention(5, 4), torch.rand(6, 5) < 0.5
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    close(compiled(rows(), mask), layer(rows(), mask))


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.filterwarnings("ignore:The tensor attributes self.rnn.core._flat_weights")  # nn.RNN's
def test_exports_for_any_batch(create, unroll):
    model = create(3, 2, (5, 4), "tanh", unroll=unroll)
    close(torch.export.export(model, (rows(),)).module()(rows()), model(rows()))
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(model, (rows(),), dynamic_shapes=({0: batch},))
    for count in (2, 6, 50):
        close(program.module()(rows(count)), model(rows(count)))


@pytest.mark.parametrize("create", CREATE)
def test_vmaps_over_starts(create):
    models = [create(3, 2, (5, 4), "tanh", unroll=True) for _ in range(4)]
    parameters, buffers = torch.func.stack_module_state(models)
    x = rows()

    def call(parameters):
        return torch.func.functional_call(models[0], (parameters, buffers), (x,))

    close(torch.vmap(call)(parameters), torch.stack([model(x) for model in models]))


def test_no_nan_inside_for_a_row_without_a_step():
    """A NaN that a later `where` hides would still stop everyone who looks for NaNs."""
    with torch.autograd.set_detect_anomaly(True):
        Attention(5, 4)(rows(), torch.zeros(6, 5, dtype=torch.bool)).sum().backward()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_mixed_precision(kind):
    layer, mask = Attention(5, 4), torch.ones(6, 5, dtype=torch.bool)
    mask[0], mask[1, 2:] = False, False
    with torch.no_grad():
        layer.b.copy_(torch.linspace(-1, 1, 5).unsqueeze(-1))
        layer.W.copy_(torch.linspace(-1, 1, 4).unsqueeze(-1))
    full = layer(rows(), mask)
    tolerance = 2e-3 if kind == torch.float16 else 2e-2
    with torch.autocast("cpu", dtype=kind):
        mixed = layer(rows().to(kind), mask)
    np.testing.assert_allclose(mixed.detach().float(), full.detach(), atol=tolerance)
    half = copy.deepcopy(layer).to(kind)(rows().to(kind), mask)
    assert half.dtype == kind
    np.testing.assert_allclose(half.detach().float(), full.detach(), atol=tolerance)


@pytest.mark.parametrize("unroll", [False, True])
def test_one_bias_is_trained_and_stays_so(unroll):
    rnn = SimpleRNN(4, 3, unroll=unroll)
    rnn.reset_parameters()
    *_, second = rnn.core.parameters()
    assert not second.detach().any()
    assert not second.requires_grad
    *_, second = SimpleRNN(4, 3, unroll=unroll, second_bias=True).core.parameters()
    assert second.detach().any()
    assert second.requires_grad


def test_calls_the_fast_kernel_unless_unrolled(monkeypatch):
    calls = []
    kernel = torch._VF.rnn_tanh  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setattr(torch._VF, "rnn_tanh", lambda *a: calls.append(1) or kernel(*a))
    SimpleRNN(4, 3)(rows())
    assert calls == [1]
    SimpleRNN(4, 3, unroll=True)(rows())
    assert calls == [1]
