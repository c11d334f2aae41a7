"""A page with ipywidgets moves with nothing but the site's own files. The book has none; a reader's fork may."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from book._tools import build
from book._tools.pages import ROOT, settings
from tests.site.conftest import serving

pytestmark = pytest.mark.site

CONTROLS, BASE = "@jupyter-widgets/controls", "@jupyter-widgets/base"
COUNTER = """
export default { render({ model, el }) {
  const button = document.createElement("button");
  const draw = () => (button.textContent = `pressed ${model.get("count")}`);
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  model.on("change:count", draw);
  draw();
  el.append(button);
} };
"""


def model(name: str, module: str, version: str, **state) -> dict:
    common = {"_model_module": module, "_model_module_version": version, "_model_name": name}
    return {"model_name": name, "model_module": module, "model_module_version": version, "state": common | state}


def control(name: str, view: str, **state) -> dict:
    shown = {"_view_module": CONTROLS, "_view_module_version": "2.0.0", "_view_name": view}
    return model(name, CONTROLS, "2.0.0", layout="IPY_MODEL_layout", style="IPY_MODEL_style", **shown, **state)


def states() -> dict:
    """What the kernel would have written: a slider tied to a bar, and a button by anywidget."""
    any_view = {"_view_module": "anywidget", "_view_module_version": "~0.11.*", "_view_name": "AnyView"}
    ends = {"source": ["IPY_MODEL_slider", "value"], "target": ["IPY_MODEL_bar", "value"]}
    return {
        "layout": model("LayoutModel", BASE, "2.0.0"),
        "style": model("DescriptionStyleModel", CONTROLS, "2.0.0"),
        "slider": control("IntSliderModel", "IntSliderView", value=3, min=0, max=10, step=1),
        "bar": control("IntProgressModel", "ProgressView", value=3, min=0, max=10),
        "link": model("LinkModel", CONTROLS, "2.0.0", **ends),
        "counter": model(
            "AnyModel", "anywidget", "~0.11.*", **any_view, layout="IPY_MODEL_layout", _esm=COUNTER, count=0
        ),
    }


def notebook() -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_markdown_cell("# Moving")]
    for name in ("slider", "bar", "counter"):
        data = {"application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0, "model_id": name}}
        output = nbformat.v4.new_output("display_data", data=data | {"text/plain": name})
        cells.append(nbformat.v4.new_code_cell(name, outputs=[output], execution_count=1))
    state = {"version_major": 2, "version_minor": 0, "state": states()}
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "widgets": {"application/vnd.jupyter.widget-state+json": state},
        },
    )


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """The address of a site of one page, with the book's own settings and vendored files."""
    folder = tmp_path_factory.mktemp("moving")
    nbformat.write(notebook(), folder / "index.ipynb")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (folder / "assets").symlink_to(ROOT / "book" / "assets")
    ours = settings()["sphinx"]["config"]
    kept = {"html_static_path": ["assets"], "nb_ipywidgets_js": ours["nb_ipywidgets_js"]}
    config = {"title": "t", "execute": {"execute_notebooks": "off"}, "sphinx": {"config": kept}}
    (folder / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    program = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run([program, "build", folder, "-W", "--keep-going"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    site = folder / "_build" / "html"
    with serving(site) as where:
        yield where, site


def test_ipywidgets_move_from_our_own_files(moving, browser):
    address, _ = moving
    context = browser.new_context()
    page, foreign = context.new_page(), []

    def route(request):
        inside = request.request.url.startswith((f"{address}/", "data:", "blob:"))
        foreign.extend([] if inside else [request.request.url])
        request.continue_() if inside else request.abort()

    context.route("**/*", route)
    page.goto(f"{address}/index.html", wait_until="load")
    thumb = page.locator(".noUi-handle")
    thumb.wait_for()
    bar = page.locator(".progress-bar")
    before = bar.bounding_box()["width"]
    thumb.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("w => document.querySelector('.progress-bar').clientWidth > w * 1.5", arg=before)
    button = page.get_by_role("button", name="pressed 0")
    button.click()
    page.get_by_role("button", name="pressed 1").wait_for()
    assert page.locator(".noUi-handle").count() == 1, "the manager ran more than once"
    assert foreign == []
    context.close()


def test_a_view_without_its_state_is_a_problem(moving):
    _, site = moving
    text = (site / "index.html").read_text(encoding="utf-8")
    assert build.lost_views(text) == set()
    assert build.lost_views(text.replace('"model_id": "bar"', '"model_id": "gone"')) == {"gone"}
    assert build.lost_views("<p>nothing here</p>") == set()
