"use strict";
// Sorts and filters the table of bags, and folds a row out. Without it the page is a plain table.
const table = document.querySelector("table.bags");
const body = table.tBodies[0];
const rows = [...body.querySelectorAll("tr.bag")];
const asked = { text: "", states: new Set(), key: "" };

function fold(row, open) {
  const shown = row.nextElementSibling && row.nextElementSibling.classList.contains("more") ? row.nextElementSibling : null;
  if (shown) shown.remove();
  row.classList.toggle("open", open && !shown);
  if (!open || shown) return;
  row.after(row.querySelector("template").content.cloneNode(true));
}

function sort(head) {
  const column = head.cellIndex;
  // What is most often looked for comes first: of names the first, of figures the highest.
  const rising = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : !head.classList.contains("n");
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = row => row.cells[column].dataset.value;
  const number = head.classList.contains("n");
  rows.forEach(row => fold(row, false));
  rows.sort((a, b) => {
    const x = value(a), y = value(b);
    if (x === "" || y === "") return (x === "") - (y === "");  // what is not known stays below
    const order = number ? x - y : x.localeCompare(y, undefined, { numeric: true });
    return rising ? order : -order;
  });
  body.append(...rows);
}

function filter() {
  let count = 0;
  for (const row of rows) {
    const fits = (!asked.text || row.dataset.text.toLowerCase().includes(asked.text))
      && (!asked.states.size || asked.states.has(row.dataset.state))
      && (!asked.key || row.dataset.keys.split(" ").includes(asked.key));
    row.hidden = !fits;
    if (!fits) fold(row, false);
    count += fits;
  }
  document.getElementById("count").textContent = count === rows.length ? "" : `${count} of ${rows.length}`;
}

for (const head of table.tHead.rows[0].cells) {
  if (head.classList.contains("still")) continue;
  head.tabIndex = 0;
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", event => { if (event.key === "Enter") sort(head); });
}
for (const row of rows) {
  row.addEventListener("click", event => { if (!event.target.closest("a")) fold(row, true); });
}
document.getElementById("search").addEventListener("input", event => {
  asked.text = event.target.value.trim().toLowerCase();
  filter();
});
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    if (chip.dataset.key) {
      for (const other of document.querySelectorAll(".chip[data-key]")) other.setAttribute("aria-pressed", "false");
      asked.key = on ? chip.dataset.key : "";
    } else if (on) asked.states.add(chip.dataset.state);
    else asked.states.delete(chip.dataset.state);
    chip.setAttribute("aria-pressed", String(on));
    filter();
  });
}
