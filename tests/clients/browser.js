// Reads a tip with EventSource in a real browser, and prints what happens, a JSON object a line. Ends when the browser
// stays away: after the end of the tip, or when it may not read it.
// Usage: browser.js PAGE TIP, two URLs; NODE_PATH has playwright-core.
"use strict";
const { chromium } = require("playwright-core");

// Runs in the page.
function read(url) {
  return new Promise((stayAway) => {
    let text = "";
    const tip = new EventSource(url);
    tip.addEventListener("open", () => tell({ open: true }));
    tip.addEventListener("delta", (event) => {
      text += JSON.parse(event.data).delta.text;
      tell({ text });
    });
    tip.addEventListener("reset", () => {
      text = "";
      tell({ reset: true });
    });
    tip.addEventListener("done", (event) => {
      tell({ done: JSON.parse(event.data).done });
    });
    // The browser's own, when a connection is lost, and the service's, which has data.
    tip.addEventListener("error", (event) => {
      tell({ error: event.data ? JSON.parse(event.data) : null });
      if (tip.readyState === EventSource.CLOSED) {
        stayAway(text);
      }
    });
  });
}

async function main() {
  const [page, tip] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Tests may run as root, who gets no sandbox; /dev/shm may be small.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const tab = await browser.newPage();
    await tab.exposeFunction("tell", (what) => console.log(JSON.stringify(what)));
    await tab.goto(page);
    const text = await tab.evaluate(read, tip);
    console.log(JSON.stringify({ closed: true, text }));
  } finally {
    await browser.close();
  }
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
