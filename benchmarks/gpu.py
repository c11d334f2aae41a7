"""A quarter of an hour on a GPU: what only a card can show, and as much training as the time allows.

    python benchmarks/gpu.py pack DIR ... [--out runs/pack]         where the training pictures are
    python benchmarks/gpu.py run --out FOLDER [--minutes 10] [--recipe edsr_baseline --scale 2] [--resume [FOLDER]]

`pack` makes the pictures small enough to travel with the repository. `run`, on the machine with the card, carries out
the tests marked gpu, then `throughput.py`, then a recipe until the time is over. Nothing need be installed but torch,
NumPy, Pillow, OpenCV, scikit-image and safetensors. Each part is a program of its own, so that one that fails or hangs
costs the others nothing, and all they leave is in one folder:

    report.json       the machine, and what became of each part; written anew after each
    tests.txt, throughput.txt, training.txt     what they printed
    throughput.json   milliseconds, images a second, share of the card's peak
    run/              the training's state, log, and checkpoint with its card, whose steps are those done so far

The next call goes on with the run where this one stopped, to the bit, with `--resume`; `--resume FOLDER` first copies
what an earlier call has left there. Parts that have succeeded are not done again unless `--parts` names them.
"""

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("tests", "throughput", "training")
BEGUN = time.monotonic()


def main(words: list[str] | None = None) -> int:
    """Run one of the two commands; the exit status: 0, 1 where a part failed, 2 where nothing was begun."""
    sys.path.insert(0, str(ROOT))  # in a clone that nobody has installed
    options = _parser().parse_args(words)
    try:
        return options.command(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"gpu.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def pack(options: argparse.Namespace) -> int:
    """Pack the training pictures."""
    from benchmarks import packing

    limit = round(1e6 * options.limit)
    report = packing.pack(options.folders, options.out, root=ROOT, quality=options.quality, limit=limit)
    print("\n".join(packing.describe(report)))
    print(f"{options.out}: to be used as SRLIB_DATA; `run` finds it as --pack")
    return 0


def run(options: argparse.Namespace) -> int:
    """Carry out the parts, within the time."""
    from benchmarks import gpu_parts

    options.begun = BEGUN
    options.minutes = options.minutes or (5 if options.smoke else 10)
    options.recipe = options.recipe or ("espcn" if options.smoke else "edsr_baseline")
    options.batch = options.batch or (2 if options.smoke else None)
    out = options.out.resolve()
    source = out if options.resume is None else Path(options.resume or out).resolve()
    if options.resume is None and (out / "run").exists():
        raise ValueError(f"{options.out}: holds a run already; give --resume to go on with it, or another --out")
    if not source.is_dir() and options.resume:
        raise FileNotFoundError(f"{options.resume}: no such folder to go on from")
    gpu_parts.rehearse(options)
    out.mkdir(parents=True, exist_ok=True)
    for file in source.rglob("*") if source != out else ():
        if file.is_file():  # the content alone: what is brought back may be read-only
            (out / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / file.relative_to(source))
    report = gpu_parts.Report(out, options)
    wanted = options.parts or [part for part in PARTS if part == "training" or not report.succeeded(part)]
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part that runs is ended, too
    try:
        for part in PARTS:
            if part in wanted:
                report.note(part, {"ok": False, "seconds": 0.0, "said": "began, and did not come to an end"})
                report.note(part, gpu_parts.carry_out(part, options, out))
                print(f"{part:<11}{report.told(part)}", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(out / gpu_parts.REPORT)
    return 0 if all(report.succeeded(part) for part in wanted) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    packing = commands.add_parser("pack", help="make the training pictures small enough to travel")
    packing.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="SET or SET/HR, with pictures in it")
    packing.add_argument("--out", metavar="DIR", type=Path, default=ROOT / "runs" / "pack")
    packing.add_argument("--quality", type=int, default=95, help="of the JPEGs (default: %(default)s)")
    packing.add_argument("--limit", metavar="MB", type=float, default=60, help="with the repository (default: 60)")
    packing.set_defaults(command=pack)
    command = commands.add_parser("run", help="tests, throughput, and a recipe until the time is over")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="gets everything")
    command.add_argument("--minutes", type=float, help="for all of it at most (default: 10; with --smoke 5)")
    command.add_argument("--recipe", help="as `srlib train` knows it (default: edsr_baseline; with --smoke espcn)")
    command.add_argument("--scale", type=int, default=2, help="default: %(default)s")
    command.add_argument("--steps", type=int, help="updates of the whole run (default: the recipe's)")
    command.add_argument("--batch", type=int, help="default: the recipe's")
    command.add_argument("--learning-rate", type=float, help="default: the recipe's")
    command.add_argument(
        "--resume", metavar="DIR", nargs="?", const="", help="go on with the run in --out, or in DIR, copied there"
    )
    command.add_argument("--parts", nargs="+", choices=PARTS, help="default: all that have not succeeded yet")
    command.add_argument("--pack", metavar="DIR", type=Path, default=ROOT / "runs" / "pack", help="what `pack` wrote")
    command.add_argument("--device", default="cuda", help="default: %(default)s")
    command.add_argument("--smoke", action="store_true", help="everything at the smallest size, for a rehearsal")
    command.set_defaults(command=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
