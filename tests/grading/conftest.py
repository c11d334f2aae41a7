"""A sandbox for all tests of this folder: one server for each isolation that works here."""

import pytest

from srlib.grading.sandbox.host import Sandbox
from srlib.grading.sandbox.probe import available
from tests.grading.notebooks import SMALL

WORKING = [row.name for row in available() if row.works]


@pytest.fixture(scope="session", params=WORKING)
def sandbox(request):
    with Sandbox(request.param, limits=SMALL) as made:
        yield made
