"""From a path and a format to fields."""

from pathlib import Path

from offchain.data.arrays import read_npy, read_npy_folder, read_npz, read_safetensors
from offchain.data.arrow import is_saved_dataset, read_saved_dataset
from offchain.data.columns import Advance, Data, build_data
from offchain.data.errors import UnusableData
from offchain.data.images import find_images, read_images
from offchain.data.text import CHARACTERS, read_text_data

TEXT, NPY, NPZ, SAFETENSORS = "text", "npy", "npz", "safetensors"
IMAGES, ARROW = "images", "arrow"
FORMATS = (TEXT, NPY, NPZ, SAFETENSORS, IMAGES, ARROW)
WINDOW = 64  # tokens of context, of text

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_OTHERS = {
    ".parquet": "load it with the package `datasets` and save_to_disk, or save its columns as .npz",
    ".arrow": "name the folder that save_to_disk wrote",
    ".csv": "save its columns as .npz",
    ".h5": "save its arrays as .npz",
    ".zip": "unpack it",
    ".gz": "unpack it",
    ".tar": "unpack it",
}


def find_format(path: Path) -> str:
    """What the path seems to hold. Raises `UnusableData`."""
    if not path.exists():
        raise UnusableData(f"data {path}: no such file or folder")
    suffix = path.suffix.lower()
    if path.is_file():
        if suffix in _PICKLES:
            raise UnusableData(
                f"data {path}: a pickle can run any code and is never loaded; save the arrays with "
                "numpy.savez or safetensors"
            )
        if suffix in _OTHERS:
            raise UnusableData(f"data {path}: a format that is not read; {_OTHERS[suffix]}")
        return suffix[1:] if suffix[1:] in (NPY, NPZ, SAFETENSORS) else TEXT
    if is_saved_dataset(path):
        return ARROW
    if any(path.glob("*.npy")):
        return NPY
    return IMAGES if find_images(path) else TEXT


def read_data(
    path: Path,
    kind: str | None = None,
    *,
    tokenizer: str | None = None,
    limit: int | None = None,
    window: int | None = None,
    size: int | None = None,
    held_out: float = 0.0,
    advance: Advance | None = None,
) -> Data:
    """The data at a path, of one of FORMATS or of the one that it seems to have.

    Text: `tokenizer` is `characters` (default), `bytes` or the file of a tokenizer, `limit` bounds
    the tokens. Text, npy, npz, safetensors, arrow: with `window`, records are windows of
    window + 1 elements (64 by default for text). Images: `size` is the edge they get. `held_out`
    is the share of the records, at the end, that is left out. Raises `UnusableData`.
    """
    chosen = kind or find_format(path)
    if not path.exists() or chosen not in FORMATS:
        raise UnusableData(f"data {path}: no such file or folder, or unknown format {chosen!r}")
    for given, formats, name in (
        (tokenizer, (TEXT,), "a tokenizer"),
        (limit, (TEXT,), "a number of tokens"),
        (size, (IMAGES,), "a size"),
        (window, tuple(f for f in FORMATS if f != IMAGES), "a window"),
    ):
        if given is not None and chosen not in formats:
            raise UnusableData(f"data {path}: {name} is for {', '.join(formats)}, not for {chosen}")
    try:
        if chosen == TEXT:
            data = read_text_data(path, tokenizer or CHARACTERS, limit, window or WINDOW)
        elif chosen == IMAGES:
            data = read_images(path, size, advance)
        elif chosen == ARROW:
            data = read_saved_dataset(path, window)
        else:
            read = {NPZ: read_npz, SAFETENSORS: read_safetensors}.get(chosen, read_npy)
            arrays = read_npy_folder(path) if path.is_dir() else read(path)
            data = build_data(arrays, path, window)
    except OSError as error:
        raise UnusableData(f"data {path}: {error.strerror or error}") from error
    return data.hold_out(held_out)
