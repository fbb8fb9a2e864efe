/* The Complete tab: a guide over the bench's picture shows how much of its top is kept. */
"use strict";

(() => {
  const { t } = dalleWords;
  const { Bench, clamp, setText, dialog, mainBoard } = dalleStudio.tools;
  const CHOSEN = "dalle-studio-chosen";
  const COMPLETED = "dalle-studio-completed";

  let bench = null; // the one on this page, once its tab was opened

  class CompletionBench extends Bench {
    constructor(element, server) {
      super(element, server, CHOSEN);
      this.rows = element.querySelector("input[name=rows]");
      this.kept = element.querySelector(".kept");
      this.of = 0; // token rows of the model, once known
      this.rows.addEventListener("input", () => this.guide());
    }

    named(words) {
      return t("Complete “{words}”", { words });
    }

    own() {
      return { rows: this.of ? this.wanted : null };
    }

    recall({ rows }) {
      this.wanted = rows ?? this.wanted;
    }

    use(picture, crop) {
      super.use(picture, crop);
      this.of = 0;
    }

    ready({ rows }) {
      this.rows.max = String(rows - 1);
      this.rows.value = String(clamp(this.wanted ?? Math.round(rows / 2), 1, rows - 1));
      this.of = rows;
      this.guide();
    }

    guide() {
      if (!this.of) return;
      this.wanted = Number(this.rows.value);
      setText(this.kept, t("{kept} of {of} rows", { kept: this.wanted, of: this.of }));
      this.rows.setAttribute("aria-valuetext", this.kept.textContent);
      this.node.style.setProperty("--kept", String(this.wanted / this.of));
      this.keep();
    }
  }

  dalleStudio.bench = (element, { props, watch, server }) => {
    bench = new CompletionBench(element, server);
    bench.begin({ props, watch });
  };

  dalleStudio.chosen = () => bench?.chosen() ?? null;

  /* A board of its own for completions, which asks through Create's. */
  dalleStudio.completions = element => {
    dalleStudio.board(element, { ...mainBoard(), shows: job => job.kind === "complete", memory: COMPLETED });
  };

  dialog.actions.splice(1, 0, { text: "Complete from here", key: "c", run: dialog => dialog.reuse("completeFrom") });
})();
