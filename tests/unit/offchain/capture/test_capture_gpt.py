"""The example GPT with AdamW: the specification's steps against PyTorch's."""

import copy

import pytest
import torch

from examples.gpt import Config, build
from protocol.program_file import decode_program, encode_program

VOCABULARY, CONTEXT = 11, 4


def build_tiny(layers=1):
    return build(Config(VOCABULARY, CONTEXT, layers=layers, heads=2, channels=8))


def make_batches(steps):
    generator = torch.Generator().manual_seed(1)
    shape = (2, CONTEXT + 1)
    return [
        {"tokens": torch.randint(0, VOCABULARY, shape, generator=generator)} for _ in range(steps)
    ]


@pytest.mark.parametrize("layers", [1, 2])
def test_capture__gpt_with_adamw__trains_like_pytorch(compare_training, layers):
    model, optimizer = build_tiny(layers)
    # Adam divides a gradient by its own size, so the noise of near-zero gradients (keys' biases)
    # shows at full size; a larger epsilon keeps the comparison about arithmetic.
    for group in optimizer.param_groups:
        group["eps"] = 1e-4
    compare_training(model, optimizer, make_batches(4), tolerance=1e-3)


def test_capture__gpt__leaves_module_and_optimizer_alone(capture_module):
    model, optimizer = build_tiny()
    before, keys = copy.deepcopy(model.state_dict()), set(vars(model))
    settings = copy.deepcopy([{**g, "params": None} for g in optimizer.param_groups])
    capture_module(model, optimizer, make_batches(1)[0])
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert set(vars(model)) == keys
    assert [{**g, "params": None} for g in optimizer.param_groups] == settings
    assert not optimizer.state


def test_capture__twice__same_program_and_genesis(capture_module):
    programs = [capture_module(*build_tiny(), make_batches(1)[0]) for _ in range(2)]
    assert programs[0].program.root == programs[1].program.root
    assert programs[0].slot_names == programs[1].slot_names
    for first, second in zip(programs[0].genesis, programs[1].genesis):
        assert first.tobytes() == second.tobytes()


def test_capture__gpt__survives_its_program_file(capture_module):
    program = capture_module(*build_tiny(), make_batches(1)[0]).program
    assert decode_program(encode_program(program)).root == program.root


def test_capture__gpt__slots_are_named_and_zeroed(capture_module):
    model, optimizer = build_tiny()
    captured = capture_module(model, optimizer, make_batches(1)[0])
    genesis = dict(zip(captured.slot_names, captured.genesis))
    for name, tensor in model.state_dict().items():
        assert genesis[name].tobytes() == tensor.numpy().tobytes()
    assert genesis["optimizer.step"] == 0
    assert not genesis["optimizer.blocks.0.mlp.fc.weight.exp_avg_sq"].any()
    assert sum("step" in name for name in captured.slot_names) == 1


def test_capture__gpt__operators_say_where_they_come_from(capture_module):
    captured = capture_module(*build_tiny(), make_batches(1)[0])
    sources = {(o.kind, o.source) for o in captured.program.operators}
    assert any(
        kind == "matmul" and "gpt.py:" in source and source.endswith("blocks.0.mlp.fc")
        for kind, source in sources
    )
    assert any(
        kind == "gelu_backward" and "gpt.py:" in source and "backward" in source
        for kind, source in sources
    )
    assert any("AdamW: head.weight" in source for _, source in sources)


def test_capture__trained_optimizer__continues(compare_training):
    model, optimizer = build_tiny()
    for batch in make_batches(2):
        model(**batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    for group in optimizer.param_groups:
        group["eps"] = 1e-4
    captured = compare_training(model, optimizer, make_batches(1), tolerance=1e-3)
    assert dict(zip(captured.slot_names, captured.genesis))["optimizer.step"] == 2
