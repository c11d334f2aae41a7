"""The command line, `srlib COMMAND`: one module of `srlib.commands` each. An error is one line and exit status 2."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from srlib.commands import (
    assign,
    console,
    convert,
    degrade,
    evaluate,
    export,
    fetch,
    grade,
    kernel,
    models,
    publish,
    train,
    upscale,
)
from srlib.commands.arguments import NO_MEMORY, complain, is_out_of_memory
from srlib.data.fetch import FetchError

COMMANDS = (upscale, train, evaluate, fetch, models, kernel, degrade, convert, export, publish, assign, grade)
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143  # 128 + the signal's number, as shells have it


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    console.any_encoding()
    try:
        return _run(arguments)
    finally:
        console.settle()  # also after --help, which ends the program


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
        with console.ended_in_order():
            status = options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()  # lines that cannot be written are an error, too
        return status
    except BrokenPipeError as error:
        return PIPE_CLOSED if console.settle() else complain(error)
    except (ValueError, OSError, FetchError) as error:  # errors of pictures, checkpoints and training are ValueErrors
        return complain(error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return complain(NO_MEMORY)
    except console.Terminated:
        complain("terminated")
        return TERMINATED
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="srlib", description="Image super-resolution with numbers you can compare.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
