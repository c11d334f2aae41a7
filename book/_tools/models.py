"""Make what the playground loads: `python -m book._tools.models`, which building the book does too.

Every shipped network of single pictures for every scale as ONNX, pictures that none of them was trained on, and an
index of both, all below `book/assets/playground`. Made anew when the networks, their checkpoints, the exporter or this
file change.
"""

import json
import shutil
import sys

from PIL import Image
from torch import Tensor

from book._tools import execute
from book._tools.pages import ROOT, BuildError
from srlib import checkpoints, onnx_export
from srlib.data.datasets import photo
from srlib.data.synthetic import text_picture
from srlib.images import to_uint8
from srlib.models.catalogue import CATALOGUE, order

PLAYGROUND = ROOT / "book" / "assets" / "playground"
INDEX = "index.json"
MADE_OF = [
    *("srlib/models", "srlib/onnx_export.py", "srlib/onnx_graph.py", "srlib/inference.py", "srlib/resample.py"),
    *("srlib/data/synthetic.py", "srlib/data/datasets.py", "data/checkpoints"),
    *("book/_tools/models.py", "constraints.txt"),
]
SIZE = 288, 384  # every scale up to 4 divides both
# name: where the part begins (top, left), label, what it shows
PHOTOS = {
    "astronaut": (
        (0, 60),
        "Astronaut",
        "A smiling astronaut in an orange suit, a shuttle model behind her.",
    ),
    "chelsea": ((12, 40), "Cat", "The face of a ginger cat, close, with its whiskers."),
    "coffee": ((60, 150), "Coffee", "A cup of espresso with a spoon on a wooden table."),
    "rocket": ((130, 0), "Rocket", "A rocket on its pad at dusk, beside two lattice masts."),
}
TEXT = ("text", "Letters", "One sentence in ever smaller letters, dark on white.")


def models() -> None:
    """Export and draw, unless nothing has changed since it was last done.

    Raises:
        BuildError: onnx or onnxscript is missing, or a network cannot be exported.
    """
    stamp = PLAYGROUND / "made-from"
    made_from = execute.fingerprint(ROOT / name for name in MADE_OF)
    if stamp.is_file() and stamp.read_text() == made_from and (PLAYGROUND / INDEX).is_file():
        return
    print("Exporting networks ...", flush=True)
    stamp.unlink(missing_ok=True)
    for folder in ("models", "pictures"):
        shutil.rmtree(PLAYGROUND / folder, ignore_errors=True)
        (PLAYGROUND / folder).mkdir(parents=True)
    try:
        index = {"models": networks(), "pictures": pictures()}
    except onnx_export.ExportError as error:
        raise BuildError(str(error)) from error
    (PLAYGROUND / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    stamp.write_text(made_from)


def networks() -> list[dict]:
    """Write every network of pictures for each scale; their rows of the index, in the order of the catalogue."""
    found = [
        (checkpoints.name_of(path), scale, checkpoints.read_card(path))
        for path in checkpoints.of_pictures()
        for scale in checkpoints.scales_of(checkpoints.read_card(path))
    ]
    return [network(*each) for each in sorted(found, key=lambda each: (order(each[0]), each[1]))]


def network(name: str, scale: int, card: dict) -> dict:
    """Write one network; its row of the index."""
    net = checkpoints.load(name, scale)
    file = f"models/{name}_x{scale}.onnx"
    done = onnx_export.export(net, PLAYGROUND / file, name=name, sha256=card["sha256"])
    psnr = card.get("scores", {}).get(str(scale), {}).get("Set5", {}).get("psnr")
    return {
        "name": name,
        "label": CATALOGUE[name].label,
        "scale": scale,
        "channels": net.channels,
        "receptive_radius": done.receptive_radius,
        "multiple": getattr(net, "multiple", 1),
        "parameters": card["parameters"],
        "file": file,
        "bytes": len(done.content),
        "psnr": psnr and round(psnr, 2),
        "kind": CATALOGUE[name].kind,
    }


def pictures() -> list[dict]:
    """Write the pictures; their rows of the index."""
    rows = []
    height, width = SIZE
    for name, ((top, left), label, alt) in PHOTOS.items():
        rows.append(picture(name, photo(name)[..., top : top + height, left : left + width], label, alt))
    name, label, alt = TEXT
    return [*rows, picture(name, text_picture(size=SIZE), label, alt)]


def picture(name: str, image: Tensor, label: str, alt: str) -> dict:
    """Write one picture; its row of the index."""
    file = f"pictures/{name}.png"
    pixels = to_uint8(image)[0].permute(1, 2, 0).squeeze(2).numpy()
    Image.fromarray(pixels).save(PLAYGROUND / file, optimize=True)
    return {"name": name, "label": label, "alt": alt, "file": file, "height": SIZE[0], "width": SIZE[1]}


def main() -> int:
    try:
        models()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
