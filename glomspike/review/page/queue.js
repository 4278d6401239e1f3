// The list of glomeruli in the order in which they are reviewed.

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
    this.order = "worth";
    this.rows = new Map();
    this.glomeruli = new Map();
    list.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) chosen(row.dataset.key);
    });
  }

  // Shows other glomeruli, by key; `address` is where their pictures are.
  open(glomeruli, address) {
    this.glomeruli = glomeruli;
    this.address = address;
    this.rows.clear();
    this.list.replaceChildren();
    this.sort(this.order);
  }

  sort(order) {
    this.order = order;
    const rank = new Map([...this.glomeruli.values()].map((one) => [one.key, ORDERS[order](one)]));
    this.keys = [...rank.keys()].sort((a, b) => {
      const [x, y] = [rank.get(a), rank.get(b)];
      return x[0] - y[0] || x[1] - y[1] || 0;
    });
    for (const key of this.keys) this.draw(this.glomeruli.get(key));
    this.list.replaceChildren(...this.keys.map((key) => this.rows.get(key)));
  }

  draw(one) {
    if (!this.rows.has(one.key)) this.rows.set(one.key, this.newRow(one));
    const row = this.rows.get(one.key);
    const call = one.is_glomerulus ? one.call ?? "not scored" : "no glomerulus";
    row.querySelector(".label").textContent = one.label;
    row.querySelector(".why").textContent = one.note || one.run?.reason || (one.run ? "" : "drawn by you");
    const badge = row.querySelector(".call");
    badge.textContent = call;
    badge.className = `call ${one.is_glomerulus ? CALL_CLASS[one.call] ?? "" : "none"}`;
    row.querySelector(".mark").textContent = one.reviewed ? "✓" : "";
    row.querySelector("button").setAttribute(
      "aria-label", `Glomerulus ${one.label}, ${call}${one.reviewed ? ", reviewed" : ""}`);
  }

  newRow(one) {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.dataset.key = one.key;
    const picture = document.createElement("img");
    picture.alt = "";
    if (one.run?.pictured) this.pictures.add(picture, `${this.address}/pictures/images/${one.run.number}?small`);
    else picture.className = "blank";
    button.append(picture, span("label"), span("mark"), span("call"), span("why"));
    row.append(button);
    return row;
  }

  choose(key) {
    for (const [other, row] of this.rows) row.querySelector("button").setAttribute("aria-current", String(other === key));
    this.rows.get(key)?.scrollIntoView({ block: "nearest" });
  }

  // The next in this order, or the one before; null at the end.
  beside(key, step) {
    return this.keys[this.keys.indexOf(key) + step] ?? null;
  }

  // The next that was not reviewed, from the beginning again after the last; null where all were.
  nextUnseen(key) {
    const from = this.keys.indexOf(key) + 1;
    const ahead = [...this.keys.slice(from), ...this.keys.slice(0, from)];
    return ahead.find((other) => other !== key && !this.glomeruli.get(other).reviewed) ?? null;
  }
}

function span(name) {
  const made = document.createElement("span");
  made.className = name;
  return made;
}
