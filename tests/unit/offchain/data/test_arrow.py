"""Datasets as `save_to_disk` of Hugging Face's package writes them."""

import json
import sys

import numpy as np
import pytest

from offchain.data import PackageMissing, UnusableData, read_data


def save(folder, columns, parts=1):
    """What `Dataset.from_dict(columns).save_to_disk(folder)` leaves, without the package."""
    arrow = pytest.importorskip("pyarrow")
    folder.mkdir(exist_ok=True)
    table = arrow.table(columns)
    names = []
    for number in range(parts):
        names.append(f"data-{number:05d}-of-{parts:05d}.arrow")
        share = len(table) // parts
        part = table.slice(number * share, share)
        with arrow.OSFile(str(folder / names[-1]), "wb") as file:
            with arrow.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(part, max_chunksize=2)
    state = {"_data_files": [{"filename": name} for name in names], "_indices_data_files": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


@pytest.mark.parametrize("parts", [1, 2])
def test_read_saved_dataset__numbers_and_lists__are_fields(tmp_path, parts):
    rows = {"ids": [[n, n + 1, n + 2] for n in range(6)], "label": list(range(6))}
    data = read_data(save(tmp_path / "d", rows, parts))
    ids, labels = data.dataset.fields
    assert ids.reshape(6, 3).tolist() == rows["ids"] and labels.tolist() == rows["label"]
    assert data.fields["ids"].record_shape == (3,) and ids.dtype == np.int32


def test_read_saved_dataset__nested_lists__are_axes(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    values = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    column = arrow.array(values.tolist(), arrow.list_(arrow.list_(arrow.float32())))
    data = read_data(save(tmp_path / "d", {"x": column}))
    assert data.fields["x"].record_shape == (2, 4)
    assert data.dataset.fields[0].tolist() == list(range(24))


def test_read_saved_dataset__text__is_left_out_and_named(tmp_path):
    data = read_data(save(tmp_path / "d", {"text": ["a", "b"], "label": [0, 1]}))
    assert list(data.fields) == ["label"] and data.notes["left out"] == ["text (string)"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a", "b"]}, r"no column of numbers, only text \(string\); map a tokenizer"),
        ({"x": [0.5, 1.5]}, r"field 'x': (float64|double).*numpy.float32"),
        ({"x": [1, None]}, "field 'x': records without a value"),
        ({"x": [[1], [1, 2]]}, "lists of different lengths; pad or cut"),
        ({"x": [[1], [1], [1, 2], [1, 2]]}, "lists of different lengths; pad or cut"),
    ],
)
def test_read_saved_dataset__column_that_no_program_reads__is_named(tmp_path, columns, said):
    with pytest.raises(UnusableData, match=said):
        read_data(save(tmp_path / "d", columns))


def test_read_saved_dataset__several_splits__asks_for_one(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    save(tmp_path / "train", {"x": [1]})
    save(tmp_path / "test", {"x": [1]})
    with pytest.raises(UnusableData, match="several splits; name one of them: test, train"):
        read_data(tmp_path)


def test_read_saved_dataset__reordered__names_the_remedy(tmp_path):
    folder = save(tmp_path / "d", {"x": [1, 2]})
    state = json.loads((folder / "state.json").read_text())
    state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(UnusableData, match="flatten_indices"):
        read_data(folder)


@pytest.mark.parametrize("content", ["", "[]", '{"_data_files": [{"filename": "gone.arrow"}]}'])
def test_read_saved_dataset__damaged__is_named(tmp_path, content):
    pytest.importorskip("pyarrow")
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(UnusableData, match="not a saved dataset"):
        read_data(tmp_path)


def test_read_saved_dataset__package_is_missing__names_it(tmp_path, monkeypatch):
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PackageMissing, match="'pyarrow', which is not installed"):
        read_data(tmp_path)


def test_read_saved_dataset__written_by_the_package_itself__is_read(tmp_path):
    package = pytest.importorskip("datasets")
    made = package.Dataset.from_dict({"x": [[1, 2], [3, 4]], "text": ["a", "b"], "y": [0, 1]})
    made.save_to_disk(str(tmp_path / "d"))
    data = read_data(tmp_path / "d")
    assert list(data.fields) == ["x", "y"]
    assert data.dataset.fields[0].tolist() == [1, 2, 3, 4]
