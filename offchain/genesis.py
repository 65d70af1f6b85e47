"""Where training starts from: a checkpoint's weights in place of random ones."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from offchain.capture.dtypes import is_supported

# Types that float32 holds exactly, so that nothing is rounded on the way in.
_EXACT = (torch.float32, torch.float16, torch.bfloat16)


class UnusableCheckpoint(ValueError):
    """A checkpoint that is not the module's; every difference is a line of the message."""

    is_listed = True


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Fill the module from a safetensors file that has all its tensors and no others.

    Of tensors that are tied one name is enough. Nothing is changed unless all of it fits. Raises
    `UnusableCheckpoint`.
    """
    if not path.is_file():
        raise UnusableCheckpoint(f"checkpoint {path}: no such file")
    wanted = {n: t for n, t in module.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_slice(name) for name in file.keys()}
            held = {id(wanted[name]) for name in found if name in wanted}
            problems = [
                f"{name}: missing, {_describe(tensor)}"
                for name, tensor in wanted.items()
                if id(tensor) not in held
            ]
            problems += [
                f"{name}: not the module's, {_format(part.get_shape())} {part.get_dtype()}"
                for name, part in found.items()
                if name not in wanted
            ]
            tensors = {}
            for name in sorted(found.keys() & wanted.keys()):
                tensor, target = file.get_tensor(name), wanted[name]
                if reason := _find_misfit(tensor, target):
                    problems.append(f"{name}: {reason}")
                else:
                    tensors[name] = tensor
    except SafetensorError as error:
        raise UnusableCheckpoint(
            f"checkpoint {path}: no safetensors file ({error}); a pickle is never loaded, save one "
            "with safetensors.torch.save_model"
        ) from error
    if problems:
        count = f"{len(problems)} difference{'s' if len(problems) > 1 else ''}"
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise UnusableCheckpoint(f"checkpoint {path}: {count} from the module\n{lines}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            wanted[name].copy_(tensor)


def _find_misfit(tensor: Tensor, target: Tensor) -> str | None:
    if tensor.shape != target.shape:
        return f"{_describe(tensor)}, the module has {_describe(target)}"
    if tensor.dtype == target.dtype or (target.dtype is torch.float32 and tensor.dtype in _EXACT):
        return None
    if not (tensor.is_floating_point() or target.is_floating_point()) and is_supported(
        tensor.dtype
    ):
        return None
    return f"{tensor.dtype}, the module has {target.dtype}; convert it first"


def _describe(tensor: Tensor) -> str:
    return f"{_format(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _format(shape: object) -> str:
    return str(list(shape))  # type: ignore[call-overload]
