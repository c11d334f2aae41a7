"""Opening a file with Pillow, without the limit of pixels that is Pillow's own; libraries in C kept quiet."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image

_lock = threading.Lock()


def opened(file: BinaryIO, formats: Sequence[str]) -> Image.Image:
    """`Image.open` of a file object. Pillow's limit, lower than ours, is a variable of its module.

    Raises: UnidentifiedImageError for a file in none of these formats; others for a damaged one.
    """
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch, (x, y), where the file states them."""
    found = image.info.get("dpi")
    return (float(found[0]), float(found[1])) if found and all(float(value) > 0 for value in found) else None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libtiff and libpng from printing: on a damaged file they write to the error stream, past Python."""
    with _lock:
        try:
            kept = os.dup(2)
        except OSError:  # no error stream, so nothing to keep quiet
            kept = None
        if kept is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        try:
            yield
        finally:
            if kept is not None:
                os.dup2(kept, 2)
                os.close(kept)
