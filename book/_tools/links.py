"""What the built pages point at: places inside the site, and addresses outside it.

`python -m book._tools.links`, which is `make links`, writes the outside ones to `_build/external-links.txt`, one a
line with the pages on which it stands. The weekly check of links reads that file; a test follows every link inside the
site.
"""

import os
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from book._tools.pages import BUILD, SITE, settings

LIST = BUILD / "external-links.txt"
# Attributes by which a page loads a file, as against links that a reader follows.
LOADS = ("src", "srcset", "data", "poster")
KEPT = re.compile(r'"((?:\.\./)*_(?:images|static)/[^"\\]+)"')  # in a widget's data, to show later
URL = re.compile(r"""url\(\s*(?P<quote>["']?)(?P<target>[^"')]+)(?P=quote)\s*\)""")


@dataclass
class Html(HTMLParser):
    """One page: the places in it that have a name, and what it leads to and loads.

    `numbers` are the numbers of captions by the name of their figure, and `references` the links that name one.
    """

    path: Path
    names: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    references: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self._inside, self._figure, self._href, self._reading = "", "", "", ""
        self.feed(self.path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attributes):
        have = {name: value for name, value in attributes if value}
        self.names |= {have[name] for name in ("id", "name") if name in have}
        if tag in ("a", "area") and "href" in have:
            self.links.append(have["href"])
            self._href = have["href"]
        elif "href" in have:  # styles, icons, the page's own address, uses of drawings
            self.loads.append(have["href"])
        for name in LOADS:
            if name in have:
                self.loads += sources(have[name]) if name == "srcset" else [have[name]]
        if tag == "meta" and re.match(r"https?://", have.get("content", "")):
            self.loads.append(have["content"])
        self.loads += urls(have.get("style", ""))
        self._inside = have.get("type", "") if tag == "script" else tag
        self._figure = have.get("id", self._figure) if tag in ("figure", "table", "div") else self._figure
        kinds = have.get("class", "").split()
        self._reading = next((kind for kind in ("caption-number", "std-numref") if kind in kinds), "")

    def handle_endtag(self, tag):
        self._inside, self._reading = "", ""

    def handle_data(self, text):
        if self._inside == "style":
            self.loads += urls(text)
        elif self._inside.endswith("json"):
            self.loads += KEPT.findall(text)
        elif self._reading == "caption-number":
            self.numbers[self._figure] = text.strip()
        elif self._reading == "std-numref":
            self.references.append((self._href, text.strip()))


def sources(value: str) -> list[str]:
    """The addresses of a `srcset`; a picture that stands in the page itself has commas of its own."""
    return [] if value.startswith("data:") else [part.split()[0] for part in value.split(",")]


def urls(style: str) -> list[str]:
    """What a style sheet loads."""
    return [found["target"] for found in URL.finditer(style)]


configured = cache(lambda: settings()["html"]["baseurl"])


def base() -> str:
    """The address at which the site will stand."""
    return (os.environ.get("SRLIB_BASEURL") or configured()).rstrip("/") + "/"


def inside(target: str, page: Path, site: Path = SITE) -> tuple[Path, str] | None:
    """The file of the site, and the name in it, that `target` on a page means; None where it leads elsewhere.

    Addresses that begin with `/` count from the server's root, as on a page that is shown for missing ones.
    """
    parts = urlsplit(target)
    if parts.scheme not in ("", "http", "https"):
        return None
    here = urljoin(base(), page.relative_to(site).as_posix())
    meant = urlsplit(urljoin(here, target))
    whole = f"{meant.scheme}://{meant.netloc}{meant.path}"
    if not whole.startswith(base()):
        # Beside the site on its own server is nowhere; the rest is another's.
        return None if parts.netloc else (site / ".." / meant.path.lstrip("/"), "")
    path = unquote(whole.removeprefix(base()))
    return site / (f"{path}index.html" if path.endswith("/") or not path else path), unquote(meant.fragment)


def documents(site: Path = SITE) -> list[Path]:
    """Every page of the built site, the generated ones among them; the theme keeps templates in `_static`."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.relative_to(site).parts]


def outside(pages: list[Html], site: Path = SITE) -> dict[str, list[str]]:
    """Addresses on other servers without their fragments, and the pages on which each stands."""
    found = defaultdict(list)
    for page in pages:
        name = page.path.relative_to(site).as_posix()
        for link in page.links:
            if urlsplit(link).scheme in ("http", "https") and inside(link, page.path, site) is None:
                address = link.partition("#")[0]
                if name not in found[address]:
                    found[address].append(name)
    return dict(sorted(found.items()))


def main() -> int:
    if not (SITE / "index.html").is_file():
        print("There is no site yet: run make book", file=sys.stderr)
        return 1
    found = outside([Html(path) for path in documents()])
    LIST.write_text("".join(f"{link}  {' '.join(pages)}\n" for link, pages in found.items()), encoding="utf-8")
    print(f"{len(found)} addresses outside the site: {LIST.relative_to(BUILD.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
