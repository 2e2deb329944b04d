/* What a shop's own script does with Rapport: ask before visits are kept, and tell what happens in the cart. */
(() => {
  window.rapport ||= (...call) => { (window.rapport.q ||= []).push(call); };
  const bar = document.querySelector("#consent"), place = `demo-shop-asked:${location.pathname}`;
  const answer = (given) => {
    window.rapport("consent", given, { wording: "demo 1" });
    localStorage.setItem(place, given ? "yes" : "no");
    bar.hidden = true;
    document.querySelector("#consent-again").hidden = false;
  };
  bar.addEventListener("click", (event) => { if (event.target.value) answer(event.target.value === "yes"); });
  document.querySelector("#consent-again").addEventListener("click", () => { bar.hidden = false; bar.querySelector("button").focus(); });
  document.querySelectorAll("[data-sku]").forEach((button) => button.addEventListener("click", () => {
    window.rapport("track", "added_to_cart", { sku: button.dataset.sku });
    button.nextElementSibling.hidden = false;
  }));
  const asked = localStorage.getItem(place);
  bar.hidden = Boolean(asked);
  document.querySelector("#consent-again").hidden = !asked;
})();
