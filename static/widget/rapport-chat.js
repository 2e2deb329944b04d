/* Rapport's chat for any website: <script src="https://…/static/widget/rapport-chat.js" data-site="KEY" async></script>
   Attributes, rapport(…) and content policy: docs/channels/webchat.md. It lives in a shadow root with a constructed
   stylesheet, and loads rapport-visits.js. */
(() => {
  const tag = document.currentScript;
  if (!tag?.dataset.site || window.RapportChat) return;
  const home = new URL(tag.src), site = tag.dataset.site, me = tag.dataset.user || "";
  const api = `${home.origin}/chat/${site}`, name = `rapport-chat:${site}`;
  let face, words, timer, root, ui, begun, syncing, opened, live, closed, again, flushing, earliest, pause = 1000, last = 0, unread = 0;
  const rows = new Map();

  /* What this browser remembers: token, whose it is, what was read, what is not sent yet. */
  let memory = {};
  const recall = () => {
    try { memory = JSON.parse(localStorage.getItem(name)) || memory; } catch { /* storage may be forbidden */ }
    if (memory.user && memory.user !== me) memory = {};
    memory.unsent ||= [];
  };
  const keep = (changes) => {
    recall();
    Object.assign(memory, changes);
    try { localStorage.setItem(name, JSON.stringify(memory)); } catch { /* this page remembers */ }
  };
  /* A token made for visits alone opens no stream. */
  const talks = () => memory.token && !memory.quiet;
  const uuid = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("").replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

  /* Asking */
  const ask = async (method, path, body, token) => {
    const headers = body ? { "Content-Type": "application/json" } : {};
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body), credentials: "omit", signal: AbortSignal.timeout(15e3) });
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) return found;
    const { detail, code } = found.errors?.[0] || {};
    throw Object.assign(new Error(detail || answer.statusText), { status: answer.status, code });
  };
  const begin = () => (begun ||= (async () => {
    const who = { token: memory.token, name: tag.dataset.name, email: tag.dataset.email };
    let found, user = me;
    try {
      found = await ask("POST", "/sessions", me ? { ...who, identifier: me, identifier_hash: tag.dataset.userHash } : who);
    } catch (error) {
      if (!me || error.status !== 403) throw error;
      console.warn(`Rapport chat: ${error.message}`);
      found = await ask("POST", "/sessions", who);
      user = "";
    }
    keep({ token: found.token, user, at: Date.now(), known: memory.known || found.known });
  })().finally(() => { begun = null; }));
  const asVisitor = async (method, path, body) => {
    recall();
    if (!memory.token) await begin();
    const used = memory.token;
    try {
      return await ask(method, path, body, used);
    } catch (error) {
      if (error.status !== 401) throw error;
      recall();
      if (memory.token === used) { keep({ token: undefined }); await begin(); }
      return ask(method, path, body, memory.token);
    }
  };

  /* Reading what is new; asked for again if something came meanwhile. */
  const sync = () => {
    if (!talks() || closed) return;
    again = true;
    syncing ||= (async () => {
      try {
        while (again) {
          again = false;
          const found = await asVisitor("GET", last ? `/messages?after=${last}` : "/messages");
          if (!last) earliest = found.more ? found.messages[0].id : null;
          else again ||= found.more;
          found.messages.forEach(add);
          ui.offline.hidden = true;
        }
      } catch (error) { failed(error); } finally { syncing = null; }
    })();
    return syncing;
  };
  const showEarlier = async () => {
    const found = await asVisitor("GET", `/messages?before=${earliest}`).catch(failed);
    if (!found) return;
    found.messages.forEach((line) => draw(line.key || line.id, line));
    earliest = found.more ? found.messages[0].id : null;
    ui.earlier.hidden = !earliest;
  };
  const add = (line) => {
    draw(line.key || line.id, line);
    last = Math.max(last, line.id);
    if (!line.own && line.id > (memory.seen || 0)) unread += 1;
    if (opened) seen(); else badge();
  };
  const seen = () => { unread = 0; badge(); if ((memory.seen || 0) < last) keep({ seen: last }); };
  const failed = (error) => {
    if (error.status === 404 || error.status === 403) { closed = true; ui.offline.textContent = words.closed; ui.box.disabled = true; }
    if (error.status !== 429) ui.offline.hidden = false;
  };

  /* Writing: kept until the server has it; its UUID makes sending it twice harmless. */
  const say = (text) => {
    const one = { key: uuid(), text, at: new Date().toISOString() };
    keep({ unsent: [...memory.unsent, one], quiet: false });
    draw(one.key, { ...one, own: true });
    flush();
  };
  const flush = async () => {
    if (flushing || closed || !memory.unsent.length) return;
    flushing = true;
    for (let one; (one = memory.unsent[0]);) {
      draw(one.key, { ...one, own: true });
      mark(one.key, "sending", words.sending);
      try {
        const { message } = await asVisitor("POST", "/messages", { id: one.key, text: one.text });
        drop(one);
        draw(one.key, message);
      } catch (error) {
        const why = `${words.failed} ${error.status ? error.message : ""} `;
        if (error.status === 400 || error.status === 413) { drop(one); mark(one.key, "failed", why); continue; }
        memory.unsent.forEach(({ key }) => mark(key, "failed", why, el("button", { type: "button", onclick: flush }, words.retry)));
        failed(error);
        break;
      }
    }
    flushing = false;
    if (memory.unsent.length) return;
    window.rapport?.("identify");
    sync();
    listen();
    askDetails();
  };
  const drop = (one) => keep({ unsent: memory.unsent.filter(({ key }) => key !== one.key) });
  const mark = (key, state, ...foot) => {
    const row = rows.get(String(key));
    if (!row) return;
    row.dataset.state = state;
    row.lastChild.replaceChildren(...foot);
  };

  /* The stream: one tab holds it and tells the others. Polling while there is none. */
  const others = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
  const listen = () => {
    if (listen.wanted || !talks()) return;
    listen.wanted = true;
    if (navigator.locks) navigator.locks.request(name, () => new Promise(() => stream()));
    else stream();
  };
  const stream = async () => {
    const later = () => { live = false; setTimeout(stream, pause * (0.75 + Math.random() / 2)); pause = Math.min(pause * 2, 3e4); };
    if (closed) return;
    try {
      const { ticket } = await asVisitor("POST", "/tickets", {});
      const place = face.live.startsWith(":") ? `${home.protocol}//${home.hostname}${face.live}` : face.live || home.origin;
      const source = new EventSource(`${place}/live/chat?ticket=${ticket}`);
      source.onopen = () => { live = true; pause = 1000; sync(); };
      source.onmessage = () => { sync(); others?.postMessage("sync"); };
      source.onerror = () => { source.close(); later(); };
    } catch (error) { failed(error); later(); }
  };
  others?.addEventListener("message", sync);
  const poll = () => {
    if (!live && !document.hidden) sync();
    flush();
    clearTimeout(timer);
    timer = setTimeout(poll, opened ? 4e3 : 3e4);
  };

  /* Drawing */
  const el = (type, props = {}, ...kids) => {
    const made = document.createElement(type);
    for (const [key, value] of Object.entries(props)) {
      if (key in made && !key.startsWith("aria")) made[key] = value; else made.setAttribute(key, value);
    }
    made.append(...kids);
    return made;
  };
  const icon = (path) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(svg.namespaceURI, "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  };
  const clock = (at) => {
    const date = new Date(at), today = date.toDateString() === new Date().toDateString();
    return date.toLocaleString(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
  };
  const draw = (key, line) => {
    key = String(key);
    let row = rows.get(key);
    const order = line.id || Infinity;
    if (!row) {
      row = el("div", { className: line.own ? "row own" : "row" }, el("span", { className: "vh" }, `${line.own ? words.you : line.name || words.team}: `),
        el("p", { className: "text", dir: "auto" }, line.text), el("p", { className: "foot" }));
      rows.set(key, row);
    }
    if (row.order !== order) {
      row.order = order;
      const next = [...ui.lines.children].find((each) => each !== row && each.order > order);
      if (!row.isConnected || row.nextSibling !== (next || null)) ui.lines.insertBefore(row, next || null);
      if (line.own) ui.log.scrollTop = 0;
    }
    if (line.id) mark(key, "", (line.own ? "" : `${line.name || words.team} · `) + clock(line.at));
  };
  const badge = () => {
    ui.badge.textContent = unread > 9 ? "9+" : unread || "";
    const news = unread ? words.unread.replace("{n}", unread) : "";
    ui.button.setAttribute("aria-label", news ? `${words.open} (${news})` : words.open);
    ui.news.textContent = opened ? "" : news;
  };
  const askDetails = () => {
    if (!face.ask_details || memory.known || ui.details.childNodes.length) return;
    const field = (label, props) => el("label", {}, label, el("input", { autocomplete: props.name, ...props }));
    const form = el("form", {
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          await asVisitor("POST", "/details", { name: form.elements.name.value, email: form.elements.email.value });
          keep({ known: true });
          ui.details.replaceChildren(el("p", { role: "status" }, words.saved));
          ui.box.focus();
        } catch (error) { note.textContent = error.status ? error.message : words.offline; form.elements.email.focus(); }
      },
    });
    const note = el("p", { className: "bad", role: "alert" });
    const skip = () => { keep({ known: true }); ui.details.replaceChildren(); ui.box.focus(); };
    form.append(el("p", {}, words.details), field(words.name, { name: "name", maxLength: 200 }), field(words.email, { name: "email", type: "email", maxLength: 254 }), note,
      el("div", { className: "ways" }, el("button", { type: "submit" }, words.save), el("button", { type: "button", className: "plain", onclick: skip }, words.skip)));
    ui.details.replaceChildren(form);
  };
  const show = (wanted) => {
    opened = wanted;
    if (memory.quiet) keep({ quiet: false });
    ui.panel.hidden = !wanted;
    ui.button.setAttribute("aria-expanded", wanted);
    root.host.toggleAttribute("data-open", wanted);
    if (!wanted) { badge(); ui.button.focus(); return; }
    seen();
    sync();
    listen();
    poll();
    ui.earlier.hidden = !earliest;
    ui.log.scrollTop = 0;
    ui.box.focus();
  };
  const typed = () => {
    const over = [...ui.box.value].length - face.max_length;
    ui.over.textContent = over > 0 ? words.too_long.replace("{n}", over) : "";
    ui.send.disabled = over > 0;
  };
  const build = () => {
    const host = el("div", { id: "rapport-chat" });
    if (/^(light|dark)$/.test(tag.dataset.theme)) host.dataset.theme = tag.dataset.theme;
    root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(), color = /^#[0-9a-f]{6}$/i.test(face.color) ? face.color : "#0b6a80";
    const [r, g, b] = [1, 3, 5].map((i) => (parseInt(color.slice(i, i + 2), 16) / 255) ** 2.2);
    const bright = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
    sheet.replaceSync(`:host{--brand:${color};--on-brand:${bright ? "#0d1114" : "#fff"}}${face.css}`);
    root.adoptedStyleSheets = [sheet];
    ui = {
      news: el("span", { className: "vh", role: "status" }),
      badge: el("span", { className: "badge", "aria-hidden": "true" }),
      lines: el("div", { className: "lines" }),
      earlier: el("button", { type: "button", className: "plain", hidden: true, onclick: showEarlier }, words.earlier),
      details: el("div", { className: "details" }),
      offline: el("p", { className: "offline", role: "status", hidden: true }, words.offline),
      over: el("p", { className: "bad", id: "over", role: "status" }),
      box: el("textarea", { rows: 1, id: "box", placeholder: words.write, "aria-describedby": "over", dir: "auto", oninput: typed }),
      send: el("button", { type: "submit", "aria-label": words.send }, icon("M5 12h13M12 5l7 7-7 7")),
    };
    ui.log = el("div", { className: "log", role: "log", tabIndex: 0, "aria-label": words.log }, el("div", {}, ui.earlier, el("div", { className: "row" }, el("p", { className: "text", dir: "auto" }, face.greeting)), ui.lines));
    const form = el("form", { className: "write", onsubmit: (event) => {
      event.preventDefault();
      const text = ui.box.value.trim();
      if (!text || ui.send.disabled) return;
      ui.box.value = "";
      typed();
      say(text);
    } }, el("label", { className: "vh", htmlFor: "box" }, words.write), ui.box, ui.send);
    ui.box.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); } });
    ui.panel = el("section", { className: "panel", id: "panel", role: "dialog", "aria-labelledby": "title", hidden: true },
      el("div", { className: "head" }, el("h2", { id: "title" }, face.name), el("button", { type: "button", "aria-label": words.close, onclick: () => show(false) }, icon("M6 6l12 12M18 6L6 18"))),
      ui.log, ui.details, ui.offline, ui.over, form);
    ui.panel.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); show(false); } });
    ui.button = el("button", { type: "button", className: "launch", "aria-expanded": "false", "aria-controls": "panel", onclick: () => show(!opened) }, icon("M4 5h16v11H9l-5 4z"), ui.badge);
    root.append(ui.panel, ui.button, ui.news);
    badge();
    document.body.append(host);
  };

  const start = async (tries = 0) => {
    try { face = await ask("GET", "/config"); } catch (error) {
      if (!error.status && tries < 6) setTimeout(start, 2000 * 2 ** tries, tries + 1);
      return;
    }
    words = face.words;
    recall();
    build();
    memory.unsent.forEach((one) => draw(one.key, { ...one, own: true }));
    const parts = { home, site, face, uuid, begin, asVisitor, keep, memory: () => (recall(), memory) };
    window.RapportChat = { open: () => show(true), close: () => show(false), parts };
    document.head.append(el("script", { src: new URL("rapport-visits.js", tag.src) }));
    if (memory.token && (memory.user !== me && me || Date.now() - memory.at > 864e5)) await begin().catch(failed);
    if (talks()) { await sync(); listen(); }
    addEventListener("online", () => { sync(); flush(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) sync(); });
    poll();
  };
  start();
})();
