"""What the book consists of: pages, chapters, settings, and the cell with which every chapter begins."""

import tomllib
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
SITE = BUILD / "html"


class BuildError(Exception):
    """The site could not be built; the message is all that a reader needs."""


@cache  # Sphinx asks for both a thousand times
def settings() -> dict:
    """The content of `_config.yml`."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


@cache
def pages() -> list[str]:
    """Every page of `_toc.yml` in reading order, as it stands there: a path without its ending."""
    found = []

    def visit(node):
        if isinstance(node, list):
            for item in node:
                visit(item)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file"):
                    found.append(str(value))
                else:
                    visit(value)

    visit(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    return found


def source(page: str) -> Path:
    """The file behind a page: a notebook where the page computes, else Markdown.

    Raises:
        FileNotFoundError: neither is there, or both are.
    """
    found = [path for ending in (".ipynb", ".md") if (path := ROOT / f"{page}{ending}").is_file()]
    if len(found) != 1:
        raise FileNotFoundError(f"_toc.yml names {page}: one of its .ipynb and .md is needed, found {len(found)}")
    return found[0]


def chapters() -> list[str]:
    """The pages that are notebooks."""
    return [page for page in pages() if (ROOT / f"{page}.ipynb").is_file()]


def install_cell() -> str:
    """The first code cell of every chapter: installs srlib on Colab, does nothing where srlib is there."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    address = settings()["repository"]["url"]
    return (
        "try:\n"
        "    import srlib\n"
        "except ImportError:\n"
        f'    %pip install -q --no-deps "srlib @ git+{address}@v{version}" pytorch_wavelets==1.3.0'
    )
