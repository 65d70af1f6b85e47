"""Index maps against numpy's own striding."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.views import NotAView, View, compute_contiguous_strides, contiguous

SHAPES = st.lists(st.integers(1, 4), max_size=4).map(tuple)


def read(view: View, data: np.ndarray) -> np.ndarray:
    """What the view shows of flat data, element by element from its definition."""
    shown = np.empty(view.shape, dtype=data.dtype)
    for place in np.ndindex(*view.shape):
        shown[place] = data[view.offset + sum(s * i for s, i in zip(view.strides, place))]
    return shown


def apply_random(view: View, shown: np.ndarray, data: st.DataObject) -> tuple[View, np.ndarray]:
    """One random operation on a view, and numpy's on the array that it shows."""
    rank = len(view.shape)
    names = ["expand", "reshape", "reshape"] + (
        ["permute", "permute", "slice", "flip", "select"] if rank else []
    )
    name = data.draw(st.sampled_from(names))
    if name == "permute":
        axes = tuple(data.draw(st.permutations(range(rank))))
        return view.permute(axes), shown.transpose(axes)
    if name == "expand":
        front = data.draw(st.lists(st.integers(1, 3), max_size=5 - min(rank, 5)))
        back = [data.draw(st.integers(1, 3)) if n == 1 else n for n in view.shape]
        shape = tuple(front + back)
        return view.expand(shape), np.broadcast_to(shown, shape)
    if name == "reshape":
        lengths = [n for n in view.shape if n != 1]
        at = data.draw(st.integers(0, len(lengths)))
        front, back = lengths[:at], lengths[at:]
        shape = (int(np.prod(front)), 1, *back)
        return view.reshape(shape), shown.reshape(shape)
    axis = data.draw(st.integers(0, rank - 1))
    if name == "flip":
        return view.flip(axis), np.flip(shown, axis)
    index = data.draw(st.integers(0, view.shape[axis] - 1))
    if name == "select":
        return view.select(axis, index), shown.take(index, axis)
    step = data.draw(st.sampled_from([-2, -1, 1, 2]))
    picked = range(index, view.shape[axis] if step > 0 else -1, step)
    sliced = view.slice(axis, index, len(picked), step)
    return sliced, shown.take(list(picked), axis)


def test_views__any_chain_of_operations__show_what_numpy_shows() -> None:
    met: Counter[str] = Counter()

    @given(SHAPES, st.data())
    def check(shape: tuple[int, ...], data: st.DataObject) -> None:
        flat = np.arange(int(np.prod(shape)))
        view, shown = contiguous(shape), flat.reshape(shape)
        for _ in range(data.draw(st.integers(1, 8))):
            try:
                view, shown = apply_random(view, shown, data)
            except NotAView:
                met["refused"] += 1
                continue
            met["strided" if not view.is_contiguous() else "contiguous"] += 1
        assert view.shape == shown.shape
        assert (read(view, flat) == shown).all()
        low, high = view.compute_bounds()
        assert (low, high) == (shown.min(), shown.max())

    check()
    assert min(met["refused"], met["strided"], met["contiguous"]) >= 5, met


def test_reshape__transposed_matrix__is_refused_and_its_parts_are_not() -> None:
    transposed = contiguous((3, 4)).permute((1, 0))
    with pytest.raises(NotAView, match="does not split"):
        transposed.reshape((12,))
    assert transposed.reshape((2, 2, 3)) == View((2, 2, 3), (2, 1, 4))


def test_reshape__size_differs__is_refused() -> None:
    with pytest.raises(NotAView, match="differ in size"):
        contiguous((3, 4)).reshape((11,))


def test_expand__axis_of_other_length__is_refused() -> None:
    assert contiguous((1, 4)).expand((3, 4)).strides == (0, 1)
    with pytest.raises(NotAView, match="does not broadcast"):
        contiguous((2, 4)).expand((3, 4))
    with pytest.raises(NotAView, match="more axes"):
        contiguous((2, 4)).expand((4,))


def test_compute_contiguous_strides__known_shapes__are_numpys() -> None:
    for shape in [(), (5,), (2, 3), (2, 1, 3), (4, 3, 2, 1)]:
        strides = np.empty(shape, dtype=np.int8).strides
        assert compute_contiguous_strides(shape) == strides
