"""Data sets of Hugging Face's library ``datasets``: opened, and their columns found by what is said of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from fedlens.core.errors import DataError, cut, shortened
from fedlens.core.quiet import be_quiet
from fedlens.core.suggest import likeliest, nearest
from fedlens.data.downloads import named_directory
from fedlens.data.user_files import set_option

HELD_OUT = ("test", "validation", "valid", "val")


class Columns(NamedTuple):
    """The columns that are read.

    Attributes:
        input: of images or text.
        label: of classes.
        is_image: which of the two the inputs are.
    """

    input: str
    label: str
    is_image: bool


def library(path: str) -> Any:
    """Return the library.

    Raises:
        DataError: it is not installed.
    """
    be_quiet()
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"{path}: {error.name} is not installed; pip install 'fedlens[data]'") from None
    return datasets


def open_splits(path: str, subset: str | None, directory: Path | None) -> dict[str, Any]:
    """Return the parts of a data set by their names.

    It is a folder in the data directory or the working directory, or else a name on the Hub, of which the library's
    cache may have a copy.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    datasets, user = library(path), named_directory(directory)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries without a network
    datasets.disable_progress_bars()
    folders = [*([user / path] if user is not None else []), Path(path)]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    try:
        if folder is not None and any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(str(folder or path), subset)
    except ConnectionError as error:
        raise DataError(
            f"{cut(path, 400)}: is no folder here, and the Hub does not answer ({cut(str(error), 200)}); name the "
            "folder that it is in: --data-dir FOLDER"
        ) from None
    except Exception as error:  # the library's own have no common base
        message = cut(" ".join(str(error).split()), 400)
        raise DataError(
            f"{cut(path, 400)}: cannot be read ({type(error).__name__}: {message}); name another data set, or one of "
            f"its subsets: {set_option('subset', 'NAME')}"
        ) from None
    return dict(found) if hasattr(found, "items") else {"train": found}


def columns_of(part: Any, path: str, chosen: str | None, label: str | None) -> Columns:
    """Return the columns of inputs and labels: those the user says, or the only ones that can be.

    Raises:
        DataError: there is none, or there are several.
    """
    features = part.features
    kinds = {name: _kind(feature) for name, feature in features.items()}
    for option, name in (("column", chosen), ("label", label)):
        if name is not None and name not in features:
            meant = likeliest(name, sorted(features))
            remedy = f"did you mean {meant}? {set_option(option, meant)}" if meant else nearest(name, features)
            raise DataError(f"{path}: data.{option}: there is no column {shortened(name)}; {remedy}")
    if label is None:
        labels = [name for name in kinds if kinds[name] == "label"]
        labels = labels or [name for name in kinds if name in {"label", "labels"} and kinds[name] != "other"]
        label = _only(labels, "label", "of labels", path, list(kinds))
    if chosen is None:
        pictures = [name for name in kinds if kinds[name] == "image"]
        texts = [name for name in kinds if kinds[name] == "text" and name != label]
        chosen = _only(pictures or texts, "column", "of images or text", path, list(kinds))
    if kinds[chosen] not in {"image", "text"} or chosen == label:
        remedy = f"name another: {set_option('column', next((name for name in kinds if name != label), 'COLUMN'))}"
        raise DataError(f"{path}: column {shortened(chosen)} has neither images nor text; {remedy}")
    return Columns(chosen, label, kinds[chosen] == "image")


def _kind(feature: Any) -> str:
    """Say what a column holds: a label, an image, text, whole numbers or something else."""
    kind = type(feature).__name__
    if kind == "ClassLabel":
        return "label"
    if kind == "Image":
        return "image"
    dtype = str(getattr(feature, "dtype", "")) if kind == "Value" else ""
    if dtype in {"string", "large_string"}:
        return "text"
    return "number" if dtype.startswith(("int", "uint", "bool")) else "other"


def _only(found: list[str], option: str, what: str, path: str, every: list[str]) -> str:
    if len(found) != 1:
        _ambiguous(found, option, what, path, every)
    return found[0]


def _ambiguous(found: list[str], option: str, what: str, path: str, every: list[str]) -> NoReturn:
    example = set_option(option, (found or every or ["COLUMN"])[0])
    said = f"several columns {what} ({', '.join(found)})" if found else f"no column {what} among {', '.join(every)}"
    raise DataError(f"{cut(path, 400)}: has {cut(said, 400)}; name the one to be read, e.g. {example}")
