"""What stands twice in the repository stands there alike, and nothing that only one machine knows."""

import re
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book._tools.pages import ROOT, chapters, install_cell, settings


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))["project"]


def constraints(name: str = "constraints.txt") -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in read(name).splitlines())
    return {canonicalize_name(entry.name): entry for entry in map(Requirement, filter(None, lines))}


def environment() -> tuple[list[str], list[str]]:
    """What environment.yml asks of conda and of pip."""
    wanted = yaml.safe_load(read("environment.yml"))["dependencies"]
    (from_pip,) = [line["pip"] for line in wanted if isinstance(line, dict)]
    return [line for line in wanted if isinstance(line, str)], from_pip


def text_files() -> list[Path]:
    """The files that git tracks or would add; every file outside a checkout is somebody else's."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


is_checkout = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="not a git checkout: no list of files to read",
)


def test_environment_agrees_with_the_constraints():
    from_conda, from_pip = environment()
    pinned = constraints()
    assert "--constraint constraints.txt" in from_pip
    assert any(re.fullmatch(r"--editable \.\[.*book.*\]", line) for line in from_pip)
    for line in from_conda + [line for line in from_pip if not line.startswith("-")]:
        name, _, version = line.split(";")[0].partition("=")
        name, version = canonicalize_name(name.strip()), version.strip("= ").removesuffix("+cpu")
        if name in pinned and version:
            assert pinned[name].specifier.contains(version), f"{line} is not {pinned[name]} of constraints.txt"
    assert any(line.startswith("torch==") and "+cpu" in line for line in from_pip)


def test_environment_names_its_python_and_one_channel():
    from_conda, _ = environment()
    assert "python=3.12" in from_conda
    assert yaml.safe_load(read("environment.yml"))["channels"] == ["conda-forge", "nodefaults"]


def test_every_dependency_is_pinned_within_its_own_range():
    pinned, groups = constraints(), [project()["dependencies"], *project()["optional-dependencies"].values()]
    for requirement in map(Requirement, chain.from_iterable(groups)):
        pin = pinned[canonicalize_name(requirement.name)]
        exact = [part.version for part in pin.specifier if part.operator == "=="]
        assert pin == requirement or all(requirement.specifier.contains(version) for version in exact), pin


def asked_for(requirements: list[Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Every requirement below these, with who asks for it, as far as packages are installed here."""
    waiting, seen = [("this repository", requirement) for requirement in requirements], set()
    while waiting:
        asker, requirement = waiting.pop()
        yield asker, requirement
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or not (there := list(metadata.distributions(name=name))):
            continue
        seen.add((name, extras))
        below = map(Requirement, there[0].requires or [])
        contexts = [{"extra": extra} for extra in ("", *extras)]
        waiting += [(name, one) for one in below if not one.marker or any(map(one.marker.evaluate, contexts))]


def test_no_package_asks_for_what_the_constraints_forbid():
    """What pip would find out with a network: the lines of environment.yml have a common solution."""
    pinned = constraints()
    lines = [line for line in environment()[1] if not line.startswith("-")]
    groups = [lines, project()["dependencies"], *project()["optional-dependencies"].values()]
    exact = {name: part.version for name, pin in pinned.items() for part in pin.specifier if part.operator == "=="}
    checked = 0
    for asker, wanted in asked_for([Requirement(line.replace("+cpu", "")) for line in chain.from_iterable(groups)]):
        if version := exact.get(canonicalize_name(wanted.name)):
            assert wanted.specifier.contains(version, prereleases=True), f"{asker} asks for {wanted}, not {version}"
            checked += 1
    assert checked > len(pinned)


def test_srlib_supports_what_colab_has():
    on_colab = constraints("constraints-colab.txt")
    for requirement in map(Requirement, project()["dependencies"]):
        (pin,) = on_colab[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), requirement
    (wavelets,) = [line for line in install_cell().split() if line.startswith("pytorch_wavelets")]
    assert str(on_colab["pytorch-wavelets"]) == wavelets
    assert {"numpy", "ipython", "ipywidgets", "matplotlib", "setuptools", "pytest"} <= on_colab.keys()


def test_make_help_names_what_make_does():
    makefile = read("Makefile")
    targets = set(re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split())
    assert set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, re.MULTILINE)) == targets
    helped = set(re.findall(r'@echo "make ([\w-]+) ', makefile))
    parts = {"help", "browser", "test-unit", "test-book", "test-site"}  # of `make test`, which names the last three
    assert helped == targets - parts
    assert all(part in re.search(r'@echo "make test .*', makefile)[0] for part in parts - {"help", "browser"})


def test_hooks_run_the_pinned_versions():
    names = {"ruff-pre-commit": "ruff", "nbstripout": "nbstripout", "codespell": "codespell"}
    for repository in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]:
        pin = constraints()[names[repository["repo"].rsplit("/", 1)[1]]]
        assert pin.specifier.contains(repository["rev"].removeprefix("v")), repository["repo"]


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff", "CONTRIBUTING.md"])
def test_the_address_of_the_repository_is_the_configured_one(name):
    address = settings()["repository"]["url"]
    owner, repository = address.removeprefix("https://github.com/").split("/")
    hosts = r"github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh"
    found = re.findall(rf"(?:{hosts})/([\w-]+)/([\w-]+)", read(name))
    ours = [place for place in found if place[1] == repository or place[0] == owner]
    assert name == "CONTRIBUTING.md" or ours
    assert set(ours) <= {(owner, repository)}


def test_one_version_everywhere():
    version = project()["version"]
    assert yaml.safe_load(read("CITATION.cff"))["version"] == version
    assert f"@v{version}" in install_cell()


def test_the_readme_opens_every_chapter():
    address = settings()["repository"]["url"].removeprefix("https://github.com/")
    readme = read("README.md")
    for page in chapters():
        assert f"https://colab.research.google.com/github/{address}/blob/main/{page}.ipynb" in readme
        assert f"https://mybinder.org/v2/gh/{address}/main?urlpath=lab/tree/{page}.ipynb" in readme


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "book/_tools/web/README.md"])
def test_documents_name_files_that_exist(name):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", read(name))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (ROOT / name).parent.joinpath(target).exists()] == []


def test_continuous_integration_calls_make_test():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert re.search(r"^exec make test\b", script.read_text(), re.MULTILINE)
    assert "SRLIB_REQUIRE_BROWSER=1" in script.read_text()


WORKFLOWS = sorted(path.name for path in (ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_workflows_use_pinned_actions_and_few_rights():
    for name in WORKFLOWS:
        workflow = yaml.safe_load(read(f".github/workflows/{name}"))
        assert workflow["permissions"].get("contents") == "read", name
        used = [step["uses"] for step in steps(workflow) if "uses" in step]
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in used), name
        assert all("timeout-minutes" in job for key, job in workflow["jobs"].items() if key != "deploy"), name


def test_workflows_call_targets_and_scripts_that_exist():
    flows = [yaml.safe_load(read(f".github/workflows/{name}")) for name in WORKFLOWS]
    commands = "\n".join(step.get("run", "") for flow in flows for step in steps(flow))
    for target in re.findall(r"\bmake ([\w-]+)", commands):
        assert re.search(rf"^{target}:", read("Makefile"), re.MULTILINE), target
    for script in re.findall(r"\.ci/\w+", commands):
        assert (ROOT / script).stat().st_mode & 0o111
    for module in re.findall(r"python -m ((?:book|benchmarks)\.\w+)", commands):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_publishing_tests_the_site_before_it_goes_out():
    jobs = yaml.safe_load(read(".github/workflows/publish.yml"))["jobs"]
    does = [step.get("uses", step.get("run", "")).split("@")[0] for step in jobs["build"]["steps"]]
    order = [next(k for k, step in enumerate(does) if wanted in step) for wanted in (
        ".ci/tag", "make book", "make test-site", "actions/upload-pages-artifact",
    )]  # fmt: skip
    assert order == sorted(order)
    assert jobs["deploy"]["needs"] == "build"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_nothing_is_published_before_its_tag_is_there(tmp_path):
    """A copy of the script beside a repository whose origin has the tag, or has not."""
    clone, origin = tmp_path / "clone", tmp_path / "origin.git"
    (clone / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "tag", clone / ".ci" / "tag")
    shutil.copy(ROOT / "pyproject.toml", clone)
    as_someone = ["git", "-C", str(clone), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "--quiet", "--bare", str(origin)], check=True)
    for command in (
        ["init", "--quiet"], ["remote", "add", "origin", str(origin)],
        ["commit", "--quiet", "--allow-empty", "--message", "x"],
    ):  # fmt: skip
        subprocess.run([*as_someone, *command], check=True, capture_output=True)
    refused = subprocess.run([clone / ".ci" / "tag"], capture_output=True, text=True)
    assert refused.returncode == 1
    tag = f"v{project()['version']}"
    assert refused.stderr.startswith(f"The chapters install srlib at {tag}, and origin has no such tag: ")
    subprocess.run([*as_someone, "push", "--quiet", "origin", f"HEAD:refs/tags/{tag}"], check=True)
    subprocess.run([clone / ".ci" / "tag"], check=True)


def test_lock_files_name_no_server():
    assert "resolved" not in read("book/_tools/web/package-lock.json")
    assert '"integrity"' in read("book/_tools/web/package-lock.json")


@is_checkout
def test_no_file_knows_one_machine():
    private = re.compile(r"/(?:work|root|farm)/\w|/home/\w|/tmp/[a-z]|registry\.npmjs\.org|127\.0\.0\.1:\d")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in text_files()
        if (match := private.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


@is_checkout
def test_nothing_large_and_nothing_built_is_tracked():
    ignored = re.compile(r"(^|/)(_build|node_modules|__pycache__|\.venv)/|^book/assets/vendor/")
    for path in text_files():
        assert not ignored.search(path.relative_to(ROOT).as_posix())
    assert sum(path.stat().st_size for path in (ROOT / "data").rglob("*") if path.is_file()) <= 60e6


def test_the_wheel_carries_the_data_and_the_licences(tmp_path):
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "srlib/_data/manifest.toml" in names
    assert {f"srlib/{path.name}" for path in (ROOT / "srlib").glob("*.py")} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "book/")) for name in names)
