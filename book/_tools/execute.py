"""Execute chapters once, with a stopwatch, two at a time.

A chapter's outputs, its seconds and its peak memory go into the cache that Jupyter Book reads. Jupyter Book
knows a cached chapter by its code cells alone and would serve stale pages when `srlib/` or `data/` change;
here the cache is thrown away when `srlib/`, `data/`, `constraints.txt`, the probe or the size of the run changes.

What a chapter costs is told in probes: its processor seconds over those of `book/_tools/probe.py`, which runs in the
same kernel before the first cell and after the last. Seconds would tell as much about the machine, and about what
else it does.
"""

import ast
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
from typing import Any

import nbformat
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from book._tools.pages import BUILD, ROOT, SITE

CACHE = BUILD / ".jupyter_cache"
CELL_SECONDS = 1800  # for a cell that hangs; on a slow and busy machine one may take minutes
PATIENCE = 300  # seconds for a kernel to start, and for outputs to arrive
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AT_ONCE = min(2, CORES)  # chapters; a gigabyte of memory each
# Of a chapter's kernel. Small tensors gain little from a second, and where other programs run too, two that wait for
# each other take twice the processor time for the same work: a compute line could not be judged by it.
THREADS = 1
PROBE = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
# One expression, in a namespace of its own: nothing of it is left among the chapter's names.
PROBE_CALL = f"(lambda space: exec({PROBE!r}, space) or space['probe']())({{'__name__': 'probe'}})"
_running: list[NotebookClient] = []


@dataclass(frozen=True)
class Run:
    """One executed chapter.

    Args:
        seconds: from the first cell to the last, as a clock on the wall counts them.
        processor_seconds: of the kernel and of the processes that it started.
        probe_seconds: processor seconds of the probe in the same kernel, the mean of before and after.
        megabytes: peak resident memory of the kernel.
    """

    notebook: nbformat.NotebookNode
    seconds: float
    processor_seconds: float
    probe_seconds: float
    megabytes: float
    cached: bool

    @property
    def probes(self) -> float:
        """What the chapter costs, on any machine and however busy it is."""
        return self.processor_seconds / self.probe_seconds


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
    probe = hashlib.sha256(PROBE.encode()).hexdigest()
    return f"{fingerprint(files)} {probe} {os.environ.get('SRLIB_BUDGET', 'cpu')}"


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


def processor_seconds(process: int) -> float:
    """Processor time so far of a process and of those that it started, whether they have ended or not."""
    top = psutil.Process(process)
    total = 0.0
    for each in [top, *top.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


async def _probe(client: NotebookClient) -> tuple[float, float]:
    """(processor seconds, seconds) of the probe in the client's kernel; no cell, no history, no output."""
    request = client.kc.execute("", silent=True, store_history=False, user_expressions={"probe": PROBE_CALL})
    reply = await client.async_wait_for_reply(request)
    found = reply["content"]["user_expressions"]["probe"]
    if found["status"] != "ok":
        raise RuntimeError(f"the probe failed: {found['ename']}: {found['evalue']}")
    return ast.literal_eval(found["data"]["text/plain"])


async def _execute(client: NotebookClient, **settings: Any) -> dict[str, float]:
    """Execute the client's notebook, and say what it took. What the probe takes is not counted as the chapter's."""
    async with client.async_setup_kernel(**settings):
        process = client.km.provisioner.pid
        start, used = time.perf_counter(), processor_seconds(process)
        first = await _probe(client)
        await client.async_execute(cleanup_kc=False)
        measured = {
            "execution_seconds": time.perf_counter() - start - first[1],
            "processor_seconds": processor_seconds(process) - used - first[0],
            "peak_megabytes": peak_megabytes(process),
        }
        last = await _probe(client)
    return measured | {"probe_seconds": (first[0] + last[0]) / 2}


def run(path: Path) -> Run:
    """Execute one notebook, or take it from the cache. Its kernel has one thread, or OMP_NUM_THREADS of them.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
        nbclient.exceptions.CellTimeoutError: a cell takes longer than half an hour.
    """
    forget_stale()
    cache = get_cache(str(CACHE))
    notebook = nbformat.read(path, as_version=4)
    try:
        data = cache.match_cache_notebook(notebook).data
        _, outputs = cache.merge_match_into_notebook(notebook)
        return _told(outputs, data, cached=True)
    except KeyError:  # not there, or put there by Jupyter Book or an older version of this file, which measure less
        pass

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        startup_timeout=PATIENCE,
        iopub_timeout=PATIENCE,  # after four seconds it would go on without a cell's last outputs
        kernel_name="python3",
        record_timing=False,  # it would be written into the cells' metadata, by which the cache knows them
        resources={"metadata": {"path": str(path.parent)}},
    )
    with open(BUILD / "kernel.log", "a", encoding="utf-8") as log:
        # Threads that wait asleep: spinning ones slow a busy machine down tenfold. Pages have no kernel: widgets are
        # to come as HTML alone.
        settings = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(THREADS)}
        _running.append(client)
        try:
            measured = asyncio.run(_execute(client, stderr=log, env=settings | os.environ | {"SRLIB_STATIC": "1"}))
        finally:
            _running.remove(client)
            atexit.unregister(client._cleanup_kernel)  # nbclient forgets it when a kernel dies while starting
    bundle = CacheBundleIn(notebook, str(path), data=measured)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return _told(notebook, measured, cached=False)


def _told(notebook: nbformat.NotebookNode, data: dict[str, float], *, cached: bool) -> Run:
    seconds = [data[name] for name in ("execution_seconds", "processor_seconds", "probe_seconds")]
    return Run(notebook, *seconds, data["peak_megabytes"], cached)


def run_all(paths: Iterable[Path]) -> Iterator[Run | CellExecutionError | CellTimeoutError]:
    """Each notebook's run in turn, or what failed in it. Two are executed at a time."""
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
        return run(path)
    except (CellExecutionError, CellTimeoutError) as error:
        return error
