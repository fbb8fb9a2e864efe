/* The page's own scripts: what Gradio's widgets cannot do. Draws jobs from plain JSON.
   Every text from a prompt is set as text, never as markup; the server checks whatever is sent back to it. */
"use strict";

window.dalleStudio ??= (() => {
  const { t, language } = window.dalleWords;
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  // "news": what the studio tells every page; "silent": it does not answer, until the next news; "submitted": a job was taken; "finished": the history has something new
  const announce = new EventTarget();
  const RECALLED = "dalle-studio-jobs";
  const UNANSWERED = "The studio does not answer.";
  const DRAFT = "dalle-studio-draft";

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "text") node.textContent = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter(child => child !== null));
    return node;
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  const original = id => `media/${encodeURIComponent(id)}.png`;
  const shown = id => `media/shown/${encodeURIComponent(id)}`; // a small one larger than it is
  const thumbnail = id => `media/thumbnail/${encodeURIComponent(id)}?as=shown`; // the address of the small ones may be remembered

  /* ---- session storage: this tab's own memory, which may be switched off ---- */

  function remember(key, value) {
    try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* private mode: forget */ }
  }

  function recalled(key, fallback) {
    try { return JSON.parse(sessionStorage.getItem(key)) ?? fallback; } catch { return fallback; }
  }

  /* ---- live: one stream of news a page, as long as someone may be looking ---- */

  const live = {
    SILENCE: 10000, // ms without a beat: the machine slept, or the network went away
    GRACE: 4000, // ms for a stream that broke off; browsers try again after about three seconds

    start() {
      if (this.started) return this.open(); // the first news is for whoever came late
      this.started = true;
      this.open();
      document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
      addEventListener("pagehide", () => this.close());
      addEventListener("pageshow", () => this.open());
      addEventListener("online", () => this.open());
      setInterval(() => { if (!document.hidden && Date.now() - this.heard > this.SILENCE) this.open(); }, this.SILENCE / 2);
    },

    open() {
      this.close();
      this.heard = Date.now();
      const source = (this.source = new EventSource("events"));
      source.addEventListener("error", () => setTimeout(() => {
        if (source === this.source && source.readyState !== EventSource.OPEN && !document.hidden) announce.dispatchEvent(new Event("silent"));
      }, this.GRACE));
      source.addEventListener("beat", () => { this.heard = Date.now(); markStops(); });
      source.addEventListener("message", event => {
        this.heard = Date.now();
        announce.dispatchEvent(new CustomEvent("news", { detail: JSON.parse(event.data) }));
      });
    },

    close() {
      this.source?.close();
    },
  };

  /* Stop can be pressed while something is painted. A button that was drawn after the news gets its turn with a beat. */
  function markStops() {
    for (const button of document.querySelectorAll(".stop")) button.disabled = !live.running;
  }

  announce.addEventListener("news", ({ detail }) => {
    const ended = detail.first || detail.jobs.some(job => job.id === live.running && job.final);
    live.running = detail.jobs.find(job => job.status === "running")?.id ?? (ended ? null : live.running);
    whenThere(() => document.querySelector(".stop"), markStops);
  });

  /* ---- header, message, chips ---- */

  function status(element, { props, watch }) {
    const box = element.querySelector(".model-status");
    const show = value => {
      if (!value) return;
      box.dataset.state = value.state;
      box.title = t(value.detail);
      setText(box.querySelector("span"), t(value.text));
    };
    watch("value", () => show(props.value));
    announce.addEventListener("news", ({ detail }) => show(detail.status));
    announce.addEventListener("silent", () => show({ state: "silent", text: UNANSWERED, detail: "It may have been closed. This page goes on by itself once it is there again." }));
    show(props.value);
  }

  function message(element, { props, watch }) {
    const box = element.querySelector(".message");
    watch("value", () => {
      const { text = "", job } = props.value ?? {};
      setText(box, t(text));
      box.hidden = !text;
      const prompt = element.closest(".composer")?.querySelector(PROMPT);
      if (text && !prompt?.value.trim()) prompt?.focus();
      if (job) announce.dispatchEvent(new Event("submitted"));
    });
  }

  /* What came along with restored settings and has no widget. */
  function restored(element, { props, watch }) {
    const box = element.querySelector(".restored");
    const show = () => {
      setText(box.querySelector("span"), t(props.value?.words ?? ""));
      box.hidden = !props.value;
    };
    box.querySelector("button").addEventListener("click", () => { props.value = null; show(); promptBox()?.focus(); });
    watch("value", show);
    show();
  }

  const PROMPT = ".prompt-box textarea";
  const promptBox = () => document.querySelector("#prompt textarea"); // Create's
  const promptNear = element => element.closest(".composer")?.querySelector(PROMPT); // once it is there

  function fill(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function fillPrompt(text, box = promptBox()) {
    if (!box) return;
    fill(box, text);
    box.focus();
  }

  const clauses = text => text.split(/\s*[,，]\s*/).filter(Boolean);

  function toggleStyle(style, box) {
    const parts = clauses(box?.value ?? "");
    const rest = parts.filter(part => part !== style);
    fillPrompt((rest.length < parts.length ? rest : [...parts, style]).join(", "), box);
  }

  function markStyles(row, box) {
    const parts = clauses(box?.value ?? "");
    for (const chip of row.children) chip.setAttribute("aria-pressed", String(parts.includes(chip.textContent)));
  }

  /* `props.value` is a list of texts, or one for each language. */
  function chips(element, { props, watch }, click, shown = () => {}) {
    const row = element.querySelector(".chip-row");
    const draw = texts => {
      row.replaceChildren(...texts.map(text => make("button", { type: "button", class: "chip", text, onclick: () => click(text) })));
      row.parentElement.hidden = !texts.length;
      shown(row);
    };
    const show = () => draw(props.value?.[language] ?? (props.value || []));
    watch("value", show);
    show();
    return { row, draw };
  }

  function styles(element, context) {
    const box = () => promptNear(element);
    const { row, draw } = chips(element, context, style => toggleStyle(style, box()), row => markStyles(row, box()));
    announce.addEventListener("news", ({ detail }) => { if (detail.status?.state === "ready") draw(detail.status.styles); });
    announce.addEventListener("prompted", () => markStyles(row, box()));
  }

  /* A prompt has changed, whoever wrote it. */
  function prompted() {
    requestAnimationFrame(() => announce.dispatchEvent(new Event("prompted")));
  }

  /* Also keeps an unsent prompt and its numbers over a reload. */
  function examples(element, context) {
    chips(element, context, text => fillPrompt(text));
    const { prompt, ...numbers } = recalled(DRAFT, {});
    whenThere(promptBox, box => {
      if (!box.value && prompt) fillPrompt(prompt);
      for (const [id, field] of Object.entries(fields())) if (field && numbers[id]) fill(field, numbers[id]);
      for (const moment of ["prompted", "submitted"]) announce.addEventListener(moment, keepDraft);
      addEventListener("pagehide", keepDraft);
    });
  }

  const fields = () => Object.fromEntries(["count", "keep", "seed"].map(id => [id, document.querySelector(`#${id} :is(input, textarea)`)]));

  function keepDraft() {
    const numbers = Object.entries(fields()).map(([id, field]) => [id, field?.value]);
    remember(DRAFT, { prompt: promptBox()?.value, ...Object.fromEntries(numbers) });
  }

  function whenThere(find, use, tries = 50) {
    const found = find();
    if (found) use(found);
    else if (tries) setTimeout(() => whenThere(find, use, tries - 1), 40);
  }

  document.addEventListener("keydown", event => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches?.(PROMPT)) return;
    event.preventDefault();
    event.target.closest(".composer").querySelector(".paint")?.click();
  });

  /* ---- the board: one section a job, one tile a candidate ---- */

  let main = null; // the context of Create's board, which is there from the start

  /* `shows` picks the jobs that a board is for, `memory` names what it recalls after a reload. */
  function board(element, context) {
    main ??= context;
    const { shows = () => true, memory = RECALLED } = context;
    const list = element.querySelector(".runs");
    const spoken = element.querySelector(".spoken");
    const runs = new Map();
    const settle = () => {
      element.querySelector(".blank").hidden = runs.size > 0;
      remember(memory, [...runs.keys()].slice(-8));
    };
    const remove = id => {
      runs.get(id)?.node.remove();
      runs.delete(id);
      settle();
    };
    /* What waits is in the queue, what is painted only to compare in the picture's dialog, a cell in its sheet. */
    const belongs = job => job.kind !== "reproduce" && !job.sheet && job.status !== "queued" && (job.status !== "cancelled" || job.tiles.length > 0);
    const show = jobs => {
      for (const job of jobs.filter(shows)) {
        if (!runs.has(job.id)) {
          if (!belongs(job)) continue;
          runs.set(job.id, new Run(job, context, words => setText(spoken, words), () => remove(job.id)));
          list.prepend(runs.get(job.id).node);
        }
        runs.get(job.id).update(job);
      }
      settle();
    };
    const recall = jobs => context.server.recall_jobs({ jobs }).then(answer => show(answer.jobs ?? [])).catch(() => {});
    const unfinished = () => [...runs].filter(([, run]) => !run.final).map(([id]) => id);
    announce.addEventListener("news", ({ detail }) => {
      show(detail.jobs);
      // The stream was away for a while: what ended meanwhile is asked for by name.
      const told = new Set(detail.jobs.map(job => job.id));
      const missed = detail.first ? unfinished().filter(id => !told.has(id)) : [];
      if (missed.length) recall(missed);
      const marked = (detail.marked ?? []).filter(id => runs.has(id));
      if (marked.length) recall(marked);
    });
    announce.addEventListener("submitted", () => {
      if (innerWidth < 860) element.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    });
    const earlier = recalled(memory, []);
    (earlier.length ? recall(earlier) : Promise.resolve()).then(() => live.start());
  }

  /* What other scripts add to every run: each gets the run and its job, and gives a part, or null. A part puts its nodes
     into the run's `tools` or makes one the `lead` of its grid; `update`, if any, is told of every change. */
  const runParts = [];

  class Run {
    constructor(job, context, say, remove) {
      this.id = job.id;
      this.context = context;
      this.say = say;
      this.remove = remove;
      this.tiles = new Map();
      this.progress = 0;
      this.state = make("p", { class: "run-state" });
      this.bar = make("div", { class: "bar", role: "progressbar", "aria-label": t("Progress"), "aria-valuemin": 0, "aria-valuemax": 100 }, make("i"));
      this.notes = make("ul", { class: "notes" });
      this.best = make("div", { class: "grid best" });
      this.rest = make("div", { class: "grid rest", hidden: true });
      this.more = make("button", { type: "button", class: "more", hidden: true, "aria-expanded": "false", onclick: () => this.reveal(this.rest.hidden) });
      this.again = make("button", { type: "button", class: "quiet", text: t("Paint again"), onclick: () => this.requeue() });
      this.dismiss = make("button", { type: "button", class: "quiet", text: t("Dismiss"), onclick: () => this.forget() });
      this.offers = make("div", { class: "offers", hidden: true }, this.again, this.dismiss);
      this.ranking = new RankForm(job, context);
      const title = make("div", { class: "run-title" }, make("h2", { text: job.prompt || t("Without words") }), make("p", { class: "run-settings", text: t(job.settings) }));
      this.tools = make("div", { class: "run-tools" }, this.more, this.ranking.opener);
      this.node = make("section", { class: "run", "aria-label": job.prompt || t("Without words") }, make("header", {}, title, this.offers), this.state, this.bar, this.notes, this.ranking.said, this.best, this.tools, this.ranking.form, this.rest);
      this.parts = runParts.map(build => build(this, job)).filter(Boolean);
    }

    async requeue() {
      if (this.asking) return;
      this.asking = true;
      const answer = await this.context.server.requeue_jobs({ jobs: [this.id] }).catch(() => ({ error: UNANSWERED }));
      this.asking = false;
      if (answer.error) setText(this.state, t(answer.error));
      else announce.dispatchEvent(new Event("submitted"));
    }

    async forget() {
      const answer = await this.context.server.dismiss_job({ job: this.id }).catch(() => ({ error: UNANSWERED }));
      if (answer.error) setText(this.state, t(answer.error));
      else this.remove();
    }

    update(job) {
      if (this.final && !job.final && job.started && job.started <= this.started) return; // an older message that took longer
      const changed = this.status !== job.status;
      this.final = job.final;
      this.status = job.status;
      if (this.started !== job.started) this.progress = 0; // it goes on after it had ended
      this.started = job.started;
      this.node.dataset.status = job.status;
      setText(this.state, t(job.state));
      this.offers.hidden = !job.again;
      setText(this.again, job.tiles.length ? t("Paint the rest") : t("Paint again"));
      this.ranking.update(job);
      this.advance(job);
      if (this.notes.children.length !== job.notes.length) this.notes.replaceChildren(...job.notes.map(text => make("li", { text: t(text) })));
      this.draw(job);
      for (const part of this.parts) part.update?.(job);
      if (changed) this.say(t(job.state));
      if (changed && job.final) announce.dispatchEvent(new Event("finished"));
    }

    advance(job) {
      this.progress = Math.max(this.progress, job.progress);
      this.bar.hidden = job.status !== "running";
      this.bar.setAttribute("aria-valuenow", String(Math.round(this.progress * 100)));
      this.bar.firstChild.style.transform = `scaleX(${this.progress})`;
    }

    draw(job) {
      const before = new Map([...this.tiles].map(([index, tile]) => [index, tile.node.getBoundingClientRect()]));
      const present = new Set(job.tiles.map(tile => tile.index));
      for (const [index, tile] of this.tiles) if (!present.has(index)) { tile.node.remove(); this.tiles.delete(index); }
      this.best.hidden = !job.tiles.length;
      const chosen = job.final && job.tiles.some(tile => tile.kept);
      const placed = { best: this.lead ? [this.lead] : [], rest: [] };
      for (const state of job.tiles) {
        if (!this.tiles.has(state.index)) this.tiles.set(state.index, new Tile(state.index, id => this.open(id)));
        const tile = this.tiles.get(state.index);
        tile.update(state, job.painted);
        placed[chosen && !state.kept ? "rest" : "best"].push(tile.node);
      }
      this.ids = job.tiles.filter(tile => tile.image).map(tile => tile.image);
      this.place(this.best, placed.best);
      this.place(this.rest, placed.rest);
      this.more.hidden = !placed.rest.length;
      if (placed.rest.length) this.reveal(!this.rest.hidden && this.revealed);
      if (job.final) this.glide(before);
    }

    place(container, nodes) {
      if (nodes.some((node, i) => container.children[i] !== node)) container.replaceChildren(...nodes);
    }

    /* Tiles travel from where they were painted to where their rank puts them. */
    glide(before) {
      if (calm()) return;
      for (const [index, { node }] of this.tiles) {
        const from = before.get(index), to = node.getBoundingClientRect();
        if (!from?.width || !to.width) continue;
        const moves = [{ transform: `translate(${from.x - to.x}px, ${from.y - to.y}px) scale(${from.width / to.width})`, transformOrigin: "0 0" }, { transform: "none", transformOrigin: "0 0" }];
        node.animate(moves, { duration: 420, easing: "cubic-bezier(.2,.7,.2,1)" });
      }
    }

    reveal(shown) {
      this.revealed = shown;
      this.rest.hidden = !shown;
      this.more.setAttribute("aria-expanded", String(shown));
      setText(this.more, shown ? t("Hide the rest") : t("Show the rest ({count})", { count: this.rest.children.length }));
    }

    open(id) {
      tools.dialog.open(this.ids, this.ids.indexOf(id), this.context);
    }
  }

  class Tile {
    constructor(index, open) {
      this.index = index;
      this.frame = make("span", { class: "frame" }, make("span", { class: "veil" }));
      this.caption = make("span", { class: "caption" });
      this.star = make("span", { class: "star", text: "★", "aria-hidden": "true", hidden: true });
      this.frame.append(this.star);
      this.node = make("button", { type: "button", class: "tile", onclick: () => this.image && open(this.image) }, this.frame, this.caption);
    }

    update(state, painted) {
      this.image = state.image;
      if (state.image) this.node.dataset.image = state.image;
      this.node.disabled = !state.image;
      this.node.dataset.state = state.state;
      if (state.image) this.finished(state.image);
      else this.picture(state.preview, painted);
      this.node.setAttribute("aria-label", this.label(state));
      this.star.hidden = !state.starred;
      if (state.match) this.describe(state);
    }

    label({ image, state, rank, match, starred }) {
      const number = rank ? t("Rank {rank}", { rank }) : t("Candidate {number}", { number: this.index + 1 });
      if (!image) return [number, t(state)].join(t(", "));
      const facts = match ? [scoreWords(match), t(match.words)] : [];
      return t("{label}. Open", { label: [number, ...facts, starred && t("Starred")].filter(Boolean).join(t(", ")) });
    }

    describe({ rank, match }) {
      const key = `${rank} ${match.score}`;
      if (this.caption.dataset.key === key) return;
      this.caption.dataset.key = key;
      const first = make("span", { class: "rank", text: rank ? `#${rank}` : "", title: match.like ? "" : t("By the match. What the bundled model paints to these words also by how likely it finds it.") });
      this.caption.replaceChildren(first, make("span", { class: "match", text: scoreWords(match) }), make("span", { class: "words", text: t(match.words) }));
    }

    /* At once as it is; then as it is looked at, which may take a moment to make. */
    finished(id) {
      if (this.source === original(id) || this.source === shown(id)) return;
      this.picture(original(id), 1, () => this.picture(shown(id), 1));
    }

    /* The next picture is decoded before it takes the last one's place, so a tile never flickers. */
    picture(source, painted, after) {
      if (!source || this.source === source) return;
      this.source = source;
      const next = make("img", { alt: "", draggable: "false" });
      next.onload = () => {
        if (this.source !== source) return;
        this.frame.querySelector("img")?.remove();
        this.frame.prepend(next);
        this.node.style.setProperty("--painted", painted); // the veil never runs ahead of its picture
        after?.();
      };
      next.src = source;
    }
  }

  /* ---- rank the same pictures by other words ---- */

  class RankForm {
    constructor(job, context) {
      this.job = job.id;
      this.context = context;
      this.opener = make("button", { type: "button", class: "more", text: t("Rank by other words"), hidden: true, "aria-expanded": "false", onclick: () => this.open(this.form.hidden) });
      this.words = make("input", { type: "text", maxlength: 2000, autocomplete: "off", placeholder: t("A moonlit night") });
      this.submit = make("button", { type: "submit", class: "quiet", text: t("Rank") });
      this.note = make("p", { class: "rank-note", role: "alert" });
      this.form = make("form", { class: "rank-form", hidden: true }, make("label", {}, make("span", { text: t("Rank these pictures by") }), this.words), this.submit, this.note);
      this.form.addEventListener("submit", event => { event.preventDefault(); this.rank(this.words.value); });
      this.told = make("span");
      this.back = make("button", { type: "button", class: "quiet", text: job.prompt ? t("Rank by the prompt again") : t("Rank by likeness again"), onclick: () => this.rank(null) });
      this.said = make("p", { class: "ranked-by", hidden: true }, this.told, this.back);
    }

    update({ ranking }) {
      this.opener.hidden = !ranking;
      if (!ranking) this.open(false);
      this.said.hidden = !ranking || ranking.own;
      if (ranking && !ranking.own) setText(this.told, t("Ranked by “{text}”", ranking));
    }

    open(shown) {
      this.form.hidden = !shown;
      this.opener.setAttribute("aria-expanded", String(shown));
      if (shown) this.words.focus();
    }

    async rank(text) {
      if (this.asking) return;
      this.asking = true;
      setText(this.note, "");
      const answer = await this.context.server.rank_job({ job: this.job, text }).catch(() => ({ error: UNANSWERED }));
      this.asking = false;
      if (answer.error) return setText(this.note, t(answer.error));
      announce.dispatchEvent(new CustomEvent("news", { detail: { jobs: [answer.job] } }));
      announce.dispatchEvent(new Event("finished"));
    }
  }

  /* With words, or where there are none with the picture that was varied. */
  const scoreWords = match => (match.like ? t("Likeness {score}", match) : t("Match {score}", match));

  /* The clipboard needs a secure page; over plain http on a network a selection still works. */
  async function copyText(text, near) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const box = make("textarea", { class: "spoken", readonly: true });
      box.value = text;
      near.append(box);
      box.select();
      const copied = document.execCommand("copy");
      box.remove();
      return copied;
    }
  }

  const tools = { make, setText, original, shown, thumbnail, remember, recalled, announce, calm, copyText, promptBox, fill, fillPrompt, whenThere, runParts, scoreWords, mainBoard: () => main, Tile, UNANSWERED };
  return { status, message, restored, styles, examples, prompted, board, tools };
})();
