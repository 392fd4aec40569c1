// Likes and dislikes: two buttons on every card, the same in every browser.

import { ask, make } from "./server.js";
import { refresh, watchState } from "./state.js";

let likes = {};

function mark(buttons) {
  for (const button of buttons.querySelectorAll("button")) {
    const isPressed = likes[buttons.dataset.smiles] === (button.dataset.liked === "true");
    button.setAttribute("aria-pressed", String(isPressed));
  }
}

async function press(event) {
  const { smiles } = event.target.parentElement.dataset;
  const liked = event.target.dataset.liked === "true";
  await ask("like", { smiles, liked: likes[smiles] === liked ? null : liked });
  await refresh();
}

export function makeLikeButtons(smiles) {
  const buttons = make("div", { className: "likes" });
  for (const [label, liked] of [["Like", true], ["Dislike", false]]) {
    const button = make("button", { type: "button", textContent: label });
    button.dataset.liked = liked;
    button.addEventListener("click", press);
    buttons.append(button);
  }
  buttons.dataset.smiles = smiles;
  mark(buttons);
  return buttons;
}

export function startLikes() {
  watchState((state) => {
    likes = state.likes;
    document.querySelectorAll(".likes").forEach(mark);
    const labels = Object.values(likes), n = labels.filter(Boolean).length;
    document.getElementById("liked").textContent = labels.length
      ? `${n} liked, ${labels.length - n} disliked. Maximise liked, alone or with other measures, to get more like them.`
      : "Like and dislike molecules on their cards, then maximise liked to get more like them.";
  });
}
