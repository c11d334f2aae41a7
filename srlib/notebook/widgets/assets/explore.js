ready(".srlib-explore", (figure) => {
  const data = JSON.parse(figure.querySelector(".srlib-frames").textContent);
  const image = figure.querySelector(".srlib-stage img");
  const text = figure.querySelector(".srlib-text");
  const controls = [...figure.querySelectorAll(".srlib-control")];
  const chosen = controls.map(() => 0);
  data.images[0] = image.getAttribute("src"); // the first frame stands in the page, not twice

  const draw = () => {
    let frame = 0;
    chosen.forEach((index, axis) => (frame = frame * data.values[axis].length + index));
    const source = data.images[data.frames[frame]];
    if (image.getAttribute("src") !== source) image.src = source;
    image.alt = data.alts[frame];
    if (text) text.textContent = data.texts[frame];
  };
  controls.forEach((control, axis) => {
    const slider = control.querySelector("input[type=range]");
    const radios = [...control.querySelectorAll("input[type=radio]")];
    const readout = control.querySelector("output");
    const choose = (index) => {
      chosen[axis] = Number(index);
      if (slider) {
        readout.textContent = data.values[axis][chosen[axis]];
        slider.setAttribute("aria-valuetext", readout.textContent);
      }
      draw();
    };
    // Named here, not in the page: copies of this widget must not share their groups of radio buttons.
    window.srlibGroups = (window.srlibGroups || 0) + 1;
    for (const radio of radios) radio.name = `srlib-${window.srlibGroups}`;
    control.addEventListener("input", (event) => choose(event.target.value));
    const field = slider || control.querySelector("select") || radios.find((radio) => radio.checked);
    choose(field.value); // browsers restore form fields when a page is loaded again
  });
  // Frames that are files, as on the site, come before they are needed; frames inside the page cost nothing.
  const files = data.images.filter((source) => !source.startsWith("data:"));
  const near = new IntersectionObserver(([seen]) => {
    if (!seen.isIntersecting) return;
    near.disconnect();
    data.fetched = files.map((source) => Object.assign(new Image(), { src: source }));
  }, { rootMargin: "100%" });
  if (files.length) near.observe(figure);
  const scale = () => crisp(image, image.clientWidth);
  whenSized(figure, scale);
  scale();
});
