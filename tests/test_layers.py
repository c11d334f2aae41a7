"""The shape of the package: imports point down, files are short, importing srlib costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import srlib

PACKAGE = Path(srlib.__file__).parent
LONGEST = 260

# Lowest first. A module imports from its own layer and from those below; "models.*" and "exercises.*" stand
# for every file of the folder that is not named itself.
LAYERS = [
    {"files", "images", "photo"},
    {"resample", "frequency", "warp", "synthetic", "leaves"},
    {"degradations", "deconvolution", "deconvolution_boundary", "deconvolution_iterative"}
    | {"registration", "observation", "fusion", "multiframe", "metrics"}
    | {"losses", "adversarial", "models.blocks", "models.upscalers"},
    {"models.*", "datasets", "patches", "inference", "checkpoints", "fetching", "downloading"}
    | {"weights", "pretext", "perceptual", "appearance", "exporting"},
    {"training", "run", "logs", "muon"},
    {"steps"},
    # what a notebook shows and checks: nothing but the commands may stand on it
    {"budget", "page", "source", "plotting", "widgets", "exercises", "exercises.*"}
    | {"widget_html", "widget_live", "widget_explore", "widget_playground", "live"},
    {"recipes", "recipes_paper", "fitting", "gan", "cli", "commands.*", "__main__"},
]
FOLDERS = ("", "models", "commands")  # their __init__ is empty of code
FORBIDDEN = {"torchvision", "basicsr", "kornia", "piq", "torchmetrics"}


def name_of(path: Path) -> str:
    """`models/blocks.py` -> `models.blocks`; a folder's `__init__.py` has the folder's name."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts}


def layer_of(module: str) -> int | None:
    folder = module.partition(".")[0] + ".*"
    exact = [i for i, layer in enumerate(LAYERS) if module in layer]
    shared = [i for i, layer in enumerate(LAYERS) if folder in layer]
    return (exact or shared or [None])[0]


def imports(module: str) -> set[str]:
    """Everything a module imports, at its top or inside a function: `srlib.images`, `numpy.linalg`, ..."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"srlib/{module} line {node.lineno}: write the import with its full name"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in inside if name.removeprefix("srlib.") in MODULES}
            found |= submodules or {node.module}
    return found


def inner_imports(module: str) -> set[str]:
    return {name.removeprefix("srlib.") for name in imports(module) if name.startswith("srlib.")}


def code_modules() -> list[str]:
    """Every module but the package's own `__init__` and those of `FOLDERS`."""
    return [name for name in MODULES if name not in FOLDERS]


@pytest.mark.parametrize("module", code_modules())
def test_every_module_has_its_layer(module):
    assert layer_of(module) is not None, f"srlib.{module} is not in the table of layers above"


@pytest.mark.parametrize("module", code_modules())
def test_imports_point_down(module):
    for other in inner_imports(module):
        assert layer_of(other) is not None, f"srlib.{module} imports srlib.{other}, which is no module"
        assert layer_of(other) <= layer_of(module), f"srlib.{module} imports srlib.{other}, which is above it"


def test_no_import_goes_in_a_circle():
    below = {module: inner_imports(module) - {module} for module in code_modules()}
    while free := [module for module, others in below.items() if not others & below.keys()]:
        for module in free:
            del below[module]
    assert below == {}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_what_srlib_does_without(module):
    assert not {name.partition(".")[0] for name in imports(module)} & FORBIDDEN


@pytest.mark.parametrize("module", FOLDERS)
def test_packages_import_nothing(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module):
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines; split it by idea"


def loaded_by(statement: str, *names: str) -> str:
    """Which of the named packages a statement loads in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_srlib_loads_nothing_heavy():
    heavy = ("torch", "numpy", "PIL", "cv2", "skimage", "matplotlib", "IPython", "ipywidgets", "pooch")
    assert loaded_by("import srlib", *heavy) == "[]"


def test_the_library_loads_no_notebook_parts():
    modules = [name for name in code_modules() if layer_of(name) <= 5]
    names = ", ".join(f"srlib.{name}" for name in modules)
    assert loaded_by(f"import {names}", "matplotlib", "IPython", "ipywidgets", "torchvision") == "[]"
