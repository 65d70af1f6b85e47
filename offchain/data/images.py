"""A folder of images, a folder for each class: `image` float32 [3, size, size] in 0..1 and `label`.

Needs the package Pillow.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from offchain.data.columns import Advance, Data, build_data, collect
from offchain.data.errors import UnusableData, import_optional
from protocol.types import Array

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def find_images(folder: Path) -> dict[str, list[Path]]:
    """The images of every class, in order of their names; classes are the folders with images."""
    found = {}
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith("."):
            paths = sorted(p for p in child.rglob("*") if p.suffix.lower() in SUFFIXES)
            if paths:
                found[child.name] = paths
    return found


def read_images(folder: Path, size: int | None, advance: Advance | None = None) -> Data:
    """All images; without a size they must have one size in common. Raises `UnusableData`."""
    classes = find_images(folder)
    if not classes:
        raise UnusableData(f"{folder}: no folder in it holds images; classes are named by folders")
    pillow = import_optional("PIL.Image", "pillow", f"{folder}: reading images")
    # Classes interleaved in proportion: whatever is held out at the end has all of them.
    ranked = sorted(
        ((rank + 0.5) / len(paths), label, path)
        for label, paths in enumerate(classes.values())
        for rank, path in enumerate(paths)
    )
    first = _read_image(pillow, ranked[0][2], size).shape

    def blocks() -> Iterator[Array]:
        for done, (_, _, path) in enumerate(ranked, 1):
            image = _read_image(pillow, path, size)
            if image.shape != first:
                raise UnusableData(
                    f"{path}: {image.shape[2]} x {image.shape[1]} pixels, {ranked[0][2]} has "
                    f"{first[2]} x {first[1]}; --size makes them equal"
                )
            yield image
            if advance is not None:
                advance(done, len(ranked))

    pixels = collect(blocks(), np.float32).reshape(len(ranked), *first)
    labels = np.array([label for _, label, _ in ranked], np.int32)
    known = {"classes": len(classes), "size": first[1]}
    notes = {"classes": list(classes)}
    return build_data({"image": pixels, "label": labels}, folder, None, known=known, notes=notes)


def _read_image(pillow: Any, path: Path, size: int | None) -> Array:
    """[3, height, width] in 0..1; with a size, the square in the middle, resized."""
    try:
        with pillow.open(path) as file:
            image = file.convert("RGB")
    except Exception as error:  # Pillow raises many kinds
        raise UnusableData(f"{path}: not an image: {error}") from error
    if size is not None:
        edge = min(image.size)
        left, top = ((length - edge) // 2 for length in image.size)
        box = (left, top, left + edge, top + edge)
        image = image.resize((size, size), pillow.Resampling.BILINEAR, box)
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
