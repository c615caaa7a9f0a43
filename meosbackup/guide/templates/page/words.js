// The page's words in its reader's language, and times and numbers as that writes them.

// The words of each language are in the order of their keys.
const { keys: KEYS, words: WORDS } = JSON.parse(unpacked(document.getElementById("languages").textContent));
const LOCALES = { en: "en-GB" }; // 24 hours, and the day before the month, as everywhere in orienteering
let language = "en";
let zone = 0; // minutes, of the computer with meosbackup: all times are its own, as the names of folders are

// Return what was kept in the browser; null if that can't be, as some forbid it for files.
function remembered(key) {
  try {
    return localStorage.getItem("meosbackup." + key);
  } catch (error) {
    return null;
  }
}

// Keep a text in the browser, if it can be.
function remember(key, value) {
  try {
    localStorage.setItem("meosbackup." + key, value);
  } catch (error) {
    // the page works without it
  }
}

// Return the language chosen by hand once, or the first of the browser's that there is.
function readersLanguage() {
  const wanted = [remembered("language") || "", ...(navigator.languages || [])];
  const codes = wanted.map((one) => one.toLowerCase().split("-")[0].replace(/^(no|nn)$/, "nb"));
  return codes.find((code) => code in WORDS) || "en";
}

function setLanguage(code) {
  language = code;
  document.documentElement.lang = code;
  document.title = say("title");
}

// Return a text in the language. {name} stands for values.name, or for another of the words.
function say(key, values) {
  return template(key).replace(/\{(\w+)\}/g, (all, name) => filling(name, values));
}

// Return a text as nodes: values may be elements, and MeOS's own words stand out.
function sentence(key, values) {
  const nodes = document.createDocumentFragment();
  template(key).split(/\{(\w+)\}/).forEach((part, place) => {
    const isOfMeos = place % 2 === 1 && part.startsWith("meos_");
    if (isOfMeos) nodes.append(make("b", say(part)));
    else nodes.append(place % 2 === 1 ? filling(part, values) : part);
  });
  return nodes;
}

function filling(name, values) {
  return values && name in values ? values[name] : say(name);
}

function template(key) {
  return WORDS[language][KEYS.indexOf(key)] || WORDS.en[KEYS.indexOf(key)] || "";
}

// Return a new element with text or other elements in it; properties are those of the element.
function make(tag, content, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...(Array.isArray(content) ? content : content === undefined ? [] : [content]));
  return element;
}

const drawn = new WeakMap();

// Draw into an element unless it shows the same already: the live page must not take the focus from what it renews.
function drawIfNew(element, shown, draw) {
  const sign = JSON.stringify([language, shown]);
  if (drawn.get(element) === sign) return;
  drawn.set(element, sign);
  element.textContent = "";
  draw(element);
}

// Return text of strangers as an element that keeps its direction of writing to itself; browsers don't translate it.
function stranger(text) {
  return make("bdi", text, { translate: false });
}

// Return a number: 1,284.
function numberText(number) {
  return formatter("NumberFormat", {}).format(number);
}

// Return a time of day: 14:03.
function clockText(seconds) {
  return momentText(seconds, { hour: "2-digit", minute: "2-digit" });
}

// Return a time of day to the second: 14:03:00.
function exactClockText(seconds) {
  return momentText(seconds, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

// Return a date: Sunday 22 November 2026.
function dateText(seconds) {
  return momentText(seconds, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

// Return a time of day, with its date unless another moment is on the same day.
function nearText(seconds, other) {
  const isSameDay = dateText(seconds) === dateText(other);
  const day = momentText(seconds, { weekday: "short", day: "numeric", month: "short" });
  return isSameDay ? exactClockText(seconds) : day + ", " + exactClockText(seconds);
}

// Return a length of time in words: 3 minutes; 2 hours 5 minutes.
function lengthText(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return unitText(Math.floor(seconds), "second");
  if (minutes < 100) return unitText(minutes, "minute");
  if (hours >= 48) return unitText(Math.floor(hours / 24), "day");
  return unitText(hours, "hour") + (minutes % 60 ? " " + unitText(minutes % 60, "minute") : "");
}

function unitText(number, unit) {
  return formatter("NumberFormat", { style: "unit", unit, unitDisplay: "long" }).format(number);
}

// Return a moment, in seconds since 1970, as the computer with meosbackup would write it.
function momentText(seconds, options) {
  const shown = { ...options, hourCycle: "h23", timeZone: "UTC" };
  return formatter("DateTimeFormat", shown).format(new Date((seconds + zone * 60) * 1000));
}

const formatters = new Map(); // to make one takes longer than to use it a hundred times

function formatter(kind, options) {
  const key = language + kind + JSON.stringify(options);
  if (!formatters.has(key)) formatters.set(key, new Intl[kind](locale(), options));
  return formatters.get(key);
}

function locale() {
  return LOCALES[language] || language;
}
