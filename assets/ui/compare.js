/* Two pictures, one over the other with a divider or side by side, and a table of what their recipes say differently. */
"use strict";

window.dalleStudio.compare = (() => {
  const { make, shown, toast, UNANSWERED } = window.dalleStudio.tools;
  const { kindWords } = window.dalleStudio;
  const { t } = window.dalleWords;
  const LONG = 240; // letters; words that are longer scroll in their place
  const WAYS = [["over", "Slider"], ["beside", "Side by side"]];

  class Comparison {
    constructor({ first, second, rows }) {
      this.pictures = [first, second];
      this.divider = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": t("Divider between left and right"), oninput: () => this.divide() });
      this.stage = make("div", { class: "compare-stage" });
      this.ways = WAYS.map(([way, words]) => make("button", { type: "button", class: "chip", text: t(words), onclick: () => this.show(way) }));
      const swap = make("button", { type: "button", class: "chip", text: t("Swap"), onclick: () => this.swap() });
      const close = make("button", { type: "button", class: "close", "aria-label": t("Close"), text: "×", onclick: () => this.node.close() });
      this.table = make("div", { class: "compare-table" });
      this.rows = rows;
      const head = make("header", {}, make("h2", { id: "compare-title", text: t("Compare") }), make("div", { class: "chip-row" }, ...this.ways, swap));
      this.node = make("dialog", { class: "compare", "aria-labelledby": "compare-title" }, head, this.stage, this.table, close);
      this.node.addEventListener("close", () => this.node.remove());
      this.node.addEventListener("click", event => { if (event.target === this.node) this.node.close(); });
      document.body.append(this.node);
      this.show("over");
      this.tell();
      this.node.showModal();
      this.divider.focus();
    }

    figure({ image, prompt }, side) {
      return make("figure", {}, make("img", { src: shown(image), alt: `${side}: ${prompt}`, draggable: "false" }), make("figcaption", {}, make("b", { text: side }), make("span", { text: prompt })));
    }

    show(way) {
      this.way = way;
      WAYS.forEach(([name], i) => this.ways[i].setAttribute("aria-pressed", String(name === way)));
      const figures = this.pictures.map((picture, i) => this.figure(picture, this.side(i)));
      this.stage.dataset.way = way;
      this.stage.replaceChildren(...figures);
      if (way === "over") this.stage.append(make("span", { class: "divide", "aria-hidden": "true" }), this.divider);
      this.divide();
    }

    side(i) {
      return i ? t("Right") : t("Left");
    }

    divide() {
      this.stage.style.setProperty("--at", `${this.divider.value}%`);
    }

    swap() {
      this.pictures.reverse();
      this.rows = this.rows.map(([name, one, other]) => [name, other, one]);
      this.show(this.way);
      this.tell();
    }

    tell() {
      if (!this.rows.length) return this.table.replaceChildren(make("p", { text: t("Their recipes say the same.") }));
      const words = (name, value) => (name === "Kind" ? kindWords(value) : name === "Prompt" || name === "Without" ? value : t(value));
      const long = (name, text) => make("div", { class: "long", tabindex: 0, role: "group", "aria-label": t(name), text });
      const cell = (name, value) => make("td", {}, value.length > LONG ? long(name, words(name, value)) : words(name, value));
      const head = make("tr", {}, make("th", { scope: "col", text: t("What differs") }), make("th", { scope: "col", text: this.side(0) }), make("th", { scope: "col", text: this.side(1) }));
      const body = this.rows.map(([name, one, other]) => make("tr", {}, make("th", { scope: "row", text: t(name) }), cell(name, one), cell(name, other)));
      this.table.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
    }
  }

  async function open(one, other, { server }) {
    const answer = await server.compare_pictures({ images: [one, other] }).catch(() => ({ error: UNANSWERED }));
    const words = answer.code === "not_found" ? "One of these pictures is not there any more." : answer.error;
    if (words) toast.show(t(words));
    else new Comparison(answer);
  }

  return { open };
})();
