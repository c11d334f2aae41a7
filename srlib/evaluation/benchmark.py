"""The scores of everything that ships, data/results/benchmark.csv: on which sets, how measured, in which order."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import Tensor, nn

from srlib.data import datasets
from srlib.metrics import PAPER, evaluate
from srlib.models.catalogue import order
from srlib.models.interpolators import INTERPOLATORS

FILE = "results/benchmark.csv"  # in the data folder
SETS = ("Set5", "Set14", "BSD100")  # in the order of the rows
PHOTOGRAPHS = "evaluation photographs"  # what they are called where a set is named
COLUMNS = ("model", "scale", "set", "protocol", "psnr", "ssim")

Row = dict[str, str]


def sets_here() -> dict[str, Sequence[tuple[str, Tensor]]]:
    """The pictures of those `SETS` that are on this machine; without any, of the evaluation photographs.

    Shapes: each (name, hr (1, C, H, W)).
    Raises: ImageError for a picture that cannot be read; FileNotFoundError without the photographs of scikit-image.
    """
    places = datasets.search_path()
    sets = {name: list(datasets.images_of(name)) for name in SETS if datasets.find_in(places, name)}
    return sets or {PHOTOGRAPHS: [(name, datasets.photo(name)) for name in datasets.EVAL_PHOTOS]}


def scored(model: str, scale: int, net: nn.Module) -> Iterator[Row]:
    """The rows of an upscaler, measured under the papers' protocol, one for each of `SETS`.

    Raises: FileNotFoundError for a set that is not on this machine.
    """
    for name in SETS:
        scores = evaluate(net, datasets.images_of(name), PAPER)
        yield row(model, scale, name, scores.psnr, scores.ssim)


def row(model: str, scale: int | str, name: str, psnr: float, ssim: float) -> Row:
    """A row under the papers' protocol; four digits behind the point."""
    values = (model, str(scale), name, str(PAPER), f"{psnr:.4f}", f"{ssim:.4f}")
    return dict(zip(COLUMNS, values, strict=True))


def read() -> list[Row]:
    """The rows of the table that ships.

    Raises: FileNotFoundError where it is missing; ValueError for a table with other columns.
    """
    return [found for found, _ in _parse(datasets.data_file(FILE).read_bytes().decode())]


def merged(text: str, rows: Iterable[Row], stale: Callable[[Row], bool]) -> str:
    """The table with new rows at their places and without those that are stale; every other row keeps its bytes.

    Args:
        text: of the old table; "" where there is none.

    Raises: ValueError for a table with other columns.
    """
    text = text if text.endswith("\n") else text and text + "\n"
    kept = [(found, line) for found, line in _parse(text) if not stale(found)]
    lines = sorted(kept + [(found, _line(found.values())) for found in rows], key=lambda entry: place(entry[0]))
    head = text.splitlines(keepends=True)[0] if text else _line(COLUMNS)
    return "".join([head, *(line for _, line in lines)])


def place(found: Row) -> tuple:
    """Sorts rows: interpolators first, then networks as the catalogue has them; then scale and set."""
    model, name, interpolators = found["model"], found["set"], list(INTERPOLATORS)
    known = interpolators.index(model) if model in INTERPOLATORS else len(interpolators)
    return known, order(model), int(found["scale"]), SETS.index(name) if name in SETS else len(SETS), name


def _parse(text: str) -> Iterator[tuple[Row, str]]:
    """Each row with the line that it stands on."""
    for number, line in enumerate(text.splitlines(keepends=True)):
        values = next(csv.reader([line]))
        if len(values) != len(COLUMNS) or (number == 0 and tuple(values) != COLUMNS):
            raise ValueError(f"{FILE}, line {number + 1}: not {', '.join(COLUMNS)}")
        if number:
            yield dict(zip(COLUMNS, values, strict=True)), line


def _line(values: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
