"use strict";
// Sorting, filtering and fading of the cards, and going from one to the next. Without it all cards are there.

const one = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const markerOf = new Map([...document.querySelectorAll(".marker")].map((marker) => [marker.dataset.id, marker]));

const isScored = (card) => card.dataset.probability !== "";
const probability = (card) => (isScored(card) ? Number(card.dataset.probability) : -1);
const cut = (name) => Number(one(name)?.value ?? 1);
const callOf = (card) => {
  if (!isScored(card)) return "not scored";
  if (card.dataset.call) return card.dataset.call;
  if (probability(card) >= cut("threshold")) return "spiked";
  return probability(card) < cut("lower") ? "not spiked" : "uncertain";
};
const shownKind = () => document.querySelector("input[name=show]:checked").value;
const visible = () => [...document.querySelectorAll(".card:not([hidden])")];

const isShown = {
  all: () => true,
  spiked: (card) => callOf(card) === "spiked",
  other: (card) => callOf(card) === "not spiked",
  uncertain: (card) => callOf(card) === "uncertain",
  unscored: (card) => !isScored(card),
};

const order = {
  probability: (a, b) => probability(b) - probability(a) || a.dataset.id - b.dataset.id,
  position: (a, b) => a.dataset.id - b.dataset.id,
  size: (a, b) => b.dataset.size - a.dataset.size,
};

function judge() {
  const spiked = cards.filter(isShown.spiked);
  const uncertain = cards.filter(isShown.uncertain);
  const scored = cards.filter(isScored);
  for (const card of scored) {
    const call = callOf(card);
    const verdict = card.querySelector(".verdict");
    verdict.textContent = call;
    const marker = markerOf.get(card.dataset.id);
    const text = `probability ${probability(card).toFixed(2)}, ${call}`;
    for (const kind of ["spiked", "uncertain"]) {
      verdict.classList.toggle(kind, call === kind);
      marker.classList.toggle(kind, call === kind);
    }
    marker.setAttribute("aria-label", `Glomerulus ${card.dataset.id}, ${text}`);
    marker.querySelector("title").textContent = `Glomerulus ${card.dataset.id}: ${text}`;
  }
  if (scored.length === 0) return;
  one("spiked").textContent = spiked.length;
  const percent = (100 * spiked.length) / scored.length;
  one("proportion").textContent = `${percent.toFixed(percent > 0 && percent < 1 ? 1 : 0)} %`;
  one("uncertain").textContent = uncertain.length > 0 ? `· ${uncertain.length} uncertain` : "";
  for (const [name, mark] of [["threshold", "mark"], ["lower", "lower-mark"]]) {
    one(`${name}-value`).textContent = cut(name).toFixed(2);
    one(mark).setAttribute("transform", `translate(${10 + 380 * cut(name)})`);
  }
  const isRuns = (name) => cut(name).toFixed(2) === Number(one(name).dataset.run).toFixed(2);
  one("differs").hidden = isRuns("threshold") && isRuns("lower");
}

// Both cuts follow where one passes the other, and the lower follows the upper where they were one.
let areOne = one("threshold")?.dataset.run === one("lower")?.dataset.run;

function moved(name, other) {
  const crossed = name === "threshold" ? cut(name) < cut(other) : cut(name) > cut(other);
  if (crossed || (areOne && name === "threshold")) one(other).value = one(name).value;
  areOne = one(name).value === one(other).value;
}

function setCuts(upper, lower) {
  one("threshold").value = upper;
  one("lower").value = lower;
  areOne = upper === lower;
}

function filter() {
  for (const card of cards) {
    card.hidden = !isShown[shownKind()](card);
    markerOf.get(card.dataset.id).toggleAttribute("hidden", card.hidden);
  }
  const shown = visible().length;
  one("empty").hidden = shown > 0 || cards.length === 0;
  one("count").textContent = `${shown} of ${cards.length} shown`;
}

function sort() {
  const last = one("empty");
  [...cards].sort(order[one("sort").value]).forEach((card) => last.before(card));
}

function fade(card, percent) {
  const layer = card.querySelector(".layer");
  if (!layer) return;
  layer.style.opacity = percent / 100;
  card.querySelector(".fade").value = percent;
}

function choose(card) {
  document.querySelectorAll(".chosen").forEach((element) => element.classList.remove("chosen"));
  card.classList.add("chosen");
  const marker = markerOf.get(card.dataset.id);
  marker.classList.add("chosen");
  // One marker at a time is a stop of the Tab key: a slide may have hundreds.
  markerOf.forEach((other) => other.setAttribute("tabindex", other === marker ? 0 : -1));
}

function goTo(card) {
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

// Goes to a card that a filter may have hidden.
function reveal(card) {
  if (card.hidden) {
    document.querySelector("input[name=show][value=all]").checked = true;
    filter();
  }
  goTo(card);
}

function step(by) {
  const shown = visible();
  if (shown.length === 0) return;
  const at = shown.findIndex((card) => card.classList.contains("chosen"));
  goTo(shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]);
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select")) return;
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  step(by);
});

for (const card of cards) {
  const marker = markerOf.get(card.dataset.id);
  card.addEventListener("focusin", () => choose(card));
  card.addEventListener("click", () => choose(card));
  card.querySelector(".fade")?.addEventListener("input", (event) => fade(card, event.target.value));
  card.querySelector(".back").addEventListener("click", (event) => {
    event.preventDefault();
    choose(card);
    marker.focus();
    marker.scrollIntoView({ block: "center" });
  });
  marker.addEventListener("click", (event) => {
    event.preventDefault();
    goTo(card);
  });
}

document.querySelectorAll(".best a").forEach((link) => link.addEventListener("click", (event) => {
  event.preventDefault();
  reveal(one(link.hash.slice(1)));
}));

const judgeAndFilter = () => { judge(); filter(); };
one("sort").addEventListener("change", sort);
document.querySelectorAll("input[name=show]").forEach((radio) => radio.addEventListener("change", filter));
one("lines").addEventListener("change", (event) => one("work").classList.toggle("no-lines", !event.target.checked));
one("threshold")?.addEventListener("input", () => { moved("threshold", "lower"); judgeAndFilter(); });
one("lower")?.addEventListener("input", () => { moved("lower", "threshold"); judgeAndFilter(); });
one("as-run")?.addEventListener("click", () => {
  setCuts(one("threshold").dataset.run, one("lower").dataset.run);
  judgeAndFilter();
});
document.querySelectorAll(".preset").forEach((preset) => preset.addEventListener("click", () => {
  setCuts(preset.value, preset.value);
  judgeAndFilter();
}));
one("heat")?.addEventListener("input", (event) => cards.forEach((card) => fade(card, event.target.value)));
one("colours")?.addEventListener("change", (event) => { document.documentElement.dataset.colours = event.target.value; });
one("theme").addEventListener("change", (event) => { document.documentElement.dataset.theme = event.target.value; });
one("print").addEventListener("click", () => window.print());
one("widen").addEventListener("click", (event) => {
  const wide = one("work").classList.toggle("wide");
  event.target.setAttribute("aria-pressed", wide);
});
one("controls").addEventListener("submit", (event) => event.preventDefault());

["controls", "calling", "widen", "page-settings"].forEach((id) => one(id)?.removeAttribute("hidden"));
if (cards.length > 0) markerOf.forEach((marker, id) => marker.setAttribute("tabindex", id === cards[0].dataset.id ? 0 : -1));
judgeAndFilter();
sort();
