// The page: what is chosen, what the keys and buttons do, and what follows a change.

import { Changes, fetchJson } from "./server.js";
import { Queue, idIn } from "./queue.js";
import { Tools } from "./tools.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);
const NAME = "glomspike-reviewer";
const TURN = 15; // degrees
const PAN = 0.25; // of the view

const viewer = new Viewer(byId("viewer"), showView, choose);
const queue = new Queue(byId("queue"), goTo);
const changes = new Changes(showSaving, take, refuse);
const tools = new Tools(viewer, { edit: save, chosen: () => glomeruli.get(chosen), boxes: boxesOfChosen, shown: showTool, refuse: showHint });

let slides = [];
let slide = null;
let number = 0;
let glomeruli = new Map();
let chosen = null;
let heatBefore = 60;
let opening = 0; // of the slides, the one that was wished last
let made = []; // where changes were made since the page was opened: {slide, key}

const isOfAll = () => byId("order").value === "informative";
const idOf = (key) => (isOfAll() ? idIn(number, key) : key);
const reviewer = () => localStorage.getItem(NAME) ?? "";
const address = (of = number) => `slides/${of}`;

// ---- slides

async function start() {
  byId("reviewer").textContent = reviewer();
  made = [];
  slides = await fetchJson(`slides?reviewer=${encodeURIComponent(reviewer())}`);
  byId("slides").replaceChildren(...slides.map((one) => new Option(slideText(one), one.number)));
  changes.serve(new Map(slides.map((one) => [one.name, one.number])));
  const wished = slides.findIndex((one) => one.name === decodeURIComponent(location.hash.slice(1)));
  if (isOfAll()) await listAll();
  if (wished < 0 && isOfAll() && queue.ids.length) await goTo(firstOf(queue.ids));
  else await open(Math.max(wished, 0));
}

function slideText({ name, reviewed, listed }) {
  if (slides.length === 1) return name;
  return reviewed === listed ? `${name} ✓` : `${name} (${reviewed} of ${listed})`;
}

// Opens a slide at a glomerulus, by its key, or at the first in the queue that is still to be reviewed.
async function open(which, key = null) {
  const mine = ++opening;
  const opened = await fetchJson(`${address(which)}?reviewer=${encodeURIComponent(reviewer())}`);
  if (mine !== opening) return;
  [slide, number, chosen] = [opened, which, null];
  byId("slides").value = String(which);
  history.replaceState(null, "", `#${encodeURIComponent(slide.name)}`);
  document.title = `${slide.name} - glomspike review`;
  glomeruli = new Map(slide.glomeruli.map((one) => [one.key, one]));
  tools.put();
  viewer.open(slide, address());
  for (const one of glomeruli.values()) viewer.draw(one);
  if (!isOfAll()) queue.open(glomeruli, byId("order").value, address());
  showState(slide);
  notice(slide.read_only ? `Nothing can be saved: ${slide.read_only}` : slide.tiles ? "" : "The slide file was not found: its glomeruli are shown from the results. Give it with --slide to see the whole slide.");
  choose(key ?? firstListed());
}

// The glomeruli of all slides, by what a correction teaches.
async function listAll() {
  byId("progress").textContent = "Sorting all slides";
  const listed = await fetchJson(`informative?reviewer=${encodeURIComponent(reviewer())}`);
  const of = ({ slide: which }) => (slides.length > 1 ? slides[which].name : "");
  queue.openAll(listed.map((one) => ({ ...one, of: of(one) })), address);
}

async function sort() {
  if (isOfAll()) {
    await listAll();
    await goTo(firstOf(queue.ids));
  } else {
    queue.open(glomeruli, byId("order").value, address());
    choose(firstListed());
  }
  showProgress();
}

// The key of the first glomerulus of this slide in the queue that is still to be reviewed, else of the very first;
// null where it has none.
function firstListed() {
  if (!isOfAll()) return firstOf(queue.ids);
  const id = firstOf(queue.ids.filter((one) => placeOf(one).slide === number));
  return id && placeOf(id).key;
}

function firstOf(ids) {
  return queue.firstUnseen(ids, beingSaved()) ?? ids[0] ?? null;
}

// The ids of what is reviewed as soon as the server answers.
function beingSaved() {
  const waiting = changes.edits(reviewer());
  if (!isOfAll()) return new Set(waiting.filter((one) => one.slide === slide.name).map(({ edit }) => edit.glomerulus));
  return new Set(waiting.map((one) => idIn(slides.findIndex(({ name }) => name === one.slide), one.edit.glomerulus)));
}

// The boxes of the chosen glomerulus, with those that are still being saved.
function boxesOfChosen() {
  const isOfChosen = ({ slide: name, edit }) => name === slide.name && edit.kind === "boxes" && edit.glomerulus === chosen;
  return (changes.edits(reviewer()).findLast(isOfChosen)?.edit ?? glomeruli.get(chosen)).boxes0;
}

function placeOf(id) {
  const [which, key] = id.split("/");
  return { slide: Number(which), key };
}

// Goes to what is listed under an id, on whichever slide.
async function goTo(id) {
  if (id === null) return;
  const place = isOfAll() ? placeOf(id) : { slide: number, key: id };
  if (place.slide === number && slide) choose(place.key);
  else await open(place.slide, place.key);
}

// ---- one glomerulus

function choose(key) {
  const isAnother = key !== chosen;
  chosen = key;
  const one = glomeruli.get(key);
  viewer.choose(one);
  queue.choose(key === null ? null : idOf(key));
  showChosen(one);
  tools.follow(isAnother);
  if (one && isAnother) viewer.fit(one);
  if (isAnother) done("");
}

function showChosen(one) {
  byId("chosen").hidden = !one;
  if (!one) return;
  byId("name").textContent = one.run ? `Glomerulus ${one.label}` : `Glomerulus, ${one.label}`;
  byId("reason").textContent = one.run?.reason ?? "drawn by you";
  byId("facts").replaceChildren(...factsOf(one).flatMap(([term, text]) => [node("dt", term), node("dd", text)]).reduce(pairs, []));
  for (const button of document.querySelectorAll("[data-call]")) {
    button.setAttribute("aria-pressed", String(one.is_glomerulus && one.call === button.dataset.call));
  }
  byId("sclerosed").setAttribute("aria-pressed", String(one.sclerosed === true));
  byId("absent").setAttribute("aria-pressed", String(!one.is_glomerulus));
  if (document.activeElement !== byId("note") || byId("note").dataset.key !== one.key) byId("note").value = one.note;
  byId("note").dataset.key = one.key;
}

function pairs(made, element, index) {
  if (index % 2 === 0) made.push(node("div", ""));
  made.at(-1).append(element);
  return made;
}

function factsOf(one) {
  const run = one.run;
  const diameter = ["diameter", `${Math.round(2 * one.circle.radius_um)} µm`];
  if (!run) return [diameter];
  const percent = (share) => (share === null ? "-" : `${Math.round(100 * share)} %`);
  return [
    ["probability", run.probability === null ? "not scored" : run.probability.toFixed(2)],
    ["positive tiles", percent(run.spike_fraction)],
    diameter,
  ];
}

function node(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// ---- changes

function save(edit) {
  if (slide.read_only) {
    notice(`Nothing can be saved: ${slide.read_only}`);
    return;
  }
  if (edit.glomerulus) made.push({ slide: number, key: edit.glomerulus });
  if (edit.kind === "drawn") showDrawn(edit);
  changes.add(slide.name, reviewer(), edit);
}

// Shows and chooses what was just drawn, so that keys act on it before the server answers.
function showDrawn({ glomerulus: key, circle, polygon0 }) {
  const one = { key, label: "new", circle, outline0: polygon0, call: null, sclerosed: null, is_glomerulus: true, boxes0: [], note: "", reviewed: true, changed: true, run: null, isWaiting: true };
  glomeruli.set(key, one);
  viewer.draw(one);
  choose(key);
}

// Says why a change was not taken. Of a drawing nothing is left, and nothing is chosen: keys that were meant for it
// change no other glomerulus.
function refuse(name, { kind, glomerulus: key }, why) {
  if (kind === "drawn") made = made.filter((one) => one.key !== key);
  if (slide && name === slide.name && glomeruli.get(key)?.isWaiting) {
    glomeruli.delete(key);
    viewer.erase(key);
    if (chosen === key) choose(null);
  }
  showHint(why);
}

// Undoes the last change to this slide or, where all slides are gone through, to the one that was changed last.
async function undo() {
  const last = made.pop();
  if (isOfAll() && last && last.slide !== number) await open(last.slide, last.key);
  save({ kind: "undo" });
}

function about(kind, values) {
  if (chosen !== null) save({ kind, glomerulus: chosen, ...values });
}

// Takes what the server says has changed.
function take(name, state) {
  const of = slides.findIndex((one) => one.name === name);
  if (of >= 0) byId("slides").options[of].text = slideText({ ...state.counts, name });
  if (isOfAll()) {
    for (const one of state.glomeruli) queue.change(idIn(of, one.key), one);
    showProgress();
  }
  if (!slide || name !== slide.name) return;
  const drawn = state.glomeruli.filter((one) => !one.run && (glomeruli.get(one.key)?.isWaiting ?? true));
  const appeared = drawn.findLast((one) => !glomeruli.has(one.key)); // drawn again by a redo
  const advice = state.glomeruli.map((one) => adviceOn(glomeruli.get(one.key), one)).find(Boolean);
  for (const key of state.gone) {
    glomeruli.delete(key);
    viewer.erase(key);
  }
  for (const one of state.glomeruli) {
    glomeruli.set(one.key, one);
    viewer.draw(one);
  }
  if (!isOfAll()) {
    if (drawn.length || state.gone.length) queue.open(glomeruli, byId("order").value, address());
    else for (const one of state.glomeruli) queue.change(one.key, one);
  }
  showState(state);
  const next = appeared?.key ?? (glomeruli.has(chosen) ? chosen : firstListed());
  if (next !== chosen || state.glomeruli.some((one) => one.key === chosen)) choose(next);
  if (advice) showHint(advice);
  const [first] = state.glomeruli;
  if (first) byId("spoken").textContent = `${queue.listed.has(idOf(first.key)) ? queue.spoken(idOf(first.key)) : "New glomerulus"}, saved`;
}

// What a change did beyond what was drawn, empty where it did nothing else.
function adviceOn(before, one) {
  const isScored = [...glomeruli.values()].some(({ run }) => run?.call);
  if (!before || before.isWaiting) return isScored && !one.run && !one.call ? `Glomerulus ${one.label} needs a call: 1 spiked, 2 not spiked, 3 uncertain.` : "";
  const isBoxed = one.boxes0.length > before.boxes0.length && one.call === "spiked" && before.call !== "spiked";
  return isBoxed ? `Glomerulus ${one.label} is now called spiked, because you boxed spikes on it.` : "";
}

async function agree() {
  if (chosen === null) return;
  about("agree", {});
  const next = queue.firstUnseen(queue.after(idOf(chosen)), beingSaved());
  if (next === null) done(`All glomeruli of ${isOfAll() ? "all slides" : "this slide"} have been reviewed. Next: “Write files”, at the top${isOfAll() ? ", for each slide" : ""}.`);
  else await goTo(next);
}

function step(by) {
  return goTo(queue.beside(idOf(chosen), by));
}

function toggleAbsent() {
  const one = glomeruli.get(chosen);
  if (one) about("presence", { is_glomerulus: !one.is_glomerulus });
}

function toggleSclerosed() {
  const one = glomeruli.get(chosen);
  if (one) about("sclerosed", { sclerosed: one.sclerosed !== true });
}

// ---- what is shown of it all

function showState({ counts, undo, redo, agreement }) {
  byId("counts").textContent = [`${counts.glomeruli} glomeruli, ${counts.sentence}`, ...agreement].join("; ");
  byId("progress").dataset.slide = `${counts.reviewed} of ${counts.listed} reviewed`;
  showProgress();
  byId("counts").dataset.undo = String(undo);
  byId("undo").disabled = !undo && !(isOfAll() && made.length);
  byId("redo").disabled = !redo;
}

function showProgress() {
  const { slide: ofSlide } = byId("progress").dataset;
  byId("progress").textContent = isOfAll() ? `${queue.reviewed} of ${queue.ids.length} reviewed` : ofSlide;
}

function showSaving(waiting, problem) {
  byId("saving").className = waiting ? "saving waiting" : "saving";
  byId("saving").textContent = problem ? `Not saved yet (${waiting}): ${problem}` : waiting ? "Saving" : "Saved";
}

function showView(magnification, degrees) {
  byId("magnification").textContent = `${magnification < 10 ? magnification.toFixed(1) : Math.round(magnification)}×`;
  byId("angle").textContent = `${((degrees % 360) + 360) % 360}°`;
}

function showTool(name, hint) {
  byId("viewer").classList.toggle("pen", name !== "look");
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
  showHint(hint);
}

function showHint(text) {
  byId("hint").hidden = !text;
  byId("hint").textContent = text;
}

function notice(text) {
  byId("notice").hidden = !text;
  byId("notice").textContent = text;
}

// Says that something is done, until the next glomerulus is chosen.
function done(text) {
  byId("done").hidden = !text;
  byId("done").textContent = text;
}

function fade(slider, to) {
  slider.value = String(to);
  slider.dispatchEvent(new Event("input"));
}

// ---- buttons and keys

async function writeFiles() {
  const answer = await fetch(`${address()}/files`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ reviewer: reviewer() }) });
  const said = await answer.json();
  if (said.problem) notice(said.problem);
  else done(said.written);
}

function who() {
  byId("who-name").value = reviewer() || byId("who-name").value;
  byId("who").showModal();
}

byId("who").addEventListener("close", () => {
  const name = byId("who-name").value.trim();
  if (!name) return who();
  localStorage.setItem(NAME, name);
  return start();
});
byId("slides").addEventListener("change", (event) => open(Number(event.target.value)));
byId("order").addEventListener("change", sort);
byId("outlines").addEventListener("input", (event) => viewer.fadeOutlines(event.target.value / 100));
byId("heatmap").addEventListener("input", (event) => viewer.fadeHeat(event.target.value / 100));
byId("note").addEventListener("change", (event) => {
  save({ kind: "note", glomerulus: event.target.dataset.key, note: event.target.value });
});
for (const button of document.querySelectorAll("[data-call]")) {
  button.addEventListener("click", () => about("call", { call: button.dataset.call }));
}
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => tools.take(button.dataset.tool));
}
const ACTIONS = {
  undo,
  redo: () => save({ kind: "redo" }),
  write: writeFiles,
  reviewer: who,
  keys: () => byId("help").showModal(),
  agree,
  sclerosed: toggleSclerosed,
  absent: toggleAbsent,
  in: () => viewer.zoom(1),
  out: () => viewer.zoom(-1),
  whole: () => viewer.fitWhole(),
  fit: () => glomeruli.has(chosen) && viewer.fit(glomeruli.get(chosen)),
  turn: () => viewer.turn(TURN),
};
for (const [id, action] of Object.entries(ACTIONS)) byId(id).addEventListener("click", action);

const KEYS = {
  Enter: agree,
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  1: () => about("call", { call: "spiked" }),
  2: () => about("call", { call: "not spiked" }),
  3: () => about("call", { call: "uncertain" }),
  g: toggleSclerosed,
  x: toggleAbsent,
  c: () => tools.take("circle"),
  o: () => tools.take("outline"),
  b: () => tools.take("boxes"),
  m: () => tools.take("missed"),
  i: () => tools.take("missed-circle"),
  e: () => byId("note").focus(),
  z: ACTIONS.undo,
  y: ACTIONS.redo,
  "+": ACTIONS.in,
  "=": ACTIONS.in,
  "-": ACTIONS.out,
  f: ACTIONS.fit,
  Home: ACTIONS.whole,
  r: () => viewer.turn(TURN),
  0: () => viewer.upright(),
  h: toggleHeat,
  l: () => fade(byId("outlines"), byId("outlines").value > 0 ? 0 : 100),
  "?": ACTIONS.keys,
  Escape: () => tools.put(),
};
const SHIFTED = {
  r: () => viewer.turn(-TURN),
  z: ACTIONS.redo,
  ArrowLeft: () => viewer.pan(-PAN, 0),
  ArrowRight: () => viewer.pan(PAN, 0),
  ArrowUp: () => viewer.pan(0, -PAN),
  ArrowDown: () => viewer.pan(0, PAN),
};

function toggleHeat() {
  const slider = byId("heatmap");
  if (slider.value > 0) heatBefore = slider.value;
  fade(slider, slider.value > 0 ? 0 : heatBefore);
}

// A button that was clicked lets go of the keys, or else Enter would press it again; one that the tab key reached
// keeps them.
document.addEventListener("click", (event) => {
  if (event.detail > 0) event.target.closest("button")?.blur();
});
for (const list of document.querySelectorAll("select")) list.addEventListener("change", () => list.blur());

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || !slide) return;
  const at = event.target;
  if (at.matches("textarea")) {
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      at.blur();
    }
    return;
  }
  if (at.matches("select") && event.key !== "Escape") return;
  if (at.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  // Enter and space press a button that was reached by the tab key.
  if (at.matches("button:focus-visible") && event.key === "Enter") return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // Caps Lock changes nothing
  if ((event.ctrlKey || event.metaKey) && !["z", "y"].includes(key)) return;
  const digit = /^Digit(.)$/.exec(event.code)?.[1]; // where digits need Shift, or Caps Lock makes signs of them
  const action = (event.shiftKey && SHIFTED[key]) || KEYS[key] || KEYS[digit];
  if (!action) return;
  event.preventDefault();
  action();
});

if (reviewer()) start();
else who();
