"""Why data cannot be used: one line that names the file, the field and the remedy."""

from importlib import import_module
from typing import Any


class UnusableData(ValueError):
    """A file or folder that holds no dataset, or one that a program cannot read."""


class PackageMissing(UnusableData):
    """The format needs a package that is not installed."""


def import_optional(name: str, package: str, what: str) -> Any:
    """A module of a package that only some formats need. Raises `PackageMissing`."""
    try:
        return import_module(name)
    except ImportError as error:
        raise PackageMissing(
            f"{what} needs the package {package!r}, which is not installed: pip install {package}"
        ) from error
