/* The Variations tab: how strongly the bench's picture is varied; results stand beside the original. Also, wherever a
   variation is shown, where it departs from its original: a map over the picture, one cell a token. */
"use strict";

(() => {
  const { t } = dalleWords;
  const { Bench, clamp, make, setText, remember, recalled, announce, dialog, keys, runParts, mainBoard, UNANSWERED } = dalleStudio.tools;
  const CHOSEN = "dalle-studio-varied";
  const VARIED = "dalle-studio-variations";
  const USUAL = 50; // per cent
  const REST = 60; // ms of the mouse on a picture, which a wall that scrolls past below it does not give
  const QUEUED = "Variations are queued. They appear under Variations.";
  /* From the first strength on, in per cent. */
  const WORDS = [[0, "a twin"], [15, "a sibling"], [50, "a cousin"], [90, "a distant relative"], [100, "a stranger: only the prompt counts"]];
  const likeness = strength => WORDS.findLast(([from]) => strength >= from)[1];

  let bench = null; // the one on this page, once its tab was opened

  /* ---- how strong ---- */

  class VariationBench extends Bench {
    constructor(element, server) {
      super(element, server, CHOSEN);
      this.strength = element.querySelector("input[name=strength]");
      this.words = element.querySelector(".strength-words");
      this.strength.value = String(USUAL);
      this.strength.addEventListener("input", () => { this.tell(); this.keep(); });
      this.tell();
    }

    named(words) {
      return t("Vary “{words}”", { words });
    }

    own() {
      return { strength: Number(this.strength.value) / 100 };
    }

    recall({ strength }) {
      if (strength > 0) this.strength.value = String(clamp(Math.round(100 * strength), 5, 100));
      this.tell();
    }

    ready() {}

    tell() {
      const strength = Number(this.strength.value), words = t(likeness(strength));
      setText(this.words, t("{strength}%, {words}", { strength, words }));
      this.strength.setAttribute("aria-valuetext", this.words.textContent);
    }
  }

  /* ---- more like this ---- */

  /* Queues variations of a picture of the history, by its own words and settings; gives what went wrong, if anything.
     A board that is opened only after they are painted finds them in its memory. */
  async function start(image, strength = USUAL / 100) {
    const answer = await mainBoard().server.vary_picture({ image, strength }).catch(() => ({ error: UNANSWERED }));
    if (answer.error) return answer.error;
    remember(VARIED, [...recalled(VARIED, []), answer.job].slice(-8));
    announce.dispatchEvent(new Event("submitted"));
    return "";
  }

  /* Over the picture of `node` that the mouse is on. Whoever has no mouse finds it in the picture's dialog, or presses
     V. `find` gives the tile that an element belongs to, if it is to have this; `say` tells what came of it. */
  class MoreLike {
    constructor(node, say, find = target => target.closest(".tile")) {
      Object.assign(this, { node, say, find });
      this.button = make("button", { type: "button", class: "more-like", tabindex: -1, "aria-hidden": "true", hidden: true, onclick: () => this.start() });
      node.classList.add("holds-more-like");
      node.append(this.button);
      node.addEventListener("pointerover", ({ target }) => { clearTimeout(this.timer); this.timer = setTimeout(() => this.over(target), REST); });
      for (const name of ["pointerleave", "wheel"]) node.addEventListener(name, () => { clearTimeout(this.timer); this.button.hidden = true; }, { passive: true });
    }

    over(target) {
      if (target === this.button || !target.isConnected) return;
      const tile = this.find(target);
      this.image = tile?.dataset.image ?? tile?.dataset.id;
      this.button.hidden = !this.image;
      if (!this.image) return;
      const frame = tile.firstChild.getBoundingClientRect(), node = this.node.getBoundingClientRect();
      this.button.style.left = `${frame.left - node.left + frame.width / 2}px`;
      this.button.style.top = `${frame.bottom - node.top - 8}px`;
      setText(this.button, t("More like this"));
    }

    async start() {
      setText(this.button, t("Queued"));
      const error = await start(this.image);
      this.say(t(error || QUEUED), error);
      if (error) this.button.hidden = true;
    }
  }

  async function moreLikeThis(dialog) {
    const error = await start(dialog.ids[dialog.at]);
    setText(dialog.said, t(error || QUEUED));
  }

  /* ---- where a variation departs ---- */

  /* A picture of cells, the redder the further away: as an image, stretched over the one it is about, which is greyed. */
  function heatMap({ rows, cols, shares }) {
    const canvas = make("canvas", { width: cols, height: rows });
    const ink = canvas.getContext("2d");
    shares.forEach((share, i) => {
      ink.fillStyle = `rgb(214 40 20 / ${Math.round(85 * share)}%)`;
      ink.fillRect(i % cols, Math.floor(i / cols), 1, 1);
    });
    return make("img", { class: "heat", alt: "", src: canvas.toDataURL() });
  }

  const maps = new Map(); // of pictures, which never change

  /* Maps of those of `images` that have one. */
  async function departures(images) {
    const unknown = images.filter(image => !maps.has(image));
    if (unknown.length) {
      const answer = await mainBoard().server.departures({ images: unknown }).catch(() => ({ departures: {} }));
      for (const [image, found] of Object.entries(answer.departures ?? {})) maps.set(image, found);
    }
    return new Map(images.filter(image => maps.has(image)).map(image => [image, maps.get(image)]));
  }

  function cover(frame, departure) {
    frame.querySelector(".heat")?.remove();
    frame.classList.toggle("mapped", Boolean(departure));
    if (departure) frame.querySelector("img").after(heatMap(departure));
  }

  /* What a run of variations has beside its grid: its original, and a switch for the maps. */
  class Departures {
    constructor(run, job) {
      this.run = run;
      this.shown = false;
      run.lead = make("figure", { class: "original" }, make("span", { class: "frame" }, make("img", { alt: "", src: job.original, draggable: "false", onerror: () => { run.lead.hidden = true; } })), make("figcaption", { text: t("The original") }));
      this.toggle = make("button", { type: "button", class: "more", text: t("What changed"), "aria-pressed": "false", hidden: true, onclick: () => this.show(!this.shown) });
      run.tools.append(this.toggle);
    }

    update(job) {
      this.toggle.hidden = !job.tiles.some(tile => tile.image);
      if (this.shown) this.draw();
    }

    show(shown) {
      this.shown = shown;
      this.toggle.setAttribute("aria-pressed", String(shown));
      this.draw();
    }

    async draw() {
      const tiles = [...this.run.tiles.values()].filter(tile => tile.image);
      const found = this.shown ? await departures(tiles.map(tile => tile.image)) : new Map();
      for (const tile of tiles) if (!this.shown || !tile.frame.querySelector(".heat")) cover(tile.frame, this.shown && found.get(tile.image));
    }
  }

  runParts.push(run => new MoreLike(run.node, (words, error) => (error ? setText(run.state, words) : run.say(words))), (run, job) => (job.original ? new Departures(run, job) : null));

  async function showInDialog(dialog) {
    const button = dialog.buttonOf(compare), image = dialog.details.image, shown = button.getAttribute("aria-pressed") !== "true";
    const found = shown ? await departures([image]) : new Map();
    if (dialog.details?.image !== image) return;
    cover(dialog.stage, found.get(image));
    button.setAttribute("aria-pressed", String(shown && found.size > 0));
    if (shown && !found.size) setText(dialog.said, t("Another version of the model painted this, so its tokens cannot be compared."));
  }

  const compare = {
    text: "What changed",
    title: "Where this variation departs from its original, token by token.",
    run: showInDialog,
    show: (button, { details, stage }) => {
      button.hidden ||= !details.varied;
      if (stage.dataset.image === details.image) return;
      stage.dataset.image = details.image;
      cover(stage, null);
      button.setAttribute("aria-pressed", "false");
    },
  };
  const more = { text: "More like this", key: "v", run: moreLikeThis, title: "Paints variations of this picture, by its own words and settings." };
  const send = { text: "Vary from here", run: dialog => dialog.reuse("varyFrom") };
  dialog.actions.splice(2, 0, more, send, compare);

  /* V on any candidate paints more like it. */
  document.addEventListener("keydown", event => {
    if (event.key.toLowerCase() !== "v" || event.repeat || !keys.plain(event)) return;
    const image = event.target.closest?.(".tile")?.dataset.image;
    if (image) start(image);
  });

  dalleStudio.variations = {
    start,
    MoreLike,
    chosen: () => bench?.chosen() ?? null,
    bench: (element, { props, watch, server }) => {
      bench = new VariationBench(element, server);
      bench.begin({ props, watch });
    },
    /* A board of its own, which asks through Create's. */
    board: element => dalleStudio.board(element, { ...mainBoard(), shows: job => job.kind === "variation", memory: VARIED }),
  };
})();
