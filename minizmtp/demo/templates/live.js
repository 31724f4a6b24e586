"use strict";
// A ZeroMQ socket: the frames of ZMTP are the messages of a WebSocket, with an octet of flags in front (1: more follow).
class ZwsSocket {
  constructor(path, onmessage) {
    this.web = new WebSocket(`ws://${location.host}/${path}`, ["ZWS2.0"]);
    this.web.binaryType = "arraybuffer";
    this.web.onclose = () => (element("state").textContent = "closed; reload the page to connect again");
    this.opened = new Promise((resolve) => (this.web.onopen = resolve));
    this.opened.then(() => this.web.send(new Uint8Array([0]))); // our routing id: none
    let isFirst = true; // the routing id of the other side
    let frames = [];
    this.web.onmessage = ({ data }) => {
      const octets = new Uint8Array(data);
      if (isFirst) return void (isFirst = false);
      frames.push(new TextDecoder().decode(octets.subarray(1)));
      if (octets[0] & 1) return;
      onmessage(frames);
      frames = [];
    };
  }
  async send(...frames) {
    await this.opened;
    const last = frames.length - 1;
    frames.forEach((frame, n) => this.web.send(new Uint8Array([n < last ? 1 : 0, ...new TextEncoder().encode(frame)])));
  }
  subscribe(topic, wanted = true) { return this.send((wanted ? "\x01" : "\x00") + topic); }
}

const element = (id) => document.getElementById(id);
const make = (name, text, ...classes) => Object.assign(document.createElement(name), { textContent: text, className: classes.join(" ") });

const row = (span, level) => {
  const line = make("tr", "", level ? "inner" : "", `hue-${hues[span.kind] ?? span.kind}`);
  line.append(make("td", span.hex, "octets"), make("td", span.text, "octets"), make("td", `${span.name}: ${span.value}`));
  return [line, ...span.inside.flatMap((inner) => row(inner, level + 1))];
};
const hues = { "http-line": "command", "http-field": "metadata", "http-framing": "framing" };

const show = (record) => {
  const item = make("li", "", record.side);
  const table = make("table", "");
  table.append(...record.spans.flatMap((span) => row(span, 0)));
  item.append(make("strong", record.title), table);
  element("records").prepend(item);
  while (element("records").children.length > {{ most }}) element("records").lastChild.remove();
};

// The others begin when it is known that this one is heard, so that their first octets are shown, too.
const octets = new ZwsSocket("octets", ([topic, record]) => (topic === "welcome" ? begin() : show(JSON.parse(record))));
octets.subscribe("");

const begin = () => {
  const ask = new ZwsSocket("ask", ([, answer]) => (element("answer").textContent = answer));
  const news = new ZwsSocket("news", (frames) => (element("news").textContent = frames.join(" ")));
  element("form").onsubmit = (event) => {
    event.preventDefault();
    ask.send("", element("question").value); // a REQ puts an empty frame in front
  };
  for (const topic of ["said", "time"]) {
    element(topic).onchange = () => news.subscribe(topic, element(topic).checked);
    if (element(topic).checked) news.subscribe(topic);
  }
  Promise.all([ask.opened, news.opened]).then(() => (element("state").textContent = "connected"));
};
