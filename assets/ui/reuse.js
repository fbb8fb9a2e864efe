/* The seed of a run, taken over by the form beside it: the same chances for other words. */
"use strict";

(() => {
  const { make, fill, runParts } = dalleStudio.tools;
  const { t } = dalleWords;

  function take(run, seed) {
    const field = run.node.closest(".studio-columns").querySelector(".seed-box :is(input, textarea)");
    fill(field, seed);
    field.focus();
  }

  runParts.push((run, job) => {
    const button = make("button", { type: "button", class: "more", text: t("Use seed"), hidden: true, onclick: () => take(run, job.seed) });
    run.tools.append(button);
    return { update: ({ final, tiles }) => { button.hidden = !final || !tiles.length; } };
  });
})();
