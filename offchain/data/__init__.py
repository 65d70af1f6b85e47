"""Data of many formats as fields of a program: files and folders in, flat arrays out.

| source | fields |
|---|---|
| a text file, or a folder of them | `tokens`, windows of characters, bytes or tokens |
| `.npy`, or a folder of them | one for each file |
| `.npz`, `.safetensors` | one for each array |
| a folder with a folder of images for each class | `image`, `label` |
| a folder that Hugging Face's `save_to_disk` wrote | one for each column of numbers |

Nothing that is read is ever executed: no pickle, no loading script.
"""

from offchain.data.columns import Data
from offchain.data.errors import PackageMissing, UnusableData
from offchain.data.reading import FORMATS, read_data

__all__ = ["FORMATS", "Data", "PackageMissing", "UnusableData", "read_data"]
