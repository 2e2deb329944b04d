/* What happens, told to this page: one event stream a browser, in a shared worker; polling where there is none.
   Others listen on document: "rapport:live" with {type, ids}, and "rapport:poll" when nothing can be streamed. */
const place = document.querySelector("[data-live]");
const url = new URL(place?.dataset.live || "/live/stream", location.href).href;
const POLL_MS = 15000;
let poller = 0;

const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

const poll = (on) => {
  document.documentElement.dataset.stream = on ? "polling" : "open";
  if (on && !poller) poller = setInterval(() => { if (!document.hidden) say("rapport:poll", {}); }, POLL_MS);
  if (!on) { clearInterval(poller); poller = 0; }
};

const hear = ({ state, message }) => {
  if (state) poll(state !== "open");
  if (!message) return;
  if (message.type === "ended") poll(true);
  say(message.type === "reset" ? "rapport:poll" : "rapport:live", message);
};

const listenHere = () => {
  const stream = new EventSource(url, { withCredentials: true });
  stream.addEventListener("open", () => hear({ state: "open" }));
  stream.addEventListener("error", () => hear({ state: "closed" }));
  stream.addEventListener("message", (event) => hear({ message: JSON.parse(event.data) }));
  addEventListener("pagehide", () => stream.close());
};

const start = () => {
  if (!("EventSource" in window)) { poll(true); return; }
  if (!("SharedWorker" in window)) { listenHere(); return; }
  try {
    const worker = new SharedWorker(place?.dataset.worker || new URL("./live-worker.js", import.meta.url), { name: `rapport:${url}` });
    worker.addEventListener("error", listenHere);
    worker.port.addEventListener("message", (event) => hear(event.data));
    worker.port.start();
    worker.port.postMessage({ listen: url });
    addEventListener("pagehide", () => worker.port.postMessage({ leave: true }));
    addEventListener("pageshow", (event) => { if (event.persisted) worker.port.postMessage({ listen: url }); });
  } catch {
    listenHere();
  }
};
start();

/* Parts of the shell that show counts and notices ask again, a little apart from each other. */
let due = 0;
const refresh = (names) => {
  clearTimeout(due);
  due = setTimeout(() => names.forEach((name) => window.htmx?.trigger(document.body, name)), 600 + Math.random() * 900);
};
document.addEventListener("rapport:live", ({ detail }) => {
  refresh(detail.type.startsWith("job") ? ["rapport:job", "rapport:notices"] : ["rapport:counts", "rapport:notices"]);
});
document.addEventListener("rapport:poll", () => refresh(["rapport:counts", "rapport:notices", "rapport:job"]));
