"use strict";

// Sorting and filtering of the grids, and the molecule beside a mark that a pointer is over.

function cellsOf(card) {
  return card.dataset.cells.split("|").map((text) => (text === "" ? NaN : Number(text)));
}

function startGrid(section) {
  const grid = section.querySelector(".grid");
  const cards = [...grid.children].map((element) => ({
    element,
    cells: cellsOf(element),
    text: element.textContent.toLowerCase(),
  }));
  const control = (name) => section.querySelector(`.${name}`);

  function compare(a, b) {
    const column = Number(control("sort").value);
    const sign = control("turn").getAttribute("aria-pressed") === "true" ? -1 : 1;
    if (column < 0) return sign * (cards.indexOf(a) - cards.indexOf(b));
    const [x, y] = [a.cells[column], b.cells[column]];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  }

  function isKept(card) {
    const column = Number(control("bound").value);
    const [low, high] = [control("low").value, control("high").value];
    if (!card.text.includes(control("text").value.trim().toLowerCase())) return false;
    if (column < 0 || (low === "" && high === "")) return true;
    const value = card.cells[column];
    return !Number.isNaN(value) && (low === "" || value >= Number(low)) && (high === "" || value <= Number(high));
  }

  function update() {
    const kept = cards.filter(isKept);
    for (const card of cards) card.element.hidden = !kept.includes(card);
    grid.append(...[...cards].sort(compare).map((card) => card.element));
    control("count").textContent = `${kept.length} of ${cards.length}`;
  }

  control("turn").addEventListener("click", () => {
    const isDown = control("turn").getAttribute("aria-pressed") !== "true";
    control("turn").setAttribute("aria-pressed", String(isDown));
    control("turn").textContent = isDown ? "descending" : "ascending";
    update();
  });
  section.addEventListener("input", update);
  update();
}

function startPointer(pointer) {
  function show(event) {
    const mark = event.target.closest("[data-card]");
    const card = mark && document.getElementById(mark.dataset.card);
    pointer.hidden = !card;
    if (!card) return;
    pointer.replaceChildren(...[...card.children].map((child) => child.cloneNode(true)));
    const box = mark.getBoundingClientRect();
    const left = box.right + 12 + pointer.offsetWidth > innerWidth ? box.left - 12 - pointer.offsetWidth : box.right + 12;
    pointer.style.left = `${Math.max(4, left)}px`;
    pointer.style.top = `${Math.max(4, Math.min(box.top - 60, innerHeight - pointer.offsetHeight - 4))}px`;
  }

  function visit(event) {
    const mark = event.target.closest("[data-card]");
    const card = mark && document.getElementById(mark.dataset.card);
    if (!card) return;
    for (const found of document.querySelectorAll(".is-found")) found.classList.remove("is-found");
    card.classList.add("is-found");
    card.scrollIntoView({ block: "center" });
  }

  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("click", visit);
}

for (const grid of document.querySelectorAll(".grid")) startGrid(grid.closest("section"));
startPointer(document.getElementById("pointer"));
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
