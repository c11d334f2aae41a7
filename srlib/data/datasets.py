"""Sources of pictures: photographs installed with scikit-image, any folder, test sets by name."""

import importlib.util
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from torch import Tensor

import srlib
from srlib import images
from srlib.data.dead_leaves import DeadLeaves
from srlib.data.patches import PicturesTooSmall
from srlib.io import finder

try:
    import pooch
except ImportError:  # a machine lent for an hour has what torch needs, pictures in $SRLIB_DATA, and nothing fetched
    pooch = None

# The photographs in the scikit-image wheel, without a blurred clock and a detail of 102 pixels. The two lists
# below are disjoint and share no scene; data/README.md has sources and licences.
_PACKAGED = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "text": "text.png",
}
EVAL_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
TRAIN_PHOTOS = tuple(name for name in _PACKAGED if name not in EVAL_PHOTOS)

PACKAGED = "packaged"
PIECE = 2048  # pixels; longest side of a training picture
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def photo(name: str) -> Tensor:
    """One of the photographs installed with scikit-image, by name; needs no network.

    Args:
        name: one of `EVAL_PHOTOS` or `TRAIN_PHOTOS`.

    Shapes: -> (1, 3, H, W), or (1, 1, H, W) for a grey one, float32 in [0, 1].
    Raises: ValueError for another name; FileNotFoundError if scikit-image lacks the file.
    """
    if name not in _PACKAGED:
        raise ValueError(f"no photograph {name!r}; choose one of {', '.join(_PACKAGED)}")
    package = importlib.util.find_spec("skimage")  # only located: importing it takes a second
    where = package.submodule_search_locations if package else None
    for place in where or ():
        path = Path(place, "data", _PACKAGED[name])
        if path.is_file():
            return images.read(path)
    raise FileNotFoundError(
        f"scikit-image is not installed with its file {_PACKAGED[name]}: pip install 'scikit-image>=0.25'"
    )


def folder(
    path: str | os.PathLike, *, recursive: bool = False, leave_out: Callable[[str], None] | None = None
) -> Iterator[tuple[str, Tensor]]:
    """The pictures of a folder, sorted by file name: (name, image); also a single picture.

    They lie directly in the folder, or in its subfolder HR where it has none itself. A name comes without its
    extension, except where two pictures would share it.

    Args:
        recursive: also those in subfolders, with names such as "holiday/beach".
        leave_out: called with "file: reason" for a picture that cannot be read, which is then passed over.

    Shapes: images (1, C, H, W) float32 in [0, 1], C = 1 for grey files, else 3.
    Raises: FileNotFoundError for a missing folder; ValueError for one without pictures; ImageError, while iterating,
        for a file that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such folder")
    files = _files(path, recursive)
    parents = [file.parent.relative_to(path) if recursive and path.is_dir() else Path() for file in files]
    names = [(parent / name).as_posix() for parent, name in zip(parents, finder.short_names(files), strict=True)]
    return ((name, image) for name, file in zip(names, files, strict=True) for image in _read(file, leave_out))


def _files(path: Path, recursive: bool) -> list[Path]:
    """The files of pictures in a folder, or the one file."""
    files = finder.pictures(path, recursive=recursive) if path.is_dir() else [path]
    if not files:
        raise ValueError(finder.nothing_in(path))
    return files


def _read(file: Path, leave_out: Callable[[str], None] | None) -> Iterator[Tensor]:
    """The picture in a file, or nothing if it cannot be read and someone takes the reason."""
    try:
        yield images.read(file)
    except images.ImageError as error:
        if leave_out is None:
            raise
        leave_out(str(error))


def image_files(path: Path) -> list[Path]:
    """The image files directly in a folder, sorted by name; hidden files are skipped."""
    return finder.directly(path)


def find(name: str) -> Path:
    """The folder that holds the pictures of a set such as Set5, in $SRLIB_DATA or in the user cache.

    Each folder P of the search path is searched for pictures in P/name/HR, P/name, P/*/name/HR and P/*/name.

    Raises: ValueError for an invalid name; FileNotFoundError for a set that is in none of them.
    """
    found = find_in(search_path(), name)
    if found is None:
        looked = ", ".join(f"{place}" if place.is_dir() else f"{place} (no such folder)" for place in search_path())
        command = f"get it with: srlib fetch {name}, or " if name in manifest() else ""
        raise FileNotFoundError(
            f"the set {name} is not on this machine; looked in {looked}; "
            f"{command}add a folder that contains it to $SRLIB_DATA"
        )
    return found


def find_in(roots: list[Path], name: str) -> Path | None:
    """As `find`, in the given folders; None if the set is in none of them.

    Raises: ValueError for an invalid name.
    """
    if not name or name in (".", "..") or Path(name).name != name or "*" in name:
        raise ValueError(f"{name!r} is not the name of a set; for a folder use srlib.data.datasets.folder")
    for root in roots:
        if not root.is_dir():
            continue
        inner = sorted(child for child in root.iterdir() if not child.name.startswith("."))
        for base in (root, *inner):
            for candidate in (base / name / "HR", base / name):
                if candidate.is_dir() and image_files(candidate):
                    return candidate
    return None


def images_of(name: str, *, leave_out: Callable[[str], None] | None = None) -> Iterator[tuple[str, Tensor]]:
    """The pictures of a set, as `folder` yields them: (name, hr) with hr (1, C, H, W).

    Raises: as `find` and `folder`.
    """
    return folder(find(name), leave_out=leave_out)


def search_path() -> list[Path]:
    """The folders searched for sets: those of $SRLIB_DATA, in order, then the user cache."""
    listed = [Path(entry).expanduser() for entry in os.environ.get("SRLIB_DATA", "").split(os.pathsep) if entry]
    if pooch is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "srlib").expanduser()
    else:
        cache = Path(pooch.os_cache("srlib"))
    return [*listed, cache]


def manifest() -> dict[str, dict]:
    """What `srlib fetch` can download, by name: URLs, checksums, number of images or file name, terms of use."""
    return tomllib.loads(data_file("manifest.toml").read_text(encoding="utf-8"))


def data_folder() -> Path:
    """The shipped `data` folder: inside the package when installed, next to it in a clone.

    Raises: FileNotFoundError if it is in neither place.
    """
    package = Path(srlib.__file__).parent
    for candidate in (package / "_data", package.parent / "data"):
        if (candidate / "manifest.toml").is_file():
            return candidate
    raise FileNotFoundError(f"srlib's data folder is missing next to {package}; install srlib again")


def data_file(name: str) -> Path:
    """A shipped file by its path in the `data` folder, such as "manifest.toml" or "results/srcnn.csv".

    Raises: FileNotFoundError for a file that is not shipped.
    """
    path = data_folder() / name
    if not path.is_file():
        raise FileNotFoundError(f"srlib ships no {name} in {data_folder()}")
    return path


def load_training_images(
    data: Iterable[str], side: int, leave_out: Callable[[str], None], *, recursive: bool = False
) -> tuple[list[Tensor], list[str]]:
    """Load training pictures; also one line per source, with its name and how many pictures it gave.

    Pictures are kept as bytes, and huge ones cut into pieces. So hundreds of photos fit into memory, and only one piece
    at a time is processed.

    Args:
        data: names of sets, folders, files, and "packaged": the pictures that need no download.
        side: the least length of a picture's shorter side, in pixels.
        leave_out: called with "file: reason" for every picture that cannot be used, and for those in subfolders.
        recursive: take those in subfolders, too.

    Shapes: each (1, 1 or 3, H, W), uint8.
    Raises: FileNotFoundError or ValueError for a source that is missing or has no pictures; ValueError if no picture
        can be used; PicturesTooSmall if that is since all are too small.
    """
    pictures, lines, longest = [], [], 0
    for source in data:
        used = 0
        for name, hr in _packaged() if source == PACKAGED else _readable(source, leave_out, recursive):
            if min(hr.shape[-2:]) < side:
                longest = max(longest, min(hr.shape[-2:]))
                leave_out(f"{name}: {hr.shape[-1]} x {hr.shape[-2]} pixels, smaller than a patch of {side} x {side}")
            else:
                used += 1
                pictures += _pieces(images.to_uint8(hr), side)
        lines.append(f"{source}: {used} pictures")
    if not pictures:
        message = f"no usable picture of at least {side} x {side} pixels in {', '.join(data)}"
        raise PicturesTooSmall(message, longest) if longest else ValueError(message)
    return pictures, lines


def _readable(source: str, leave_out: Callable[[str], None], recursive: bool) -> Iterator[tuple[str, Tensor]]:
    path = Path(source) if Path(source).exists() else find(source)
    if path.is_dir() and not recursive and (missed := finder.left_out(path)) and image_files(path):
        leave_out(f"{path}: {missed}")
    for file in _files(path, recursive):
        yield from ((str(file), image) for image in _read(file, leave_out))


def _pieces(picture: Tensor, side: int) -> list[Tensor]:
    """Cut into equal parts with sides of about `PIECE` pixels at most, but none smaller than `side`."""
    rows, columns = (max(1, min(-(-n // PIECE), n // side)) for n in picture.shape[-2:])
    bands = picture.tensor_split(rows, -2)
    return [piece.clone() for band in bands for piece in band.tensor_split(columns, -1)]


def _packaged() -> Iterator[tuple[str, Tensor]]:
    """The training photographs, and enough dead leaves to balance them."""
    photos = [(name, photo(name)) for name in TRAIN_PHOTOS]
    yield from photos
    leaves = DeadLeaves([hr for _, hr in photos], 256, seed=0)
    yield from ((f"dead leaves {i}", leaves[i]) for i in range(40))
