// Finds its figures by class, not by the place of this script: notebooks move and repeat scripts.
const ready = (selector, setUp) => {
  const scan = () => {
    for (const figure of document.querySelectorAll(selector)) {
      if (figure.srlibReady) continue;
      figure.srlibReady = true;
      // In JupyterLab, keys belong to what has the focus, not to the notebook's shortcuts.
      for (const field of figure.querySelectorAll("input, select, button, [tabindex]")) {
        field.dataset.lmSuppressShortcuts = "true";
      }
      setUp(figure);
    }
  };
  scan();
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", scan);
  else setTimeout(scan, 0);
};

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// Squares for pixels that cover two screen pixels or more; below that squares would be of unequal sizes.
const crisp = (image, shown) => {
  const fixed = image.classList.contains("srlib-nearest") || image.classList.contains("srlib-chart");
  const natural = image.naturalWidth ?? image.width; // a canvas has no other
  if (fixed || !natural) return;
  const ratio = (shown * window.devicePixelRatio) / natural;
  image.classList.toggle("srlib-smooth", ratio < 1.99 && Math.abs(ratio - 1) > 0.01);
};

const whenSized = (element, action) => {
  new ResizeObserver(action).observe(element);
  for (const image of element.querySelectorAll("img")) image.addEventListener("load", action);
};
