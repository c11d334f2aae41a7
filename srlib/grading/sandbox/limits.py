"""What a notebook may use in the sandbox: time, memory, processes, files, output."""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Limits:
    """The limits of one notebook. Times are wall time, sizes are bytes.

    Args:
        cell_seconds: for one cell; after it the cell is interrupted, and one second later its process is ended.
        notebook_seconds: for all cells together, runs without a guilty cell included; cells after it are not run.
        call_seconds: for one call of a function, reading its result included.
        calls_seconds: for all calls of one notebook.
        memory: proportional set size, summed over the notebook's processes.
        processes: processes and threads at once.
        file_bytes: everything the notebook has written and not deleted.
        output_bytes: what is kept of stdout and stderr; the rest is read and dropped.
        reply_bytes: what one call may return.
        argument_bytes: what one call may receive.
        notebook_bytes: size of the notebook's file.
        restarts: how often a notebook is run again because a process died.

    Raises: ValueError for a limit that is not a positive number (`restarts` may be 0).
    """

    cell_seconds: float = 10.0
    notebook_seconds: float = 30.0
    call_seconds: float = 5.0
    calls_seconds: float = 60.0
    memory: int = 2_000_000_000
    processes: int = 64
    file_bytes: int = 64_000_000
    output_bytes: int = 1_000_000
    reply_bytes: int = 32_000_000
    argument_bytes: int = 64_000_000
    notebook_bytes: int = 50_000_000
    restarts: int = 3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"limit {field.name} must be a number, got {value!r}")
            lowest = 0 if field.name == "restarts" else 1e-3
            if not lowest <= value < 1e15:
                raise ValueError(f"limit {field.name} must be at least {lowest}, got {value!r}")

    def as_json(self) -> dict[str, float]:
        """The limits as a dictionary, for the sandbox and for the results."""
        return asdict(self)

    @property
    def longest(self) -> float:
        """Seconds after which the grader ends a notebook whatever its supervisor says."""
        return self.notebook_seconds + self.cell_seconds + self.calls_seconds + 10.0
