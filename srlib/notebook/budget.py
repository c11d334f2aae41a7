"""The length of a chapter's training cell: for a smoke test, two CPU cores, or a GPU."""

import os

import torch

CHOICES = ("smoke", "cpu", "gpu")


def budget(*, smoke: int, cpu: int, gpu: int) -> int:
    """The number of steps for this machine: `gpu` if CUDA is available, else `cpu`.

    The environment variable `SRLIB_BUDGET` overrides the choice: `smoke`, `cpu` or `gpu`.

    Args:
        smoke: just enough steps to test that the cell runs.
        cpu: steps that two CPU cores do within the time the chapter states.
        gpu: steps that one GPU does within the time the chapter states.

    Raises: ValueError for another value of `SRLIB_BUDGET`.
    """
    choice = os.environ.get("SRLIB_BUDGET") or ("gpu" if torch.cuda.is_available() else "cpu")
    if choice not in CHOICES:
        raise ValueError(f"SRLIB_BUDGET is {choice!r}; set it to smoke, cpu or gpu, or unset it")
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[choice]
