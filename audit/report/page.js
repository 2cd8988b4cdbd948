"use strict";
const table = document.getElementById("findings");
if (table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], seek = document.getElementById("seek"), shown = document.getElementById("shown");
  const value = (row, i) => row.cells[i].dataset.sort ?? row.cells[i].textContent;
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows];
    rows.sort((a, b) => value(a, i).localeCompare(value(b, i), "en", { numeric: true }) * (up ? 1 : -1));
    body.append(...rows);
  }));
  seek.addEventListener("input", () => {
    const word = seek.value.toLowerCase();
    let n = 0;
    for (const row of body.rows) {
      row.hidden = !row.textContent.toLowerCase().includes(word);
      if (!row.hidden) n++;
    }
    shown.textContent = word ? n + " of " + body.rows.length : "";
  });
}
const open = () => {
  const at = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (at && at.tagName === "DETAILS") { at.open = true; at.scrollIntoView(); }
};
addEventListener("hashchange", open);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
open();
