// Mouse, finger and keys on the comparison, as srlib/notebook/widgets/assets/compare.js has them.

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function gestures(view) {
  pointers(view);
  keys(view);
  const { stage } = view;
  // The wheel scrolls the page until the reader has clicked the picture, or holds Ctrl.
  const wheel = (event) => {
    const ours = event.ctrlKey || event.metaKey || stage.contains(document.activeElement);
    if (!ours || (view.look.scale === 1 && event.deltaY > 0)) return;
    event.preventDefault();
    view.zoom(Math.exp(-Math.min(Math.max(event.deltaY, -100), 100) / 300), place(stage, event));
  };
  stage.addEventListener("wheel", wheel, { passive: false });
  stage.addEventListener("dblclick", (event) =>
    view.look.scale > 1 ? view.show(1, 0, 0) : view.zoom(4, place(stage, event)),
  );
}

function place(stage, event) {
  const box = stage.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

function pointers(view) {
  const { stage } = view;
  const line = stage.querySelector(".srlib-line");
  const down = new Map();
  let dragging = null;
  let pinched = 0;
  const spread = () => {
    const [a, b] = [...down.values()];
    return { size: Math.hypot(a.x - b.x, a.y - b.y), middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(stage, event);
    down.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    dragging = line.contains(event.target) || view.look.scale === 1 ? "split" : "pan";
    if (down.size === 2) {
      dragging = "pinch";
      pinched = spread().size;
    }
    if (dragging === "split" && event.pointerType === "mouse") view.split(at.x * 100);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const at = place(stage, event);
    const { scale, x, y } = view.look;
    down.set(event.pointerId, at);
    if (dragging === "split") view.split(at.x * 100);
    if (dragging === "pan") view.show(scale, x + at.x - before.x, y + at.y - before.y);
    if (dragging === "pinch" && down.size === 2) {
      const { size, middle } = spread();
      view.zoom(size / pinched, middle);
      pinched = size;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      down.delete(event.pointerId);
      dragging = null;
    });
  }
}

function keys(view) {
  view.stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    const { scale, x, y } = view.look;
    if (move && scale > 1) view.show(scale, x - move[0] / 10, y - move[1] / 10);
    else if (move?.[0]) view.split(Number(view.range.value) + 2 * move[0]);
    else if ("+=".includes(event.key)) view.zoom(1.5);
    else if (event.key === "-") view.zoom(1 / 1.5);
    else if (event.key === "0") view.show(1, 0, 0);
    else return;
    event.preventDefault();
  });
}
