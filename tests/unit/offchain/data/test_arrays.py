"""Arrays on disk become fields: mapped where they lie, converted in blocks, never unpickled."""

import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from offchain.data import UnusableData, columns, read_data

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([2, 0, 1, 2])


def check_x_y(data):
    x, y = data.dataset.fields
    assert list(data.fields) == ["x", "y"] and data.dataset.records == 4
    assert x.dtype == np.float32 and x.tolist() == X.reshape(-1).tolist()
    assert y.dtype == np.int32 and y.tolist() == Y.tolist()
    assert (data.fields["x"].record_shape, data.fields["x"].stride) == ((3,), 3)
    assert (data.fields["y"].record_shape, data.fields["y"].stride) == ((), 1)
    assert (data.fields["x"].dtype, data.fields["y"].dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_read_npz__two_arrays__are_fields(tmp_path, save):
    save(tmp_path / "d.npz", x=X, y=Y)
    check_x_y(read_data(tmp_path / "d.npz"))


def test_read_npz__not_compressed__is_mapped_and_not_copied(tmp_path):
    np.savez(tmp_path / "d.npz", x=X)
    (x,) = read_data(tmp_path / "d.npz").dataset.fields
    assert isinstance(x, np.memmap) or isinstance(x.base, np.memmap)
    assert "d.npz" in str(getattr(x, "filename", "") or x.base.filename)


def test_read_npy_folder__files__are_fields(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    check_x_y(read_data(tmp_path))


def test_read_npy__fortran_order__is_turned(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    (x,) = read_data(tmp_path / "x.npy").dataset.fields
    assert x.tolist() == X.reshape(-1).tolist()


def test_read_npz__fortran_order_compressed__is_turned(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", x=np.asfortranarray(X))
    (x,) = read_data(tmp_path / "d.npz").dataset.fields
    assert x.tolist() == X.reshape(-1).tolist()


def test_read_safetensors__tensors__are_fields(tmp_path):
    save_file({"x": X, "y": Y}, tmp_path / "d.safetensors")
    data = read_data(tmp_path / "d.safetensors")
    check_x_y(data.select(["x", "y"]))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "uint32", "uint64", "bool"])
def test_convert__integers_that_fit__are_i32(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK_ELEMENTS", 2)
    np.save(tmp_path / "x.npy", np.array([1, 0, 1, 1, 0], dtype))
    data = read_data(tmp_path / "x.npy")
    assert data.dataset.fields[0].dtype == np.int32
    assert data.dataset.fields[0].tolist() == [1, 0, 1, 1, 0]
    assert data.fields["x"].dtype is (torch.bool if dtype == "bool" else torch.int64)


def test_read_data__window__slides_over_a_stream(tmp_path):
    np.save(tmp_path / "tokens.npy", np.arange(20, dtype=np.uint16))
    data = read_data(tmp_path / "tokens.npy", window=4)
    assert data.dataset.records == 16
    assert (data.fields["tokens"].record_shape, data.fields["tokens"].stride) == ((5,), 1)


def test_read_data__held_out__is_left_out_at_the_end(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    data = read_data(tmp_path / "d.npz", held_out=0.5)
    assert data.dataset.records == 2
    assert [len(array) for array in data.dataset.fields] == [6, 2]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (X.astype(np.float64), "field 'x': float64; a program holds float32 and integers: save"),
        (X.astype(np.float16), "float16"),
        (X.astype(np.complex64), "complex64; .* real and imaginary parts as two float32 fields"),
        (X.astype(">f4"), r"bytes in reverse order; save array.astype\(\"f4\"\)"),
        (np.array(["a", "b"]), "encode it as numbers first"),
        (np.array([2**31, 0]), "int64 with values from 0 to 2147483648, which do not fit 32 bits"),
        (np.float32(1), "a single number; the first axis counts records"),
        (
            np.array([0, 0x7FC00001], np.uint32).view(np.float32),
            "element 1 is NaN 0x7fc00001; save",
        ),
        (X[:0], "0 records, at least 1 is needed"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_read_data__type_that_no_program_holds__names_field_type_and_remedy(
    tmp_path, array, said, suffix
):
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        np.savez(path, x=array)
    with pytest.raises(UnusableData, match=said) as caught:
        read_data(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


class Bomb:
    """What a pickle does when it is loaded."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_read_data__objects__are_not_unpickled(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    array = np.array([Bomb()], dtype=object)
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, x=array)
    with pytest.raises(UnusableData, match="no pickle is ever loaded"):
        read_data(path)


@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".pth", ".ckpt"])
def test_read_data__pickle__is_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UnusableData, match="a pickle can run any code and is never loaded"):
        read_data(path)


def test_read_npz__pickle_under_that_name__is_not_loaded(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UnusableData, match="no .npz file"):
        read_data(path)


def test_read_safetensors__bfloat16__names_the_remedy(tmp_path):
    save_torch({"x": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    with pytest.raises(UnusableData, match=r"field 'x': BF16; .* save tensor.float\(\)"):
        read_data(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, struct.pack("<Q", 2**40)])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_read_data__damaged_file__is_named(tmp_path, content, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnusableData, match="x\\."):
        read_data(path)


def test_read_npy__cut_short__says_how_much_is_missing(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UnusableData, match="44 bytes, 48 are expected; the file is cut short"):
        read_data(path)


def test_read_npz__other_member__is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UnusableData, match="'readme.txt', which is no array"):
        read_data(tmp_path / "x.npz")


def test_read_npz__lengths_differ__lists_them(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, y=Y[:3])
    with pytest.raises(UnusableData, match="fields of different lengths: x 4, y 3 records"):
        read_data(tmp_path / "x.npz")


def test_read_npz__nothing_in_it__is_refused(tmp_path):
    np.savez(tmp_path / "x.npz")
    with pytest.raises(UnusableData, match="holds no arrays"):
        read_data(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 8}, "a size is for images, not for npz"),
        ({"tokenizer": "bytes"}, "a tokenizer is for text, not for npz"),
        ({"limit": 5}, "a number of tokens is for text"),
        ({"kind": "csv"}, "unknown format 'csv'"),
        ({"window": 4}, "4 elements, a window of 5 is needed"),
    ],
)
def test_read_data__option_of_another_format__is_refused(tmp_path, options, said):
    np.savez(tmp_path / "x.npz", x=X)
    with pytest.raises(UnusableData, match=said):
        read_data(tmp_path / "x.npz", **options)


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.gz"])
def test_read_data__format_that_is_not_read__names_a_way(tmp_path, name):
    (tmp_path / name).write_text("1,2")
    with pytest.raises(UnusableData, match="a format that is not read; "):
        read_data(tmp_path / name)
