"""The shape of the package: imports point down, files are short, importing srlib costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import srlib

PACKAGE = Path(srlib.__file__).parent
LONGEST = 260

# Folders and modules beside them, lowest first: each imports from itself and from those before it.
LAYERS = [
    *(
        "io",
        "images",
        "transparency",
        "resample",
        "consistency",
        "frequency",
        "wavelets",
        "warp",
        "degradations",
        "random_degradations",
        "scores",
        "metrics",
    ),
    *("deconvolution", "burst", "kernels", "video"),
    *("data", "models", "self_ensemble", "inference", "checkpoints", "network_interpolation"),
    *("onnx_graph", "onnx_export"),
    *("losses", "evaluation", "training", "recipes"),
    *(
        "notebook",
        "exercises",
        "grading",
        "assignments",
        "commands",
        "cli",
        "__main__",
    ),  # nothing below may import these
]
LIBRARY = LAYERS[: LAYERS.index("notebook")]
FORBIDDEN = {"torchvision", "basicsr", "kornia", "piq", "torchmetrics"}


def name_of(path: Path) -> str:
    """`models/blocks.py` -> `models.blocks`; a folder's `__init__.py` has the folder's name."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts}
FOLDERS = {name for name, path in MODULES.items() if path.name == "__init__.py" and name != "exercises"}
CODE = [name for name in MODULES if name not in FOLDERS]


def place(module: str) -> int:
    """How high a module stands."""
    folder = module.partition(".")[0]
    assert folder in LAYERS, f"srlib/{module}: enter {folder} in LAYERS, tests/test_layers.py"
    return LAYERS.index(folder)


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


def test_imports_point_down():
    for module in CODE:
        for other in inner_imports(module):
            assert other in MODULES, f"srlib.{module} imports srlib.{other}, which is no module"
            assert place(other) <= place(module), f"srlib.{module} imports srlib.{other}, which is above it"


def test_no_import_goes_in_a_circle():
    below = {module: inner_imports(module) - {module} for module in CODE}
    while free := [module for module, others in below.items() if not others & below.keys()]:
        for module in free:
            del below[module]
    assert below == {}


def test_no_module_imports_what_srlib_does_without():
    found = {module: {name.partition(".")[0] for name in imports(module)} & FORBIDDEN for module in MODULES}
    assert {module: names for module, names in found.items() if names} == {}


def test_packages_import_nothing():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent.name != "exercises" and "_data" not in path.parts:  # whose one function every chapter calls
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)], path


def test_modules_are_short():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}, "split it by idea"


def loaded_by(statement: str, *names: str) -> str:
    """Which of the named packages a statement loads in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_srlib_loads_nothing_heavy():
    heavy = ("torch", "numpy", "PIL", "cv2", "skimage", "matplotlib", "IPython", "ipywidgets", "pooch")
    assert loaded_by("import srlib", *heavy) == "[]"


def test_the_library_loads_no_notebook_parts():
    names = ", ".join(f"srlib.{name}" for name in CODE if name.partition(".")[0] in LIBRARY)
    assert loaded_by(f"import {names}", "matplotlib", "IPython", "ipywidgets", "torchvision") == "[]"
