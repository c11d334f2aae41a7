"""`srlib fetch`: download data sets."""

import argparse

from tqdm import tqdm

from srlib import datasets, fetching
from srlib.commands.arguments import UsageError, follow, quiet


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("fetch", help="download data sets, checked and resumable")
    command.add_argument("names", metavar="SET", nargs="+", help="such as Set5, Set14, BSD100, DIV2K_train_HR")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Download; the exit status."""
    known = datasets.manifest()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise UsageError(f"no data set {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names:
        with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=quiet()) as bar:
            print(fetching.fetch(name, progress=follow(bar)))
    return 0
