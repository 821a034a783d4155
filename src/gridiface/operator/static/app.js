"use strict";
// One script for all screens: reader's time zone, light and dark, the live stream, plots. Nothing from outside.
import { plots, feed } from "/static/plots.js";

const root = document.documentElement;
const body = document.body;
const $ = (id) => document.getElementById(id);

// --- light and dark ---------------------------------------------------------------------------------------------
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
function repaint() {
  $("theme")?.setAttribute("aria-pressed", String(isDark()));
  body.dispatchEvent(new CustomEvent("gi:theme"));
}
// What only a script does is not there without one.
if ($("theme")) $("theme").hidden = false;
$("theme")?.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("gridiface-theme", root.dataset.theme); } catch { /* it lasts for this page */ }
  repaint();
});
dark.addEventListener("change", repaint);
// Paper is light; charts are drawn anew in its colours, and back.
matchMedia("print").addEventListener("change", repaint);
repaint();

// --- menu -------------------------------------------------------------------------------------------------------
// Where one is stands in sight, also in a low window; the page itself stays where it is.
const menu = document.querySelector(".side nav"), place = menu?.querySelector("[aria-current]");
const below = place ? place.getBoundingClientRect().bottom - menu.getBoundingClientRect().bottom : 0;
if (below > 0) menu.scrollTop = below + menu.clientHeight / 3;

// --- time -------------------------------------------------------------------------------------------------------
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const clockStyle = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const dayStyle = { day: "numeric", month: "short" };
const styles = {
  time: new Intl.DateTimeFormat(undefined, clockStyle),
  day: new Intl.DateTimeFormat(undefined, { ...clockStyle, ...dayStyle }),
  minute: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false }),
  "day minute": new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false, ...dayStyle }),
  date: new Intl.DateTimeFormat(undefined, dayStyle),
  full: new Intl.DateTimeFormat(undefined, { ...clockStyle, ...dayStyle, year: "numeric" }),
};
if ($("zone")) $("zone").textContent = zone;
if ($("zone-foot")) $("zone-foot").textContent = `times in ${zone}`;
const today = () => new Date().toDateString();
function localTimes(within) {
  for (const node of within.querySelectorAll?.("time[data-style]") ?? []) {
    const moment = new Date(node.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const near = moment.toDateString() === today();
    const style = { time: near ? "time" : "day", short: near ? "minute" : "day minute" }[node.dataset.style] ?? "full";
    node.title = node.dateTime;
    const text = styles[style].format(moment);
    if (node.textContent !== text) node.textContent = text;
  }
  for (const node of within.querySelectorAll?.("text[data-at]") ?? []) {
    node.textContent = styles[node.dataset.days ? "date" : "minute"].format(new Date(1000 * Number(node.dataset.at)));
  }
  for (const field of within.querySelectorAll?.("input[type=datetime-local][data-epoch]") ?? []) {
    if (!field.dataset.epoch) continue;
    const moment = new Date(1000 * Number(field.dataset.epoch));
    const local = new Date(moment.valueOf() - 60_000 * moment.getTimezoneOffset());
    field.value = local.toISOString().slice(0, 19);
    field.removeAttribute("data-epoch");
  }
  for (const field of within.querySelectorAll?.("input[name=zone]") ?? []) field.value = zone;
}
function countdowns() {
  const now = Date.now() / 1000;
  for (const node of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.round(Number(node.dataset.until) - now));
    const hours = Math.floor(left / 3600), minutes = Math.floor((left % 3600) / 60), seconds = left % 60;
    const two = (number) => String(number).padStart(2, "0");
    node.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
  }
}
setInterval(() => {
  if ($("clock")) $("clock").textContent = styles.time.format(new Date());
  countdowns();
}, 1000);
if ($("clock")) $("clock").textContent = styles.time.format(new Date());

// --- after each change of the page ------------------------------------------------------------------------------
let lastSaid = "";
function dress(within) {
  localTimes(within);
  countdowns();
  plots(within);
  const news = within.querySelector?.("[data-say]") ?? (within.matches?.("[data-say]") ? within : null);
  if (news && news.dataset.say !== lastSaid) {
    lastSaid = news.dataset.say;
    if ($("said")) $("said").textContent = lastSaid;
  }
}
dress(document);
// Times are in the reader's zone before anything is drawn; the rest can wait until all is settled.
body.addEventListener("htmx:afterSwap", (event) => localTimes(event.detail.elt));
body.addEventListener("htmx:afterSettle", (event) => dress(event.detail.elt));
body.addEventListener("gi:theme", () => plots(document, true));
// What somebody is typing in is not renewed under their fingers.
body.addEventListener("htmx:beforeRequest", (event) => {
  const place = event.detail.elt, field = document.activeElement;
  if ("live" in place.dataset && place.contains(field) && field.matches("input:not([type=checkbox]), textarea, select")) event.preventDefault();
});
// What a part of the page would say is not known then, and what it said before counts no more.
for (const lost of ["htmx:sendError", "htmx:timeout"]) {
  body.addEventListener(lost, (event) => {
    if (event.detail.elt.id === "preview") event.detail.elt.innerHTML = '<p class="notice bad">The server does not answer.</p>';
  });
}
body.addEventListener("htmx:beforeSwap", (event) => {
  // A refused form tells why in its own place.
  if ([400, 403, 404, 409, 422, 429].includes(event.detail.xhr.status)) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    // What was refused before any page was asked comes as data.
    if (event.detail.xhr.getResponseHeader("Content-Type")?.startsWith("application/problem+json")) {
      const notice = document.createElement("p"), problem = JSON.parse(event.detail.xhr.responseText);
      notice.className = "notice bad";
      notice.textContent = `${problem.detail}${problem.fix ? `: ${problem.fix}` : ""}.`;
      event.detail.serverResponse = notice.outerHTML;
    }
  }
});

// --- live -------------------------------------------------------------------------------------------------------
const live = $("live");
function connection(state, text) {
  if (!live || live.dataset.state === state) return;
  live.dataset.state = state;
  live.lastElementChild.textContent = text;
}
let last = 0;
function tick() {
  last = Date.now();
  body.dispatchEvent(new CustomEvent("gi:tick"));
}
if (document.querySelector("[data-live]")) {
  let stream = null, again = 0;
  live.hidden = false;
  const listen = () => {
    stream = new EventSource("/live");
    stream.addEventListener("open", () => connection("on", "live"));
    stream.addEventListener("error", () => {
      // A browser comes back by itself to a server that was away, but not after an answer other than the stream.
      if (stream.readyState !== EventSource.CLOSED) return connection("off", "the server does not answer");
      connection("slow", "renewed every 5 s");
      clearTimeout(again);
      again = setTimeout(listen, 15_000);
    });
    stream.addEventListener("point", (event) => {
      connection("on", "live");
      feed(JSON.parse(event.data));
      if (!document.hidden) tick();
    });
  };
  listen();
  setInterval(() => { if (!document.hidden && Date.now() - last > 5000) tick(); }, 5000);
  addEventListener("pagehide", () => { clearTimeout(again); stream.close(); });
  // A page that comes back from the browser's memory lives on.
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
}

// --- forms ------------------------------------------------------------------------------------------------------
// A form is sent with the session's CSRF token as a header. data-api: as JSON to the REST API; else as it is to a page.
const csrf = () => (body.dataset.csrf ? { "X-CSRF-Token": body.dataset.csrf } : {});

// A session that ended while somebody wrote takes nothing away: they sign in beside the form, and send it once more.
function signInBeside(form) {
  body.dataset.over = "1";
  answered(form, "Nothing was done: you are not signed in any more. What you wrote stays here. ", true);
  const link = document.createElement("a");
  Object.assign(link, { href: "/login", target: "_blank", textContent: "Sign in in another tab" });
  form.querySelector(".answer").append(link, ", then send it again.");
  form.querySelector(".answer").scrollIntoView({ block: "nearest" });
}

function changedMeanwhile(form) {
  answered(form, "Nothing was done: somebody else changed it since this page was made. ", true);
  const link = document.createElement("a");
  Object.assign(link, { href: location.pathname + location.search, textContent: "Look at it as it is now" });
  form.querySelector(".answer").append(link, ".");
}

async function signedInAgain() {
  if (!body.dataset.over) return;
  const session = await fetch("/api/v1/session");
  if (!session.ok) return;
  const { csrf: token } = await session.json();
  if (!token) return;
  delete body.dataset.over;
  body.dataset.csrf = token;
  for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
  body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": token }));
}

function fields(form) {
  const found = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || (field.type === "radio" && !field.checked)) continue;
    const kind = field.dataset.as;
    if (field.type === "checkbox" && kind === "each") {
      if (field.checked) (found[field.name] ??= []).push(field.value);
    } else if (field.type === "checkbox") found[field.name] = field.checked;
    else if (kind === "json") { if (field.value.trim()) found[field.name] = JSON.parse(field.value); }
    else if (kind === "null" && field.value === "") found[field.name] = null;
    else if (kind === "list") found[field.name] = field.value.split(/[\s,]+/).filter(Boolean);
    else if (field.value !== "") found[field.name] = kind === "number" ? Number(field.value) : field.value;
  }
  return found;
}

function answered(form, text, bad, secret) {
  let place = form.querySelector(".answer");
  if (!place) {
    place = document.createElement("p");
    place.className = "answer all";
    place.setAttribute("role", "alert");
    form.append(place);
  }
  place.classList.toggle("bad", bad);
  // What stands between back-quotes is a command or a name.
  place.replaceChildren(...text.split("`").map((part, n) => {
    if (n % 2 === 0) return part;
    const word = document.createElement("code");
    word.className = "word";
    word.textContent = part;
    return word;
  }));
  if (secret) {
    const code = document.createElement("code");
    code.textContent = secret;
    place.append(code);
  }
}

// "." and ".." are steps of a path, however they are encoded: see segments.py.
function segment(name) { return /^~*\.{1,2}$/.test(name) ? `~${name}` : encodeURIComponent(name); }

async function callApi(form) {
  let path = form.dataset.api;
  const given = fields(form);
  for (const [name, value] of Object.entries(given)) {
    if (path.includes(`{${name}}`)) { path = path.replace(`{${name}}`, segment(value)); delete given[name]; }
  }
  await signedInAgain();
  const verb = form.dataset.verb ?? "POST";
  const sends = verb !== "DELETE";
  const headers = { ...csrf(), ...(sends ? { "Content-Type": "application/json" } : {}), ...(form.dataset.match ? { "If-Match": form.dataset.match } : {}) };
  const answer = await fetch(path, { method: verb, headers, body: sends ? JSON.stringify(given) : undefined });
  const said = (answer.headers.get("Content-Type") ?? "").includes("json") ? await answer.json() : {};
  if (answer.status === 401 && body.dataset.csrf && !path.startsWith("/api/v1/session")) return signInBeside(form);
  if (answer.status === 412) return changedMeanwhile(form);
  if (!answer.ok) return answered(form, [said.detail ?? `it was answered with ${answer.status}`, said.fix].filter(Boolean).join(". ") + ".", true);
  if (form.dataset.show) {
    const secret = form.dataset.show.split(".").reduce((value, key) => value?.[key], said);
    const link = form.dataset.link ? `${location.origin}${form.dataset.link}${secret}` : secret;
    return answered(form, form.dataset.said ?? "Done; it is shown this once:", false, link);
  }
  if (form.dataset.next) location.assign(safePath(form.dataset.next));
  else location.reload();
}

// Only a path of this server: a link of another site must not lead away from here after signing in.
function safePath(path) {
  return /^\/(?![\/\\])/.test(path) ? path : "/";
}

async function sendForm(form, submitter) {
  await signedInAgain();
  const data = new URLSearchParams(new FormData(form, submitter ?? undefined));
  const answer = await fetch(form.action, { method: "POST", headers: csrf(), body: data });
  if (answer.redirected) { location.assign(answer.url); if (answer.url.split("#")[0] === location.href.split("#")[0]) location.reload(); return; }
  if (answer.headers.get("Content-Disposition")) return download(answer);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = fresh.querySelector("main");
  if (answer.status === 401 && body.dataset.csrf) return signInBeside(form);
  if (answer.status === 401) return location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  if (!main) return alert(`it was answered with ${answer.status}`);
  $("main").replaceChildren(...main.childNodes);
  dress($("main"));
  globalThis.htmx?.process($("main"));
  ($("main").querySelector("[role=alert]") ?? $("main")).scrollIntoView({ block: "nearest" });
}

async function download(answer) {
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1] ?? "download";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.addEventListener("submit", (event) => {
  const form = event.target, submitter = event.submitter;
  const question = submitter?.dataset.confirm ?? form.dataset.confirm;
  if (question && !confirm(question)) return event.preventDefault();
  const work = form.dataset.api ? callApi : form.method === "post" && !form.hasAttribute("hx-post") ? sendForm : null;
  if (!work) return;
  event.preventDefault();
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  work(form, submitter)
    .catch(() => {
      answered(form, "The server does not answer. It is not known whether this was done: look once it is back.", true);
      form.querySelector(".answer").scrollIntoView({ block: "nearest" });
    })
    .finally(() => delete form.dataset.busy);
});

// A sign-in or set-up link carries its secret behind the #, which no server and no log gets to see.
function secretLink() {
  const form = document.querySelector("form[data-secret]");
  if (!form || location.hash.length < 2) return;
  const [first, ...rest] = decodeURIComponent(location.hash.slice(1)).split(":");
  history.replaceState(null, "", location.pathname + location.search);
  if (form.dataset.secret === "ticket") form.elements.ticket.value = first;
  else { form.elements.name.value = first; form.elements.password.value = rest.join(":"); form.querySelector("button")?.focus(); }
}
secretLink();
// The link of a page that is open already loads nothing anew.
addEventListener("hashchange", secretLink);

body.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) navigator.clipboard?.writeText(button.dataset.copy).then(() => { button.dataset.done = "1"; });
});
body.addEventListener("change", (event) => {
  const field = event.target.closest("input[type=file][data-into]");
  if (!field?.files?.length) return;
  field.files[0].text().then((text) => {
    const into = $(field.dataset.into);
    if (into) { into.value = text; into.dispatchEvent(new Event("change", { bubbles: true })); }
  });
});
function unitsOf(within) {
  for (const picker of within.querySelectorAll?.("select[data-units]") ?? []) {
    const show = () => {
      for (const node of document.querySelectorAll(`[data-unit-of="${picker.id}"]`)) {
        node.textContent = picker.selectedOptions[0]?.dataset.unit ?? "";
      }
    };
    picker.addEventListener("change", show);
    show();
  }
}
unitsOf(document);
