// tests/browser/live.mjs - two tabs of headless Chromium at the example with a live count.
//
//   node live.mjs http://127.0.0.1:PORT FOLDER
//
// As page.mjs: run by `./dev browser`, from a folder that has the packages of package.json.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [origin, folder] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
const puppeteer = (await import(pathToFileURL(require.resolve("puppeteer-core")).href)).default;
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const complaints = [];

async function tab() {
  const page = await browser.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(origin + "/", { waitUntil: "load" });
  return page;
}

// Waits in the tab, which need not be in front, until so many people are there; its worker.
async function shows(page, users) {
  await page.waitForFunction((n) => document.querySelector("output").textContent === String(n) &&
    /process \d+/.test(document.querySelector("#worker").textContent), { polling: 20 }, users);
  return Number((await page.$eval("#worker", (element) => element.textContent)).match(/\d+/)[0]);
}

const one = await tab();
await shows(one, 1);
assert.equal(await one.$eval("h1", (h1) => h1.textContent.replace(/\s+/g, " ").trim()), "1 person is here");
const two = await tab();
const worker = await shows(two, 2);
await shows(one, 2);
console.log("two tabs see two people");
await two.screenshot({ path: join(folder, "live.png") });
await two.evaluate(axe);
const { violations } = await two.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
assert.deepEqual(violations.map((v) => v.id), []);

process.kill(worker, "SIGKILL");
await two.waitForFunction((pid) => /process \d+/.test(document.querySelector("#worker").textContent) &&
  !document.querySelector("#worker").textContent.includes(pid), { polling: 20 }, String(worker));
await shows(two, 2);
await shows(one, 2);
console.log("a worker that was killed was replaced, and both are there again");

await two.close();
await shows(one, 1);
console.log("one is left when the other is closed");
assert.deepEqual(complaints, []);
await browser.close();
