/* Visits of people who agree, and who is signed in. Loaded by rapport-chat.js; pages call
     rapport("consent", true, { wording: "2026-05" })   page views from then on; false takes it back and deletes them
     rapport("track", "added_to_cart", { sku: "k-1" })  an event of the page's own
     rapport("identify", token)                         a token that the shop's server signed
   A browser that asks not to be tracked (Global Privacy Control, Do Not Track) is not. */
(() => {
  const chat = window.RapportChat, { home, site, face, uuid, begin, asVisitor, keep, memory } = chat.parts;
  const early = window.rapport?.q || [];
  const refuses = navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
  const door = `${home.origin}/api/v1/events/track/`, most = 20;
  let timer, sending, shown, from = document.referrer;

  const agreed = () => !refuses && memory().visits;
  const consent = (given, more = {}) => {
    if (!given) {
      keep({ visits: undefined, queue: [], revoke: true });
      flush();
      return;
    }
    if (refuses) { console.info("Rapport: this browser asks not to be tracked, so no visit is kept."); return; }
    const known = memory().visits, wording = String(more.wording || face.wording);
    if (known?.wording !== wording) keep({ visits: { at: new Date().toISOString(), wording }, queue: memory().queue || [], revoke: undefined });
    view();
  };

  /* What happened waits in this browser until the server has it; its id makes sending it twice harmless. */
  const add = (event, properties) => {
    if (!agreed()) return;
    const one = { id: uuid(), event, at: new Date().toISOString(), url: location.href.slice(0, 1500), title: document.title.slice(0, 300), referrer: from.slice(0, 500) };
    if (properties) one.properties = properties;
    keep({ queue: [...(memory().queue || []), one].slice(-200) });
    clearTimeout(timer);
    timer = setTimeout(flush, 800);
  };
  const view = () => {
    if (!agreed() || shown === location.href) return;
    if (shown) from = shown;
    shown = location.href;
    add("page_view");
  };
  const flush = async () => {
    clearTimeout(timer);
    if (sending) return;
    sending = true;
    try {
      for (let tries = 0; tries < 20; tries += 1) {
        const { revoke, token, queue = [] } = memory(), batch = agreed() ? queue.slice(0, most) : [];
        if (!batch.length && !(revoke && token)) break;
        if (!token) { await begin(); keep({ quiet: true }); continue; }
        if (!await send(revoke, batch)) break;
      }
    } catch { /* no connection: with the next page */ } finally { sending = false; }
    identify();
  };
  /* Whether to go on with what is left. */
  const send = async (revoke, batch) => {
    const body = { site, token: memory().token, consent: revoke ? { given: false } : { given: true, ...memory().visits }, events: revoke ? [] : batch };
    const answer = await fetch(door, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), credentials: "omit", keepalive: true });
    const found = await answer.json().catch(() => ({}));
    if (answer.status === 400 && found.errors?.[0]?.attr === "token") { keep({ token: undefined, linked: undefined }); return !revoke; }
    if (answer.status === 429 || answer.status >= 500) return false;
    if (!answer.ok) console.warn(`Rapport: ${found.errors?.[0]?.detail || answer.statusText}`);
    const sent = new Set(batch.map((one) => one.id));
    keep(revoke ? { revoke: undefined } : { queue: (memory().queue || []).filter((one) => !sent.has(one.id)) });
    if (found.refused === "withdrawn") keep({ visits: undefined, queue: [] });
    return true;
  };

  /* A token waits until there is something to link: a message, or visits that are agreed to. */
  const subject = (proof) => {
    try { return JSON.parse(atob(proof.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub; } catch { return null; }
  };
  const identify = async (given) => {
    if (given) keep({ proof: given });
    const { proof, token, quiet, linked } = memory();
    if (!proof || !token || (quiet && !agreed())) return;
    const who = subject(proof);
    if (who && linked === who) { keep({ proof: undefined }); return; }
    try {
      const found = await asVisitor("POST", "/identify", { token: proof });
      if (found.linked) keep({ proof: undefined, linked: who });
    } catch (error) {
      if (error.code === "other_person") {
        localStorage.setItem(`rapport-chat:${site}`, JSON.stringify({ proof }));
        location.reload();
      } else if (error.status && error.status < 500 && error.status !== 429) {
        keep({ proof: undefined });
        console.warn(`Rapport: ${error.message}`);
      }
    }
  };
  const here = new URL(location.href), sent = here.searchParams.get("rapport_token");
  if (sent) {
    here.searchParams.delete("rapport_token");
    history.replaceState(history.state, "", here);
    identify(sent);
  }

  const doors = { consent, identify, track: add, open: chat.open, close: chat.close };
  window.rapport = (what, ...more) => {
    if (doors[what]) return doors[what](...more);
    console.warn(`Rapport: there is no rapport("${what}").`);
  };
  early.forEach((call) => window.rapport(...call));
  if (window.navigation) window.navigation.addEventListener("navigatesuccess", view);
  else {
    const push = history.pushState;
    history.pushState = function pushed(...given) { push.apply(this, given); view(); };
    addEventListener("popstate", view);
  }
  addEventListener("pagehide", flush);
  view();
  if (memory().revoke || memory().queue?.length || memory().proof) flush();
})();
