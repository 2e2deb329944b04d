/* The queue of possible duplicates by keyboard: j and k walk, m merges, n says "not the same", l puts off. */
const place = document.querySelector("[data-suspects]");
const all = () => [...place.querySelectorAll("[data-suspect]:not([data-answered])")];
const current = () => document.activeElement?.closest?.("[data-suspect]");

const go = (card) => {
  if (!card) return;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
};

const walk = (step) => {
  const cards = all();
  const at = cards.indexOf(current());
  go(cards[at < 0 ? 0 : Math.min(Math.max(at + step, 0), cards.length - 1)]);
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    walk(event.key === "j" ? 1 : -1);
  } else if ("mnl".includes(event.key)) {
    const button = current()?.querySelector(`[data-answer="${event.key}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  }
});

/* After an answer the next pair has the focus, so that the keys go on working. */
let following = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const card = event.target.closest?.("[data-suspect]");
  if (!card) return;
  const cards = all();
  following = cards[cards.indexOf(card) + 1] ?? null;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const back = place.querySelector("[data-focus]");
  if (back) {
    back.removeAttribute("data-focus");
    go(back);
  } else if (event.target.matches?.("[data-answered]")) {
    go(following ?? event.target);
    following = null;
  }
});
