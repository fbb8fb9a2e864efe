/* The tab that is shown is in the address, so that a reload, a bookmark and the browser's Back find it. */
"use strict";

(() => {
  const { whenThere } = window.dalleStudio.tools;
  const FIRST = "create";
  const TABS = ".studio-tabs [role=tab][data-tab-id]";
  const tab = id => document.querySelector(`${TABS}[data-tab-id="${CSS.escape(id)}"]`);
  const addressed = () => location.hash.slice(1) || FIRST;

  function show() {
    const wanted = tab(addressed());
    if (wanted && wanted.ariaSelected !== "true") wanted.click();
  }

  /* However it came to be shown: pressed, or because a picture was sent there. */
  function shown() {
    const id = document.querySelector(`${TABS}[aria-selected=true]`)?.dataset.tabId;
    if (id && id !== addressed()) history.pushState(null, "", `#${id}`);
  }

  /* Back from a dialog is back to the tab that it lies on. */
  addEventListener("popstate", () => {
    const dialogs = document.querySelectorAll("dialog[open]");
    for (const dialog of dialogs) dialog.close();
    if (dialogs.length) shown();
    else show();
  });
  whenThere(() => tab(FIRST), first => {
    show();
    new MutationObserver(shown).observe(first.parentElement, { subtree: true, attributeFilter: ["aria-selected"] });
  }, 500);
})();
