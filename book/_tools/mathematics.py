"""Draw the formulas of the built pages once, here, so that no reader's browser has to.

MathJax in the browser is 1.2 MB of script on every page, and formulas that jump into place. Its HTML is the same when
Node.js makes it: the pages then load one style sheet and the fonts.
"""

import html
import json
import re
import subprocess

from book._tools.pages import SITE, BuildError
from book._tools.vendor import WEB, node

# As Sphinx writes them: inline \(...\) in a span, displayed \[...\] in a div, perhaps after the equation's number.
FORMULA = re.compile(
    r'(?P<open><(?P<tag>span|div) class="math notranslate nohighlight"[^>]*>\s*(?:<span class="eqno">.*?</span>)?\s*)'
    r"\\(?:\((?P<inline>.*?)\\\)|\[(?P<display>.*?)\\\])(?P<close>\s*</(?P=tag)>)",
    re.DOTALL,
)
SCRIPT = re.compile(r"\s*<script[^>]*mathjax[^>]*></script>|\s*<script>window\.MathJax = .*?</script>")
# What stands against an inline formula. Browsers would break a line even between it and its comma.
TOUCHING = re.compile(
    r'([(\[“]*)(<span class="math [^>]*><mjx-container.*?</mjx-container></span>)([)\].,;:!?”]*)', re.DOTALL
)
STYLE = "mathematics.css"
FONTS = "vendor/mathjax/output/chtml/fonts/woff-v2"  # as the style sheet in _static finds them
RULES = (
    "mjx-assistive-mml { position: absolute !important; top: 0; left: 0; clip-path: inset(50%); width: 1px; "
    "height: 1px; overflow: hidden; white-space: nowrap; user-select: none }\n"
    "mjx-container { position: relative }\n"
    ".touching { white-space: nowrap }\n"
)


def typeset(texts: dict[str, str]) -> dict[str, str]:
    """The pages, by their path in the site, with every formula drawn; the style sheet goes into `_static`.

    Raises:
        BuildError: a formula that MathJax cannot read.
    """
    formulas = {key: None for text in texts.values() for key in map(_key, FORMULA.finditer(text))}
    drawn = dict(zip(formulas, _draw(list(formulas)), strict=True))
    return {page: _page(page, text, drawn) for page, text in texts.items()}


def _page(page: str, text: str, drawn: dict[tuple[str, bool], str]) -> str:
    text, count = FORMULA.subn(lambda m: f"{m['open']}{drawn[_key(m)]}{m['close']}", text)
    text = SCRIPT.sub("", TOUCHING.sub(_together, text))
    if not count:
        return text
    root = "../" * page.count("/")
    return text.replace("</head>", f'<link rel="stylesheet" href="{root}_static/{STYLE}" />\n  </head>', 1)


def _together(found: re.Match) -> str:
    return f'<span class="touching">{found[0]}</span>' if found[1] or found[3] else found[0]


def _key(found: re.Match) -> tuple[str, bool]:
    display = found["inline"] is None
    return html.unescape(found["display"] if display else found["inline"]).strip(), display


def _draw(formulas: list[tuple[str, bool]]) -> list[str]:
    asked = json.dumps({"formulas": formulas, "fonts": FONTS})
    done = subprocess.run([node(), "mathematics.mjs"], cwd=WEB, input=asked, capture_output=True, text=True)
    if done.returncode:
        said = re.search(r"Error: .*", done.stderr)
        raise BuildError(f"a formula could not be drawn: {said[0] if said else done.stderr.strip()}")
    answer = json.loads(done.stdout)
    (SITE / "_static" / STYLE).write_text(answer["css"] + "\n" + RULES, encoding="utf-8")
    return answer["html"]
