"""Execute chapters once, with a stopwatch, two at a time.

A chapter's outputs, its seconds and its peak memory go into the cache that Jupyter Book reads. Jupyter Book
knows a cached chapter by its code cells alone and would serve stale pages when `srlib/` or `data/` change;
here the cache is thrown away when `srlib/`, `data/`, `constraints.txt` or the size of the run changes.
"""

import asyncio
import atexit
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from book._tools.pages import BUILD, ROOT, SITE

CACHE = BUILD / ".jupyter_cache"
CELL_SECONDS = 600
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AT_ONCE = min(2, CORES)  # chapters; a gigabyte of memory each
_running: list[NotebookClient] = []


@dataclass(frozen=True)
class Run:
    """One executed chapter; `megabytes` is the peak resident memory of its kernel."""

    notebook: nbformat.NotebookNode
    seconds: float
    megabytes: float
    cached: bool


def fingerprint(paths: Iterable[Path]) -> str:
    """One hash of the names and contents of files and folders; caches and half downloads do not count."""
    digest = hashlib.sha256()
    for top in paths:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".part"):
                digest.update(f"{path.relative_to(ROOT).as_posix()}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def world() -> str:
    """What decides a chapter's outputs besides its own cells."""
    files = [ROOT / "srlib", ROOT / "data", ROOT / "constraints.txt"]
    return f"{fingerprint(files)} {os.environ.get('SRLIB_BUDGET', 'cpu')}"


def forget_stale() -> None:
    """Throw the cache and the site away when another srlib, other data or another budget made them."""
    key = BUILD / "world"
    if not key.is_file() or key.read_text() != world():
        for folder in (CACHE, SITE, BUILD / ".doctrees"):
            shutil.rmtree(folder, ignore_errors=True)
        BUILD.mkdir(exist_ok=True)
        key.write_text(world())


def peak_megabytes(process: int) -> float:
    """Largest resident memory so far of a process; the present one where the system keeps no peak."""
    status = Path(f"/proc/{process}/status")
    if status.is_file():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    return psutil.Process(process).memory_info().rss / 2**20


def run(path: Path, threads: int | None = None) -> Run:
    """Execute one notebook, or take it from the cache.

    Args:
        threads: of its kernel, where the environment does not set OMP_NUM_THREADS; None: all cores.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
        nbclient.exceptions.CellTimeoutError: a cell takes longer than ten minutes.
    """
    forget_stale()
    cache = get_cache(str(CACHE))
    notebook = nbformat.read(path, as_version=4)
    try:
        data = cache.match_cache_notebook(notebook).data
        _, outputs = cache.merge_match_into_notebook(notebook)
        return Run(outputs, data["execution_seconds"], data["peak_megabytes"], cached=True)
    except KeyError:  # not there, or put there by Jupyter Book without its memory
        pass

    start, measured = 0.0, {}

    def begin(**_):
        nonlocal start
        start = time.perf_counter()

    def after_cell(**_):
        measured["execution_seconds"] = time.perf_counter() - start
        measured["peak_megabytes"] = peak_megabytes(client.km.provisioner.pid)

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,  # it would be written into the cells' metadata, by which the cache knows them
        resources={"metadata": {"path": str(path.parent)}},
        on_notebook_start=begin,
        on_cell_executed=after_cell,
    )
    with open(BUILD / "kernel.log", "a", encoding="utf-8") as log:
        # Threads that wait asleep: spinning ones slow a busy machine down tenfold. Pages have no kernel: widgets are
        # to come as HTML alone.
        settings = {"OMP_WAIT_POLICY": "PASSIVE"} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        _running.append(client)
        try:
            asyncio.run(client.async_execute(stderr=log, env=settings | os.environ | {"SRLIB_STATIC": "1"}))
        finally:
            _running.remove(client)
            atexit.unregister(client._cleanup_kernel)  # nbclient forgets it when a kernel dies while starting
    bundle = CacheBundleIn(notebook, str(path), data=measured)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return Run(notebook, measured["execution_seconds"], measured["peak_megabytes"], cached=False)


def run_all(paths: Iterable[Path]) -> Iterator[Run | CellExecutionError | CellTimeoutError]:
    """Each notebook's run in turn, or what failed in it. Two are executed at a time, each on half of the cores.

    Small tensors gain little from a second thread, and lose more where threads wait asleep.
    """
    forget_stale()
    get_cache(str(CACHE)).list_cache_records()  # makes the cache, which two cannot make at once
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(_attempt, path) for path in paths]
        try:
            for each in waiting:
                yield each.result()
        finally:  # after an interrupt, nothing goes on that nobody waits for
            for each in waiting:
                each.cancel()
            while not all(each.done() for each in waiting):  # a kernel may only be starting
                _kill_kernels()
                time.sleep(0.1)


def _kill_kernels() -> None:
    for client in list(_running):
        process = client.km.provisioner.pid if client.km and client.km.provisioner else None
        if process:  # psutil takes None for this process
            with suppress(psutil.NoSuchProcess):
                psutil.Process(process).kill()


def _attempt(path: Path) -> Run | CellExecutionError | CellTimeoutError:
    try:
        return run(path, threads=CORES // AT_ONCE)
    except (CellExecutionError, CellTimeoutError) as error:
        return error
