import pytest
import torch

from srlib.notebook.budget import budget


def steps() -> int:
    return budget(smoke=3, cpu=400, gpu=20_000)


@pytest.mark.parametrize(("cuda", "expected"), [(False, 400), (True, 20_000)])
def test_the_machine_decides(monkeypatch, cuda, expected):
    monkeypatch.delenv("SRLIB_BUDGET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert steps() == expected


@pytest.mark.parametrize(("choice", "expected"), [("smoke", 3), ("cpu", 400), ("gpu", 20_000)])
def test_the_environment_overrides_the_machine(monkeypatch, choice, expected):
    monkeypatch.setenv("SRLIB_BUDGET", choice)
    assert steps() == expected


def test_an_empty_variable_is_no_choice(monkeypatch):
    monkeypatch.setenv("SRLIB_BUDGET", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert steps() == 400


def test_an_unknown_choice_names_the_three(monkeypatch):
    monkeypatch.setenv("SRLIB_BUDGET", "fast")
    with pytest.raises(ValueError, match="'fast'.*smoke, cpu or gpu"):
        steps()


def test_positional_arguments_are_refused():
    with pytest.raises(TypeError):
        budget(3, 400, 20_000)
