"""Right, odd and broken notebooks: each gives a report, and what is right in them counts."""

import json

import numpy as np
import pytest
import torch

from tests.grading.notebooks import notebook

RIGHT = ("import torch", "def double(x):\n    return 2 * x", "answer = 7.5")


def test_a_right_notebook(sandbox):
    with sandbox.open(notebook(*RIGHT)) as found:
        assert found.report.problem == "" and found.report.errors == {} and found.report.cells == 3
        reply = found.call("double", torch.full((2, 3), 0.25))
        assert reply.ok and np.array_equal(reply.value, np.full((2, 3), 0.5)) and 0 < reply.seconds < 2
        assert found.value("answer").value == 7.5
        assert found.names() == ["double"]
    assert found.ended.cpu_seconds > 0 and found.ended.left == 0


def test_calls_do_not_see_each_other(sandbox):
    cell = "seen = []\ndef count(x):\n    seen.append(x)\n    return len(seen)"
    with sandbox.open(notebook(cell)) as found:
        assert [found.call("count", n).value for n in range(3)] == [1, 1, 1]


def test_gradients_in_cells_and_calls(sandbox):
    cell = "import torch\nw = torch.ones(3, requires_grad=True)\n(w * w).sum().backward()"
    call = "def slope(x):\n    x = x.clone().requires_grad_()\n    (x ** 3).sum().backward()\n    return x.grad"
    with sandbox.open(notebook(cell, call)) as found:
        assert found.call("slope", torch.tensor([2.0])).value.tolist() == [12.0]


def test_a_renamed_function_and_one_not_written(sandbox):
    with sandbox.open(notebook("def Double(x): return 2 * x", "def stub(x): raise NotImplementedError")) as found:
        reply = found.call("double", 1)
        assert reply.status == "missing" and "no 'double'" in reply.reason and found.names() == ["Double", "stub"]
        assert found.call("stub", 1).reason == "not written yet."


def test_an_error_is_told(sandbox):
    with sandbox.open(notebook("1 / 0", "def f(x): return x.nothing", "y = 1")) as found:
        assert found.report.errors == {0: "ZeroDivisionError: division by zero (line 1 of the cell: 1 / 0)"}
        reply = found.call("f", 1)
        assert reply.status == "raised" and "AttributeError" in reply.reason and found.value("y").value == 1


def test_a_cell_with_a_syntax_error_loses_only_itself(sandbox):
    with sandbox.open(notebook("def f(:", "def g(x): return x")) as found:
        assert "SyntaxError" in found.report.errors[0] and found.call("g", 3).value == 3


def test_the_guilty_cell_is_dropped(sandbox):
    cells = ("a = 1", "import os\nos._exit(3)", "b = 2", "import ctypes\nctypes.string_at(0)", "c = a + b")
    with sandbox.open(notebook(*cells)) as found:
        assert set(found.report.dropped) == {1, 3} and found.report.runs == 3
        assert "status 3" in found.report.dropped[1] and "SIGSEGV" in found.report.dropped[3]
        assert found.value("c").value == 3


def test_a_notebook_is_run_again_three_times_at_most(sandbox):
    with sandbox.open(notebook(*["import os\nos._exit(1)"] * 6, "a = 1")) as found:
        assert found.report.runs == 4 and len(found.report.dropped) == 4 and "4 times" in found.report.problem
        assert found.value("a").status == "died"


BROKEN = {
    "empty": (b"", "empty"),
    "spaces": (b" \n ", "empty"),
    "not JSON": (b"{'cells': []}", "no JSON"),
    "cut off": (notebook("x = 1")[:-20], "no JSON"),
    "a page": (b"<html><script>alert(1)</script></html>", "no JSON"),
    "binary": (bytes(range(256)) * 100, "UTF-8"),
    "UTF-16": (notebook("x = 1").decode().encode("utf-16"), "UTF-8"),
    "a list": (b"[]", "no notebook"),
    "a number": (b"1", "no notebook"),
    "no cells": (b"{}", "no list of cells"),
    "cells that are none": (b'{"cells": 3}', "no list of cells"),
    "deep": (b"[" * 100_000, "nested"),
    "many cells": (notebook(*["1"] * 2_500), "2500 code cells"),
    "a long cell": (notebook("#" * 1_100_000), "characters"),
    "huge": (b" " * 51_000_000, "51000000 bytes"),
    "long number": (b'{"cells": ' + b"9" * 100_000 + b"}", "no JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_notebook_has_a_reason(sandbox, name):
    data, reason = BROKEN[name]
    with sandbox.open(data) as found:
        assert reason in found.report.problem, found.report
        assert found.call("f", 1).status == "died"
    assert found.ended.left == 0


def test_odd_notebooks_run(sandbox):
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}]}
    twice = notebook("a = 1", "b = 2").replace(b'"c1"', b'"c0"')
    strange = {
        "cells": [
            3,
            None,
            {},
            {"cell_type": "code"},
            {"cell_type": "code", "source": [1, "a = 1"]},
            {"cell_type": "code", "source": "b = 2"},
        ]
    }
    marked = b"\xef\xbb\xbf" + notebook("a = 1", "b = 2")
    for data in (json.dumps(old).encode(), twice, json.dumps(strange).encode(), marked):
        with sandbox.open(data) as found:
            assert found.report.problem == "" and found.value("b").value == 2, found.report


def test_text_only_and_no_cells_are_empty_notebooks(sandbox):
    for cells in ([], [{"cell_type": "markdown", "source": "# text"}]):
        with sandbox.open(json.dumps({"nbformat": 4, "cells": cells}).encode()) as found:
            assert found.report.problem == "" and found.report.cells == 0 and found.value("a").status == "missing"


def test_many_outputs_cost_nothing(sandbox):
    made = json.loads(notebook("a = 1"))
    made["cells"][0]["outputs"] = [{"output_type": "stream", "text": "x"}] * 100_000
    with sandbox.open(json.dumps(made).encode()) as found:
        assert found.value("a").value == 1 and found.report.seconds < 3


def test_exercises_are_masked(sandbox):
    cells = (
        "from srlib.exercises import check, find",
        "r = check('interpolation-cubic', abs)",
        "find('interpolation-cubic')",
    )
    with sandbox.open(notebook(*cells, "import srlib.exercises.interpolation", "import srlib.metrics")) as found:
        assert set(found.report.errors) == {2, 3}, found.report
        assert "not in this sandbox" in found.report.errors[2] and "ModuleNotFoundError" in found.report.errors[3]


def test_shell_and_pip_say_that_they_do_nothing(sandbox):
    with sandbox.open(notebook("!ls /\n%pip install numpy\nx = !ls\n%matplotlib inline", "%%time\ny = 2")) as found:
        assert found.report.errors == {} and found.value("x").value == [] and found.value("y").value == 2
        assert (
            "not run in the grader: !ls /" in found.report.output
            and "not run in the grader: %pip" in found.report.output
        )


def test_figures_are_drawn_without_a_display(sandbox):
    cell = (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('a.png')\n"
        "import os\nsize = os.path.getsize('a.png')"
    )
    with sandbox.open(notebook(cell, "left = len(plt.get_fignums())")) as found:
        assert found.report.errors == {} and found.value("left").value == 0, found.report
        assert found.value("size").value > 1_000


def test_a_file_is_handed_in(sandbox):
    cells = (
        "open('weights', 'wb').write(b'abc')",
        "import os\nos.mkfifo('pipe')\nos.symlink('weights', 'link')\nos.mkdir('folder')",
        "open('big', 'wb').write(bytes(7_900_000))",
    )
    with sandbox.open(notebook(*cells)) as found:
        assert found.file("weights").value == b"abc"
        assert found.file("link").status == "missing" and found.file("nothing").status == "missing"
        assert found.file("folder").status != "value" and found.file("pipe").value in (None, b"")
        assert found.file("a\0b").status == "missing"


def test_arguments_larger_than_allowed_are_the_graders_error(sandbox):
    with sandbox.open(notebook("def f(x): return x")) as found:
        with pytest.raises(ValueError, match="arguments of"):
            found.call("f", np.zeros(9_000_000))
        assert found.call("f", np.zeros(900_000)).value.shape == (900_000,)
