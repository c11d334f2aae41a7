"""Chapters offer their own network: each page names a file of the site, and the file computes an enlargement."""

import json

import pytest
import torch
from bs4 import BeautifulSoup

from srlib.onnx_export import onnx_runner

pytestmark = pytest.mark.site
OWN = {
    "book/networks/fully-convolutional": (1, 4),
    "book/networks/residual": (3, 4),
    "book/perception/esrgan": (3, 4),
}


@pytest.mark.parametrize("page", OWN)
def test_the_page_names_a_network_of_the_site(site, page):
    soup = BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    (figure,) = soup.select("figure.srlib-playground")
    about = json.loads(figure.select_one("script.srlib-network").string)
    assert (about["channels"], about["scale"]) == OWN[page] and "onnx" not in about
    content = (site / "_static" / "playground" / about["file"]).resolve().read_bytes()
    lr = torch.rand(1, about["channels"], 11, 17)
    assert onnx_runner(content)(lr).shape == (1, about["channels"], 44, 68)
    assert len(figure.select(".srlib-compare img")) == 2 and figure.select_one(".srlib-own").has_attr("hidden")


@pytest.mark.parametrize("page", OWN)
def test_the_playground_opens_when_a_reader_comes_near(visit, page):
    seen = visit(f"{page}.html")
    seen.page.locator(".srlib-playground").scroll_into_view_if_needed()
    seen.page.locator(".srlib-playground .srlib-mount:not(:empty)").wait_for(state="visible")
    assert seen.page.get_by_text("the picture you drop stays on your machine").is_visible()
    assert (seen.errors, seen.foreign, seen.missing) == ([], [], [])
