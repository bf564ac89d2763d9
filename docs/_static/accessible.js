// What the pages of Sphinx and its theme leave open for those who use a keyboard or a screen reader.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // What scrolls sideways is reached by the keyboard, so that its end can be read without a mouse.
  for (const box of document.querySelectorAll("pre, .table-wrapper, .sidebar-scroll, .toc-scroll")) {
    box.tabIndex = 0;
  }
  // A heading says of which level it is.
  for (const heading of document.querySelectorAll("p.caption[role=heading]")) {
    heading.setAttribute("aria-level", "2");
  }
  // The arguments of a long signature are a list, and not terms with definitions.
  for (const list of document.querySelectorAll("dt > dl")) {
    list.setAttribute("role", "list");
    for (const item of list.children) item.setAttribute("role", "listitem");
  }
});
