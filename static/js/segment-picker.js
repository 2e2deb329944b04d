/* A dialog to choose what a condition is about: a search box over groups of fields and events, by mouse or keys. */
const icons = {
  customer: "user", traits: "chart-dots", prediction: "crystal-ball", tag: "tag", consent: "shield-check", segment: "chart-circles", persona: "masks-theater", custom: "forms",
  interaction: "messages", complaint: "mood-angry", question: "help-circle", praise: "thumb-up", negative: "mood-sad", positive: "mood-happy", written: "send", contact: "mail-forward", visit: "eye", order: "shopping-bag",
};
export const iconOf = (name) => icons[name] ?? icons[name.split(".")[0]] ?? "activity";

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export const makePicker = (el, icon, words, groups) => {
  const search = el("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "field-list", "aria-autocomplete": "list", "aria-label": words.search, autocomplete: "off", spellcheck: "false", maxlength: "100", placeholder: words.search });
  const list = el("div", { class: "found", id: "field-list", role: "listbox", "aria-label": words.field, tabIndex: -1 });
  const none = el("p", { class: "r-none", role: "status" });
  const dialog = el("dialog", { class: "r-palette", "aria-label": words.field }, el("div", { class: "ask" }, icon("search"), search, el("kbd", { class: "r-key" }, "Esc")), list);
  let choose = () => {};
  let options = [];
  let at = 0;

  groups.forEach((group, place) => {
    const items = [...(group.events ?? []).map((event) => ({ ...event, kind: "event" })), ...(group.fields ?? []).map((field) => ({ ...field, kind: "field" }))];
    if (!items.length) return;
    const title = el("div", { class: "kind", id: `field-group-${place}`, role: "presentation" }, group.label);
    const box = el("div", { role: "group", "aria-labelledby": title.id }, title);
    items.forEach((item) => {
      const option = el("div", { role: "option", class: "r-pick", id: `field-${item.kind}-${item.name.replace(/\W/g, "-")}`, "aria-selected": "false" }, icon(iconOf(item.name)), el("span", {}, item.label));
      option.addEventListener("click", () => take(option));
      option.addEventListener("mousemove", () => { if (!option.hidden) point(shown().indexOf(option)); });
      options.push({ option, item, label: folded(item.label), text: folded(`${item.label} ${group.label}`) });
      box.append(option);
    });
    list.append(box);
  });
  list.append(none);
  document.body.append(dialog);

  const shown = () => options.filter(({ option }) => !option.hidden).map(({ option }) => option);
  const point = (next) => {
    const visible = shown();
    options.forEach(({ option }) => option.setAttribute("aria-selected", "false"));
    if (!visible.length) { search.removeAttribute("aria-activedescendant"); return; }
    at = (next + visible.length) % visible.length;
    visible[at].setAttribute("aria-selected", "true");
    search.setAttribute("aria-activedescendant", visible[at].id);
    return visible[at];
  };
  const filter = () => {
    const wanted = folded(search.value).split(/\s+/).filter(Boolean);
    options.forEach(({ option, text }) => { option.hidden = !wanted.every((word) => text.includes(word)); });
    list.querySelectorAll('[role="group"]').forEach((box) => { box.hidden = !box.querySelector('[role="option"]:not([hidden])'); });
    none.textContent = shown().length ? "" : words.nothing;
    none.hidden = shown().length > 0;
    // The nearest is pointed at: what is called so, then what begins so, then what holds it in its own name.
    const typed = wanted.join(" ");
    const near = [(label) => label === typed, (label) => label.startsWith(typed), (label) => label.includes(typed)];
    const visible = options.filter(({ option }) => !option.hidden);
    const best = typed ? near.map((fits) => visible.findIndex(({ label }) => fits(label))).find((place) => place >= 0) : 0;
    list.scrollTop = 0;
    point(best ?? 0)?.scrollIntoView({ block: "nearest" });
  };
  const take = (option) => {
    const { item } = options.find((one) => one.option === option);
    dialog.close();
    choose(item);
  };
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); point(at + step)?.scrollIntoView({ block: "nearest" }); }
    if (event.key === "Enter") { event.preventDefault(); const option = shown()[at]; if (option) take(option); }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  return (current, then) => {
    choose = then;
    search.value = "";
    filter();
    const place = shown().findIndex((option) => options.find((one) => one.option === option).item.name === current);
    dialog.showModal();
    search.focus();
    if (place > 0) point(place)?.scrollIntoView({ block: "center" });
  };
};
