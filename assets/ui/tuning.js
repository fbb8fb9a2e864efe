/* Tells when another model has come into use, so that the forms take the settings that suit it, which are known before it
   is loaded. What the artist has set stays as long as the model does, and over a reload where the studio's own settings
   suit the model. */
"use strict";

window.dalleStudio.tuning = refill => {
  let model = null;
  window.dalleStudio.tools.announce.addEventListener("news", ({ detail: { status } }) => {
    if (!status || status.model === model) return;
    const first = model === null;
    model = status.model;
    if (!first || status.tuned) refill();
  });
};
