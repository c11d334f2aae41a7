"""Everyone can use the pages: axe-core finds nothing serious, and every control shows that it has the focus."""

import pytest

from book._tools.pages import ROOT, chapters, pages
from book._tools.vendor import install

pytestmark = pytest.mark.site
AXE = ROOT / "book" / "_tools" / "web" / "node_modules" / "axe-core" / "axe.min.js"
EVERY = [*pages(), "search", "genindex", "404"]
# Width of the window and colours of the page: a reader has one of each.
VIEWS = [(width, scheme) for scheme in ("light", "dark") for width in (1280, 390)]
FINDINGS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
  return found.violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}"""
# Observers of sizes and of the colour scheme answer in the next frame.
SETTLED = """async () => {
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
}"""
# The element with the focus, and whether a ring or a shadow around it, or around what it stands for, shows that.
FOCUSED = """() => {
  const element = document.activeElement;
  const shows = (style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
    || style.boxShadow !== "none";
  const whole = element.querySelector(".toctree-toggle") || element.closest("label, .sd-card");
  const ring = [element, whole].some((each) => each && shows(getComputedStyle(each)));
  const box = (whole || element).getBoundingClientRect();
  return { name: element.outerHTML.slice(0, 120), body: element === document.body, ring,
           seen: box.width > 0 && box.height > 0 };
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file():  # a site whose vendored files were up to date was built without npm's packages
        install()
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", EVERY)
def test_axe_finds_nothing_serious(visit, axe, page):
    seen = visit(f"{page}.html{'?q=interpolation' if page == 'search' else ''}").page
    seen.add_script_tag(content=axe)
    found = {}
    for width, scheme in VIEWS:
        seen.set_viewport_size({"width": width, "height": 900})
        seen.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        seen.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        seen.evaluate(SETTLED)
        found[width, scheme] = seen.evaluate(FINDINGS)
    assert not any(found.values()), found


@pytest.mark.parametrize("page", ["book/intro", "404", chapters()[0]])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_key_shows_where_it_is(visit, page, width):
    seen = visit(f"{page}.html", width=width).page
    stops = 0
    for _ in range(80):
        seen.keyboard.press("Tab")
        focused = seen.evaluate(FOCUSED)
        if focused["body"]:
            break
        assert focused["seen"], f"the focus is on something that cannot be seen: {focused['name']}"
        assert focused["ring"], f"nothing shows that this has the focus: {focused['name']}"
        stops += 1
    assert stops > 5


def test_a_table_that_scrolls_is_reached_by_keyboard_and_others_are_not(visit):
    seen = visit(f"{chapters()[0]}.html", width=390).page
    boxes = ".pst-scrollable-table-container"
    stops = seen.eval_on_selector_all(boxes, "all => all.map(b => [b.scrollWidth > b.clientWidth + 1, b.tabIndex])")
    assert {scrolls for scrolls, _ in stops} == {True, False}
    assert all((tab == 0) == scrolls for scrolls, tab in stops)


@pytest.mark.parametrize("page", ["book/intro", chapters()[0]])
def test_nothing_moves_where_the_reader_asks_for_stillness(visit, page):
    seen = visit(f"{page}.html").page  # visits ask for reduced motion
    longest = """() => Math.max(...[...document.querySelectorAll("*")].map((each) => {
      const style = getComputedStyle(each);
      return Math.max(...`${style.transitionDuration},${style.animationDuration}`.split(",").map(parseFloat));
    }))"""
    assert seen.evaluate(longest) == 0
    assert seen.evaluate("() => getComputedStyle(document.documentElement).scrollBehavior") == "auto"
