// Keeps the page fresh: fetches the same page when the server says that there is something new, or every two seconds
// where it does not listen, and takes over what changed, node by node, so that nothing flickers, focus stays where it
// is, and the server remains the only place that knows how a row looks.
import { Chart } from "./chart.js";

const EVERY_MS = 2000;
const charts = new Map(); // figure -> Chart

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.nodeName === "FORM") return; // what a reader is about to choose
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.matches("figure.chart")) { // the rest of it belongs to its chart
    const [said, says] = [old, fresh].map((figure) => figure.querySelector("figcaption"));
    if (said.textContent !== says.textContent) said.textContent = says.textContent;
    return;
  }
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((child, index) => (index < before.length ? morph(before[index], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

function inSight(figure) {
  const box = figure.getBoundingClientRect();
  return box.bottom > -200 && box.top < window.innerHeight + 200;
}

// What is out of sight is drawn once and then left alone until it comes into sight.
async function drawAll(force = false) {
  for (const [figure, chart] of charts) if (!figure.isConnected) { chart.forget(); charts.delete(figure); }
  const figures = [...document.querySelectorAll("figure.chart")].filter((figure) => force || inSight(figure) || !charts.has(figure));
  for (const figure of figures) if (!charts.has(figure)) charts.set(figure, new Chart(figure));
  await Promise.all(figures.map((figure) => charts.get(figure).refresh(force)));
}

async function refresh() {
  const live = document.querySelector("main[data-live]");
  if (!live) return;
  const offline = document.getElementById("offline");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main[data-live]");
    if (fresh) morph(live, document.adoptNode(fresh));
    await drawAll();
    offline.hidden = true;
  } catch {
    offline.hidden = false;
  }
}

let told = false; // there is something new
let listens = false;
function listen() {
  const stream = new EventSource(`${document.documentElement.dataset.root}/api/v1/stream`);
  stream.onmessage = () => { told = listens = true; };
  stream.onerror = () => {
    listens = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 60_000); // too many listen: ask instead
  };
}

async function keepFresh() {
  if ((told || !listens) && !document.hidden) { // what was told meanwhile waits until the page is looked at
    told = false;
    await refresh();
  }
  setTimeout(keepFresh, EVERY_MS);
}

let waiting = 0;
function soon(force) {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => drawAll(force).catch(() => {}));
}
addEventListener("scroll", () => soon(false), { passive: true });
addEventListener("resize", () => soon(true));
// On paper colours are those of light; nothing can be fetched any more.
matchMedia("print").addEventListener("change", () => charts.forEach((chart) => chart.draw()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => soon(true));
// A choice is an order: no button needed, but it is there without a script.
for (const choice of document.querySelectorAll("form.filter select")) choice.addEventListener("change", () => choice.form.requestSubmit());
if (document.querySelector("main[data-live]")) listen();
drawAll()
  .catch(() => {})
  .then(() => setTimeout(keepFresh, EVERY_MS));
