/* What a page of the shop may know of its visitor, by a publishable key.
     RapportPersonalize({ home, key, site })     the visitor of our website script, by the token it keeps
     RapportPersonalize({ home, key, signed })   { identity, expires, signature } from the shop's own server
   Answers { persona, segments, next_category }; nulls for whoever is unknown, and when anything fails. */
window.RapportPersonalize = async ({ home, key, site, signed }) => {
  const nobody = { persona: null, segments: [], next_category: null };
  const kept = () => {
    try { return JSON.parse(localStorage.getItem(`rapport-chat:${site}`) || "{}").token; } catch { return undefined; }
  };
  const headers = signed
    ? { "X-Rapport-Identity": signed.identity, "X-Rapport-Expires": String(signed.expires), "X-Rapport-Signature": signed.signature }
    : { "X-Rapport-Visitor": kept() || "" };
  if (!signed && !headers["X-Rapport-Visitor"]) return nobody;
  try {
    const answer = await fetch(`${home}/api/v1/personalize/?key=${encodeURIComponent(key)}`, { headers, credentials: "omit" });
    if (answer.ok) return await answer.json();
    console.warn(`Rapport: ${(await answer.json()).errors?.[0]?.detail || answer.statusText}`);
  } catch { /* no connection: the page stays as it is for everybody */ }
  return nobody;
};
