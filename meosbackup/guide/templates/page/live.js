// The page that the daemon serves: it asks for its data again and again, and turns red by itself when no answer comes.

const ASK_EVERY = 3000; // milliseconds, as all times of this browser
const ASK_TIMEOUT = 8000;
const SILENT_AFTER = 8000; // from the first question without an answer
const RING_EVERY = 60000;
const MARKS = { good: "✓", first: "…", trouble: "!", alarm: "!!", stuck: "?", silent: "?" };

// Begin to ask; show(data) draws the page anew, or for the first time. document.getElementById("live") is empty and
// stands above all else, for what only the live page tells.
function beginLive(show) {
  const heard = { answer: null, tag: "", ahead: 0, unanswered: null };
  const sound = makeSound(refresh);
  const verdict = make("h1");
  const spoken = make("div", [verdict]); // by screen readers, when it changes
  spoken.setAttribute("role", "status");
  const details = make("div");
  document.getElementById("live").append(spoken, details, sound.element);
  let drawn = "";

  async function ask() {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ASK_TIMEOUT);
    let data = null;
    if (heard.unanswered === null) heard.unanswered = performance.now();
    try {
      const headers = heard.tag ? { "If-None-Match": heard.tag } : {};
      const response = await fetch("day.json", { cache: "no-store", headers, signal: stop.signal });
      if (response.status === 200) {
        const answer = await response.json();
        zone = answer.status.zone;
        data = answer.data;
        Object.assign(heard, { answer, tag: response.headers.get("ETag") });
      }
      if (response.status === 200 || response.status === 304) {
        heard.ahead = Date.parse(response.headers.get("Date")) - performance.now(); // this browser's clock may be wrong
        heard.unanswered = null;
      }
    } catch (error) {
      // It asks again soon, and a longer silence shows.
    }
    clearTimeout(timer);
    setTimeout(ask, ASK_EVERY);
    refresh();
    if (data !== null) show(data);
  }

  function refresh() {
    const now = (performance.now() + heard.ahead) / 1000;
    const state = liveState(heard, now);
    if (state === null) return;
    const status = heard.answer && heard.answer.status;
    const words = say("live_" + (state === "stuck" ? "silent" : state));
    const key = [language, state, heard.tag].join();
    if (key !== drawn) {
      document.documentElement.className = "live-" + (isBad(state) ? "bad" : state);
      verdict.replaceChildren(stateMark(state), words);
      details.replaceChildren(
        ...(status ? newestOnDrive(status) : []),
        ...wrongThings(state, status),
        ...(status ? otherFacts(status) : []),
      );
      drawn = key;
    }
    const age = document.getElementById("live-age");
    if (age) age.textContent = say("age", { length: lengthText(Math.max(0, now - status.on_drive)) });
    document.title = MARKS[state] + " " + words;
    sound.hear(isBad(state) ? [state, ...status ? status.wrong.map((one) => one.kind + one.key) : []] : []);
  }

  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
  setInterval(refresh, 1000);
  ask();
}

// Return how things stand at a moment, in seconds since 1970; null before the first answer.
function liveState({ answer, unanswered }, now) {
  if (unanswered !== null && performance.now() - unanswered > SILENT_AFTER) return "silent";
  if (answer === null) return null;
  const { moment, interval, wrong, on_drive, on_computer } = answer.status;
  if (now - moment > 2.5 * interval + 10) return "stuck";
  if (wrong.length) return wrong.some(isAlarm) ? "alarm" : "trouble";
  return on_drive === null && on_computer === null ? "first" : "good";
}

function isBad(state) {
  return state !== "good" && state !== "first";
}

function isAlarm({ kind }) {
  return kind === "alarm";
}

function stateMark(state) {
  const element = make("span", MARKS[state]);
  element.setAttribute("aria-hidden", "true");
  return element;
}

// Return an element for each thing that is wrong: what, what it means, and what to do.
function wrongThings(state, status) {
  const wrong = status ? status.wrong : [];
  const sorted = [...wrong.filter(isAlarm), ...wrong.filter((one) => !isAlarm(one))];
  const found = sorted.map((one) => wrongThing(one.what, one.means, one.do, one.from));
  if (state === "silent") found.unshift(wrongThing(say("live_silent_means"), "", say("live_silent_do"), null));
  if (state === "stuck") {
    const what = say("live_stuck_means", { time: exactClockText(status.moment) });
    found.unshift(wrongThing(what, "", say("live_silent_do"), null));
  }
  return found;
}

function wrongThing(what, means, todo, from) {
  const since = from === null ? [] : [make("p", say("picture_since", { from: exactClockText(from) }))];
  const meaning = means ? [make("p", stranger(means))] : [];
  const advice = todo ? [make("p", [make("b", say("live_do")), " ", stranger(todo)])] : [];
  return make("article", [make("h2", stranger(what)), ...since, ...meaning, ...advice]);
}

// Return an element that tells of the newest good backup on the drive; its age is an element of its own.
function newestOnDrive({ on_drive }) {
  const age = on_drive === null ? make("strong", say("live_none")) : make("strong", "", { id: "live-age" });
  return [make("p", [age, timedText("live_drive", on_drive)])];
}

// Return an element for each other thing to know: newer backups than the drive's, the room there, the spare server.
function otherFacts({ moment, on_drive, on_computer, unchanged_until, waiting, free, hours, spare }) {
  const texts = [];
  if (on_computer > on_drive) texts.push(timedText("live_computer", on_computer));
  else if (unchanged_until > on_drive) texts.push(say("held", { time: exactClockText(unchanged_until) }));
  if (waiting) texts.push(say("live_waiting", { number: numberText(waiting) }));
  if (free !== null) {
    const size = sizeText(free);
    texts.push(hours === null ? say("live_free", { size }) : say("live_room", { size, hours: numberText(hours) }));
  }
  const ofSpare = spare === null ? [] : [make("p", spareText(spare, moment)), ...withoutElements(spare)];
  return [...texts.map((text) => make("p", text)), ...ofSpare];
}

function timedText(key, moment) {
  return say(key) + (moment === null ? "" : ": " + exactClockText(moment));
}

function sizeText(bytes) {
  const [amount, unit] = bytes < 1e9 ? [bytes / 1e6, "megabyte"] : [bytes / 1e9, "gigabyte"];
  return new Intl.NumberFormat(locale(), { style: "unit", unit, maximumFractionDigits: 1 }).format(amount);
}

// Return {element, hear(keys)}: a button that turns the sound on and off, and what rings for each new key, and again
// each minute until there are none. onChange() is called after each click. Browsers allow a sound only after one.
function makeSound(onChange) {
  const button = make("button", undefined, { type: "button" });
  const means = make("p");
  let context = null;
  let isOn = false;
  let known = [];
  let rang = 0;

  button.addEventListener("click", () => {
    isOn = !isOn;
    context = context || new (window.AudioContext || window.webkitAudioContext)();
    context.resume();
    known = [];
    if (isOn) soundTones(context, 1);
    onChange();
  });

  function hear(keys) {
    button.textContent = say(isOn ? "live_sound_off" : "live_sound_on");
    means.textContent = isOn ? say("live_sound_means") : "";
    const isDue = keys.some((key) => !known.includes(key)) || performance.now() - rang > RING_EVERY;
    known = keys;
    if (!isOn || !keys.length || !isDue) return;
    rang = performance.now();
    soundTones(context, 4);
  }

  return { element: make("div", [button, means]), hear };
}

// Sound so many pairs of a high and a low tone.
function soundTones(context, pairs) {
  for (let place = 0; place < 2 * pairs; place++) {
    const tone = context.createOscillator();
    tone.type = "square";
    tone.frequency.value = place % 2 ? 660 : 880;
    tone.connect(context.destination);
    tone.start(context.currentTime + place * 0.25);
    tone.stop(context.currentTime + place * 0.25 + 0.2);
  }
}

// Keep the screen on where that is allowed: on encrypted pages only, so mostly not.
function stayAwake() {
  if (navigator.wakeLock && !document.hidden) navigator.wakeLock.request("screen").catch(() => {});
}
