// The list of glomeruli in the order in which they are reviewed: those of a slide, or those of all slides by
// what a correction teaches. Each has an id; that of another list is of no use in this one.

const CALL_CLASS = { spiked: "spiked", "not spiked": "not-spiked", uncertain: "uncertain" };

const ORDERS = {
  worth: (one) => [one.run ? -one.run.worth : 1, number(one)],
  place: (one) => [number(one), 0],
  size: (one) => [-one.circle.radius_um, 0],
  probability: (one) => [-(one.run?.probability ?? -1), number(one)],
};

// Shows pictures as they come into sight, one after the other: the slide's tiles go first through the few
// connections that a browser opens.
class Pictures {
  constructor(list) {
    this.waiting = new Set();
    this.loading = false;
    this.sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        if (isIntersecting) this.waiting.add(target);
        else this.waiting.delete(target);
      }
      this.load();
    }, { root: list, rootMargin: "120px" });
  }

  add(picture, address) {
    picture.dataset.address = address;
    this.sight.observe(picture);
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    for (const picture of this.waiting) {
      this.waiting.delete(picture);
      this.sight.unobserve(picture);
      await new Promise((done) => {
        picture.onload = picture.onerror = done;
        picture.src = picture.dataset.address;
      });
    }
    this.loading = false;
  }
}

function number(one) {
  return one.run ? one.run.number : Infinity;
}

export class Queue {
  constructor(list, chosen) {
    this.list = list;
    this.pictures = new Pictures(list);
    this.rows = new Map();
    this.listed = new Map();
    this.ids = [];
    list.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) chosen(row.dataset.id);
    });
  }

  // Shows the glomeruli of a slide, by key; `address` is where their pictures are.
  open(glomeruli, order, address) {
    const rank = new Map([...glomeruli.values()].map((one) => [one.key, ORDERS[order](one)]));
    const keys = [...rank.keys()].sort((a, b) => {
      const [x, y] = [rank.get(a), rank.get(b)];
      return x[0] - y[0] || x[1] - y[1] || 0;
    });
    this.show(keys.map((key) => [key, glomeruli.get(key)]), address, () => address);
  }

  // Shows those of all slides in the order in which they come; `of` is the name of its slide, and
  // `address(slide)` where its pictures are.
  openAll(glomeruli, address) {
    this.show(glomeruli.map((one) => [idIn(one.slide, one.key), one]), "", address);
  }

  show(entries, source, address) {
    if (source !== this.source) this.rows.clear();
    this.source = source;
    this.address = address;
    this.listed = new Map(entries);
    this.ids = [...this.listed.keys()];
    for (const id of this.ids) this.draw(id, this.listed.get(id));
    this.list.replaceChildren(...this.ids.map((id) => this.rows.get(id)));
  }

  // A glomerulus that is listed has changed.
  change(id, one) {
    const before = this.listed.get(id);
    if (before) this.draw(id, { ...before, ...one, run: before.run });
  }

  draw(id, one) {
    this.listed.set(id, one);
    if (!this.rows.has(id)) this.rows.set(id, this.newRow(id, one));
    const row = this.rows.get(id);
    const call = one.is_glomerulus ? one.call ?? "not scored" : "no glomerulus";
    row.querySelector(".label").textContent = one.label;
    const why = one.note || one.run?.reason || (one.run ? "" : "drawn by you");
    row.querySelector(".why").textContent = one.of && why ? `${one.of}: ${why}` : one.of || why;
    const badge = row.querySelector(".call");
    badge.textContent = call;
    badge.className = `call ${one.is_glomerulus ? CALL_CLASS[one.call] ?? "" : "none"}`;
    row.querySelector(".mark").textContent = one.reviewed ? (one.changed ? "✓ ●" : "✓") : "";
    row.querySelector("button").setAttribute("aria-label", this.spoken(id));
  }

  // A glomerulus in words, for those who hear the page.
  spoken(id) {
    const one = this.listed.get(id);
    const call = one.is_glomerulus ? one.call ?? "not scored" : "no glomerulus";
    return `Glomerulus ${one.label}${one.of ? ` of ${one.of}` : ""}, ${call}${one.reviewed ? ", reviewed" : ""}${one.changed ? ", changed" : ""}`;
  }

  newRow(id, one) {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.dataset.id = id;
    button.dataset.key = one.key;
    const picture = document.createElement("img");
    picture.alt = "";
    if (one.run?.pictured) this.pictures.add(picture, `${this.address(one.slide)}/pictures/images/${one.run.number}?small`);
    else picture.className = "blank";
    button.append(picture, span("label"), span("mark"), span("call"), span("why"));
    row.append(button);
    return row;
  }

  choose(id) {
    for (const [other, row] of this.rows) row.querySelector("button").setAttribute("aria-current", String(other === id));
    this.rows.get(id)?.scrollIntoView({ block: "nearest" });
  }

  // The next in this order, or the one before; null at the end.
  beside(id, step) {
    return this.ids[this.ids.indexOf(id) + step] ?? null;
  }

  get reviewed() {
    return [...this.listed.values()].filter((one) => one.reviewed).length;
  }

  // All in this order after one, from the beginning again after the last.
  after(id) {
    const from = this.ids.indexOf(id) + 1;
    return [...this.ids.slice(from), ...this.ids.slice(0, from)];
  }

  // The first of some that is neither reviewed nor among those whose review waits to be saved; null where none is.
  firstUnseen(ids, waiting) {
    return ids.find((id) => !this.listed.get(id).reviewed && !waiting.has(id)) ?? null;
  }
}

// The id of a glomerulus in the list of all slides.
export function idIn(slide, key) {
  return `${slide}/${key}`;
}

function span(name) {
  const made = document.createElement("span");
  made.className = name;
  return made;
}
