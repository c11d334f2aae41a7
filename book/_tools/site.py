"""What Jupyter Book leaves out of a site: a Sphinx extension, named in `_config.yml`.

Every page gets a description, a card for links to it, its icons, and a footer with the date and commit at which it was
last executed. The site gets a front page that leads into the book, a page for wrong addresses, a map and robots.txt.
`SRLIB_BASEURL` overrides the address at which all of it will stand.
"""

import html
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from book._tools import markup
from book._tools.pages import ROOT, chapters, pages

CARD = "card.png"
LONGEST = 200  # characters of a description: about what a search engine shows
BOOK_PAGE = "page.html"
MINUS = re.compile(r"(?<![\w.,)\]–-])-(?=\d)")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("comparer", Comparer)
    app.add_transform(Minus)
    app.add_js_file("site.js", loading_method="defer")
    app.connect("config-inited", settle)
    app.connect("html-collect-pages", missing_page)
    app.connect("html-page-context", head, priority=900)  # after the theme has made its launch buttons
    app.connect("build-finished", finish, priority=100)  # before another extension writes a bare front page
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Comparer(SphinxDirective):
    """Two pictures of the book in the swipe comparer of `srlib.notebook.widgets`, on a page without a kernel."""

    required_arguments = 2
    has_content = True
    option_spec = {"labels": directives.unchanged_required, "alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        from srlib import images
        from srlib.notebook.widgets import compare  # torch: seconds that only a page with a comparer costs

        paths = [Path(self.env.relfn2path(argument)[1]) for argument in self.arguments]
        for path in paths:
            self.env.note_dependency(str(path))
        labels = tuple(label.strip() for label in self.options["labels"].split(","))
        caption, alt = " ".join(self.content), self.options["alt"]
        widget = compare.compare(*map(images.read, paths), labels, alt=alt, caption=caption, webp_quality=92)
        return [nodes.raw("", widget.html, format="html")]


class Minus(SphinxTransform):
    """A number below zero that a chapter computed has a hyphen in front of it; a reader sees a minus sign."""

    default_priority = 300

    def apply(self, **_: object) -> None:
        if self.env.docname not in chapters():
            return
        for text in list(self.document.findall(nodes.Text)):
            kept = isinstance(text.parent, nodes.FixedTextElement | nodes.literal | nodes.math | nodes.raw)
            if not kept and MINUS.search(text):
                text.parent.replace(text, nodes.Text(MINUS.sub("−", text)))


def settle(app: Sphinx, config: Config) -> None:
    """Where the site will stand, and the line of the footer that says what was verified when."""
    config.html_baseurl = (os.environ.get("SRLIB_BASEURL") or config.html_baseurl).rstrip("/") + "/"
    options = config.html_theme_options
    options["extra_footer"] = f"{options.get('extra_footer', '')}{verified(options.get('repository_url', ''))}"


def verified(repository: str) -> str:
    """When the pages were built, from which commit; outside a checkout of git, the date alone."""
    date, commit = today(), git("describe", "--always", "--dirty", "--abbrev=7", "--exclude=*")
    where = ""
    if commit:
        name = commit.removesuffix("-dirty")
        changed = ", with changes not committed" if name != commit else ""
        where = f' at commit <a href="{html.escape(repository)}/commit/{name}">{name}</a>{changed}'
    return f'<p class="course-verified">Last verified <time datetime="{date}">{date}</time>{where}.</p>'


def today() -> str:
    """The date of the build in UTC; a rebuild of an old state may set it, as everywhere, by SOURCE_DATE_EPOCH."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def git(*arguments: str) -> str:
    """What git answers about this checkout; nothing where there is no git or no checkout."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        return ""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def head(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Complete the head of a page, and rewrite its body."""
    address = f"{app.config.html_baseurl}{page}.html"
    tree = doctree or app.env.get_doctree(app.config.root_doc)
    title = plain(context.get("title", "")) or app.config.html_title
    tags = meta(title, description(tree), address, app.config)
    icon = context["pathto"]("_static/apple-touch-icon.png", resource=True)
    tags += f'<link rel="apple-touch-icon" href="{icon}" />\n'
    context["metatags"] = (missing_base(app.config) if page == "404" else "") + context.get("metatags", "") + tags
    if context.get("body"):
        context["body"] = markup.open_pictures(markup.costs(context["body"], launch(context)))


def plain(text: str) -> str:
    """A title without its markup and its number."""
    return re.sub(r"^[\d.]+\s+", "", html.unescape(re.sub(r"<[^>]+>", "", text)).strip())


def launch(context: dict) -> dict[str, str]:
    """Service -> address, from the menu that the theme has made."""
    menus = [menu for menu in context.get("header_buttons", []) if menu.get("label") == "launch-buttons"]
    return {button["text"]: button["url"] for menu in menus for button in menu["buttons"]}


def description(tree: nodes.document) -> str:
    """What a chapter promises under its goals, else the first paragraph that is more than a line."""
    goals = next((part for part in tree.findall(nodes.section) if "goals" in part["ids"]), None)
    texts = [node.astext() for node in (goals or tree).findall(nodes.paragraph) if not any(node.findall(nodes.math))]
    texts = texts if goals else [text for text in texts if len(text) > 60]
    text = " ".join(" ".join(texts).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def meta(title: str, text: str, address: str, config: Config) -> str:
    """Description, Open Graph and Twitter tags."""
    card = f"{config.html_baseurl}_static/{CARD}"
    alt = "A portrait, half of it 80 by 80 pixels drawn as squares, half of it enlarged by a network"
    graph = {
        "type": "website", "site_name": config.html_title, "title": title, "description": text, "url": address,
        "image": card, "image:width": 1200, "image:height": 630, "image:alt": alt,
    }  # fmt: skip
    tags = [("name", "description", text), ("name", "twitter:card", "summary_large_image")]
    tags += [("property", f"og:{name}", value) for name, value in graph.items()]
    return "".join(f'<meta {kind}="{name}" content="{html.escape(str(value))}" />\n' for kind, name, value in tags)


def missing_page(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    """404.html, which a server shows at any wrong address."""
    root = f"{app.config.root_doc}.html"
    body = (
        '<section id="no-such-page"><h1>There is no such page</h1>'
        "<p>The address may be mistyped, or the page has moved.</p>"
        '<form class="course-search" role="search" action="search.html" method="get">'
        '<label for="course-query">Search the book</label> <input id="course-query" type="search" name="q">'
        ' <button type="submit">Search</button></form>'
        f'<p>Or go to the <a class="reference internal" href="{root}">front page</a>, '
        'or to the <a class="reference internal" href="genindex.html">index</a>.</p></section>'
    )
    yield "404", {"title": "There is no such page", "body": body}, BOOK_PAGE


def missing_base(config: Config) -> str:
    """Lets 404.html find its styles and pages from any depth: a wrong address is not where the file lies.

    Opened as the file it is, below another address than the published one, it does without.
    """
    path = html.escape(urlsplit(config.html_baseurl).path or "/")
    return (
        f'<meta name="robots" content="noindex" />\n<base href="{path}" />\n<script>'
        'if (location.pathname.endsWith("/404.html")) document.querySelector("base").remove();'
        # with a base, a link to a place on this page would leave it
        'else addEventListener("DOMContentLoaded", () => document.querySelectorAll(\'a[href^="#"]\').forEach('
        '(link) => link.setAttribute("href", location.pathname + link.getAttribute("href"))));</script>\n'
    )


def finish(app: Sphinx, error: Exception | None) -> None:
    """Mend every page, and write the files that no page is."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for path in out.rglob("*.html"):
        if "_static" not in path.relative_to(out).parts:
            text = path.read_text(encoding="utf-8")
            path.write_text(markup.mend(text), encoding="utf-8")
    base = app.config.html_baseurl
    (out / "index.html").write_text(front_page(app), encoding="utf-8")
    (out / "sitemap.xml").write_text(sitemap(base), encoding="utf-8")
    (out / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", encoding="utf-8")


def front_page(app: Sphinx) -> str:
    """The site's own address leads to the first page; what stands in its head is what a link to the site shows."""
    config, target = app.config, f"{app.config.root_doc}.html"
    tags = meta(config.html_title, description(app.env.get_doctree(config.root_doc)), config.html_baseurl, config)
    return (
        f'<!DOCTYPE html>\n<html lang="{config.language}">\n<head>\n<meta charset="utf-8" />\n'
        f"<title>{html.escape(config.html_title)}</title>\n"
        f'<meta http-equiv="Refresh" content="0; url={target}" />\n'
        f'<link rel="canonical" href="{config.html_baseurl}{target}" />\n'
        f'<link rel="icon" href="_static/favicon.svg" />\n{tags}</head>\n'
        f'<body><main><p><a href="{target}">{html.escape(config.html_title)}</a></p></main></body>\n</html>\n'
    )


def sitemap(base: str) -> str:
    """Every page of the book with the date of its last commit, or of the build where git does not know."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">']
    for page in pages():
        changed = git("log", "-1", "--format=%cs", "--", f"{page}.*") or today()
        lines.append(f"<url><loc>{html.escape(base + page)}.html</loc><lastmod>{changed}</lastmod></url>")
    return "\n".join([*lines, "</urlset>", ""])
