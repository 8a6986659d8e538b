// Keeps the page fresh: fetches the same page every two seconds and takes over what changed, node by node, so that
// nothing flickers, focus stays where it is, and the server remains the only place that knows how a row looks.
import { draw } from "./spectrogram.js";

const EVERY_MS = 2000;
const pictures = new Map(); // address -> { etag, data }
const drawn = new WeakMap(); // canvas -> { data, width, height }

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const keep = old.nodeName === "CANVAS" ? ["width", "height"] : ["open"]; // set by this script and by the reader
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !keep.includes(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((child, index) => (index < before.length ? morph(before[index], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

async function fetchPicture(address) {
  const known = pictures.get(address);
  const answer = await fetch(address, { headers: known ? { "If-None-Match": known.etag } : {}, cache: "no-store" });
  if (answer.status === 304) return known.data;
  if (!answer.ok) return null;
  const data = await answer.json();
  pictures.set(address, { etag: answer.headers.get("etag"), data });
  return data;
}

function inSight(canvas) {
  const box = canvas.getBoundingClientRect();
  return box.bottom > -200 && box.top < window.innerHeight + 200;
}

async function paint(canvas, force = false) {
  const address = canvas.dataset.source;
  const data = await fetchPicture(address);
  const last = drawn.get(canvas);
  if (!data || canvas.dataset.source !== address) return;
  if (!force && last && last.data === data && last.width === canvas.clientWidth && last.height === canvas.clientHeight) return;
  draw(canvas, data);
  drawn.set(canvas, { data, width: canvas.clientWidth, height: canvas.clientHeight });
}

// What is out of sight is painted once and then left alone until it comes into sight.
async function paintAll(force = false) {
  const canvases = [...document.querySelectorAll("canvas[data-source]")];
  const due = canvases.filter((canvas) => force || inSight(canvas) || !drawn.has(canvas));
  await Promise.all(due.map((canvas) => paint(canvas, force)));
}

async function refresh() {
  const live = document.querySelector("main[data-live]");
  if (!live || document.hidden) return;
  const offline = document.getElementById("offline");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main[data-live]");
    if (fresh) morph(live, document.adoptNode(fresh));
    await paintAll();
    offline.hidden = true;
  } catch {
    offline.hidden = false;
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

let waiting = 0;
function soon() {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => paintAll().catch(() => {}));
}
addEventListener("scroll", soon, { passive: true });
addEventListener("resize", soon);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paintAll(true).catch(() => {}));
paintAll()
  .catch(() => {})
  .then(() => setTimeout(keepFresh, EVERY_MS));
