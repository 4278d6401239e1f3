// Talks to the server. A change waits in the browser's storage until the server has it on its disk, so that
// neither a killed server nor a closed page loses it; its id makes sure that it counts once.

const STORE = "glomspike-waiting";
const AGAIN_MS = 1000;

export async function fetchJson(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// Like crypto.randomUUID, which browsers withhold from pages of another machine without TLS.
export function newId() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0"));
  return [hex.slice(0, 4), hex.slice(4, 6), hex.slice(6, 8), hex.slice(8, 10), hex.slice(10)]
    .map((part) => part.join("")).join("-");
}

export class Changes {
  // `report(waiting, problem)` is called whenever what waits changes; `saved(slide, state)` with each answer,
  // `refused(slide, edit, why)` instead where the server will never take a change.
  constructor(report, saved, refused) {
    Object.assign(this, { report, saved, refused });
    this.numbers = new Map();
    this.sending = false;
  }

  // Which slides the server has: {name: number}. What waits from an earlier page is sent now.
  serve(numbers) {
    this.numbers = numbers;
    this.send();
  }

  add(slide, reviewer, edit) {
    const change = { id: newId(), reviewer, edit };
    this.store([...this.waiting(), { slide, change }]);
    this.send();
  }

  waiting() {
    return JSON.parse(localStorage.getItem(STORE) ?? "[]");
  }

  // A reviewer's edits that wait, as {slide, edit}, without those that an undo behind them takes back.
  edits(reviewer) {
    const edits = [];
    for (const { slide, change } of this.waiting().filter((one) => one.change.reviewer === reviewer)) {
      const last = edits.findLastIndex((one) => one.slide === slide);
      if (change.edit.glomerulus) edits.push({ slide, edit: change.edit });
      else if (change.edit.kind === "undo" && last >= 0) edits.splice(last, 1);
    }
    return edits;
  }

  store(waiting) {
    localStorage.setItem(STORE, JSON.stringify(waiting));
  }

  // One after the other, so that they arrive in the order in which they were made.
  async send() {
    if (this.sending) return;
    this.sending = true;
    for (let next = this.next(); next; next = this.next()) {
      this.report(this.waiting().length, "");
      const problem = await this.post(next);
      if (problem) {
        this.report(this.waiting().length, problem);
        await new Promise((again) => setTimeout(again, AGAIN_MS));
      }
    }
    this.sending = false;
    this.report(this.waiting().length, "");
  }

  next() {
    return this.waiting().find(({ slide }) => this.numbers.has(slide));
  }

  // Empty when the server has the change or will never take it, else why it is not saved.
  async post({ slide, change }) {
    let answer;
    try {
      answer = await fetch(`slides/${this.numbers.get(slide)}/changes`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(change),
      });
    } catch {
      return "the server does not answer; start `glomspike review` again; nothing is lost";
    }
    const said = await answer.json().catch(() => ({ problem: `the server answered ${answer.status}` }));
    if (!answer.ok && answer.status !== 422) return said.problem;
    if (answer.ok) {
      this.store(this.waiting().filter((one) => one.change.id !== change.id));
      this.saved(slide, said);
    } else {
      this.store(this.without({ slide, change }));
      this.refused(slide, change.edit, said.problem);
    }
    return "";
  }

  // What waits without a change that was refused, and what follows from it: changes to the glomerulus that it would
  // have drawn, and undos of any of these.
  without(refused) {
    const { kind, glomerulus } = refused.change.edit;
    const isVoid = ({ id, edit }) => id === refused.change.id || (kind === "drawn" && edit.glomerulus === glomerulus);
    const isOfSame = ({ slide, change }) => slide === refused.slide && change.reviewer === refused.change.reviewer;
    const left = [];
    const made = []; // what undos take back, the next at the end: whether it is void
    for (const one of this.waiting()) {
      const isUndo = isOfSame(one) && one.change.edit.kind === "undo";
      const gone = isUndo ? made.pop() : isOfSame(one) && isVoid(one.change);
      if (isOfSame(one) && one.change.edit.glomerulus) made.push(gone);
      if (!gone) left.push(one);
    }
    return left;
  }
}
