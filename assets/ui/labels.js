/* What the picture in the dialog is filed under: its tags and collections, each with a way to take it off, and a field
   for one more tag. */
"use strict";

window.dalleStudio.labels = (() => {
  const { make, setText, announce, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;

  async function change(dialog, question, asked) {
    const answer = await dialog.context.server[question]({ images: [dialog.details.image], ...asked }).catch(() => ({ error: UNANSWERED }));
    if (answer.error) return setText(dialog.said, t(answer.error));
    await dialog.refresh();
    dialog.labels.querySelector("input").focus();
    announce.dispatchEvent(new Event("filed"));
  }

  function chip(words, label, off) {
    return make("span", { class: "chip" }, make("span", { text: words }), make("button", { type: "button", text: "×", "aria-label": label, onclick: off }));
  }

  function draw(dialog) {
    const { tags, collections, trashed } = dialog.details;
    if (trashed) return dialog.labels.replaceChildren();
    const input = make("input", { type: "text", name: "tag", maxlength: 100, autocomplete: "off", placeholder: t("Add a tag"), "aria-label": t("Add a tag") });
    const form = make("form", {}, input);
    form.addEventListener("submit", event => {
      event.preventDefault();
      if (input.value.trim()) change(dialog, "tag_pictures", { tag: input.value.trim() });
    });
    dialog.labels.replaceChildren(
      ...tags.map(tag => chip(`#${tag}`, t("Take the tag {tag} off", { tag }), () => change(dialog, "untag_pictures", { tag }))),
      ...collections.map(([collection, name]) => chip(name, t("Take out of {name}", { name }), () => change(dialog, "uncollect_pictures", { collection }))),
      form,
    );
  }

  return { draw };
})();
