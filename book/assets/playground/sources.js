// The ways in which a picture comes: the file dialogue, a drop, the clipboard.

import { pickFile } from "./pictures.js";

export function listenForPictures(ui, fixed, take, fail) {
  const takeFrom = (transfer) => {
    try {
      take(pickFile(transfer));
    } catch (error) {
      fail(error);
    }
  };
  ui.open.addEventListener("click", () => ui.file.click());
  ui.file.addEventListener("change", () => {
    if (ui.file.files.length) take(ui.file.files[0]);
    ui.file.value = ""; // so that the same file, chosen again, is a change
  });
  dropping(ui.root, takeFrom);
  pasting(ui.root, fixed, takeFrom);
}

function dropping(root, takeFrom) {
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    root.addEventListener(kind, (event) => {
      event.preventDefault(); // or the browser leaves the page for the picture
      root.classList.toggle("playground-over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") takeFrom(event.dataTransfer);
    });
  }
}

/** A paste anywhere on the playground's page; in a chapter, where several may stand, only where the focus is. */
function pasting(root, fixed, takeFrom) {
  document.addEventListener("paste", (event) => {
    const inside = root.contains(document.activeElement);
    if (!inside && (fixed || !event.clipboardData.files.length)) return;
    event.preventDefault();
    takeFrom(event.clipboardData);
  });
}
