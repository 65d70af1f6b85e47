"""Functions compiled for this CPU by LLVM, called without Python's lock.

LLVM comes with the package `llvmlite`, so no compiler need be installed. Whoever compiles checks
the result against a slower path before using it, and takes that path where `LLVM` is None.

Floating-point operations carry no flags: LLVM then neither reorders nor contracts them, and
assumes nothing about NaN, infinities, signed zeros or subnormals.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch

try:
    from llvmlite import binding as LLVM
    from llvmlite import ir
except (ImportError, OSError):  # not installed, or its library does not load here
    LLVM = ir = None

Function = Callable[..., None]


@cache
def get_features() -> frozenset[str]:
    """What this CPU has, in LLVM's words; nothing where LLVM cannot tell."""
    try:
        return frozenset(name for name, has in LLVM.get_host_cpu_features().items() if has)
    except RuntimeError:
        return frozenset()


@cache
def _get_pool(threads: int) -> ThreadPoolExecutor:
    # A thread takes over how its creator treats subnormals; none may flush them.
    return ThreadPoolExecutor(threads, initializer=torch.set_flush_denormal, initargs=(False,))


if hasattr(os, "register_at_fork"):  # a child does not inherit threads
    os.register_at_fork(after_in_child=_get_pool.cache_clear)


def run_slices(function: Function, slices: Sequence[tuple[Any, ...]]) -> None:
    """Call the function with each slice's arguments, all at the same time."""
    waiting = []
    if len(slices) > 1:
        pool = _get_pool(len(slices) - 1)
        waiting = [pool.submit(function, *arguments) for arguments in slices[1:]]
    function(*slices[0])
    for future in waiting:
        future.result()


@cache
def _get_target() -> Any:
    LLVM.initialize_native_target()
    LLVM.initialize_native_asmprinter()
    return LLVM.Target.from_default_triple().create_target_machine(
        LLVM.get_host_cpu_name(), LLVM.get_host_cpu_features().flatten(), opt=2
    )


_engines: list[Any] = []  # own the code of the functions below for as long as the process runs


def compile_function(module: Any, name: str, types: Sequence[Any], optimise: bool) -> Function:
    """The module's function of that name, as ctypes calls it.

    Optimisation is for loops over elements: code that is written out needs none of its passes.
    """
    target = _get_target()
    module.triple, module.data_layout = target.triple, str(target.target_data)
    parsed = LLVM.parse_assembly(str(module))
    if optimise:
        options = LLVM.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = True
        builder = LLVM.create_pass_builder(target, options)
        builder.getModulePassManager().run(parsed, builder)
    engine = LLVM.create_mcjit_compiler(parsed, target)
    _engines.append(engine)
    engine.finalize_object()
    function: Function = ctypes.CFUNCTYPE(None, *types)(engine.get_function_address(name))
    return function


def emit_call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Emit a call of an intrinsic or another outside function, declared at its first use."""
    function = builder.module.globals.get(name)
    if function is None:
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def emit_loop(
    builder: Any,
    stop: Any,
    step: int,
    initial: Sequence[Any],
    body: Callable[[Any, Sequence[Any]], Sequence[Any]],
    start: Any = None,
) -> list[Any]:
    """Emit `for (i = start; i < stop; i += step) carried = body(i, carried)`; the last carried."""
    before = builder.block
    start = stop.type(0) if start is None else start
    head, inside, after = (builder.append_basic_block() for _ in range(3))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(stop.type)
    carried = [builder.phi(value.type) for value in initial]
    for phi, value in zip([index, *carried], [start, *initial]):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
    builder.position_at_end(inside)
    following = body(index, carried)
    for phi, value in zip([index, *carried], [builder.add(index, stop.type(step)), *following]):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return carried
