"""Runs the tests of each chapter's `Contract` over its tables."""

from tests.exercises.contract import Contract, cases


def pytest_generate_tests(metafunc):
    names = [name for name in ("task", "word", "right", "wrong") if name in metafunc.fixturenames]
    if names and metafunc.cls and issubclass(metafunc.cls, Contract):
        metafunc.parametrize(names, cases(metafunc.cls, names))
