"use strict";
// An answer goes into this browser's own store first, then to the server. "Saved" is what the server
// has on disk. While the server is down, answers wait here and are sent later, each once.

const $ = (id) => document.getElementById(id);
const AHEAD = 4;
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const tab = sessionStorage.getItem("tab") || random();
sessionStorage.setItem("tab", tab);

let task = null;          // question, scale, raters
let rater = null;
let queue = [];           // appearances with their images decoded, or being decoded
let current = null;       // the one on screen, since `shownAt`
let shownAt = 0;
let answerable = false;   // whether it may be answered
let saved = 0;
let asking = false;
let sending = null;       // the promise of what is being sent
let more = false;         // whether to send once again after that
let retry = 0;            // timer of the next attempt; there is one at most
let later = 0;            // timer of the next request for pairs
let silent = false;       // whether the server did not answer, and the page says so
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- answers that the server does not have yet ------------------------------------------------

const waiting = new Promise((resolve) => {
  const open = indexedDB.open("votes", 1);
  open.onupgradeneeded = () => open.result.createObjectStore("answers", { keyPath: "key" });
  open.onsuccess = () => resolve(open.result);
  open.onerror = () => resolve(null); // a private window may have none: answers then wait in memory
});
const memory = new Map();
const given = new Set();  // appearances with an answer, which are not shown again

async function stored(mode, work) {
  const db = await waiting;
  if (!db) return null;
  return new Promise((resolve, reject) => {
    const transaction = db.transaction("answers", mode, { durability: "strict" });
    const request = work(transaction.objectStore("answers"));
    transaction.oncomplete = () => resolve(request && request.result);
    transaction.onerror = () => reject(transaction.error);
  });
}
// It counts as waiting, and is sent, only once this browser has it on disk.
const keep = async (answer) => {
  given.add(answer.token);
  await stored("readwrite", (s) => s.put(answer)).catch(() => {});
  memory.set(answer.key, answer);
};
const drop = async (key) => { memory.delete(key); await stored("readwrite", (s) => s.delete(key)).catch(() => {}); };
async function kept() {
  const all = (await stored("readonly", (s) => s.getAll()).catch(() => null)) || [];
  for (const one of all) { memory.set(one.key, one); given.add(one.token); }
  // Another store at this address, or another name, is sent what is its own when it is here again.
  const own = (one) => one.rater === rater && one.store === task.store;
  return [...memory.values()].filter(own).sort((a, b) => a.at - b.at);
}

// ---- the server -------------------------------------------------------------------------------

class Refused extends Error {}

async function post(name, body) {
  const response = await fetch(`/api/${name}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  const why = found.problem || `status ${response.status}`;
  // What the server will never take differs from what it cannot take now: a full disk, a restart, or
  // a new token, whose address must be opened first.
  throw [400, 413, 415, 422].includes(response.status) ? new Refused(why) : new Error(why);
}

function send() {
  if (sending) { more = true; return sending; }
  clearTimeout(retry);
  sending = send_all().finally(() => {
    sending = null;
    if (more) { more = false; send(); }
  });
  return sending;
}

async function send_all() {
  try {
    let answer; // looked up anew each time: more may be given meanwhile
    while ((answer = (await kept())[0])) {
      const { at, rater: who, store, path, ...body } = answer;
      try {
        const found = await post(path, body);
        saved = found.votes;
        await drop(answer.key);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        await drop(answer.key);
        tell(`Not taken: ${error.message}`, true);
      }
    }
    if (!$("status").classList.contains("bad") || memory.size === 0) await count();
    if (!current && !$("vote").hidden) next(); // pairs that were answered here are not handed out again now
  } catch (error) {
    await count(error.message);
    more = false;
    retry = setTimeout(send, 2000);
  }
}

async function count(problem) {
  const open = (await kept()).length;
  if (open && problem) tell(`Not saved yet: ${open} (${problem}). They wait in this browser and are sent again.`, true);
  else if (!open) tell(`Saved: ${saved}`);
}

function tell(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

// ---- what is shown ----------------------------------------------------------------------------

async function decoded(id, side) {
  if (!id) return null;
  for (let failures = 0; ;) {
    const image = new Image();
    image.alt = `${side} photograph`;
    image.id = `${side}-image`;
    image.src = `/image/${id}`;
    try {
      await image.decode();
      return image;
    } catch { /* the picture, or the server? Only a picture that is there and does not show fails. */ }
    const response = await fetch(`/image/${id}`, { cache: "reload" }).catch(() => null);
    if (response && [404, 422].includes(response.status)) throw new Error("no picture");
    if (response && response.ok && ++failures > 1) throw new Error("no picture");
    if (!response || !response.ok) await pause(1000);
  }
}

function prepare(pair) {
  pair.ready = Promise.all([decoded(pair.left, "left"), decoded(pair.right, "right")]).then(
    (images) => { pair.images = images; }, () => { pair.images = null; });
  return pair;
}

async function refill() {
  if (asking || queue.length >= AHEAD) return;
  asking = true;
  try {
    const found = await post("next", { tab, count: AHEAD });
    const known = new Set([...queue, ...(current ? [current] : [])].map((p) => p.token));
    for (const pair of found.next)
      if (!known.has(pair.token) && !given.has(pair.token)) queue.push(prepare(pair));
    if (silent) { silent = false; await count(); }
    if (!current && !queue.length) finished(found.next.length === 0);
  } catch (error) {
    if (error instanceof Refused) tell(error.message, true);
    else {
      silent = true;
      if (!memory.size) tell(`The server does not answer (${error.message}); trying again.`, true);
      clearTimeout(later);
      later = setTimeout(() => (current ? refill() : next()), 2000);
    }
  } finally {
    asking = false;
  }
  if (!current && queue.length) next(); // somebody may have voted meanwhile
}

async function next() {
  if (current) return;
  if (!queue.length) { await refill(); if (!queue.length || current) return; }
  const pair = queue.shift();
  current = pair;
  enable(false);
  await pair.ready;
  if (current !== pair) return;
  if (!pair.images) { // an image that fails is never a vote
    tell("An image could not be shown; the next pair.", true);
    current = null;
    await keep(answer_to(pair, "failed"));
    send();
    next();
    return;
  }
  for (const image of pair.images) if (image) $(image.id.split("-")[0]).replaceChildren(image);
  $("reason").value = "";
  $("vote").dataset.token = pair.token;
  enable(true);
  shownAt = performance.now();
  post("shown", { token: pair.token }).catch(() => {}); // the answer tells it too
  refill();
}

function finished(really) {
  if (!really) return;
  $("done").hidden = false;
  $("images").hidden = true;
}

function enable(on) {
  answerable = on;
  for (const button of document.querySelectorAll("[data-choice], .image")) button.disabled = !on;
}

const answer_to = (pair, choice) =>
  ({ path: "answer", tab, token: pair.token, key: random(), choice, at: Date.now(), rater, store: task.store });

async function answer(choice) {
  if (!current || !answerable) return;
  const pair = current;
  current = null;
  enable(false);
  const response_ms = performance.now() - shownAt;
  await keep({ ...answer_to(pair, choice), reason: $("reason").value.trim(), response_ms });
  send();
  next();
}

async function undo() {
  // What waits here must arrive first, else another answer would be taken back.
  await send();
  if ((await kept()).length) return;
  try {
    const found = await post("undo", { tab, key: random() });
    saved = found.votes;
    if (!found.appearance) { tell("There is nothing to take back."); return; }
    given.delete(found.appearance.token);
    if (current) queue.unshift(current);
    current = null;
    queue = [prepare(found.appearance), ...queue.filter((p) => p.token !== found.appearance.token)];
    $("done").hidden = true;
    $("images").hidden = false;
    tell(`Taken back. Saved: ${saved}`);
    next();
  } catch (error) {
    tell(error.message, true);
  }
}

// ---- the rest of the page ---------------------------------------------------------------------

function open_vote() {
  $("entry").hidden = true;
  $("vote").hidden = false;
  const single = task.scale !== null;
  $("images").classList.toggle("single", single);
  $("right").hidden = $("right-side").hidden = single;
  $("left").dataset.choice = single ? "" : "left";
  if (single) { delete $("left").dataset.choice; $("left").tabIndex = -1; }
  for (const name of ["tie", "both_bad"]) document.querySelector(`[data-choice=${name}]`).hidden = single;
  $("scale").hidden = !single;
  if (single && !$("scale").children.length)
    for (let point = 1; point <= task.scale; point++) {
      const button = document.createElement("button");
      button.dataset.choice = String(point);
      button.textContent = String(point);
      button.setAttribute("aria-keyshortcuts", String(point));
      $("scale").append(button);
    }
  tell(`Saved: ${saved}`);
  kept().then(() => { send(); next(); });
}

async function statistics() {
  const found = await (await fetch("/api/statistics")).json();
  const share = (x) => (x === null ? "–" : `${Math.round(100 * x)} %`);
  const rows = [
    ["votes", found.votes], ["skipped", found.skipped],
    ...(task.scale === null ? [
      ["both alike", found.ties], ["both bad", found.both_bad], ["left chosen", share(found.left_share)],
      ["the same when a pair came again, swapped", `${share(found.consistent)} of ${found.repeated}`],
    ] : []),
    ["median time", found.median_seconds === null ? "–" : `${found.median_seconds.toFixed(1)} s`],
  ];
  $("statistics").replaceChildren(...rows.flatMap(([term, value]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term; dd.textContent = value;
    return [dt, dd];
  }));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choice]");
  if (button && !button.disabled) answer(button.dataset.choice);
});

const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "tie", ArrowDown: "both_bad", s: "skip" };
document.addEventListener("keydown", (event) => {
  if ($("vote").hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=radio])")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Backspace" || event.key === "u") { event.preventDefault(); undo(); return; }
  const single = task.scale !== null;
  const choice = single && /^[1-9]$/.test(event.key) && Number(event.key) <= task.scale ? event.key : KEYS[event.key];
  if (!choice || (single && !/^[1-9]$|^skip$/.test(choice))) return;
  event.preventDefault();
  answer(choice);
});

$("undo").addEventListener("click", undo);
$("entry").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const found = await post("enter", { name: $("name").value });
    rater = found.rater; saved = found.votes;
    open_vote();
  } catch (error) { tell(error.message, true); }
});
$("leave").addEventListener("click", async () => { await post("leave", {}); location.reload(); });
$("own").addEventListener("click", async () => {
  $("statistics").hidden = !$("statistics").hidden;
  $("own").setAttribute("aria-expanded", String(!$("statistics").hidden));
  if (!$("statistics").hidden) await statistics();
});
$("exclude").addEventListener("click", () => { $("excluding").hidden = !$("excluding").hidden; $("why").focus(); });
$("excluding").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!current) return;
  const side = new FormData(event.target).get("side") || "left";
  try {
    await post("exclude", { image: current[side], why: $("why").value });
    $("excluding").hidden = true;
    $("why").value = "";
    current = null; queue = [];
    tell("It is left out of all further pairs.");
    next();
  } catch (error) { tell(error.message, true); }
});
window.addEventListener("online", send);

(async () => {
  try {
    task = await (await fetch("/api/state")).json();
  } catch { tell("The server does not answer.", true); return; }
  $("question").textContent = document.title = task.question;
  for (const name of task.raters) {
    const option = document.createElement("option");
    option.value = name;
    $("names").append(option);
  }
  rater = task.rater;
  saved = task.votes || 0;
  if (rater) open_vote();
  else { $("entry").hidden = false; $("name").focus(); tell("\u00a0"); }
})();
