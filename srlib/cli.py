"""The command line, `srlib COMMAND`: one module of `srlib.commands` each. An error is one line and exit status 2."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

import torch

from srlib.commands import convert, evaluate, export, fetch, models, publish, train, upscale
from srlib.commands.arguments import complain
from srlib.data.fetch import FetchError

COMMANDS = (upscale, train, evaluate, fetch, models, convert, export, publish)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, FetchError) as error:  # errors of pictures, checkpoints and training are ValueErrors
        return complain(error)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return complain("not enough memory; try a smaller --tile or picture")
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="srlib", description="Image super-resolution with numbers you can compare.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _out_of_memory(error: Exception) -> bool:
    """Torch raises OutOfMemoryError on a GPU, but a plain RuntimeError on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
