"""PyTorch's compiler, for loops of small steps; and all private names of PyTorch that we use.

Importing it takes a second. Where this version of PyTorch lacks one of the names, that raises
InputError.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol
from unittest.mock import patch

import torch
from torch import Tensor

from attention_twins.errors import InputError, private

try:
    import torch._inductor
except OSError as error:
    raise InputError(f"torch.compile cannot make its caches: {error}") from error

device_codegens, init_backend_registration = (
    private("PyTorch", f"torch._inductor.codegen.common:{name}")
    for name in ("device_codegens", "init_backend_registration")
)
CppWrapperCpu = private("PyTorch", "torch._inductor.codegen.cpp_wrapper_cpu:CppWrapperCpu")
CppWrapperCpuArrayRef, MAX_STACK_ALLOCATION_SIZE = (
    private("PyTorch", f"torch._inductor.codegen.cpp_wrapper_cpu_array_ref:{name}")
    for name in ("CppWrapperCpuArrayRef", "MAX_STACK_ALLOCATION_SIZE")
)
AllocateLine = private("PyTorch", "torch._inductor.codegen.wrapper:AllocateLine")
compile_fx = private("PyTorch", "torch._inductor.compile_fx:compile_fx")
select_decomp_table = private("PyTorch", "torch._inductor.decomposition:select_decomp_table")
InvalidCxxCompiler = private("PyTorch", "torch._inductor.exc:InvalidCxxCompiler")
while_loop = private("PyTorch", "torch._higher_order_ops:while_loop")
make_fx = private("PyTorch", "torch.fx.experimental.proxy_tensor:make_fx")
dynamo_settings = private("PyTorch", "torch._dynamo.config:patch")

Step = Callable[[Tensor, list[Tensor], list[Tensor]], list[Tensor]]
"""A function of k, what is given and the state → the state after batch k."""

Run = Callable[[int, int, list[Tensor], list[Tensor]], list[Tensor]]
"""A function of begin, end, what is given and the state → the state after all these batches."""

SMALL = 4096
"""Multiplications up to which a matrix product is written out instead of calling a library."""


class Buffer(Protocol):
    """A value that Inductor plans a place for."""

    def get_name(self) -> str:
        """Its name in the code."""
        ...


class StackWrapper(CppWrapperCpuArrayRef):
    """Writes the C++ around the kernels, with a loop's small values in arrays on the stack.

    Inductor would allocate each of them anew in every step, which costs more than the arithmetic.
    Its own arrays on the stack do not compile with a loop: what a step hands on must outlive it.
    """

    @staticmethod
    def create(*_: object) -> "StackWrapper":
        """One of these, as Inductor asks for it."""
        return StackWrapper()

    def can_stack_allocate_buffer(self, buffer: Buffer) -> bool:
        """Whether it is small, and nothing needs it after the step."""
        return not self._handed_on(buffer) and super().can_stack_allocate_buffer(buffer)

    def memory_plan_reuse(self) -> None:
        """Plan as on the heap, where loops are known; all goes there if it is much."""
        CppWrapperCpu.memory_plan_reuse(self)
        nodes = [line.node for line in self.lines if isinstance(line, AllocateLine)]
        size = sum(int(node.get_numel()) * node.get_dtype().itemsize for node in nodes)
        self.allow_stack_allocation &= size <= MAX_STACK_ALLOCATION_SIZE

    def make_buffer_reuse(self, old: Buffer, new: Buffer, delete_old: bool) -> str:
        """What is handed on does not take the place of what is on the stack."""
        if old.get_name() in self.stack_allocated_buffers and self._handed_on(new):
            return self.make_buffer_allocation(new)
        return super().make_buffer_reuse(old, new, delete_old)

    def _handed_on(self, buffer: Buffer) -> bool:
        return buffer.get_name() in self.get_codegened_graph().get_output_names()


def inductor(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
    """PyTorch's compiler to C++; small matrix products are written out, small values not allocated.

    A call costs more than such a product, an allocation more than such a value.
    """
    table = select_decomp_table()
    aten = torch.ops.aten

    def mm(a: Tensor, b: Tensor) -> Tensor:
        if a.shape[0] * b.shape[0] * b.shape[1] > SMALL:
            return table[aten.mm.default](a, b)
        return (a.unsqueeze(-1) * b.unsqueeze(0)).sum(1)

    def addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
        if a.shape[0] * b.shape[0] * b.shape[1] > SMALL:
            return table[aten.addmm.default](bias, a, b)
        return bias + (a.unsqueeze(-1) * b.unsqueeze(0)).sum(1)

    def bmm(a: Tensor, b: Tensor) -> Tensor:
        if a.shape[1] * b.shape[1] * b.shape[2] > SMALL:
            return table[aten.bmm.default](a, b)
        return (a.unsqueeze(-1) * b.unsqueeze(1)).sum(2)

    written = {aten.mm.default: mm, aten.addmm.default: addmm, aten.bmm.default: bmm}
    init_backend_registration()
    ours = dataclasses.replace(device_codegens["cpu"], cpp_wrapper_codegen=StackWrapper)
    options = {"cpp_wrapper": True, "aot_inductor.allow_stack_allocation": True}
    with patch.dict(device_codegens, cpu=ours):  # for this compilation only
        decompositions = {**table, **written}
        return compile_fx(graph, inputs, decompositions=decompositions, config_patches=options)


def check_compiler() -> None:
    """Raise InputError unless there is a C++ compiler."""
    get_cpp_compiler = private("PyTorch", "torch._inductor.cpp_builder:get_cpp_compiler")
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise InputError(
            "torch.compile needs a C++ compiler, g++ or clang++; found none"
        ) from error


def compiled(step: Step) -> Run:
    """A function (begin, end, given, state) → state, a loop over `step` compiled to C++."""

    def run(begin: Tensor, end: Tensor, given: list[Tensor], state: list[Tensor]) -> list[Tensor]:
        def unfinished(k: Tensor, *state: Tensor) -> Tensor:
            return k < end

        def advance(k: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            return (k + 1, *step(k, given, [*state]))

        return [*while_loop(unfinished, advance, (begin.clone(), *state))][1:]

    run = torch.compile(run, fullgraph=True, dynamic=False, backend=inductor)

    def call(begin: int, end: int, given: list[Tensor], state: list[Tensor]) -> list[Tensor]:
        # There may be many networks in a process. nn.RNN is not run, but Dynamo is to look past it
        # at its parameters.
        with dynamo_settings(recompile_limit=10_000, allow_rnn=True):
            return run(torch.tensor(begin), torch.tensor(end), given, state)

    return call
