"""Rewrite finished HTML: the line of a chapter's costs, pictures that open, and faults of the theme.

All of it is text to text, so that a test needs no build. What the theme writes is matched word for word; where a new
version of the theme writes something else, the accessibility test of the site says so.
"""

import html
import re

_COSTS = re.compile(
    r"<p><strong>CPU</strong> (?P<cpu>[^·<]+?) · <strong>GPU</strong> (?P<gpu>[^·<]+?) · "
    r"<strong>Memory</strong> (?P<memory>[^·<]+?)</p>"
)
_PICTURE = re.compile(r'(?P<link><a [^>]*>\s*)?(?P<image><img [^>]*?src="(?P<source>[^"]*_images/[^"]+)"[^>]*>)')

# What the theme writes, and what a screen reader needs instead.
_MENDED = (
    # A name of its own hides the words that stand on the control.
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('search-button__button" title="Search" aria-label="Search"', 'search-button__button" title="Search"'),
    # The logo and the search button stand outside of every landmark.
    ('<div class="bd-sidebar-primary', '<div role="complementary" aria-label="Book" class="bd-sidebar-primary'),
    # The arrow that opens a part of the contents is an icon without a word.
    ('<summary><span class="toctree-toggle"', '<summary aria-label="Its pages"><span class="toctree-toggle"'),
    # A list whose children are no items, with a role that was withdrawn.
    (' role="list" class="citation-list"', ' class="citation-list"'),
    (' role="doc-biblioentry"', ""),
)  # fmt: skip
_ICON_BUTTON = 'pst-navbar-icon search-button search-button__button" title="Search"'
_EMPTY_HEAD = re.compile(r'<th class="head([^"]*)">(?:\s*<p>\s*</p>)?\s*</th>')
# A signature of several lines is a list of definitions without a term.
_SIGNATURE = re.compile(r'<dl>(?P<lines>(?:\s*<dd><em class="sig-param">.*?</dd>)+\s*)</dl>', re.DOTALL)


def costs(body: str, launch: dict[str, str]) -> str:
    """The line of CPU, GPU and memory under a chapter's title as a header, with the launch links beside it.

    Args:
        launch: service -> address, such as {"Colab": "https://…"}.
    """

    def header(match: re.Match) -> str:
        facts = (
            (match["cpu"], "on two processor cores"),
            (match["gpu"], "with a GPU"),
            (match["memory"], "of memory at most"),
        )
        items = "".join(f"<li><strong>{amount}</strong> {words}</li>" for amount, words in facts)
        links = "".join(
            f'<li><a class="reference external" href="{html.escape(address)}">Run in {service}</a></li>'
            for service, address in sorted(launch.items(), reverse=True)
        )
        links = f'<ul class="course-launch" aria-label="Run this chapter elsewhere">{links}</ul>' if links else ""
        return (
            f'<div class="course-header"><ul class="course-costs" aria-label="What running this chapter takes">'
            f"{items}</ul>{links}</div>"
        )

    return _COSTS.sub(header, body, count=1)


def open_pictures(body: str) -> str:
    """Every picture of a page as a link to its file, which is larger than the column of text, and far larger than a
    telephone; Sphinx does it for pictures with a width."""

    def linked(match: re.Match) -> str:
        if match["link"] or "sd-card-img" in match["image"]:
            return match[0]
        return f'<a class="reference internal image-reference" href="{match["source"]}">{match["image"]}</a>'

    return _PICTURE.sub(linked, body)


def mend(page: str) -> str:
    """A whole page without the theme's faults that axe-core finds."""
    for wrong, right in _MENDED:
        page = page.replace(wrong, right)
    page = page.replace(_ICON_BUTTON, f'{_ICON_BUTTON} aria-label="Search"')
    page = _SIGNATURE.sub(signature, page)
    return _EMPTY_HEAD.sub(r'<td class="head\1"></td>', page)


def signature(match: re.Match) -> str:
    lines = match["lines"].replace("<dd>", '<span class="course-parameter">').replace("</dd>", "</span>")
    return f'<span class="course-parameters">{lines}</span>'
