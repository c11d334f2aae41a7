"""`srlib fetch`: download data sets and published weights."""

import argparse

from srlib.commands.arguments import UsageError, follow, quiet
from srlib.commands.progress import Bar
from srlib.data import datasets, fetch


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("fetch", help="download data sets and weights, checked and resumable")
    command.add_argument("names", metavar="NAME", nargs="+", help="such as Set5, BSD100, DIV2K_train_HR, vgg19")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Download and return the exit status.

    Raises: UsageError for a name that is not in the manifest.
    """
    known = datasets.manifest()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise UsageError(f"no data set {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names:
        with Bar(desc=name, unit="B", unit_scale=True, leave=False, disable=quiet()) as bar:
            print(fetch.fetch(name, progress=follow(bar)))
    return 0
