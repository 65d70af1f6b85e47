"""Folders of images; a folder is a class."""

import sys

import numpy as np
import pytest
import torch

from offchain.data import PackageMissing, UnusableData, read_data

COLORS = {"cat": (255, 0, 0), "dog": (0, 0, 255)}


@pytest.fixture
def folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name, color in COLORS.items():
        (tmp_path / name).mkdir()
        for number in range(4):
            image.new("RGB", (6, 4), color).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_read_images__classes__are_numbered_in_order_of_their_names(folder):
    data = read_data(folder)
    assert data.notes["classes"] == ["cat", "dog"] and data.known["classes"] == 2
    assert data.fields["image"].record_shape == (3, 4, 6)
    assert (data.fields["image"].dtype, data.fields["label"].dtype) == (torch.float32, torch.int64)
    pixels, labels = data.dataset.fields
    for image, label in zip(pixels.reshape(8, 3, 24), labels):
        assert (image == np.array(list(COLORS.values())[label])[:, None] / 255).all()


def test_read_images__size__is_a_square(folder):
    data = read_data(folder, size=2)
    assert data.fields["image"].record_shape == (3, 2, 2) and data.known["size"] == 2


def test_read_images__held_out__leaves_every_class_in_proportion(folder):
    labels = read_data(folder, held_out=0.5).dataset.fields[1]
    assert sorted(labels.tolist()) == [0, 0, 1, 1]


def test_read_images__sizes_differ__names_both_and_the_option(folder):
    from PIL import Image

    Image.new("RGB", (5, 5)).save(folder / "dog" / "9.png")
    with pytest.raises(UnusableData, match="9.png: 5 x 5 pixels, .* has 6 x 4; --size makes"):
        read_data(folder)


def test_read_images__no_image__is_named(folder):
    (folder / "cat" / "2.png").write_bytes(b"not a picture")
    with pytest.raises(UnusableData, match="2.png: not an image"):
        read_data(folder)


def test_read_images__package_is_missing__names_it(tmp_path, monkeypatch):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(PackageMissing, match="'pillow', which is not installed"):
        read_data(tmp_path)


def test_read_images__no_folder_of_images__is_refused(tmp_path):
    with pytest.raises(UnusableData, match="no folder in it holds images"):
        read_data(tmp_path, "images")
