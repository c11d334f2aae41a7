ready(".srlib-clip", (figure) => {
  const stage = figure.querySelector(".srlib-stage");
  const slider = figure.querySelector(".srlib-frame");
  const readout = figure.querySelector("output");
  const [back, play, forth] = figure.querySelectorAll("button");
  const icon = play.querySelector("path");
  const start = icon.getAttribute("d");
  const sheets = JSON.parse(figure.dataset.sheets);
  const border = Number(figure.dataset.border);
  const count = Number(slider.max);
  const line = figure.querySelector(".srlib-split");
  const split = line && swipe(figure);
  const images = [...figure.querySelectorAll(".srlib-strip img")].reverse(); // the first version lies on top
  let frame = 0;
  let timer = 0;
  let dragging = null;

  // The frame alone on a canvas of its size, which the page then scales: nothing of its neighbours can be seen.
  const layers = [...stage.querySelectorAll(".srlib-layer")].reverse();
  const views = layers.map((layer, version) => ({ layer, version, canvas: document.createElement("canvas") }));
  const draw = () => {
    for (const { canvas, version } of views) {
      const image = images[version];
      const { cell, rows } = sheets[version];
      if (!image.complete || !image.naturalWidth) continue;
      const x = Math.floor(frame / rows) * cell[0] + border;
      const y = (frame % rows) * cell[1] + border;
      const { width, height } = canvas;
      canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
      canvas.hidden = false;
    }
  };
  const choose = (view, version) => {
    const { canvas, layer } = view;
    view.version = version;
    [canvas.width, canvas.height] = sheets[version].size;
    canvas.hidden = true;
    canvas.setAttribute("aria-label", images[version].alt);
    canvas.classList.toggle("srlib-nearest", images[version].classList.contains("srlib-nearest"));
    draw();
    crisp(canvas, stage.clientWidth);
  };
  const show = (index) => {
    frame = ((index % count) + count) % count;
    slider.value = frame + 1;
    slider.setAttribute("aria-valuetext", `${frame + 1} of ${count}`);
    readout.textContent = `frame ${frame + 1} of ${count}`;
    draw();
  };
  const run = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(() => show(frame + 1), 1000 / figure.dataset.fps) : 0;
    play.setAttribute("aria-label", on ? "Pause" : "Play");
    icon.setAttribute("d", on ? "M3 1h4v14H3zM9 1h4v14H9z" : start);
    readout.setAttribute("aria-live", on ? "off" : "polite"); // a screen reader would read every frame
  };
  const step = (index) => {
    run(false);
    show(index);
  };

  play.addEventListener("click", () => run(!timer));
  back.addEventListener("click", () => step(frame - 1));
  forth.addEventListener("click", () => step(frame + 1));
  slider.addEventListener("input", () => step(slider.value - 1));
  figure.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const end = { Home: 0, End: count - 1 }[event.key];
    if (event.key === "k" || (event.key === " " && !event.target.closest("button"))) run(!timer);
    else if (event.target.matches("input") || (side === undefined && end === undefined)) return;
    else if (side && event.shiftKey && split) split(Number(line.value) + 2 * side);
    else step(end ?? frame + side);
    event.preventDefault();
  });
  const move = (event) => {
    const box = stage.getBoundingClientRect();
    split(((event.clientX - box.left) / box.width) * 100);
  };
  if (split) {
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      dragging = event.pointerId;
      stage.setPointerCapture(event.pointerId);
      if (event.pointerType === "mouse") move(event);
    });
    stage.addEventListener("pointermove", (event) => event.pointerId === dragging && move(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (dragging = null));
  } else stage.addEventListener("click", () => run(!timer));
  figure.querySelectorAll("select").forEach((list, side) => {
    const view = views[side];
    const pick = () => {
      choose(view, Number(list.value));
      const name = list.selectedOptions[0].textContent;
      view.layer.querySelector(".srlib-name").textContent = name;
      if (side) return;
      figure.dataset.front = name;
      line.setAttribute("aria-label", `Share of ${name} in percent`);
      split(line.value);
    };
    list.addEventListener("change", pick);
    pick(); // browsers restore form fields when a page is loaded again
  });

  for (const view of views) {
    view.canvas.setAttribute("role", "img");
    view.layer.insertBefore(view.canvas, view.layer.querySelector(".srlib-name"));
    choose(view, view.version);
  }
  // It stops where nobody sees it, and does not start again by itself.
  new IntersectionObserver((seen) => seen.at(-1).isIntersecting || run(false)).observe(stage);
  document.addEventListener("visibilitychange", () => document.hidden && run(false));
  whenSized(figure, () => {
    draw();
    for (const { canvas } of views) crisp(canvas, stage.clientWidth);
  });
  show(0);
});
