"""What is told about isolation, what a notebook sees, what stays after the end; as an ordinary user, too."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from srlib.grading.attacks.corpus import ATTACKS
from srlib.grading.sandbox import landlock, processes, view
from srlib.grading.sandbox.host import Sandbox
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.probe import available, choose
from tests.grading.notebooks import SMALL, notebook

ROOT = Path(__file__).parents[2]


def test_every_isolation_has_a_line():
    rows = available()
    assert [row.name for row in rows][:4] == ["bubblewrap", "namespaces", "landlock", "uid"]
    assert all(row.reason and "\n" not in row.reason for row in rows)


def test_an_unknown_or_impossible_isolation_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="no isolation 'docker'"):
        Sandbox("docker")
    monkeypatch.setattr("srlib.grading.sandbox.isolation.ORDER", ())
    monkeypatch.setattr("srlib.grading.sandbox.probe.available", lambda _: ())
    with pytest.raises(SandboxError, match="no isolation works here"):
        choose(None, Path("/nowhere"))


def test_none_must_be_asked_for_and_works():
    with Sandbox("none", limits=SMALL, preload=True) as sandbox, sandbox.open(notebook("x = 1")) as found:
        assert found.value("x").value == 1 and found.report.isolation == "none"


def test_a_notebook_sees_no_environment_home_or_process(sandbox, monkeypatch):
    cell = (
        "import os\nfrom pathlib import Path\nnames = sorted(os.environ)\nhome = str(Path.home())\nhere = os.getcwd()\n"
        "found = []\nfor path in ('/etc/shadow', '/etc/hostname'):\n"
        "    try: found.append(open(path).read())\n    except OSError: pass\n"
        "try: tasks = len([n for n in os.listdir('/proc') if n.isdigit()])\nexcept OSError: tasks = 0"
    )
    with sandbox.open(notebook(cell)) as found:
        assert not {"SRLIB_TEST_SECRET", "PIP_FIND_LINKS", "AWS_CA_BUNDLE"} & set(found.value("names").value)
        assert found.value("home").value == found.value("here").value and found.value("tasks").value <= 3
        assert found.value("found").value == []


def test_notebooks_do_not_see_each_other(sandbox):
    with sandbox.open(notebook("open('mine', 'w').write('x')")) as first:
        cell = (
            "import os\nfrom pathlib import Path\n"
            "seen = [str(p) for p in Path('..').glob('*/mine')] if os.access('..', os.R_OK) else []"
        )
        with sandbox.open(notebook(cell)) as second:
            assert second.value("seen").value == []
        assert first.file("mine").value == b"x"


def test_a_sandbox_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sandbox(limits=SMALL) as sandbox:
        server = sandbox.server
        with sandbox.open(notebook("open('file', 'w').write('x')")):
            assert len(processes.below(server)) == 3
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == [] and not Path(f"/proc/{server}").exists()


def test_the_folder_of_a_killed_grader_is_removed_and_one_in_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, tempfile; from srlib.grading.sandbox import launch; base = tempfile.mkdtemp(prefix='srlib-grade-');"
    )
    code += "launch.hold(base); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    for folder in tmp_path.iterdir():
        os.utime(folder, (1, 1))
    assert len(list(tmp_path.iterdir())) == 1
    with Sandbox(limits=SMALL, preload=False) as first:
        os.utime(first.plan.base, (1, 1))
        with Sandbox(limits=SMALL, preload=False):
            assert Path(first.plan.base).is_dir() and len(list(tmp_path.iterdir())) == 2


def test_notebooks_end_when_the_grader_lets_go(sandbox):
    found = sandbox.open(notebook("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"))
    found._channel.close()
    found._leash.close()
    end = time.monotonic() + 8
    while processes.below(sandbox.server) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes.below(sandbox.server) == []


def test_a_server_that_ended_is_started_again(tmp_path):
    with Sandbox(limits=SMALL) as sandbox:
        os.kill(sandbox.server, 9)
        sandbox._server.wait()
        with sandbox.open(notebook("x = 1")) as found:
            assert found.value("x").value == 1


def test_threads_share_a_sandbox(sandbox):
    got = []

    def work(number: int) -> None:
        with sandbox.open(notebook(f"def f(x): return x + {number}")) as found:
            got.append(found.call("f", 1).value - number)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert got == [1] * 6


def test_deep_folders_are_removed(tmp_path):
    top, here = tmp_path / "top", os.getcwd()
    os.mkdir(top)
    try:
        os.chdir(top)
        for _ in range(2_000):
            os.mkdir("d")
            os.chdir("d")
            open("f", "w").close()
    finally:
        os.chdir(here)
    processes.remove(str(top))
    assert not top.exists()


def test_hidden_folders_are_taken_out_of_what_may_be_read(tmp_path):
    for name in ("a/secret/x", "a/open/y", "b"):
        (tmp_path / name).mkdir(parents=True)
    found = landlock.without([str(tmp_path)], [str(tmp_path / "a/secret")])
    assert sorted(found) == [str(tmp_path / "a/open"), str(tmp_path / "b")]


def test_what_is_shown_has_no_home_and_no_tests():
    import srlib

    seen = view.files(Path(srlib.__file__).parent)
    assert not {"/", "/home", "/etc", str(Path.home()), str(ROOT), str(ROOT.parent)} & set(seen.shown)
    assert [Path(path).name for path in seen.hidden] == ["exercises"]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user")
def test_the_attacks_stay_inside_as_an_ordinary_user(tmp_path):
    """All attacks, by a user who is not root: what `srlib grade --doctor` runs."""
    os.chmod(tmp_path, 0o777)
    script = ["sh", str(Path(__file__).parent / "as_user.sh"), sys.executable, str(tmp_path), "-c"]
    code = f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); assert os.getuid() != 0; {_DOCTOR}"
    done = subprocess.run([*script, code], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-2_000:]
    count = len(ATTACKS)
    assert done.stdout.splitlines()[-1] == f"{count} of {count} stayed inside and cost nobody else anything"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user")
def test_as_an_ordinary_user(tmp_path):
    """The same, by a user who is not root. A Python in a closed folder is opened in a mount namespace."""
    os.chmod(tmp_path, 0o777)
    done = subprocess.run(
        [
            "sh",
            str(Path(__file__).parent / "as_user.sh"),
            sys.executable,
            str(tmp_path),
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); {_USER}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "namespaces" in done.stdout.splitlines()[-1], done.stdout


_DOCTOR = "from srlib.grading import doctor; sys.exit(doctor.run())"
_USER = """
import json, os
from srlib.grading.sandbox.probe import available
from srlib.grading.sandbox.host import Sandbox
assert os.getuid() != 0
for row in available(): print(row)
data = json.dumps({"cells": [{"cell_type": "code", "source": "def f(x): return x + 1"}]}).encode()
for name in [row.name for row in available() if row.works]:
    with Sandbox(name) as sandbox, sandbox.open(data) as found:
        assert found.call("f", 1).value == 2, found.report
        found.close()
        assert found.ended.left == 0 and not found.ended.error
        print(sandbox.isolation, found.ended)
print([row.name for row in available() if row.works])
"""
