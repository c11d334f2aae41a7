"""The archive of the site: whole, the same every time, and readable where it is unpacked."""

import hashlib
import zipfile

import pytest

from book._tools import archive
from book._tools.pages import chapters, pages
from tests.site.conftest import serving

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def packed(site, tmp_path_factory):
    return archive.pack(site, tmp_path_factory.mktemp("dist"))


def test_the_checksum_verifies(packed):
    said, name = packed.with_suffix(".zip.sha256").read_text().split()
    assert name == packed.name == f"{archive.name()}.zip"
    assert said == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_everything_lies_in_one_folder(packed, site):
    with zipfile.ZipFile(packed) as opened:
        names = set(opened.namelist())
        note = opened.read(f"{archive.name()}/README.txt").decode()
    assert {name.split("/")[0] for name in names} == {archive.name()}
    here = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {f"{archive.name()}/{path}" for path in here - {".buildinfo"}} <= names
    assert "python -m http.server" in note and archive.version() in note


def test_one_site_gives_one_archive(tmp_path):
    """Written in another order and on another day."""
    for order, folder in (("ab", tmp_path / "1"), ("ba", tmp_path / "2")):
        (folder / "site" / "b").mkdir(parents=True)
        for name in order:
            (folder / "site" / "b" / f"{name}.html").write_text(name)
        (folder / "site" / "index.html").write_text("x" * 1000)
        (folder / "site" / ".buildinfo").write_text(order)
    first, second = (archive.pack(tmp_path / name / "site", tmp_path / name) for name in "12")
    assert first.read_bytes() == second.read_bytes()
    assert not list(first.parent.glob("*.part"))


def test_without_a_site_there_is_no_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(archive, "SITE", tmp_path / "html")
    monkeypatch.setattr(archive, "DIST", tmp_path / "dist")
    assert archive.main() == 1
    assert capsys.readouterr().err == "there is no site yet: run make book\n"
    assert not (tmp_path / "dist").exists()


@pytest.fixture
def address(packed, tmp_path):
    """The unpacked site on a server, in place of the built one."""
    with zipfile.ZipFile(packed) as opened:
        opened.extractall(tmp_path)
    with serving(tmp_path / archive.name()) as where:
        yield where


@pytest.mark.parametrize("page", [pages()[0], chapters()[0]])
def test_the_unpacked_site_is_read_without_a_network(visit, page):
    seen = visit(f"{page}.html")
    assert seen.status == 200
    assert seen.foreign == [] and seen.missing == [] and seen.errors == []
    assert seen.page.locator("article h1").first.is_visible()
