// The line between two layers: its slider, and a function that moves it to a percentage of the width.
const swipe = (figure) => {
  const range = figure.querySelector(".srlib-split");
  const split = (percent) => {
    range.value = clamp(percent, 0, 100);
    figure.style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${Math.round(range.value)} % ${figure.dataset.front}`);
  };
  range.addEventListener("input", () => split(range.value));
  split(50);
  return split;
};
