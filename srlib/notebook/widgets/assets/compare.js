ready(".srlib-compare", (figure) => {
  const stage = figure.querySelector(".srlib-stage");
  const line = figure.querySelector(".srlib-line");
  const range = figure.querySelector(".srlib-split");
  const images = [...stage.querySelectorAll("img")];
  const buttons = [...figure.querySelectorAll("button")];
  const readout = figure.querySelector("output");
  const most = Number(figure.dataset.zoom);
  const pointers = new Map();
  let view = { scale: 1, x: 0, y: 0 }; // x, y: the corner of the picture, in widths and heights of the stage
  let dragging = null;
  let pinched = 0;

  const draw = () => {
    const { scale, x, y } = view;
    figure.style.setProperty("--view", `translate(${x * 100}%, ${y * 100}%) scale(${scale})`);
    stage.classList.toggle("srlib-zoomed", scale > 1);
    for (const image of images) crisp(image, stage.clientWidth * scale);
    if (!readout) return;
    readout.textContent = `${Math.round(scale * 10) / 10}×`;
    buttons[0].disabled = buttons[2].disabled = scale <= 1;
    buttons[1].disabled = scale >= most;
  };
  const split = swipe(figure);
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };
  const look = (scale, x, y) => {
    view = { scale, x: clamp(x, 1 - scale, 0), y: clamp(y, 1 - scale, 0) };
    draw();
  };
  const zoom = (factor, at = { x: 0.5, y: 0.5 }) => {
    const scale = clamp(view.scale * factor, 1, most);
    const change = scale / view.scale;
    look(scale, at.x - (at.x - view.x) * change, at.y - (at.y - view.y) * change);
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { size: Math.hypot(a.x - b.x, a.y - b.y), middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    if (pointers.size === 2 && most > 1) {
      dragging = "pinch";
      pinched = spread().size;
    } else {
      dragging = line.contains(event.target) || view.scale === 1 ? "split" : "pan";
    }
    if (dragging === "split" && event.pointerType === "mouse") split(at.x * 100);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    if (dragging === "split") split(at.x * 100);
    if (dragging === "pan") look(view.scale, view.x + at.x - before.x, view.y + at.y - before.y);
    if (dragging === "pinch" && pointers.size === 2) {
      const { size, middle } = spread();
      zoom(size / pinched, middle);
      pinched = size;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      dragging = null;
    });
  }
  stage.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move && view.scale > 1) look(view.scale, view.x - move[0] / 10, view.y - move[1] / 10);
    else if (move && move[0]) split(Number(range.value) + 2 * move[0]);
    else if (most > 1 && "+=".includes(event.key)) zoom(1.5);
    else if (most > 1 && event.key === "-") zoom(1 / 1.5);
    else if (most > 1 && event.key === "0") look(1, 0, 0);
    else return;
    event.preventDefault();
  });
  if (most > 1) {
    // The wheel scrolls the page until the reader has clicked the picture, or holds Ctrl.
    stage.addEventListener(
      "wheel",
      (event) => {
        const ours = event.ctrlKey || event.metaKey || stage.contains(document.activeElement);
        if (!ours || (view.scale === 1 && event.deltaY > 0)) return;
        event.preventDefault();
        zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 300), place(event));
      },
      { passive: false },
    );
    stage.addEventListener("dblclick", (event) => (view.scale > 1 ? look(1, 0, 0) : zoom(4, place(event))));
    buttons[0].addEventListener("click", () => zoom(1 / 1.5));
    buttons[1].addEventListener("click", () => zoom(1.5));
    buttons[2].addEventListener("click", () => look(1, 0, 0));
  }
  whenSized(stage, draw);
  draw();
});
