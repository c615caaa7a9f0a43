// The picture of the day: what sketch.js draws, with its zoom, and a line that tells the numbers of a batch.

const HOUR = 3600;
const MOST_TOLD = 6; // races in the line that tells their numbers
const STILL = 6; // pixels that a finger or the mouse may move in a click

const pictures = new WeakMap();

// Draw the day into an element, instead of what is in it, and return {choose(batch)}, which marks a batch (or null) as
// the chosen one. A click on a batch calls onChoose(batch). Drawn again in the same element when the data or the
// language changed, it keeps its zoom.
function drawPicture(element, day, { onChoose }) {
  if (!pictures.has(element)) pictures.set(element, new Picture(element));
  const picture = pictures.get(element);
  picture.renew({ ...day, notes: notesOf(day) }, onChoose);
  return picture;
}

class Picture {
  constructor(element) {
    this.view = null; // {from, to}; null is the whole day
    this.pointed = null; // the folder of the batch that the pointer or the arrow keys are at
    this.chosen = null; // that of the chosen one
    this.fingers = new Map(); // where each of them, or the mouse, is down
    this.heading = make("h2");
    this.hint = make("p", undefined, { className: "picture-hint" });
    this.buttons = {
      picture_day: make("button", undefined, { type: "button", onclick: () => this.look(null) }),
      picture_hour: make("button", undefined, { type: "button", onclick: () => this.look(around(this.focus(), HOUR)) }),
      picture_out: make("button", "−", { type: "button", onclick: () => this.zoom(2) }),
      picture_in: make("button", "+", { type: "button", onclick: () => this.zoom(0.5) }),
    };
    this.svg = shape("svg", { class: "picture-svg", "aria-hidden": "true" });
    this.frame = make("div", this.svg, { className: "picture-frame", tabIndex: 0 });
    this.told = make("p", undefined, { className: "picture-told" });
    this.way = make("a", undefined, { href: "#steps" });
    this.legend = make("p", undefined, { className: "picture-legend" });
    this.list = make("div", undefined, { className: "picture-list" });
    this.frame.setAttribute("role", "slider");
    this.told.setAttribute("aria-live", "polite");
    const bar = make("p", Object.values(this.buttons), { className: "picture-bar" });
    const way = make("p", this.way, { className: "picture-way" });
    element.replaceChildren(this.heading, this.hint, bar, this.frame, this.told, way, this.legend, this.list);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  renew(day, onChoose) {
    if (this.view && this.view.to >= this.day.until) this.view = moved(this.view, day.until - this.day.until);
    this.day = day;
    this.onChoose = onChoose;
    this.heading.textContent = say("picture_title");
    this.hint.textContent = say("picture_hint");
    for (const [key, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-label", say(key));
      if (key === "picture_day" || key === "picture_hour") button.textContent = say(key);
    }
    this.legend.replaceChildren(...legendOf(day));
    this.frame.setAttribute("aria-label", say("picture_label", {
      races: day.races.length,
      count: day.batches.length,
      from: clockText(day.begin),
      to: clockText(day.told),
    }));
    listNotes(this.list, day, (time) => {
      this.look(around(time, HOUR), newestAt(this.day, time));
      this.frame.focus();
    });
    this.draw();
  }

  // Draw all of it; where only the batch changes that is told about, show will do.
  draw() {
    const width = this.frame.clientWidth;
    if (!this.day || !width) return;
    const view = this.view || this.all();
    this.drawn = sketch(this.svg, this.day, view, this.all(), width);
    this.buttons.picture_day.setAttribute("aria-pressed", !this.view);
    this.buttons.picture_hour.setAttribute("aria-pressed", view.to - view.from === HOUR);
    this.frame.classList.toggle("picture-movable", this.view !== null);
    this.show();
  }

  show() {
    const [pointed, chosen] = [this.pointed, this.chosen].map((name) => this.day.batches.find((one) => one.name === name));
    const told = pointed || chosen || newestAt(this.day, Infinity) || this.day.batches[0];
    this.way.textContent = chosen ? say("chosen", { time: timeText(chosen.taken, this.day) }) + ": " + say("steps") : "";
    this.drawn.show(pointed, chosen);
    const text = telling(this.day, told);
    if (this.told.textContent !== text.textContent) this.told.replaceChildren(text);
    this.frame.setAttribute("aria-valuemax", this.day.batches.length - 1);
    this.frame.setAttribute("aria-valuemin", 0);
    this.place = this.day.batches.indexOf(told);
    this.frame.setAttribute("aria-valuenow", this.place);
    this.frame.setAttribute("aria-valuetext", timeText(told.taken, this.day));
  }

  choose(batch) {
    this.chosen = batch && batch.name;
    if (this.drawn) this.show();
  }

  point(batch) {
    const name = batch ? batch.name : null;
    if (name === this.pointed) return;
    this.pointed = name;
    this.show();
  }

  pick(batch) {
    if (!batch) return;
    this.choose(batch);
    this.onChoose(batch);
  }

  // Show these times, or the whole day, and, if one is given, point to a batch.
  look(view, batch) {
    this.view = view && this.within(view);
    if (batch) this.pointed = batch.name;
    this.draw();
  }

  zoom(factor) {
    const view = this.view || this.all();
    const length = Math.max((view.to - view.from) * factor, SHORTEST);
    const focus = this.focus();
    const isSeen = (this.pointed || this.chosen) && view.from <= focus && focus <= view.to;
    this.look(around(isSeen ? focus : (view.from + view.to) / 2, length));
  }

  all() {
    return { from: this.day.begin, to: this.day.until };
  }

  // Return times of the same length that the day has; null for all of it.
  within({ from, to }) {
    const { first, until } = this.day;
    if (to - from >= until - first) return first === this.day.begin ? null : { from: first, to: until };
    return moved({ from, to }, Math.max(first - from, 0) + Math.min(until - to, 0));
  }

  // Return the time to look at more closely.
  focus() {
    const batch = this.day.batches.find((one) => one.name === (this.pointed || this.chosen));
    return batch ? batch.taken : this.day.until;
  }

  listen() {
    const { frame, fingers } = this;
    frame.addEventListener("keydown", (event) => this.press(event));
    frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      frame.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      this.grip = { fingers: [...fingers.values()], view: this.view || this.all(), isStill: fingers.size === 1 };
    });
    frame.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return this.point(this.drawn.at(...this.pixels(event)));
      fingers.set(event.pointerId, event);
      this.drag();
    });
    frame.addEventListener("pointerup", (event) => {
      if (fingers.delete(event.pointerId) && this.grip.isStill) {
        const batch = this.drawn.at(...this.pixels(event));
        this.point(batch);
        this.pick(batch);
      }
    });
    frame.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
    frame.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.point(null));
  }

  press(event) {
    const { batches } = this.day;
    const places = { ArrowLeft: this.place - 1, ArrowRight: this.place + 1, Home: 0, End: batches.length - 1 };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in places) this.go(batches[Math.min(Math.max(places[event.key], 0), batches.length - 1)]);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "Enter" || event.key === " ") this.pick(batches[this.place]);
    else return;
    event.preventDefault();
  }

  // Point to a batch, and bring it into view.
  go(batch) {
    const view = this.view || this.all();
    if (view.from <= batch.taken && batch.taken <= view.to) this.point(batch);
    else this.look(around(batch.taken, view.to - view.from), batch);
  }

  // Move the view so that the times under the fingers stay under them.
  drag() {
    const { grip, drawn } = this;
    const now = [...this.fingers.values()];
    const then = grip.fingers.slice(-now.length);
    grip.isStill = grip.isStill && Math.abs(now[0].clientX - then[0].clientX) <= STILL;
    if (grip.isStill || now.length !== grip.fingers.length) return;
    const perPixel = (grip.view.to - grip.view.from) / drawn.plot;
    const [start, end] = then.map((event) => grip.view.from + this.pixels(event)[0] * perPixel);
    const [left, right] = now.map((event) => this.pixels(event)[0]);
    const scale = right === undefined ? perPixel : Math.max((end - start) / (right - left || 1), SHORTEST / drawn.plot);
    const from = start - left * scale;
    this.view = this.within({ from, to: from + scale * drawn.plot });
    cancelAnimationFrame(this.frameAsked);
    this.frameAsked = requestAnimationFrame(() => this.draw());
  }

  // Return where in the drawing's time, and how far below its top, an event is, in pixels of the drawing.
  pixels({ clientX, clientY }) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.drawn.width / box.width;
    return [(clientX - box.left) * scale - this.drawn.left, (clientY - box.top) * scale];
  }
}

function around(time, length) {
  return { from: time - length / 2, to: time + length / 2 };
}

function moved({ from, to }, seconds) {
  return { from: from + seconds, to: to + seconds };
}

// Return what is told of a batch: its time, what is special about it, and the numbers of its races. If there are many,
// they are those that changed.
function telling(day, batch) {
  const { batches, races } = day;
  const before = (batches[batches.indexOf(batch) - 1] || { states: new Map() }).states;
  const there = races.filter(({ key }) => batch.states.has(key));
  const changed = there.filter(({ key }) => batch.states.get(key) !== before.get(key));
  const listed = (there.length > MOST_TOLD ? changed : there).slice(0, MOST_TOLD);
  const parts = [
    !batch.isBackup && say("picture_safety"),
    !batch.isComplete && say("not_complete"),
    batch.isRemoved && say("picture_removed"),
    batch.held > batch.taken && say("held", { time: timeText(batch.held, day) }),
    ...listed.map((race) => numbersOf(race, batch.states.get(race.key))),
    there.length > listed.length && say("picture_more", { number: there.length - listed.length }),
  ];
  const text = document.createDocumentFragment();
  text.append(make("b", timeText(batch.taken, day)));
  for (const part of parts.filter(Boolean)) text.append(" ", make("span", part));
  return text;
}

function numbersOf(race, { entries, finished, cards, isOlder }) {
  const counts = Object.entries({ entries, finished, cards }).map(([key, count]) => say(key) + " " + numberText(count));
  return [stranger(race.name), ": " + counts.join(", ") + (isOlder ? ". " + say("older") : "")];
}
