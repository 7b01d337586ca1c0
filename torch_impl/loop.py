"""Training steps as one compiled call, in PyTorch. Mirror: keras_impl/loop.py."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from attention_twins.errors import InputError
from attention_twins.in_torch.keras_steps import step_table, update
from attention_twins.in_torch.kinds import unrolled
from attention_twins.in_torch.optimizer import MOMENTS, create_optimizer, get_state
from attention_twins.in_torch.steps import LOSSES
from attention_twins.in_torch.weights import get_weights
from attention_twins.training import Snapshot
from shared.config import TrainConfig
from shared.data import Data
from torch_impl.seq2seq import teacher_forced

if TYPE_CHECKING:
    from torch_impl.inductor import Run, Step


class Loop:
    """Training steps of a network, or of many seeds of it at once, as one compiled call.

    Args:
        model: the network.
        data: training rows.
        config: batch size, optimizer, loss and set-up.
        optimizer: what trains the network; None for many seeds.
        seeds: how many, S; None for the network itself.

    Shape:
        rows of batches (K, B), or (K, S, B); arrays of many seeds have these as their last axis.

    Raises:
        InputError: what compiles is missing, or cannot take the network.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        config: TrainConfig,
        optimizer: torch.optim.Optimizer | None = None,
        seeds: int | None = None,
    ) -> None:
        from torch_impl import inductor  # only now: it takes a second

        inductor.check_compiler()
        self._compiled = inductor.compiled
        if any(True for _ in model.buffers()):
            raise InputError("model must have no state beside its weights to be compiled")
        self.model, self.config, self.many = model.to(config.device), config, seeds is not None
        self._optimizer = optimizer or create_optimizer(model, config)
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._shapes = {name: parameter.shape for name, parameter in self._trained.items()}
        data = teacher_forced(model, data)
        self._x, self._y = self._tensor(data.train_x), self._tensor(data.train_y)
        # With two rows, for layers that want more than one.
        with torch.random.fork_rng():
            loss = LOSSES[config.loss](model(self._x[:2]), self._y[:2])
        slopes = torch.autograd.grad(loss, [*self._trained.values()], allow_unused=True)
        if any(slope is None for slope in slopes):  # the optimizer would leave it as it is
            raise InputError("model must use every parameter that it trains to be compiled")
        shape = () if seeds is None else (seeds,)
        dtype = next(model.parameters()).dtype
        self._nothing = torch.zeros(shape, dtype=dtype, device=config.device)
        self._rates = torch.full_like(self._nothing, config.learning_rate)
        self._done = 0
        self._state = [] if self.many else self._own_state()
        self._runs: dict[tuple[int, ...], Run] = {}

    def load(self, arrays: Sequence[np.ndarray], rates: Sequence[float]) -> None:
        """Begin many seeds with these values of what is trained, at these learning rates."""
        flat = np.concatenate([array.reshape(-1, array.shape[-1]) for array in arrays])
        weights = self._tensor(flat)  # (P, S)
        m, v = torch.zeros_like(weights), torch.zeros_like(weights)  # the loop takes no aliases
        self._state = [self._nothing, weights, m, v]
        self._rates = self._tensor(np.array(rates, flat.dtype))
        self._done = 0

    def run(self, rows: Integer[np.ndarray, "K ..."], begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows; from 0 to 0 only compile."""
        steps = np.arange(len(rows)) + self._done - begin + 1
        dtype = np.dtype(str(self._nothing.dtype).removeprefix("torch."))
        table = step_table(self._optimizer, steps, self.config, dtype)
        given = [self._tensor(rows), self._tensor(table), self._rates]
        if rows.shape not in self._runs:
            self._runs[rows.shape] = (Replay if self._x.is_cuda else self._compiled)(self._step())
        with torch.no_grad(), unrolled(self.model):
            self._state = self._runs[rows.shape](begin, end, given, self._state)
        self._done += end - begin

    def _tensor(self, array: np.ndarray) -> Tensor:
        """A copy on the device."""
        return torch.tensor(array, device=self.config.device)

    def _step(self) -> "Step":
        """A function of k, what is given and the state → the state after batch k."""
        x, y, model, config, shapes = self._x, self._y, self.model, self.config, self._shapes
        defaults = self._optimizer.defaults

        def loss_of(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
            output = torch.func.functional_call(model, _parts(weights, shapes), (x,))
            return LOSSES[config.loss](output, y)

        gradient_of = torch.func.grad_and_value(loss_of)
        if self.many:
            gradient_of = torch.func.vmap(gradient_of, (-1, 0, 0), (-1, 0))

        def step(k: Tensor, given: list[Tensor], state: list[Tensor]) -> list[Tensor]:
            (order, table, rates), (total, *state) = given, state
            rows, row = (of.index_select(0, k.reshape(1))[0] for of in (order, table))
            gradient, loss = gradient_of(state[0], x[rows], y[rows])
            state = update(config, defaults, row, rates, state, gradient)
            return [total + loss * rows.shape[-1], *state]

        return step

    def take_loss(self) -> Float[np.ndarray, "..."]:
        """The sum of the loss over all rows since the last time, () or (S,)."""
        total = self._state[0].numpy(force=True).astype(np.float64)
        self._state = [self._nothing, *self._state[1:]]
        return total

    def _own_state(self) -> list[Tensor]:
        """No loss yet; what the network's weights and the optimizer's moments are, flat."""
        moments, trained = MOMENTS[self.config.optimizer], [*self._trained.values()]
        found = [trained]
        for moment in ("m", "v"):
            states = ((p, self._optimizer.state.get(p, {})) for p in trained)
            found.append([own.get(moments.get(moment), torch.zeros_like(p)) for p, own in states])
        steps = [int(own["step"]) for own in self._optimizer.state.values() if "step" in own]
        self._done = max(steps, default=0)
        flat = [torch.cat([part.detach().reshape(-1) for part in parts]) for parts in found]
        return [self._nothing, *flat]

    def store(self) -> None:
        """Bring the network and its optimizer up to date."""
        weights, m, v = (_parts(flat, self._shapes) for flat in self._state[1:])
        for name, parameter in self._trained.items():
            parameter.detach().copy_(weights[name])
            found, own = {"m": m[name], "v": v[name]}, self._optimizer.state[parameter]
            for moment, theirs in MOMENTS[self.config.optimizer].items():
                own[theirs] = found[moment].clone()
            own["step"] = torch.tensor(float(self._done))

    def snapshot(self) -> Snapshot:
        """Weights and state after the last step."""
        self.store()
        state = get_state(self.model, self._optimizer, self.config)
        return Snapshot(get_weights(self.model), state)

    def arrays(self) -> list[np.ndarray]:
        """The values of what is trained, of many seeds."""
        return [part.numpy(force=True) for part in _parts(self._state[1], self._shapes).values()]

    def predict(self, x: Float[np.ndarray, "B T F"]) -> Float[np.ndarray, "S B D"]:
        """What many seeds make of rows."""
        rows = self._tensor(x)

        def output(parameters: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(self.model, parameters, (rows,))

        with torch.no_grad(), unrolled(self.model):
            predict = torch.func.vmap(output, -1)
            return predict(_parts(self._state[1], self._shapes)).numpy(force=True)


def _parts(flat: Tensor, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """What is trained, by name, from one tensor (P,) or (P, S)."""
    parts = torch.split(flat, [shape.numel() for shape in shapes.values()])
    return {
        name: part.reshape(*shape, *flat.shape[1:])
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


class Replay:
    """A function (begin, end, given, state) → state on a GPU: `step` as a CUDA graph, replayed.

    On a CPU, where there are no graphs, the step itself is called again and again.
    """

    def __init__(self, step: "Step") -> None:
        self._step = torch.compile(step, fullgraph=True, dynamic=False)
        self._kept: list[Tensor] = []
        self._replay: Callable[[], object] = self._advance

    def __call__(
        self, begin: int, end: int, given: list[Tensor], state: list[Tensor]
    ) -> list[Tensor]:
        values = [torch.tensor(begin, device=state[0].device), *given, *state]
        if not self._kept:
            self._kept = [tensor.clone() for tensor in values]
            if state[0].is_cuda:
                self._replay = self._recorded()
        for kept, value in zip(self._kept, values, strict=True):
            kept.copy_(value)  # where the graph looks for it
        for _ in range(begin, end):
            self._replay()
        return [tensor.clone() for tensor in self._kept[1 + len(given) :]]

    def _advance(self) -> None:
        """One step in place."""
        k, order, table, rates, *state = self._kept
        for old, new in zip(state, self._step(k, [order, table, rates], state), strict=True):
            old.copy_(new)
        k.add_(1)

    def _recorded(self) -> Callable[[], object]:
        """The step as a graph, after some steps to warm up on a stream of their own."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._kept[0].zero_()
                self._advance()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._advance()
        return graph.replay
