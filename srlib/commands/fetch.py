"""`srlib fetch`: download data sets and others' weights."""

import argparse

from srlib.commands.arguments import UsageError, follow, quiet
from srlib.commands.progress import Bar
from srlib.data import datasets, fetch


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("fetch", help="download data sets and weights, checked and resumable")
    command.add_argument("names", metavar="NAME", nargs="+", help="such as Set5, BSD100, DIV2K_train_HR, vgg19")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Download; the exit status."""
    known = datasets.manifest()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise UsageError(f"no data set {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names:
        with Bar(desc=name, unit="B", unit_scale=True, leave=False, disable=quiet()) as bar:
            print(fetch.fetch(name, progress=follow(bar)))
    return 0
