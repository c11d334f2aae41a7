// A box that scrolls must be reachable without a mouse; one that does not scroll needs no stop of the Tab key.
(() => {
  const boxes = ".pst-scrollable-table-container, .bd-article .cell_output, .bd-article pre, mjx-container[display]";
  const update = (box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    const overflow = getComputedStyle(box);
    const can = [overflow.overflowX, overflow.overflowY].some((way) => way === "auto" || way === "scroll");
    if (scrolls && can) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  };
  const observer = new ResizeObserver((entries) => entries.forEach((entry) => update(entry.target)));
  const start = () => document.querySelectorAll(boxes).forEach((box) => observer.observe(box));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

// Paper is white: a page in dark colours is printed in light ones.
(() => {
  const root = document.documentElement;
  let theme = "";
  addEventListener("beforeprint", () => ([theme, root.dataset.theme] = [root.dataset.theme, "light"]));
  addEventListener("afterprint", () => (root.dataset.theme = theme));
})();
