/* Settings out of a picture: dropped on Create, or chosen with a button. Only the head of the file, where
   a recipe is, goes to the studio, which says what it found; what is taken from it is the artist's choice. */
"use strict";

window.dalleStudio.recipeDrop = (() => {
  const { make, setText, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;
  const HEAD = 2 ** 21; // bytes
  const ZONES = ".from-picture"; // a tab with one of these takes a picture in
  const CHOICES = [["all", "All settings"], ["prompt", "Only the prompt"], ["seed", "Only the seed"]];

  const hasFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const isZone = event => Boolean(event.target.closest?.("[role=tabpanel]")?.querySelector(ZONES));

  class Offer {
    constructor(send) {
      this.send = send;
      this.title = make("h2", { id: "offer-title" });
      this.image = make("img", { alt: "", hidden: true });
      this.words = make("p", { class: "offer-words" });
      this.notes = make("ul", { class: "notes" });
      this.choices = CHOICES.map(([what, text]) => make("button", { type: "button", class: what === "all" ? "action primary" : "action", text: t(text), onclick: () => this.use(what) }));
      this.cancel = make("button", { type: "button", class: "action", text: t("Close"), onclick: () => this.node.close() });
      this.node = make("dialog", { class: "offer", "aria-labelledby": "offer-title" },
        make("div", { class: "offer-head" }, this.image, make("div", {}, this.title, this.words)), this.notes,
        make("div", { class: "buttons" }, ...this.choices, this.cancel));
      this.node.addEventListener("close", () => URL.revokeObjectURL(this.image.src));
      document.body.append(this.node);
    }

    async read(file) {
      const question = (this.question = Symbol("question"));
      const unanswered = { error: UNANSWERED };
      const body = file.slice(0, HEAD);
      const found = await fetch("media/recipe", { method: "POST", body, headers: { "content-type": "application/octet-stream" } })
        .then(answer => answer.json()).catch(() => unanswered);
      if (question !== this.question) return;
      this.show(file, found);
    }

    show(file, found) {
      this.found = found;
      setText(this.title, found.error ? t("No settings in this file") : found.prompt);
      setText(this.words, found.error ? t(found.error) : `${t("Seed {seed}", { seed: found.seed })} · ${t(found.settings)}`);
      this.notes.replaceChildren(...(found.notes ?? []).map(text => make("li", { text: t(text) })));
      for (const button of this.choices) button.hidden = Boolean(found.error);
      this.image.hidden = Boolean(found.error);
      if (!found.error) this.image.src = URL.createObjectURL(file);
      if (!this.node.open) this.node.showModal();
      (found.error ? this.cancel : this.choices[0]).focus();
    }

    use(what) {
      this.send.useRecipe(this.found.request, this.found.seed, what, this.found.model);
      this.node.close();
    }
  }

  /* The file manager's own picture would replace the page, wherever it is dropped. */
  function listen(offer) {
    const mark = on => document.body.classList.toggle("takes-picture", on);
    document.addEventListener("dragover", event => {
      if (!hasFiles(event) || event.defaultPrevented) return mark(false);
      event.preventDefault();
      event.dataTransfer.dropEffect = isZone(event) ? "copy" : "none";
      mark(isZone(event));
    });
    document.addEventListener("dragleave", event => { if (!event.relatedTarget) mark(false); });
    document.addEventListener("drop", event => {
      mark(false);
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      if (isZone(event) && event.dataTransfer.files.length) offer.read(event.dataTransfer.files[0]);
    });
  }

  return (element, { send }) => {
    const offer = new Offer(send);
    const input = element.querySelector("input");
    element.querySelector("button").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files.length) offer.read(input.files[0]);
      input.value = "";
    });
    listen(offer);
  };
})();
