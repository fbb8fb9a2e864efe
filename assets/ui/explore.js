/* Explore: which axes vary, and the sheet of what came out, cell by cell while it is painted. Every label is set as
   text. The server reads what is written along the axes. */
"use strict";

(() => {
  const { make, setText, thumbnail, remember, recalled, announce, dialog, mainBoard, whenThere, fillPrompt, Tile, UNANSWERED } = dalleStudio.tools;
  const { t, when } = dalleWords;
  const SHOWN = "dalle-studio-sheet", AXES = "dalle-studio-axes";
  const PAUSE = 300; // ms after the last key before the plan is made anew
  const FIRST = { x: { kind: "temperature", text: "" }, y: { kind: "", text: "" }, image: null };
  let axes = null, explorer = null;

  /* ---- the axes ---- */

  class Axes {
    constructor(element, { props, changed }) {
      this.kinds = new Map(props.kinds.map(([kind, ...about]) => [kind, about]));
      this.changed = () => { this.keep(); clearTimeout(this.timer); this.timer = setTimeout(changed, PAUSE); };
      announce.addEventListener("finished", this.changed); // the pace is known by now
      this.source = element.querySelector(".axes-source");
      this.source.querySelector("button").addEventListener("click", () => { this.use(null); this.changed(); });
      const kept = { ...FIRST, ...recalled(AXES, {}) };
      for (const name of ["x", "y"]) this.build(element.querySelector(`[data-axis=${name}]`), name, kept[name] ?? FIRST[name]);
      this.use(kept.image);
      if (this.chosen().x || this.chosen().y) this.changed();
    }

    build(field, name, { kind, text }) {
      const [select, input, hint] = ["select", "input", "small"].map(tag => field.querySelector(tag));
      select.append(make("option", { value: "", text: t("nothing") }), ...[...this.kinds].map(([value, [title]]) => make("option", { value, text: t(title) })));
      select.value = this.kinds.has(kind) ? kind : "";
      input.value = text;
      this[name] = { select, input, hint };
      select.addEventListener("change", () => { input.value = ""; this.describe(name); this.changed(); });
      input.addEventListener("input", this.changed);
      this.describe(name);
    }

    /* Take over what a sheet varies. */
    take({ x, y }) {
      for (const [name, head] of [["x", x], ["y", y]]) {
        this[name].select.value = head?.kind ?? "";
        this[name].input.value = head?.text ?? "";
        this.describe(name);
      }
      this.changed();
    }

    describe(name) {
      const { select, input, hint } = this[name];
      const [, example = "", help = ""] = this.kinds.get(select.value) ?? [];
      input.hidden = !select.value;
      input.placeholder = example;
      setText(hint, help && t(help));
    }

    /* The picture that is completed or varied. */
    use(image) {
      this.image = image;
      this.source.hidden = !image;
      if (image) this.source.querySelector("img").src = thumbnail(image);
    }

    /* From a picture: its top is what can be kept, and an axis for that is one click away. */
    sent(value) {
      if (!value?.image) return;
      this.use(value.image);
      this.changed();
    }

    chosen() {
      const axis = ({ select, input }) => (select.value ? { kind: select.value, text: input.value } : null);
      return { x: axis(this.x), y: axis(this.y), image: this.image };
    }

    keep() {
      remember(AXES, this.chosen());
    }
  }

  dalleStudio.axes = (element, context) => {
    axes = new Axes(element, context);
    context.watch("value", () => axes.sent(context.props.value));
    axes.sent(context.props.value);
  };
  let turn = 0; // of the last question about a plan or for a sheet
  dalleStudio.chosenAxes = () => ({ ...axes?.chosen(), turn: ++turn });

  dalleStudio.sheetPlan = (element, { props, watch }) => {
    const line = element.querySelector(".sheet-plan");
    const show = () => {
      const { text = "", wrong = false, turn: asked = 0 } = props.value ?? {};
      if (asked < turn) return; // something was asked since
      setText(line, t(text));
      line.classList.toggle("wrong", wrong);
      if (text) forgetRefusal(element);
    };
    watch("value", show);
    show();
  };

  function forgetRefusal(element) {
    const message = element.closest(".composer")?.querySelector(".message");
    if (message) { setText(message, ""); message.hidden = true; }
  }

  /* ---- the sheet ---- */

  class Explorer {
    constructor(element, { server }) {
      this.server = server;
      this.blank = element.querySelector(".blank");
      this.node = element.querySelector(".sheet");
      this.scroll = element.querySelector(".sheet-scroll");
      this.bar = element.querySelector(".bar");
      this.earlier = element.querySelector(".earlier");
      for (const [name, part] of [["title", "h2"], ["settings", ".run-settings"], ["state", ".run-state"], ["stop", ".stop-sheet"], ["resume", ".resume-sheet"], ["save", ".save-sheet"], ["reuse", ".reuse-sheet"]]) this[name] = this.node.querySelector(part);
      this.stop.addEventListener("click", () => this.ask("stop_sheet"));
      this.resume.addEventListener("click", () => this.ask("resume_sheet"));
      this.reuse.addEventListener("click", () => {
        fillPrompt(this.sheet.prompt, document.querySelector("#explore-prompt textarea"));
        axes?.take(this.sheet);
      });
      this.cells = new Map(); // job -> its cell
      this.turn = 0; // of the last question
      this.missed = null; // the news since, while its answer is waited for
      new dalleStudio.variations.MoreLike(this.node, words => setText(this.state, words));
      announce.addEventListener("news", ({ detail }) => this.hear(detail));
      this.begin();
    }

    async begin() {
      const sheets = await this.list();
      const last = recalled(SHOWN, null) ?? sheets[0]?.sheet;
      if (!this.id && last && sheets.some(({ sheet }) => sheet === last)) this.open(last);
    }

    hear(news) {
      if (this.missed) return void this.missed.push(news); // what is being asked for may be older
      const { jobs, first, marked = [] } = news;
      if (!this.id) return;
      const own = jobs.filter(job => job.sheet === this.id);
      if (first || own.some(job => !this.cells.has(job.id)) || marked.some(id => this.cells.has(id))) return this.open(this.id); // resumed, here or elsewhere
      for (const job of own) this.update(this.cells.get(job.id), job);
      if (own.some(job => job.final)) this.later();
    }

    /* How far it is, asked once for cells that end at the same time. */
    later() {
      this.timer ??= setTimeout(async () => {
        this.timer = null;
        if (this.missed) return this.later();
        const turn = ++this.turn;
        const answer = await this.server.sheet_state({ sheet: this.id }).catch(() => ({ error: UNANSWERED }));
        if (turn !== this.turn) return;
        if (answer.error) return setText(this.state, t(answer.error));
        this.tell(answer);
        if (answer.state !== "painting") { this.list(); announce.dispatchEvent(new Event("finished")); }
      }, 150);
    }

    /* The last question's answer is drawn, and then what was heard since it was asked. */
    async open(id) {
      const turn = ++this.turn;
      this.missed = [];
      const answer = await this.server.show_sheet({ sheet: id }).catch(() => ({ error: UNANSWERED }));
      if (turn !== this.turn) return;
      const missed = this.missed;
      this.missed = null;
      if (answer.error) return this.refuse(answer.error);
      this.id = id;
      remember(SHOWN, id);
      this.draw(answer);
      this.mark();
      for (const news of missed) this.hear(news);
    }

    refuse(words) {
      this.node.hidden = false;
      this.blank.hidden = true;
      setText(this.state, t(words));
    }

    async ask(question) {
      const answer = await this.server[question]({ sheet: this.id }).catch(() => ({ error: UNANSWERED }));
      if (answer.error) return setText(this.state, t(answer.error));
      await this.open(this.id);
      this.list();
    }

    draw(sheet) {
      this.sheet = sheet;
      this.blank.hidden = true;
      this.node.hidden = false;
      setText(this.title, sheet.name);
      const varied = [sheet.x, sheet.y].filter(Boolean).map(axis => t(axis.title)).join(" × ");
      setText(this.settings, [varied, t(sheet.settings)].filter(Boolean).join(" · "));
      this.save.href = `media/sheet/${encodeURIComponent(sheet.sheet)}.png`;
      const shape = JSON.stringify([sheet.sheet, sheet.x, sheet.y]);
      if (shape !== this.shape) this.lay(sheet);
      this.shape = shape;
      this.cells.clear();
      for (const state of sheet.cells) {
        const cell = this.places.get(`${state.x} ${state.y}`);
        if (!cell) continue;
        this.cells.set(state.job, cell);
        this.settle(cell, state);
      }
      this.tell(sheet);
    }

    /* Two axes make a table; along one, cells stand in line and wrap, each over its label. */
    lay({ x, y, cells }) {
      this.places = new Map(cells.map(({ x: column, y: row }) => [`${column} ${row}`, this.cell(x?.labels[column], y?.labels[row])]));
      if (x && y) return this.scroll.replaceChildren(this.table(x, y));
      const labels = (x ?? y).labels;
      const figures = cells.map(({ x: column, y: row }) => make("figure", {}, this.places.get(`${column} ${row}`).node, make("figcaption", { text: this.label(labels[x ? column : row]) })));
      this.scroll.replaceChildren(make("p", { class: "sheet-axis", text: t((x ?? y).title) }), make("div", { class: "sheet-line" }, ...figures));
    }

    table(x, y) {
      const corner = make("th", { class: "corner", scope: "col" }, make("span", { text: `${t(x.title)} →` }), make("span", { text: `${t(y.title)} ↓` }));
      const head = make("tr", {}, corner, ...x.labels.map(label => make("th", { scope: "col", text: this.label(label) })));
      const rows = y.labels.map((label, row) => make("tr", {}, make("th", { scope: "row", text: this.label(label) }), ...x.labels.map((_, column) => make("td", {}, this.places.get(`${column} ${row}`)?.node ?? ""))));
      return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
    }

    label(text) {
      return text === "none" ? t(text) : text;
    }

    cell(...labels) {
      const tile = new Tile(0, () => this.look(tile));
      const name = labels.filter(Boolean).join(t(", "));
      return { tile, node: tile.node, name };
    }

    settle(cell, { status, image, error }) {
      const over = !["queued", "running"].includes(status);
      this.show(cell, image, over ? "done" : "waiting", error);
      if (!image && status !== "running") this.clear(cell);
    }

    update(cell, job) {
      const best = job.tiles.find(tile => tile.image) ?? job.tiles[0];
      if (job.final) return this.show(cell, best?.image ?? null, "done", job.status === "failed" ? job.state : "");
      if (best) cell.tile.update({ ...best, match: null, rank: null }, job.painted);
      this.name(cell, best?.state ?? "waiting");
    }

    show(cell, image, state, error) {
      cell.tile.update({ image, preview: null, state, match: null, rank: null, starred: false }, 0);
      cell.node.dataset.missing = String(state === "done" && !image);
      cell.node.title = error ? t(error) : cell.name;
      this.name(cell, image ? "" : state === "done" ? "not painted" : state);
    }

    name(cell, state) {
      cell.node.setAttribute("aria-label", cell.tile.image ? t("{label}. Open", { label: cell.name }) : [cell.name, t(state)].join(t(", ")));
    }

    clear({ tile }) {
      tile.source = null;
      tile.frame.querySelector("img")?.remove();
    }

    look(tile) {
      const ids = [...this.places.values()].map(cell => cell.tile.image).filter(Boolean);
      dialog.open(ids, ids.indexOf(tile.image), mainBoard());
    }

    tell({ state, words, progress }) {
      setText(this.state, t(words));
      this.node.dataset.status = state;
      this.bar.hidden = state !== "painting";
      this.bar.setAttribute("aria-valuenow", String(Math.round(100 * progress)));
      this.bar.firstChild.style.transform = `scaleX(${progress})`;
      this.stop.hidden = state !== "painting";
      this.resume.hidden = state !== "stopped";
      this.save.hidden = !progress;
    }

    /* ---- earlier ones ---- */

    async list() {
      const answer = await this.server.list_sheets({}).catch(() => ({}));
      const sheets = answer.sheets ?? [];
      this.earlier.hidden = !sheets.length;
      this.earlier.querySelector("ul").replaceChildren(...sheets.map(sheet => this.row(sheet)));
      this.mark();
      return sheets;
    }

    row({ sheet, name, axes, words, created, state }) {
      const facts = [axes.map(axis => t(axis)).join(" × "), t(words), when(created)].filter(Boolean).join(" · ");
      const open = make("button", { type: "button", class: "earlier-sheet", "data-sheet": sheet, onclick: () => this.open(sheet) }, make("span", { text: name }), make("small", { text: facts }));
      const forget = make("button", { type: "button", class: "mini", text: "×", title: t("Forget this sheet; its pictures stay"), "aria-label": `${t("Forget this sheet; its pictures stay")}: ${name}`, disabled: state === "painting", onclick: () => this.forget(sheet) });
      return make("li", {}, open, forget);
    }

    async forget(sheet) {
      const answer = await this.server.remove_sheet({ sheet }).catch(() => ({ error: UNANSWERED }));
      if (answer.error) return setText(this.state, t(answer.error));
      if (sheet === this.id) {
        this.id = this.shape = null;
        this.node.hidden = true;
        this.blank.hidden = false;
        remember(SHOWN, null);
      }
      this.list();
    }

    mark() {
      for (const button of this.earlier.querySelectorAll("[data-sheet]")) button.setAttribute("aria-current", String(button.dataset.sheet === this.id));
    }
  }

  dalleStudio.explorer = (element, { props, watch, server }) => {
    explorer = new Explorer(element, { server });
    const started = () => {
      if (!props.value?.sheet) return;
      announce.dispatchEvent(new Event("submitted"));
      explorer.open(props.value.sheet).then(() => explorer.list());
      if (innerWidth < 860) element.scrollIntoView({ block: "start" });
    };
    watch("value", started);
    started(); // a tab that was not open yet finds what was sent to it
  };

  const sending = dialog.actions.findIndex(action => action.text === "Vary from here");
  dialog.actions.splice(sending + 1, 0, { text: "Explore from here", run: dialog => dialog.reuse("exploreFrom") });
  dialog.actions.push({ text: "Open its sheet", run: dialog => {
    const { sheet } = dialog.details;
    dialog.node.close();
    whenThere(() => document.getElementById("explore-button"), tab => tab.click());
    explorer?.open(sheet.id);
  }, show: (button, { details }) => { button.hidden = !details.sheet; button.title = details.sheet?.name ?? ""; } });
})();
