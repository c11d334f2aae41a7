"""What several test files need."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

PATIENCE = 300_000  # milliseconds that a page has for anything; whoever waits so long waits for something broken


def patient(browser):
    """The browser, whose pages wait for minutes: how long a page takes is the machine's business."""
    plain = browser.new_context

    def new_context(**options):
        context = plain(**options)
        context.set_default_timeout(PATIENCE)
        return context

    browser.new_context = new_context
    return browser


def every(test: Callable[..., Any], cases: Iterable[tuple]) -> None:
    """One test over many cases. All are tried; the failure names those that failed by their words and numbers."""
    failed, count = [], 0
    for count, case in enumerate(cases, 1):
        try:
            test(*case)
        except (Exception, pytest.fail.Exception) as error:
            name = " ".join(str(part) for part in case if isinstance(part, str | int | float | tuple))
            failed.append(f"case {count} ({name}): {type(error).__name__}: {error}")
    assert count and not failed, "\n".join(failed) or "no case"


def write_header_only_png(path, width, height):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.fixture
def bad_files(tmp_path):
    """Every kind of file that is not one whole still picture, and one that is not there."""
    rgb = np.random.default_rng(0).integers(0, 256, (99, 153, 3), dtype=np.uint8)
    deep = np.random.default_rng(1).integers(0, 65536, (99, 153, 3), dtype=np.uint16)
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not a picture at all")
    whole = io.BytesIO()
    Image.fromarray(rgb).save(whole, "PNG")
    (folder / "truncated.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    whole = io.BytesIO()
    Image.fromarray(rgb).save(whole, "JPEG")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    encoded = cv2.imencode(".png", deep)[1].tobytes()
    (folder / "truncated16.png").write_bytes(encoded[: len(encoded) // 2])
    write_header_only_png(folder / "bomb.png", 50_000, 50_000)
    write_header_only_png(folder / "bigger_bomb.png", 15_000, 14_000)
    Image.fromarray(rgb[..., 0].astype(np.float32)).save(folder / "float.tif")
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "folder.png").mkdir()
    return [*sorted(folder.iterdir()), folder / "missing.png"]
