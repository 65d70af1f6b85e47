"""Where each traced operation stands in the submitter's source.

The tracer keeps a node's `meta["custom"]`; `PlaceMode` writes the place there before each
operation. Forward operations are placed by the Python stack. Backward operations run without the
user's frames, so they take the place of the forward operation with the same autograd sequence
number.
"""

import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx import traceback
from torch.utils._python_dispatch import TorchDispatchMode

from offchain.capture import certain

_TORCH = os.path.dirname(torch.__file__) + os.sep
_HERE = os.path.dirname(__file__) + os.sep
_BETWEEN = (__file__, certain.__file__)  # stand between an operation and the user's line


@dataclass(frozen=True)
class Place:
    """A line of source, the module that was running, and which part of the step."""

    file: str
    line: int
    module: str
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{get_short_path(self.file)}:{self.line}" if self.file else "", self.module]
        return " ".join(p for p in (*parts, f"({self.note})" if self.note else "") if p)

    @property
    def code(self) -> str:
        """The line itself."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def where(self) -> str:
        """The end of a message: place and line, or nothing where the place is not known."""
        line = f": {self.code}" if self.code else ""
        return f" at {self}{line}" if str(self) else ""


NOWHERE = Place("", 0, "")


def get_place(node: fx.Node) -> Place:
    """Where the operation of a traced node stands."""
    return (node.meta.get("custom") or {}).get("place", NOWHERE)


def get_where(node: fx.Node) -> str:
    """See `Place.where`."""
    return get_place(node).where


def get_short_path(path: str) -> str:
    """From the folder of packages, else from the working directory, else its last two parts."""
    _, packages, inside = path.rpartition(os.sep + "site-packages" + os.sep)
    if packages:
        return inside
    here = os.getcwd() + os.sep
    if path.startswith(here):
        return path[len(here) :]
    return os.sep.join(path.split(os.sep)[-2:])


class PlaceMode(TorchDispatchMode):
    """Notes the place of every operation that is dispatched while it is active."""

    def __init__(self, module: nn.Module, optimizer_name: str):
        super().__init__()
        self.last = NOWHERE
        self.operation = ""  # the operation that was dispatched last
        self._optimizer_name = optimizer_name
        self._modules: list[str] = []
        self._forward: dict[int, Place] = {}  # autograd sequence number -> place
        self._backward: Place | None = None
        self._updating = False
        self._update_note = ""
        self._names: dict[int, str] = {}  # id of a state tensor -> the parameter it belongs to
        for name, child in module.named_modules():
            child.register_forward_pre_hook(self._get_enter(name))
            child.register_forward_hook(self._leave, always_call=True)

    def _get_enter(self, name: str) -> Any:
        def enter(*_: object) -> None:
            self._modules.append(name)

        return enter

    def _leave(self, *_: object) -> None:
        self._modules.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operation = str(func)
        self.last = self._compute_place(args)
        traceback.current_meta["custom"] = {"place": self.last}
        return func(*args, **(kwargs or {}))

    def _compute_place(self, args: tuple[Any, ...]) -> Place:
        if self._backward is not None:
            return self._backward
        if self._updating:
            first = args[0] if args else None
            self._update_note = self._names.get(id(first), self._update_note)
        place = self._find_user_frame()
        # The autograd node of this operation took its number just before the operation ran.
        self._forward[torch.autograd._get_sequence_nr() - 1] = place
        return place

    def _find_user_frame(self) -> Place:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if self._updating and file.startswith(_TORCH + "optim" + os.sep):
                break
            if not file.startswith((_TORCH, _HERE, "<")):
                break
            if file.startswith(_HERE) and file not in _BETWEEN:
                # The tracer itself: beyond it stands whoever asked for the capture.
                frame = None
                break
            frame = frame.f_back
        module = self._modules[-1] if self._modules else ""
        note = f"{self._optimizer_name}: {self._update_note}" if self._updating else ""
        if frame is None:
            return Place("", 0, module, note)
        return Place(frame.f_code.co_filename, frame.f_lineno, module, note)

    def watch_backward(self, loss: Tensor) -> None:
        """Place what the backward pass of `loss` will run."""
        queue, seen = [loss.grad_fn], set()
        while queue:
            node = queue.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            queue += [following for following, _ in node.next_functions]
            node.register_prehook(self._get_prehook(node._sequence_nr()))

    def _get_prehook(self, sequence: int) -> Any:
        place = self._forward.get(sequence, NOWHERE)
        backward = Place(place.file, place.line, place.module, "backward")

        def prehook(*_: object) -> None:
            self._backward = backward

        return prehook

    def end_backward(self) -> None:
        """Back to placing operations by the Python stack."""
        self._backward = None

    @contextmanager
    def update(self, names: dict[int, str]) -> Iterator[None]:
        """Within, operations belong to the optimiser; `names` maps ids of tensors."""
        self._updating, self._names = True, names
        try:
            yield
        finally:
            self._updating, self._names = False, {}
