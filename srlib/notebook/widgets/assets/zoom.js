ready(".srlib-zoom", (figure) => {
  const stage = figure.querySelector(".srlib-stage");
  const size = figure.querySelector(".srlib-size");
  const readout = figure.querySelector("output");
  const panes = [...figure.querySelectorAll(".srlib-pane")];
  const [height, width] = JSON.parse(figure.dataset.size);
  let [top, left, down, across] = JSON.parse(figure.dataset.box); // pixels of the largest picture
  const shape = down / across;
  const least = Number(size.min);

  const draw = () => {
    left = clamp(left, 0, width - across);
    top = clamp(top, 0, height - down);
    const parts = { top: top / height, left: left / width, down: down / height, across: across / width };
    for (const [name, value] of Object.entries(parts)) figure.style.setProperty(`--${name}`, value);
    const rows = `${Math.round(top)} to ${Math.round(top + down)}`;
    const columns = `${Math.round(left)} to ${Math.round(left + across)}`;
    readout.textContent = `rows ${rows}, columns ${columns} of ${height} × ${width}`;
    for (const pane of panes) crisp(pane.firstElementChild, (pane.clientWidth * width) / across);
    crisp(stage.firstElementChild, stage.clientWidth);
  };
  const resize = (wide) => {
    const limit = Math.min(width, height / shape);
    const next = clamp(wide, Math.min(least, limit), limit);
    left += (across - next) / 2;
    top += (down - next * shape) / 2;
    across = next;
    down = next * shape;
    size.value = across;
    size.setAttribute("aria-valuetext", `${Math.round(across)} × ${Math.round(down)} pixels`);
    draw();
  };
  // Turns a drag on `element` into steps, each in parts of the element's width and height.
  const drag = (element, start, step) => {
    let last = null;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      last = event;
      element.setPointerCapture(event.pointerId);
      start(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (!last || event.pointerId !== last.pointerId) return;
      const box = element.getBoundingClientRect();
      step((event.clientX - last.clientX) / box.width, (event.clientY - last.clientY) / box.height);
      last = event;
      draw();
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (last = null));
  };

  drag(
    stage,
    (event) => {
      if (event.target.classList.contains("srlib-box")) return;
      const box = stage.getBoundingClientRect();
      left = ((event.clientX - box.left) / box.width) * width - across / 2;
      top = ((event.clientY - box.top) / box.height) * height - down / 2;
      draw();
    },
    (x, y) => {
      left += x * width;
      top += y * height;
    },
  );
  for (const pane of panes) {
    drag(
      pane,
      () => {},
      (x, y) => {
        left -= x * across;
        top -= y * down;
      },
    );
  }
  stage.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) {
      const stride = event.shiftKey ? 1 : across / 8;
      left += move[0] * stride;
      top += move[1] * stride;
      draw();
    } else if ("+=".includes(event.key)) resize(across / 1.25);
    else if (event.key === "-") resize(across * 1.25);
    else return;
    event.preventDefault();
  });
  size.addEventListener("input", () => resize(Number(size.value)));
  whenSized(figure, draw);
  resize(across);
});
