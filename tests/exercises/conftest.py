"""Runs the tests of each chapter's `Contract` over its tasks."""

from tests.exercises.contract import Contract


def pytest_generate_tests(metafunc):
    if "task" in metafunc.fixturenames and metafunc.cls and issubclass(metafunc.cls, Contract):
        metafunc.parametrize("task", metafunc.cls.exercises)
