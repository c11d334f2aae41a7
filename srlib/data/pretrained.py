"""Networks that others trained: found beside the data sets, checked by sha256, read without running their code."""

import hashlib
import os
import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from srlib.data.datasets import manifest, search_path

FOLDER = "weights"  # below each place that is searched


class WeightsError(ValueError):
    """A file of weights that is missing or is not the one that was meant, in one line that says what to do."""


def read(name: str, path: str | os.PathLike | None = None) -> dict[str, Tensor]:
    """The numbers in a published file of weights, by their names.

    The file is a pickle, which could run code: it is opened only when its sha256 is that of the manifest, and then
    by the reader of torch that takes plain numbers alone. Nothing is downloaded here.

    Args:
        name: in data/manifest.toml: vgg16, vgg19, lpips_vgg.
        path: where the file is. Default: below `weights` in $SRLIB_DATA or in the user cache.

    Raises: WeightsError for a name without weights, a file that is missing, and another file than the published one.
    """
    known = {key: entry for key, entry in manifest().items() if "file" in entry}
    if name not in known:
        raise WeightsError(f"no weights {name!r}; there are {', '.join(known)}")
    path = find_in(search_path(), known[name]) if path is None else Path(path)
    if path is None or not path.is_file():
        looked = path or ", ".join(str(place / FOLDER) for place in search_path())
        raise WeightsError(f"the weights of {name} are not in {looked}; get them with: srlib fetch {name}")
    expected = known[name]["source"][0]["sha256"]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise WeightsError(
                f"{path}: is not the published {known[name]['file']} (sha256 {found[:8]}…, not {expected[:8]}…); "
                f"delete it and run: srlib fetch {name}"
            )
        file.seek(0)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise WeightsError(f"{path}: cannot be read by torch {torch.__version__}") from error


def find_in(roots: Iterable[Path], entry: dict) -> Path | None:
    """The file of a table of the manifest among the given places; None when it is in none of them."""
    files = (root / FOLDER / entry["file"] for root in roots)
    return next((file for file in files if file.is_file()), None)
