/* Tells when another model has come into use, so that the forms take the settings that suit it. What the artist has set
   stays as long as the model does, and over a reload where the studio's own settings suit the model. */
"use strict";

window.dalleStudio.tuning = refill => {
  let model = null;
  window.dalleStudio.tools.announce.addEventListener("news", ({ detail: { status } }) => {
    if (status?.state !== "ready" || status.model === model) return;
    const first = model === null;
    model = status.model;
    if (!first || status.tuned) refill();
  });
};
