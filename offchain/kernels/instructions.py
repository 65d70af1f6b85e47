"""Every instruction of the set on torch tensors of any device, equal to `protocol.semantics`.

This is the reference path of the runner: traces of operators come from here, and whatever has no
fast kernel in `operators` is executed here.
"""

import torch
from torch import Tensor

from offchain.kernels.folds import execute_fold
from offchain.kernels.maps import FUNCTIONS, MAKES_NAN, canonicalize, dequantize, quantize
from offchain.kernels.memory import Outside, execute_memory
from offchain.kernels.reading import read
from protocol.instructions import Instruction, Kind, Opcode, Source


def execute(
    instruction: Instruction,
    sources: tuple[Tensor, ...],
    outside: Outside,
    device: torch.device,
) -> Tensor:
    """Output of an instruction, shaped and contiguous; `sources` are whole contiguous tensors."""
    match instruction.kind:
        case Kind.MAP:
            result = _execute_map(instruction, sources)
        case Kind.FOLD:
            result = execute_fold(instruction, sources)
        case Kind.MEMORY:
            result = execute_memory(instruction, sources, outside, device)
    if instruction.opcode in MAKES_NAN:
        result = canonicalize(result)
    return result.contiguous()


def _execute_map(instruction: Instruction, sources: tuple[Tensor, ...]) -> Tensor:
    opcode, attributes = instruction.opcode, instruction.attributes
    values = [read(source, o.view) for source, o in zip(sources, instruction.operands)]
    if opcode is Opcode.QUANTIZE:
        return quantize(values[0], values[1], attributes[0])
    if opcode is Opcode.DEQUANTIZE:
        m_b = values[2] if len(values) == 3 else None
        return dequantize(values[0], values[1], m_b, attributes[0], attributes[1])
    return FUNCTIONS[opcode](*values)


def get_sources(
    instruction: Instruction, outputs: list[Tensor], inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """The tensors that an instruction's operands read."""
    return tuple(
        (outputs if operand.source is Source.INSTRUCTION else inputs)[operand.index]
        for operand in instruction.operands
    )


def execute_microcode(
    instructions: tuple[Instruction, ...],
    inputs: tuple[Tensor, ...],
    outside: Outside,
    device: torch.device,
) -> list[Tensor]:
    """Output of every instruction of one operator; `inputs` are whole operator outputs."""
    outputs: list[Tensor] = []
    for instruction in instructions:
        sources = get_sources(instruction, outputs, inputs)
        outputs.append(execute(instruction, sources, outside, device))
    return outputs
