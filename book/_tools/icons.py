"""Keep of the theme's icon fonts what the pages show: a few dozen glyphs, where the theme loads two thousand twice.

The theme comes with Font Awesome as a script of 1.5 MB, as fonts and as a style sheet; the last two suffice.
"""

import re
import shutil
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from book._tools.pages import SITE, BuildError

# .fa-gear:before,.fa-cog:before{content:"\f013"}
DEFINITION = re.compile(r'(?P<names>(?:\.fa-[\w-]+:before,?)+)\{content:"\\(?P<code>[0-9a-f]+)"\}')
FACE = re.compile(r"@font-face\{[^}]*\}")
OLD_FACE = re.compile(r'font-family:"?(?:Font Awesome\\? 5|FontAwesome)')
NAME = re.compile(r"\bfa-[a-z0-9-]+")
CODE = re.compile(r"\\(f[0-9a-f]{3})\b")
SOURCES = re.compile(r'url\(\.\./webfonts/([\w-]+)\.woff2\) format\("woff2"\),url\([^)]*\) format\("truetype"\)')
LOADED = re.compile(
    r'\s*<link rel="preload" as="font"[^>]*fontawesome[^>]*>|\s*<script src="[^"]*fontawesome[^"]*"></script>'
)


def light(texts: dict[str, str]) -> dict[str, str]:
    """The pages without the script and the early loading of fonts; in `_static`, only the icons that they name.

    Raises:
        BuildError: a page names an icon that the theme's fonts do not have.
    """
    (folder,) = (SITE / "_static" / "vendor" / "fontawesome").iterdir()
    sheet = folder / "css" / "all.min.css"
    if (folder / "js").is_dir():  # as the theme left it
        _subset(folder, sheet, _names(texts))
        shutil.rmtree(folder / "js")
    return {page: LOADED.sub("", text) for page, text in texts.items()}


def _names(texts: dict[str, str]) -> set[str]:
    """Every fa-name in a class of a page or in a script that may add one."""
    classes = (part for text in texts.values() for part in re.findall(r'class="([^"]*\bfa[bsr]?\b[^"]*)"', text))
    scripts = (path.read_text(encoding="utf-8") for path in (SITE / "_static").glob("**/*theme*.js"))
    return {name for text in (*classes, *scripts) for name in NAME.findall(text)}


def _subset(folder: Path, sheet: Path, names: set[str]) -> None:
    css, codes = sheet.read_text(encoding="utf-8"), _codes_of_styles()
    known = {name: found["code"] for found in DEFINITION.finditer(css) for name in NAME.findall(found["names"])}
    rules = set(NAME.findall(DEFINITION.sub("", css)))  # fa-solid, fa-lg, fa-spin: no icons
    if missing := sorted(names - known.keys() - rules):
        raise BuildError(f"no such icon: {', '.join(missing)}")
    codes |= {known[name] for name in names & known.keys()}
    css = DEFINITION.sub(lambda m: m[0] if m["code"] in codes else "", css)
    css = FACE.sub(lambda m: "" if OLD_FACE.search(m[0]) else m[0], css)
    sheet.write_text(SOURCES.sub(r'url(../webfonts/\1.woff) format("woff")', css), encoding="utf-8")
    for font in (folder / "webfonts").glob("*.ttf"):
        _cut(font, {int(code, 16) for code in codes})
    for path in (folder / "webfonts").iterdir():
        if path.suffix != ".woff":
            path.unlink()


def _codes_of_styles() -> set[str]:
    """Code points that the other style sheets put before or after something."""
    styles = [path for path in (SITE / "_static").rglob("*.css") if "fontawesome" not in path.parts]
    return {code for path in styles for code in CODE.findall(path.read_text(encoding="utf-8"))}


def _cut(path: Path, codes: set[int]) -> None:
    """Write the font with these code points alone beside the whole one, as WOFF."""
    options = Options(flavor="woff", notdef_outline=True, name_IDs=["*"])
    with TTFont(path, recalcTimestamp=False) as font:
        cutter = Subsetter(options)
        cutter.populate(unicodes=codes)
        cutter.subset(font)
        font.flavor = "woff"
        font.save(path.with_suffix(".woff"))
