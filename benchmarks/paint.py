"""When the largest piece of a page's first screen is there: this judges milliseconds, so leave the machine alone.

    python -m benchmarks.paint [PAGE ...]

Opens every page of the built site (`make book`) in Chromium, four times each with an empty cache, and fails where the
fastest opening takes more than 1.5 s. The tests count what a first screen waits for instead.
"""

import sys

from playwright.sync_api import Browser, sync_playwright

from book._tools.pages import SITE, pages
from tests.site.conftest import CHROMIUM, FLAGS, serving

MOST = 1500  # milliseconds
WATCH = """
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.painted = entry.startTime })
  .observe({type: "largest-contentful-paint", buffered: true})
"""


def painted(browser: Browser, where: str) -> float:
    """Milliseconds until the largest piece of a page is there, for a reader who comes for the first time."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.add_init_script(WATCH)
    tab.goto(where, wait_until="networkidle")
    found = tab.evaluate("window.painted")
    context.close()
    return found


def main() -> int:
    late = []
    with serving(SITE) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for page in sys.argv[1:] or pages():
            best = min(painted(browser, f"{address}/{page}.html") for _ in range(4))
            print(f"{page:<40} {best:5.0f} ms", flush=True)
            late += [page] if best > MOST else []
        browser.close()
    for page in late:
        print(f"{page}: later than {MOST} ms", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
