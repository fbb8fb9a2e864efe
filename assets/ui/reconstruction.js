/* What an image tokenizer makes of a picture, side by side: a dialog on the Models tab. */
"use strict";

window.dalleStudio.reconstruction = (() => {
  const { make, setText, UNANSWERED } = window.dalleStudio.tools;
  const { t } = window.dalleWords;

  const taken = file => fetch("media/source", { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } }).then(answer => answer.json());

  function figure(words) {
    const image = make("img", { alt: words });
    return { image, node: make("figure", {}, image, make("figcaption", { text: words })) };
  }

  return (model, server) => {
    const before = figure(t("The picture")), after = figure(t("What its tokens make of it"));
    const panes = make("div", { class: "reconstruction-panes", hidden: true }, before.node, after.node);
    const said = make("p", { class: "offer-words", role: "status", text: t("Choose a picture or drop one here. Its middle square becomes tokens, and a picture again.") });
    const input = make("input", { type: "file", accept: "image/*", "aria-label": t("Choose a picture"), hidden: true });
    const choose = make("button", { type: "button", class: "action primary", text: t("Choose a picture"), onclick: () => input.click() });
    const close = make("button", { type: "button", class: "action", text: t("Close"), onclick: () => node.close() });
    const title = make("h2", { id: "reconstruction-title", text: model.name });
    const node = make("dialog", { class: "offer reconstruction", "aria-labelledby": title.id }, title, said, panes, input, make("div", { class: "buttons" }, close, choose));

    async function show(file) {
      if (!file || choose.disabled) return;
      choose.disabled = true;
      setText(said, t("Reading the picture"));
      const upload = await taken(file).catch(() => ({ error: UNANSWERED }));
      const answer = upload.error ? upload : await server.reconstruct_picture({ model: model.name, upload: upload.upload }).catch(() => ({ error: UNANSWERED }));
      choose.disabled = false;
      setText(said, t(answer.error ?? answer.words));
      if (answer.error) return;
      before.image.src = answer.square;
      after.image.src = answer.reconstruction;
      panes.hidden = false;
    }

    input.addEventListener("change", () => { show(input.files[0]); input.value = ""; });
    node.addEventListener("dragover", event => event.preventDefault());
    node.addEventListener("drop", event => { event.preventDefault(); event.stopPropagation(); show(event.dataTransfer.files[0]); });
    node.addEventListener("click", event => { if (event.target === node) node.close(); });
    node.addEventListener("close", () => node.remove());
    document.body.append(node);
    node.showModal();
  };
})();
