// Formulas as HTML, with MathJax: reads {"formulas": [[tex, display], ...], "fonts": address} from standard input and
// writes {"html": [...], "css": "..."}. Screen readers get MathML, hidden from sight, as MathJax does in a browser.
import mathjax from "mathjax";

const FONT = { em: 16, ex: 8 }; // CSS pixels: the page's text, which formulas are scaled to fit

const read = async () => {
  let text = "";
  for await (const piece of process.stdin) text += piece;
  return JSON.parse(text);
};

const { formulas, fonts } = await read();
const MathJax = await mathjax.init({
  loader: { load: ["input/tex-full", "output/chtml", "adaptors/liteDOM"] },
  chtml: { fontURL: fonts, adaptiveCSS: true },
  tex: { formatError: (_, error) => { throw error; } },
});
const { adaptor } = MathJax.startup;

const draw = ([tex, display]) => {
  const container = MathJax.tex2chtml(tex, { display, ...FONT });
  const math = adaptor.firstChild(container);
  adaptor.setAttribute(math, "aria-hidden", "true");
  const spoken = MathJax.tex2mml(tex, { display }).replace(/>\s+</g, "><");
  const kind = display ? "block" : "inline";
  const hidden = `<mjx-assistive-mml display="${kind}">${spoken}</mjx-assistive-mml>`;
  return adaptor.outerHTML(container).replace("</mjx-container>", `${hidden}</mjx-container>`);
};

const html = formulas.map((formula) => {
  try {
    return draw(formula);
  } catch (error) {
    throw new Error(`${error.message}: ${formula[0]}`);
  }
});
const css = adaptor.textContent(MathJax.chtmlStylesheet());
process.stdout.write(JSON.stringify({ html, css }));
