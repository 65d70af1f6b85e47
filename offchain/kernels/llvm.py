"""Functions compiled for this CPU by LLVM, called without Python's lock.

LLVM comes with the package `llvmlite`, so no compiler need be installed. Whoever compiles checks
the result against a slower path before using it, and takes that path where `LLVM` is None.

Floating-point operations carry no flags: LLVM then neither reorders nor contracts them, and
assumes nothing about NaN, infinities, signed zeros or subnormals.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from offchain.kernels import openmp

try:
    from llvmlite import binding as LLVM
    from llvmlite import ir
except (ImportError, OSError):  # not installed, or its library does not load here
    LLVM = ir = None

ENTRY = "entry"  # what OpenMP's threads call, where there is OpenMP


@dataclass(frozen=True)
class Function:
    """Compiled code, called with integers and addresses."""

    run: Callable[..., None]
    entry: int | None  # address; see `openmp`

    def __call__(self, *arguments: int) -> None:
        self.run(*arguments)


@cache
def get_features() -> frozenset[str]:
    """What this CPU has, in LLVM's words; nothing where LLVM cannot tell."""
    try:
        return frozenset(name for name, has in LLVM.get_host_cpu_features().items() if has)
    except RuntimeError:
        return frozenset()


@cache
def _get_target() -> Any:
    LLVM.initialize_native_target()
    LLVM.initialize_native_asmprinter()
    return LLVM.Target.from_default_triple().create_target_machine(
        LLVM.get_host_cpu_name(), LLVM.get_host_cpu_features().flatten(), opt=2
    )


FLUSH = (1 << 15) | (1 << 6)  # results, and arguments, that are subnormal become zero

_engines: list[Any] = []  # own the code of the functions below for as long as the process runs


def compile_function(module: Any, name: str, types: Sequence[Any], optimise: bool) -> Function:
    """The module's function of that name, as ctypes calls it.

    Optimisation is for loops over elements: code that is written out needs none of its passes.
    """
    target = _get_target()
    symbols = openmp.get_symbols()
    if symbols:
        _emit_entry(module, name)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    parsed = LLVM.parse_assembly(str(module))
    if optimise:
        options = LLVM.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = True
        builder = LLVM.create_pass_builder(target, options)
        builder.getModulePassManager().run(parsed, builder)
    for symbol, address in symbols.items():
        LLVM.add_symbol(symbol, address)
    engine = LLVM.create_mcjit_compiler(parsed, target)
    _engines.append(engine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(None, *types)(engine.get_function_address(name))
    return Function(run, engine.get_function_address(ENTRY) if symbols else None)


def _emit_entry(module: Any, name: str) -> None:
    """A thread's part of many calls: every n-th of them, n being the number of threads.

    Its argument points to the number of calls and then to their arguments, 64 bits each. Threads
    may have been made by code that flushes subnormals: here none are.
    """
    run = module.get_global(name)
    i32, i64, pointer = ir.IntType(32), ir.IntType(64), ir.PointerType()
    entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer]), ENTRY)
    builder = ir.IRBuilder(entry.append_basic_block())
    calls, modes = entry.args[0], []
    for _ in range(2):
        mode = builder.alloca(i32)
        mode.type = pointer
        emit_call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), mode)
        modes.append(mode)
    kept = builder.and_(builder.load(modes[1], typ=i32), i32(~FLUSH & 0xFFFFFFFF))
    builder.store(kept, modes[1])
    emit_call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), modes[1])
    thread = builder.sext(emit_call(builder, openmp.NUMBER, i32), i64)
    threads = builder.sext(emit_call(builder, openmp.COUNT, i32), i64)
    count = builder.load(calls, typ=i64)
    rounds = builder.sdiv(
        builder.sub(builder.add(builder.sub(count, thread), threads), i64(1)), threads
    )

    def call(number: Any, _: Sequence[Any]) -> Sequence[Any]:
        own = builder.add(thread, builder.mul(number, threads))
        start = builder.add(builder.mul(own, i64(len(run.args))), i64(1))
        arguments = []
        for place, argument in enumerate(run.args):
            at = builder.gep(calls, [builder.add(start, i64(place))], source_etype=i64)
            kind = argument.type
            value = builder.load(at, typ=kind if kind == pointer else i64)
            narrow = kind not in (pointer, i64)
            arguments.append(builder.trunc(value, kind) if narrow else value)
        builder.call(run, arguments)
        return ()

    emit_loop(builder, rounds, 1, (), call)
    emit_call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), modes[0])
    builder.ret_void()


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
