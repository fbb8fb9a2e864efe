/* Pictures as files for elsewhere. A dialog that shows what will be saved, as it will be saved, and follows every choice:
   `dalleStudio.exports.open(ids)`. The studio makes the file; here are only the choices. */
"use strict";

window.dalleStudio.exports = (() => {
  const { make, setText, remember, recalled, dialog, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;
  const CHOICE = "dalle-studio-export";
  const MOST = 60; // pictures in one export
  const PAUSE = 250; // ms after the last change before the studio is asked
  const KINDS = { png: t("Picture"), svg: t("Drawing"), sheet: t("Sticker sheet") };
  const SMALL = 128; // pixels a side, up to which a preview shows each as a square
  /* name: [label, values or limits, the kinds that have it, and when it matters] */
  const CHOICES = {
    scale: [t("Size"), { 1: "× 1", 2: "× 2", 4: "× 4", 8: "× 8" }, "png"],
    edges: [t("Edges"), { crisp: t("Crisp"), smooth: t("Smooth"), pixels: t("Pixels") }, "png", spec => spec.scale > 1 || spec.transparent],
    colours: [t("Colours"), { 4: "4", 8: "8", 16: "16", 32: "32" }, "svg"],
    outline: [t("White outline"), { none: t("None"), thin: t("Thin"), wide: t("Wide") }, "png svg sheet", spec => spec.transparent],
    page: [t("Page"), { fit: t("As needed"), a4: "A4", letter: "Letter" }, "sheet"],
    columns: [t("Columns"), [1, 12], "sheet"],
    cell: [t("Sticker size, pixels"), [64, 1024], "sheet", spec => spec.page === "fit"],
    gap: [t("Gap, pixels"), [0, 256], "sheet"],
    margin: [t("Margin, pixels"), [0, 512], "sheet"],
    file: [t("File"), { png: "PNG", pdf: "PDF" }, "sheet"],
    ground: [t("Page colour"), { white: t("White"), transparent: t("Transparent") }, "sheet", spec => spec.file === "png"],
  };
  const SWITCHES = {
    transparent: [t("Transparent background"), "png svg sheet"],
    holes: [t("Also where it is enclosed"), "png svg sheet", spec => spec.transparent],
    recipe: [t("Recipe inside"), "png"],
  };
  const FIRST = { scale: "4", edges: "crisp", colours: "8", outline: "none", page: "fit", columns: 4, cell: 256, gap: 24, margin: 32, file: "png", ground: "white", transparent: false, holes: false, recipe: true };
  const GROUNDS = { checks: t("Shown on checks"), light: t("Shown on white"), dark: t("Shown on black") };

  class Exporter {
    constructor() {
      this.spec = { ...FIRST, ...recalled(CHOICE, {}) };
      this.rows = new Map();
      this.title = make("h2", { id: "export-title" });
      this.image = make("img", { alt: t("What will be saved") });
      this.trouble = make("p", { class: "export-trouble", role: "alert", hidden: true });
      this.stage = make("div", { class: "export-stage" }, this.image, this.trouble, this.grounds());
      this.said = make("p", { class: "export-said", role: "status" });
      this.save = make("a", { class: "action primary", text: t("Save"), download: "" });
      this.save.addEventListener("click", event => { if (this.save.getAttribute("aria-disabled") === "true") event.preventDefault(); });
      const close = make("button", { type: "button", class: "action", text: t("Close"), onclick: () => this.node.close() });
      const controls = make("div", { class: "export-controls" }, this.kinds(), ...this.choices(), ...this.switches());
      const foot = make("div", { class: "export-foot" }, this.said, make("div", { class: "buttons" }, this.save, close));
      const side = make("div", { class: "export-side" }, this.title, controls, foot);
      this.node = make("dialog", { class: "export", "aria-labelledby": "export-title" }, this.stage, side);
      this.node.addEventListener("click", event => { if (event.target === this.node) this.node.close(); });
      this.node.addEventListener("close", () => this.forget());
      document.body.append(this.node);
    }

    grounds() {
      const row = make("div", { class: "export-grounds" });
      const show = ground => {
        this.stage.dataset.ground = ground;
        for (const button of row.children) button.setAttribute("aria-pressed", String(button.dataset.ground === ground));
      };
      row.append(...Object.entries(GROUNDS).map(([ground, text]) => make("button", { type: "button", "data-ground": ground, "aria-label": text, title: text, "aria-pressed": String(ground === "checks"), onclick: () => show(ground) })));
      return row;
    }

    kinds() {
      const row = make("fieldset", { class: "segments" }, make("legend", { class: "spoken", text: t("Export as") }));
      for (const [kind, text] of Object.entries(KINDS)) {
        const input = make("input", { type: "radio", name: "export-kind", value: kind });
        input.addEventListener("change", () => this.set("kind", kind));
        row.append(make("label", {}, input, make("span", { text })));
      }
      this.radios = row.querySelectorAll("input");
      return row;
    }

    choices() {
      return Object.entries(CHOICES).map(([name, [text, values]]) => {
        const field = Array.isArray(values)
          ? make("input", { type: "number", min: values[0], max: values[1], step: 1, value: this.spec[name] })
          : make("select", {}, ...Object.entries(values).map(([value, shown]) => make("option", { value, text: shown, selected: String(this.spec[name]) === value })));
        field.addEventListener("input", () => { if (field.value !== "") this.set(name, field.value); });
        return this.row(name, make("label", { class: "export-choice" }, make("span", { text }), field));
      });
    }

    switches() {
      return Object.entries(SWITCHES).map(([name, [text]]) => {
        const field = make("input", { type: "checkbox", checked: this.spec[name] });
        field.addEventListener("change", () => this.set(name, field.checked));
        return this.row(name, make("label", { class: "export-switch" }, field, make("span", { text })));
      });
    }

    row(name, node) {
      this.rows.set(name, node);
      return node;
    }

    open(ids) {
      this.ids = ids;
      this.set("kind", ids.length > 1 ? "sheet" : this.spec.kind === "svg" ? "svg" : "png");
      setText(this.title, ids.length > 1 ? t("Export {count} pictures", { count: ids.length }) : t("Export this picture"));
      this.node.showModal();
      [...this.radios].find(radio => radio.checked).focus();
    }

    set(name, value) {
      this.spec[name] = value;
      remember(CHOICE, this.spec);
      for (const radio of this.radios) radio.checked = radio.value === this.spec.kind;
      for (const [row, node] of this.rows) node.hidden = !this.matters(row);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.show(), PAUSE);
      this.stage.setAttribute("aria-busy", "true");
    }

    matters(name) {
      const [kinds, when] = name in CHOICES ? CHOICES[name].slice(2) : SWITCHES[name].slice(1);
      return kinds.split(" ").includes(this.spec.kind) && (!when || when(this.spec));
    }

    address(more) {
      const asked = new URLSearchParams({ ids: this.ids.join(","), kind: this.spec.kind, ...more });
      for (const name of this.rows.keys()) {
        if (!this.matters(name)) continue;
        const value = this.spec[name];
        asked.set(name, typeof value === "boolean" ? String(Number(value)) : value);
      }
      return `media/export?${asked}`;
    }

    async show() {
      this.asking?.abort();
      if (this.ids.length > MOST) return this.refuse(t("{count} pictures are to be exported; expected 1 to {most}.", { count: this.ids.length, most: MOST }));
      const { signal } = (this.asking = new AbortController());
      const address = this.address({});
      let answer, found;
      try {
        answer = await fetch(address, { signal });
        found = answer.ok ? await answer.blob() : await answer.json();
      } catch (error) {
        if (error.name === "AbortError") return;
        found = { error: UNANSWERED };
      }
      if (signal.aborted || !this.node.open) return;
      if (answer?.ok) await this.fill(found, Number(answer.headers.get("x-dalle-whole")));
      else this.refuse(found.error);
    }

    async fill(blob, whole) {
      this.forget();
      this.source = this.image.src = URL.createObjectURL(blob);
      await this.image.decode().catch(() => {});
      const { naturalWidth: width, naturalHeight: height } = this.image;
      const size = t("{width} × {height} pixels", { width, height });
      const kept = this.spec.kind !== "sheet" ? this.ids.length === 1 : this.spec.file === "png";
      const parts = [size, kept && `${(blob.size / 1000).toFixed(blob.size < 1e4 ? 1 : 0)} kB`, whole && t("{count} without a plain ground stay whole", { count: whole })];
      this.image.dataset.small = String(Math.max(width, height) <= SMALL);
      setText(this.said, parts.filter(Boolean).join(" · "));
      this.allow(true);
    }

    refuse(error) {
      setText(this.trouble, t(error));
      setText(this.said, "");
      this.allow(false);
    }

    allow(fine) {
      this.stage.setAttribute("aria-busy", "false");
      this.trouble.hidden = fine;
      this.image.hidden = !fine;
      this.save.setAttribute("aria-disabled", String(!fine));
      if (fine) this.save.href = this.address({ save: 1 });
      else this.save.removeAttribute("href");
    }

    forget() {
      if (this.source) URL.revokeObjectURL(this.source);
      this.source = null;
    }
  }

  let exporter = null;
  const open = ids => (exporter ??= new Exporter()).open(ids);
  dialog.actions.splice(-1, 0, { text: "Export", run: shown => open([shown.ids[shown.at]]), title: "Larger, as a sticker, or as a drawing" });
  return { open };
})();
