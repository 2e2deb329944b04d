/* The print button; the print rules themselves live in rapport.css. */
document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
