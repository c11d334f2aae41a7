// Only a page of the site says where its static files are; in a notebook the comparison is all there is.
ready(".srlib-playground", (figure) => {
  const root = document.documentElement.dataset.content_root;
  if (root === undefined) return;
  const own = figure.querySelector(".srlib-own");
  const network = JSON.parse(figure.querySelector(".srlib-network").textContent);
  const start = async () => {
    const address = new URL(`${root}_static/playground/playground.js`, document.baseURI);
    const { mount } = await import(address.href);
    own.hidden = false;
    await mount(own.querySelector(".srlib-mount"), network);
  };
  // What a reader may never scroll to need not be loaded.
  const near = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      start().catch((error) => {
        own.hidden = true;
        console.warn(`The playground cannot start: ${error.message}`);
      });
    },
    { rootMargin: "800px" },
  );
  near.observe(figure);
});
