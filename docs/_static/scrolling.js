// What scrolls sideways must be reachable by the keyboard, so that its end can be read without a mouse.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .sidebar-scroll, .toc-scroll")) {
    box.tabIndex = 0;
  }
});
