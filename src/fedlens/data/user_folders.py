"""Folders of the user's own, looked for where their files are; see `fedlens.data.user_files`."""

from pathlib import Path

from fedlens.core.errors import DataError, cut
from fedlens.core.suggest import likeliest_path
from fedlens.data.downloads import named_directory
from fedlens.data.user_files import set_option


def locate_folder(path: str, directory: Path | None) -> Path:
    """Return where the folder is that the option ``data.path`` names.

    Args:
        path: as recorded.
        directory: the user's data directory, if any.

    Raises:
        DataError: there is none, or it is a file; the message says where it was looked for.
    """
    user = named_directory(directory)
    folders = [Path()] if user is None or not user.is_dir() else [user, Path()]
    for folder in folders:
        if (folder / path).is_dir():
            return folder / path
        if (folder / path).is_file():
            raise DataError(f"{cut(path, 400)}: is a file; name its folder: {set_option('path', _above(path))}")
    places = "the working directory" if len(folders) == 1 else "the data directory, nor in the working directory"
    meant = next((like for folder in folders if (like := _like(folder / path)) is not None), None)
    remedy = "name the folder that it is in: --data-dir FOLDER"
    if meant is not None:
        remedy = f"did you mean {meant}? {set_option('path', Path(path).with_name(meant).as_posix())}"
    raise DataError(f"{cut(path, 400)}: there is no such folder in {places}; {remedy}")


def _above(path: str) -> str:
    return Path(path).parent.as_posix()


def _like(path: Path) -> str | None:
    """Return the name of the folder next to `path` that is most like its own."""
    try:
        meant = likeliest_path(path, [entry for entry in path.parent.iterdir() if entry.is_dir()])
    except OSError:
        return None
    return None if meant is None else meant.name
