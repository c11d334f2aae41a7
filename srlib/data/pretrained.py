"""Published pretrained weights: stored next to the data sets, verified by sha256, loaded without running code."""

import hashlib
import os
import pickle
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from srlib.data.datasets import manifest, search_path

FOLDER = "weights"  # inside each folder of the search path


class WeightsError(ValueError):
    """A weights file is missing or is not the published one; the one-line message says what to do."""


def read(name: str, path: str | os.PathLike | None = None) -> dict[str, Tensor]:
    """The tensors in a published weights file, by name.

    The file is a pickle, which could run code. It is opened only if its sha256 matches the manifest, and then with
    `weights_only=True`. Nothing is downloaded here.

    Args:
        name: in data/manifest.toml: vgg16, vgg19, lpips_vgg.
        path: of the file. Default: in `weights` below $SRLIB_DATA or the user cache.

    Raises: WeightsError for an unknown name, a missing file, a file that is not the published one, and a file that
        torch cannot read.
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
    """The file of a manifest entry in the given folders; None if it is in none of them."""
    files = (root / FOLDER / entry["file"] for root in roots)
    return next((file for file in files if file.is_file()), None)
