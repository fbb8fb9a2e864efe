/* Pictures from elsewhere: PNGs, folders and zips that are dropped on the Gallery or chosen, sent one after another.
   The studio says of each what became of it; here it is added up. */
"use strict";

(() => {
  const { make, setText, toast, menu, UNANSWERED } = window.dalleStudio.tools;
  const { t, number } = window.dalleWords;
  const WANTED = /\.(png|zip)$/i;
  const MOST = 20000; // files of one import
  const TOLD = 50; // refused ones that are named

  const pictures = count => t(count === 1 ? "{count} picture" : "{count} pictures", { count: number(count) });

  /* Every file below what was dropped. The handles are gone once the event is over, so they are all taken at once. */
  async function dropped(transfer) {
    const entries = [...transfer.items].filter(item => item.kind === "file").map(item => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
    const files = [];
    for (const entry of entries) await gather(entry, files);
    return files;
  }

  async function gather(entry, files) {
    if (files.length >= MOST) return;
    if (entry instanceof File) return void files.push(entry);
    if (entry.isFile) return void files.push(await new Promise((done, fail) => entry.file(done, fail)));
    const reader = entry.createReader(), read = () => new Promise((done, fail) => reader.readEntries(done, fail));
    for (let some = await read(); some.length; some = await read()) for (const child of some) await gather(child, files);
  }

  class Importing {
    /* `button` opens the choice of files, `element` takes what is dropped; `done` is called when pictures came in. */
    constructor(button, element, done) {
      this.done = done;
      const chooser = (label, more) => {
        const input = make("input", { type: "file", multiple: true, "aria-label": t(label), tabindex: "-1", hidden: true, ...more });
        input.addEventListener("change", () => { this.take([...input.files]); input.value = ""; });
        button.after(input);
        return input;
      };
      const files = chooser("Pictures to import", { accept: ".png,.zip,image/png,application/zip" });
      const folder = chooser("A folder to import", { webkitdirectory: true });
      const choices = [[t("PNG or ZIP files"), () => files.click()], [t("A folder of PNGs"), () => folder.click()]];
      button.addEventListener("click", () => ("webkitdirectory" in folder ? menu(button, choices) : files.click()));
      this.words = make("span", { role: "status" });
      this.bar = make("i");
      const stop = make("button", { type: "button", class: "link", text: t("Stop"), onclick: () => { this.stopped = true; } });
      this.node = make("div", { class: "importing", hidden: true }, this.words, make("div", { class: "bar" }, this.bar), stop);
      element.append(this.node);
      this.listen(element);
    }

    listen(element) {
      const files = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
      const mark = on => element.classList.toggle("over", on);
      element.addEventListener("dragover", event => {
        if (!files(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        mark(true);
      });
      element.addEventListener("dragleave", event => { if (!element.contains(event.relatedTarget)) mark(false); });
      element.addEventListener("drop", async event => {
        mark(false);
        if (!files(event)) return;
        event.preventDefault();
        this.take(await dropped(event.dataTransfer).catch(() => []));
      });
    }

    async take(files) {
      if (this.busy) return toast.show(t("Another import is still running."));
      if (files.length >= MOST) return toast.show(t("There are more than {most} files; import fewer at a time.", { most: MOST }));
      const wanted = files.filter(file => WANTED.test(file.name));
      if (!wanted.length) return toast.show(t("There is no PNG and no zip among these files."));
      this.busy = true;
      this.stopped = false;
      const sum = { added: 0, recipes: 0, known: 0, ignored: files.length - wanted.length, refused: [], refusedCount: 0 };
      for (const [i, file] of wanted.entries()) {
        if (this.stopped) break;
        this.tell(i, wanted.length);
        this.count(sum, file, await this.send(file));
      }
      this.busy = false;
      this.node.hidden = true;
      this.report(sum);
      if (sum.added) this.done();
    }

    tell(at, of) {
      this.node.hidden = false;
      setText(this.words, t("Importing {number} of {of}", { number: at + 1, of }));
      this.bar.style.transform = `scaleX(${at / of})`;
    }

    send(file) {
      return fetch(`media/import?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } })
        .then(answer => answer.json()).catch(() => ({ error: UNANSWERED }));
    }

    count(sum, file, answer) {
      if (answer.error) {
        sum.refused.push([file.name, answer.error]);
        sum.refusedCount += 1;
        return;
      }
      for (const name of ["added", "recipes", "known", "ignored", "refusedCount"]) sum[name] += answer[name];
      sum.refused.push(...answer.refused);
    }

    report({ added, recipes, known, ignored, refused, refusedCount }) {
      const parts = [
        !added && t("Nothing new was imported."),
        added > 0 && t("{pictures} imported.", { pictures: pictures(added) }),
        recipes > 0 && t("With a recipe: {count}.", { count: recipes }),
        known > 0 && t("Already here: {count}.", { count: known }),
        ignored > 0 && t("Other files, left alone: {count}.", { count: ignored }),
      ].filter(Boolean);
      if (!refusedCount) return toast.show(parts.join(" "));
      const rows = refused.slice(0, TOLD).map(([name, why]) => make("li", {}, make("b", { text: name }), make("span", { text: t(why) })));
      const left = refusedCount - rows.length;
      const close = make("button", { type: "button", class: "action primary", text: t("Close"), autofocus: true, onclick: () => node.close() });
      const node = make("dialog", { class: "offer", "aria-labelledby": "import-title" },
        make("h2", { id: "import-title", text: t("Import") }), make("p", { class: "offer-words", text: parts.join(" ") }),
        make("p", { class: "offer-words", text: t("Could not be read: {count}", { count: refusedCount }) }),
        make("ul", { class: "refused", tabindex: "0" }, ...rows, left > 0 ? make("li", { text: t("and {count} more", { count: left }) }) : null),
        make("div", { class: "buttons" }, close));
      node.addEventListener("close", () => node.remove());
      document.body.append(node);
      node.showModal();
    }
  }

  window.dalleStudio.Importing = Importing;
})();
