"use strict";
// Sorting, filtering and fading of the cards, and going from one to the next. Without it all cards are there.

const one = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const markerOf = new Map([...document.querySelectorAll(".marker")].map((marker) => [marker.dataset.id, marker]));

const isScored = (card) => card.dataset.probability !== "";
const probability = (card) => (isScored(card) ? Number(card.dataset.probability) : -1);
const threshold = () => Number(one("threshold")?.value ?? 1);
const isSpiked = (card) => isScored(card) && probability(card) >= threshold();
const shownKind = () => document.querySelector("input[name=show]:checked").value;
const visible = () => [...document.querySelectorAll(".card:not([hidden])")];

const isShown = {
  all: () => true,
  spiked: isSpiked,
  other: (card) => isScored(card) && !isSpiked(card),
  unscored: (card) => !isScored(card),
};

const order = {
  probability: (a, b) => probability(b) - probability(a) || a.dataset.id - b.dataset.id,
  position: (a, b) => a.dataset.id - b.dataset.id,
  size: (a, b) => b.dataset.size - a.dataset.size,
};

function judge() {
  const spiked = cards.filter(isSpiked);
  const scored = cards.filter(isScored);
  for (const card of scored) {
    const verdict = card.querySelector(".verdict");
    verdict.textContent = isSpiked(card) ? "spiked" : "not spiked";
    verdict.classList.toggle("spiked", isSpiked(card));
    const marker = markerOf.get(card.dataset.id);
    const told = `probability ${probability(card).toFixed(2)}, ${verdict.textContent}`;
    marker.classList.toggle("spiked", isSpiked(card));
    marker.setAttribute("aria-label", `Glomerulus ${card.dataset.id}, ${told}`);
    marker.querySelector("title").textContent = `Glomerulus ${card.dataset.id}: ${told}`;
  }
  if (scored.length === 0) return;
  one("spiked").textContent = spiked.length;
  const percent = (100 * spiked.length) / scored.length;
  one("proportion").textContent = `${percent.toFixed(percent > 0 && percent < 1 ? 1 : 0)} %`;
  one("threshold-value").textContent = threshold().toFixed(2);
  one("differs").hidden = threshold().toFixed(2) === Number(one("threshold").dataset.run).toFixed(2);
  one("mark").setAttribute("transform", `translate(${10 + 380 * threshold()})`);
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
one("threshold")?.addEventListener("input", judgeAndFilter);
document.querySelectorAll(".preset").forEach((preset) => preset.addEventListener("click", () => {
  one("threshold").value = preset.value;
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
