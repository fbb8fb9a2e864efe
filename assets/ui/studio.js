/* The page's own scripts: what Gradio's widgets cannot do. Draws jobs, the history and the picture dialog from plain
   JSON. Every text from a prompt is set as text, never as markup; the server checks whatever is sent back to it. */
"use strict";

window.dalleStudio ??= (() => {
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const announce = new EventTarget(); // "submitted": a job was taken; "finished": the history has something new
  const RECALLED = "dalle-studio-jobs";
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
  const thumbnail = id => `media/thumbnail/${encodeURIComponent(id)}`;

  /* ---- session storage: this tab's own memory, which may be switched off ---- */

  function remember(key, value) {
    try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* private mode: forget */ }
  }

  function recalled(key, fallback) {
    try { return JSON.parse(sessionStorage.getItem(key)) ?? fallback; } catch { return fallback; }
  }

  /* ---- header, message, chips ---- */

  function status(element, { props, watch }) {
    const box = element.querySelector(".model-status");
    const show = () => {
      if (!props.value) return;
      box.dataset.state = props.value.state;
      box.title = props.value.detail;
      setText(box.querySelector("span"), props.value.text);
    };
    watch("value", show);
    show();
  }

  function message(element, { props, watch }) {
    const box = element.querySelector(".message");
    watch("value", () => {
      const { text = "", job } = props.value ?? {};
      setText(box, text);
      box.hidden = !text;
      const prompt = element.closest(".composer")?.querySelector(PROMPT);
      if (text && !prompt?.value.trim()) prompt?.focus();
      if (job) announce.dispatchEvent(new Event("submitted"));
    });
  }

  const PROMPT = ".prompt-box textarea";
  const promptBox = () => document.querySelector("#prompt textarea"); // Create's

  function fillPrompt(text) {
    const box = promptBox();
    if (!box) return;
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  }

  const clauses = text => text.split(/\s*[,，]\s*/).filter(Boolean);

  function toggleStyle(style) {
    const parts = clauses(promptBox()?.value ?? "");
    const rest = parts.filter(part => part !== style);
    fillPrompt((rest.length < parts.length ? rest : [...parts, style]).join(", "));
  }

  function markStyles(row) {
    const parts = clauses(promptBox()?.value ?? "");
    for (const chip of row.children) chip.setAttribute("aria-pressed", String(parts.includes(chip.textContent)));
  }

  function chips(element, { props, watch }, click, shown = () => {}) {
    const row = element.querySelector(".chip-row");
    const show = () => {
      const texts = props.value || [];
      row.replaceChildren(...texts.map(text => make("button", { type: "button", class: "chip", text, onclick: () => click(text) })));
      row.parentElement.hidden = !texts.length;
      shown(row);
    };
    watch("value", show);
    show();
    return row;
  }

  function styles(element, context) {
    const row = chips(element, context, toggleStyle, markStyles);
    document.addEventListener("input", event => { if (event.target === promptBox()) markStyles(row); });
  }

  /* Also keeps an unsent prompt over a reload. */
  function examples(element, context) {
    chips(element, context, fillPrompt);
    document.addEventListener("input", event => { if (event.target === promptBox()) remember(DRAFT, event.target.value); });
    whenThere(promptBox, box => { if (!box.value && recalled(DRAFT, "")) fillPrompt(recalled(DRAFT, "")); });
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

  function board(element, context) {
    const { props, watch, server, send } = context;
    const list = element.querySelector(".runs");
    const spoken = element.querySelector(".spoken");
    const runs = new Map();
    const show = payload => {
      for (const job of payload?.jobs ?? []) {
        if (!runs.has(job.id)) {
          runs.set(job.id, new Run(job, context, words => setText(spoken, words)));
          list.prepend(runs.get(job.id).node);
        }
        runs.get(job.id).update(job);
      }
      element.querySelector(".blank").hidden = runs.size > 0;
      remember(RECALLED, [...runs.keys()].slice(-8));
    };
    const unfinished = () => [...runs].filter(([, run]) => !run.final).map(([id]) => id);
    watch("value", () => {
      show(props.value);
      // Nothing is being followed any more: a job that ended before anyone watched it is asked for by name.
      if (props.value?.idle && unfinished().length) recall(unfinished());
    });
    // A machine that slept may have lost the stream.
    document.addEventListener("visibilitychange", () => { if (!document.hidden && unfinished().length) send.follow(); });
    announce.addEventListener("submitted", () => {
      send.follow();
      if (innerWidth < 860) element.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
    });
    const recall = jobs => server.recall_jobs({ jobs }).then(show).catch(() => {});
    const earlier = recalled(RECALLED, []);
    (earlier.length ? recall(earlier) : Promise.resolve()).then(() => setTimeout(() => send.follow(), 0));
  }

  class Run {
    constructor(job, context, say) {
      this.context = context;
      this.say = say;
      this.tiles = new Map();
      this.progress = 0;
      this.state = make("p", { class: "run-state" });
      this.bar = make("div", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, make("i"));
      this.notes = make("ul", { class: "notes" });
      this.best = make("div", { class: "grid best" });
      this.rest = make("div", { class: "grid rest", hidden: true });
      this.more = make("button", { type: "button", class: "more", hidden: true, "aria-expanded": "false", onclick: () => this.reveal(this.rest.hidden) });
      this.drop = make("button", { type: "button", class: "quiet", hidden: true, text: "Remove", "aria-label": "Remove from the queue", onclick: () => context.send.cancel(job.id) });
      const title = make("div", { class: "run-title" }, make("h2", { text: job.prompt }), make("p", { class: "run-settings", text: job.settings }));
      this.node = make("section", { class: "run", "aria-label": job.prompt }, make("header", {}, title, this.drop), this.state, this.bar, this.notes, this.best, this.more, this.rest);
    }

    update(job) {
      if (this.final) return;
      const changed = this.status !== job.status;
      this.final = job.final;
      this.status = job.status;
      this.node.dataset.status = job.status;
      setText(this.state, job.state);
      this.drop.hidden = job.status !== "queued";
      this.advance(job);
      if (this.notes.children.length !== job.notes.length) this.notes.replaceChildren(...job.notes.map(text => make("li", { text })));
      this.draw(job);
      if (changed) this.say(job.state);
      if (changed && job.final) announce.dispatchEvent(new Event("finished"));
    }

    advance(job) {
      this.progress = Math.max(this.progress, job.progress);
      this.bar.hidden = job.final || job.status === "queued";
      this.bar.setAttribute("aria-valuenow", String(Math.round(this.progress * 100)));
      this.bar.firstChild.style.transform = `scaleX(${this.progress})`;
    }

    draw(job) {
      const before = new Map([...this.tiles].map(([index, tile]) => [index, tile.node.getBoundingClientRect()]));
      const present = new Set(job.tiles.map(tile => tile.index));
      for (const [index, tile] of this.tiles) if (!present.has(index)) { tile.node.remove(); this.tiles.delete(index); }
      this.best.hidden = job.status === "queued" || !job.tiles.length;
      if (job.status === "queued") return;
      const chosen = job.final && job.tiles.some(tile => tile.kept);
      const placed = { best: [], rest: [] };
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
      setText(this.more, shown ? "Hide the rest" : `Show the rest (${this.rest.children.length})`);
    }

    open(id) {
      dialog.open(this.ids, this.ids.indexOf(id), this.context);
    }
  }

  class Tile {
    constructor(index, open) {
      this.index = index;
      this.frame = make("span", { class: "frame" }, make("span", { class: "veil" }));
      this.caption = make("span", { class: "caption" });
      this.node = make("button", { type: "button", class: "tile", onclick: () => this.image && open(this.image) }, this.frame, this.caption);
    }

    update(state, painted) {
      this.image = state.image;
      this.node.disabled = !state.image;
      this.node.dataset.state = state.state;
      this.picture(state.image ? original(state.image) : state.preview, painted);
      const label = state.rank ? `Rank ${state.rank}` : `Candidate ${this.index + 1}`;
      const match = state.match ? `, match ${state.match.score}, ${state.match.words}` : "";
      this.node.setAttribute("aria-label", state.image ? `${label}${match}. Open` : `${label}, ${state.state}`);
      if (state.match) this.describe(state);
    }

    describe({ rank, match }) {
      const key = `${rank} ${match.score}`;
      if (this.caption.dataset.key === key) return;
      this.caption.dataset.key = key;
      const first = make("span", { class: "rank", text: rank ? `#${rank}` : "" });
      this.caption.replaceChildren(first, make("span", { class: "match", text: `Match ${match.score}` }), make("span", { class: "words", text: match.words }));
    }

    /* The next picture is decoded before it takes the last one's place, so a tile never flickers. */
    picture(source, painted) {
      if (!source || this.source === source) return;
      this.source = source;
      const next = make("img", { alt: "", draggable: "false" });
      next.onload = () => {
        if (this.source !== source) return;
        this.frame.querySelector("img")?.remove();
        this.frame.prepend(next);
        this.node.style.setProperty("--painted", painted); // the veil never runs ahead of its picture
      };
      next.src = source;
    }
  }

  /* ---- the picture dialog ---- */

  const dialog = {
    open(ids, at, context) {
      Object.assign(this, { ids, at, context });
      this.build();
      this.show();
      if (!this.node.open) this.node.showModal();
    },

    build() {
      if (this.node) return;
      const part = name => (this[name] = make("p", { class: name }));
      const button = (text, click, kind = "") => make("button", { type: "button", class: `action ${kind}`, text, onclick: click });
      this.image = make("img", { alt: "" });
      this.facts = make("dl", { class: "facts" });
      this.save = make("a", { class: "action primary", text: "Save", download: true });
      this.said = make("span", { class: "said", role: "status" });
      this.back = make("button", { type: "button", class: "turn back", "aria-label": "Previous picture", text: "‹", onclick: () => this.turn(-1) });
      this.next = make("button", { type: "button", class: "turn next", "aria-label": "Next picture", text: "›", onclick: () => this.turn(1) });
      const close = make("button", { type: "button", class: "close", "aria-label": "Close", text: "×", onclick: () => this.node.close() });
      const actions = make("div", { class: "buttons" }, this.save, button("Copy recipe", () => this.copy()),
        button("Use seed", () => this.reuse("useSeed")), button("Use settings", () => this.reuse("useSettings")));
      const words = make("div", { class: "words-side" }, make("h2", { class: "prompt", id: "picture-prompt" }), part("match"), part("seed"), this.facts, actions, this.said);
      const stage = make("div", { class: "stage" }, this.image, this.back, this.next);
      this.node = make("dialog", { class: "picture", "aria-labelledby": "picture-prompt" }, stage, words, close);
      this.node.addEventListener("click", event => { if (event.target === this.node) this.node.close(); });
      this.node.addEventListener("keydown", event => {
        if (event.key === "ArrowLeft") this.turn(-1);
        if (event.key === "ArrowRight") this.turn(1);
      });
      document.body.append(this.node);
    },

    turn(step) {
      const to = this.at + step;
      if (to < 0 || to >= this.ids.length) return;
      this.at = to;
      this.show();
    },

    async show() {
      const id = this.ids[this.at];
      this.back.disabled = this.at === 0;
      this.next.disabled = this.at === this.ids.length - 1;
      this.image.src = original(id);
      this.save.href = `${original(id)}?download=1`;
      this.details = null;
      this.facts.replaceChildren();
      for (const field of [this.said, this.match, this.seed, this.node.querySelector(".prompt")]) setText(field, "");
      const details = await this.context.server.picture_details({ image: id }).catch(() => ({ error: "The studio does not answer." }));
      if (id === this.ids[this.at]) this.fill(details);
    },

    fill(details) {
      if (details.error) return setText(this.said, details.error);
      this.details = details;
      this.image.alt = details.prompt;
      setText(this.node.querySelector(".prompt"), details.prompt);
      setText(this.match, details.match ? [details.rank && `Rank ${details.rank}`, `Match ${details.match.score}`, details.match.words].filter(Boolean).join(" · ") : "Not ranked");
      setText(this.seed, `Seed ${details.seed}`);
      this.facts.replaceChildren(...details.facts.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
    },

    reuse(how) {
      this.context.send[how](this.ids[this.at]);
      this.node.close();
      scrollTo({ top: 0, behavior: calm() ? "auto" : "smooth" });
    },

    async copy() {
      if (!this.details) return;
      const copied = await copyText(this.details.recipe, this.node);
      setText(this.said, copied ? "Recipe copied." : "The browser did not allow copying.");
    },
  };

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

  /* ---- the history ---- */

  function history(element, context) {
    const shelf = element.querySelector(".shelf"), note = element.querySelector(".history-note"), more = element.querySelector(".more");
    const form = element.querySelector("form");
    const shown = [];
    let next = null, asked = 0, stale = true, timer = 0;

    const card = picture => make("button", { type: "button", class: "card", title: picture.prompt, "aria-label": `${picture.prompt}. Open`, onclick: () => dialog.open([...shown], shown.indexOf(picture.image), context) },
      make("img", { src: thumbnail(picture.image), alt: "", loading: "lazy", decoding: "async", draggable: "false" }), make("span", { text: picture.prompt }));

    async function load(before) {
      const question = ++asked;
      clearTimeout(timer);
      shelf.setAttribute("aria-busy", "true");
      const asking = { query: form.query.value, everything: form.everything.checked, before };
      const page = await context.server.picture_page(asking).catch(() => ({ error: "The studio does not answer." }));
      if (question !== asked) return;
      shelf.setAttribute("aria-busy", "false");
      if (page.error) return setText(note, page.error);
      if (!before) { shelf.replaceChildren(); shown.length = 0; }
      shown.push(...page.images.map(picture => picture.image));
      shelf.append(...page.images.map(card));
      next = page.next;
      more.hidden = !next;
      setText(note, shown.length ? "" : form.query.value ? "Nothing matches. Try fewer or other words." : "Nothing here yet. What you paint is kept here.");
    }

    const reload = () => { stale = false; load(null); };
    const later = () => { clearTimeout(timer); timer = setTimeout(reload, 220); };
    form.addEventListener("submit", event => { event.preventDefault(); reload(); });
    form.addEventListener("input", later);
    more.addEventListener("click", () => load(next));
    const visible = () => element.offsetParent !== null;
    announce.addEventListener("finished", () => { stale = true; if (visible()) later(); });
    new IntersectionObserver(() => { if (visible() && stale) reload(); }).observe(element);
  }

  const tools = { make, setText, original, thumbnail, remember, recalled, announce, calm, copyText, promptBox, whenThere, dialog };
  return { status, message, styles, examples, board, history, tools };
})();
