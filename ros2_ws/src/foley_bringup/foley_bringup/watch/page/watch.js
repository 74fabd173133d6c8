"use strict";
const PERIOD_MS = 500, PICTURE_MS = 200, STRIP_S = 60;
const by = id => document.getElementById(id);
const COLOUR = {true: "var(--true)", false: "var(--false)", unknown: "#8886"};

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}
function drawn(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function row(cells) {
  const line = make("tr");
  for (const cell of cells) {
    const td = make("td");
    td.append(cell instanceof Node ? cell : document.createTextNode(cell));
    line.append(td);
  }
  return line;
}
const percent = p => p === null ? "" : `${Math.round(100 * p)} %`;
const told = top => top.length ? top.map(([name, p]) => `${name} ${percent(p)}`).join(", ") : "nothing";

function showObjects(objects) {
  by("objects").tBodies[0].replaceChildren(...objects.map(o =>
    row([o.id, make("span", told(o.top) + (o.abstain ? " (abstains)" : ""), o.abstain ? "abstain" : ""), o.heard, o.seen])));
}
function strip(history, now) {
  const svg = drawn("svg", {viewBox: `0 0 ${STRIP_S} 10`, preserveAspectRatio: "none", class: "strip"});
  history.forEach(([at, state], i) => {
    const begin = Math.max(0, at - now + STRIP_S);
    const end = Math.min(STRIP_S, (i + 1 < history.length ? history[i + 1][0] : now) - now + STRIP_S);
    if (end > begin) {
      const bar = drawn("rect", {x: begin, y: 0, width: end - begin, height: 10});
      bar.style.fill = COLOUR[state];
      svg.append(bar);
    }
  });
  return svg;
}
function showPredicates(predicates, now) {
  const known = by("known").checked;
  const rank = {true: 0, false: 1, unknown: 2};
  const shown = predicates.filter(p => !known || p.state !== "unknown").sort((a, b) => rank[a.state] - rank[b.state]);
  by("predicates").tBodies[0].replaceChildren(...shown.map(p => row([
    `${p.name}(${p.arguments.join(", ")})`,
    make("span", p.state + (p.lapsed ? " (lease over)" : ""), p.state),
    p.probability === null ? "" : p.probability.toFixed(2),
    [p.evidence, p.contacts ? `${p.contacts} contacts` : ""].filter(Boolean).join(", "),
    p.age_s === null ? "" : `${p.age_s.toFixed(0)} s`,
    strip(p.history, now)])));
}
function showNodes(nodes) {
  by("nodes").tBodies[0].replaceChildren(...nodes.map(n => {
    const line = row([n.name, make("span", n.level, n.level), n.message]);
    line.title = Object.entries(n.values).map(([k, v]) => `${k}: ${v}`).join("\n");
    return line;
  }));
}

const entries = new Map();
function showContacts(contacts) {
  const list = by("contacts"), ids = new Set(contacts.map(c => c.id));
  for (const [id, entry] of entries) if (!ids.has(id)) { entry.element.remove(); entries.delete(id); }
  contacts.slice().reverse().forEach(c => {
    let entry = entries.get(c.id);
    if (!entry) {
      entry = {element: make("div", undefined, "contact"), shown: "", text: make("div"), side: make("div"), image: make("img")};
      entry.image.alt = "spectrogram";
      entry.element.append(entry.text, entry.side, entry.image);
      list.prepend(entry.element);
      entries.set(c.id, entry);
    }
    const state = JSON.stringify([c.heard, c.predicted, c.percentile, c.top, c.object]);
    if (state === entry.shown) return;
    entry.shown = state;
    const surprise = c.surprised === null ? "" : c.surprised ? "; a surprise" : "; as expected";
    const rank = c.percentile === null ? "" : ` (${percent(c.percentile)} of expected ones are nearer)`;
    entry.text.textContent = `${c.action || "contact"} on ${c.object || "?"}: ${told(c.top)}${surprise}${rank}`;
    entry.text.className = c.surprised ? "error" : "";
    const which = `contact=${encodeURIComponent(c.id)}`;
    entry.side.replaceChildren(...["predicted", "heard"].filter(what => c[what]).map(what => {
      const button = make("button", `▶ ${what}`);
      button.onclick = () => new Audio(`/${what}.wav?${which}`).play();
      return button;
    }));
    if (c.heard || c.predicted) entry.image.src = `/spectrogram.png?${which}&${c.heard}${c.predicted}`;
  });
}
function showMissed(missed, now) {
  by("missed").replaceChildren(...missed.filter(m => now - m.time_s < 60).map(m =>
    make("div", `plan ${m.plan_id || "?"}: a contact was expected and did not sound, ${Math.round(now - m.time_s)} s ago`, "missed")));
}
function showOverlay(camera) {
  const overlay = by("overlay");
  if (!camera || !camera.width) { overlay.replaceChildren(); return; }
  overlay.setAttribute("viewBox", `0 0 ${camera.width} ${camera.height}`);
  const size = camera.width / 36;
  const parts = camera.objects.flatMap(o => [
    drawn("circle", {cx: o.pixel[0], cy: o.pixel[1], r: size * .6, "stroke-width": size / 8}),
    drawn("text", {x: o.pixel[0] + size * .8, y: o.pixel[1], "font-size": size}, o.text)]);
  for (const [a, b] of camera.bones) parts.push(drawn("line", {x1: a[0], y1: a[1], x2: b[0], y2: b[1], "stroke-width": size / 8}));
  overlay.replaceChildren(...parts);
}

async function look() {
  try {
    const answer = await fetch("/api/view");
    if (!answer.ok) throw new Error(`${answer.status}`);
    const view = await answer.json();
    showObjects(view.objects); showPredicates(view.predicates, view.now_s); showNodes(view.nodes);
    showContacts(view.contacts); showMissed(view.missed, view.now_s); showOverlay(view.camera);
    by("link").textContent = view.nodes.length ? "live" : "nothing is heard of any node: is `foley up` running?";
    by("link").className = view.nodes.length ? "ok" : "warn";
  } catch (error) {
    by("link").textContent = "foley watch does not answer";
    by("link").className = "error";
  }
  setTimeout(look, PERIOD_MS);
}
function picture() {
  const image = by("picture"), next = new Image();
  const again = ms => setTimeout(picture, ms);
  next.onload = () => { image.src = next.src; by("no-camera").hidden = true; image.hidden = false; again(PICTURE_MS); };
  next.onerror = () => { by("no-camera").hidden = false; image.hidden = true; again(2000); };
  if (document.hidden) again(PICTURE_MS); else next.src = `/camera.jpg?${Date.now()}`;
}
look();
picture();
