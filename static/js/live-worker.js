/* One event stream for all tabs of a browser: over HTTP/1.1 a seventh stream would keep a tab from loading. */
const ports = new Set();
let stream = null;
let state = "closed";

const tell = (data) => ports.forEach((port) => port.postMessage(data));

const open = (url) => {
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource(url, { withCredentials: true });
  stream.addEventListener("open", () => { state = "open"; tell({ state }); });
  stream.addEventListener("error", () => { state = "closed"; tell({ state }); });
  stream.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    tell({ message });
    if (message.type === "ended") { stream.close(); state = "closed"; tell({ state }); }
  });
};

addEventListener("connect", ({ ports: [port] }) => {
  port.addEventListener("message", ({ data }) => {
    if (data.leave) {
      ports.delete(port);
      if (!ports.size) { stream?.close(); stream = null; state = "closed"; }
      return;
    }
    ports.add(port);
    open(data.listen);
    port.postMessage({ state });
  });
  port.start();
});
