"""IPython's shell without a kernel: cells run as in a notebook, but nothing is displayed and no command is started.

Works with IPython 7.34 (Colab) to 9.
"""

import linecache
import signal
import sys
import types
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from srlib.grading.sandbox import view

HARMLESS = {"time", "timeit", "capture", "precision", "who", "whos", "xmode"}  # magics that really run


class CellTimeout(BaseException):
    """A cell used all its time. No `Exception`, so that `except Exception` in a loop does not catch it."""


class Shell(InteractiveShell):
    """A shell that says what it does not do: commands, `%pip` and other magics."""

    def init_display_formatter(self) -> None:
        """Displays are dropped unformatted: 100,000 of them must not cost the cell's time."""
        super().init_display_formatter()
        self.display_formatter.format = lambda *_, **__: ({}, {})

    def init_virtualenv(self) -> None:
        """Nothing: a virtual environment is not looked for."""

    def init_history(self) -> None:
        """No history is kept."""
        super().init_history()
        self.history_manager.enabled = False

    def init_io(self) -> None:
        """Nothing: output goes to the pipe as it is."""

    def enable_gui(self, gui: Any = None) -> None:
        """Nothing: there is no display."""

    def enable_matplotlib(self, gui: Any = None) -> tuple[str, str]:
        """Figures are drawn into memory only."""
        return "agg", "agg"

    def enable_pylab(self, *_: Any, **__: Any) -> None:
        """Nothing: there is no display."""

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Nothing: an error is reported by its type and text."""

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Nothing, as `showtraceback`."""

    def system(self, cmd: str) -> None:
        """Say that a command is not run."""
        print(f"not run in the grader: !{_first(cmd)}")

    system_raw = system_piped = system

    def getoutput(self, cmd: str, *_: Any, **__: Any) -> list[str]:
        """Say that a command is not run; its output is empty."""
        self.system(cmd)
        return []

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run a harmless magic, say so of any other."""
        if magic_name in HARMLESS:
            return super().run_line_magic(magic_name, line, _stack_depth + 1)
        if magic_name not in ("matplotlib", "config", "load_ext", "autoreload"):
            print(f"not run in the grader: %{_first(magic_name)}")
        return None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """Run a harmless magic, say so of any other."""
        if magic_name in HARMLESS:
            return super().run_cell_magic(magic_name, line, cell)
        print(f"not run in the grader: %%{_first(magic_name)}")
        return None

    def set_next_input(self, *_: Any, **__: Any) -> None:
        """Nothing: there is no next cell to fill in."""


def make() -> Shell:
    """The one shell of this process, made before it forks: no history, no colours, no threads."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "NoColor" if _version() < 9 else "nocolor"
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.xmode = "Plain"
    shell = Shell.instance(config=config)
    shell.display_pub.publish = lambda *_, **__: None
    return shell


def mask_answers() -> None:
    """Put a stub in place of `srlib.exercises`: the answers are in none of the modules that the notebooks share."""
    stub = types.ModuleType("srlib.exercises")
    exec(view.STUB, stub.__dict__)
    sys.modules["srlib.exercises"] = stub
    if "srlib" in sys.modules:
        sys.modules["srlib"].exercises = stub


def run(shell: Shell, source: str, seconds: float) -> BaseException | None:
    """Run one cell; its exception, or None.

    Args:
        shell: the shell.
        source: the cell's text; magics and top-level await are understood.
        seconds: after these, `CellTimeout` is raised in the cell. A cell that defies it is ended from outside.

    Raises: nothing; what the cell raises is returned.
    """

    def over(*_: Any) -> None:
        raise CellTimeout(f"the cell used all its {seconds:.0f} s")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        result = shell.run_cell(source, store_history=False, silent=True)
        return result.error_before_exec or result.error_in_exec
    except BaseException as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def close_figures() -> None:
    """Close Matplotlib's figures after a cell, as notebooks do."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and pyplot.get_fignums():
        pyplot.close("all")


def describe(error: BaseException) -> str:
    """Type and text of an exception in one line; whatever a text method does, it gives a line."""
    name = type.__dict__["__name__"].__get__(type(error))[:60]
    try:
        text = " ".join(str(error)[:2_000].split())[:300]
    except BaseException:
        text = "(its text cannot be read)"
    return (f"{name}: {text}" if text else name) + _place(error)


def _place(error: BaseException) -> str:
    """The student's own line where it happened, if there is one."""
    try:
        step, found = BaseException.__traceback__.__get__(error), None
        while step is not None:
            if step.tb_frame.f_code.co_filename.startswith("<ipython-input"):
                found = step
            step = step.tb_next
        if found is None:
            return ""
        line = linecache.getline(found.tb_frame.f_code.co_filename, found.tb_lineno).strip()
        return f" (line {found.tb_lineno} of the cell{': ' + line[:100] if line else ''})"
    except BaseException:
        return ""


def _first(text: Any) -> str:
    return str(text).strip().partition("\n")[0][:80]


def _version() -> int:
    import IPython

    return int(IPython.__version__.partition(".")[0])
