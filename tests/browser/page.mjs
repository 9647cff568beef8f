// tests/browser/page.mjs - drives the page of ngram serve in headless Chromium.
//
//   node page.mjs http://127.0.0.1:PORT http://127.0.0.1:PORT FOLDER
//
// The second address is that of a job with --status, which reads from a pipe. Prints what it checked, and leaves pictures in FOLDER. It runs from a folder that has the
// packages of package.json; `./dev browser` sees to all of it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [origin, job, folder] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
const puppeteer = (await import(pathToFileURL(require.resolve("puppeteer-core")).href)).default;
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const complaints = [];

// ---- Help for the checks ---------------------------------------------------------------------------

async function open(address, { width = 1200, height = 900, dark = false, phone = false, prepare = null } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (![origin, job].includes(new URL(request.url()).origin)) complaints.push(`asked elsewhere: ${request.url()}`);
  });
  await page.setViewport({ width, height, isMobile: phone, hasTouch: phone, deviceScaleFactor: phone ? 2 : 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  if (prepare) await prepare(page);
  await page.goto(new URL(address, origin), { waitUntil: "load" });
  return page;
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent.trim());
const picture = (page, name, options) => page.screenshot({ path: join(folder, `${name}.png`), ...options });
const answered = (page) => page.waitForFunction(() =>
  !document.querySelector("#years-view").hasAttribute("aria-busy") && document.querySelector("#table tbody tr"));
const found = (page) => page.waitForFunction(() => / found among /.test(document.querySelector("#find-status").textContent));

// The accessibility rules of axe that are broken.
async function broken(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`);
}

// Pixels of the chart that are neither of its background nor transparent.
const inked = (page) => page.$eval("#chart canvas", (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 3; i < data.length; i += 4) n += data[i] > 0;
  return n;
});

// ---- The checks ------------------------------------------------------------------------------------

const checks = {
  async "a typed question is drawn"() {
    const page = await open("/");
    await picture(page, "empty");
    assert.match(await text(page, "#about"), /n-grams, \d+ to \d+/);
    await page.type("#words", "radio, television, computer, telegraph, run_*, nowhere");
    await page.keyboard.press("Enter");
    await answered(page);
    assert.ok(await inked(page) > 2000, "lines are drawn");
    assert.match(await text(page, "#years-status"), /^6 n-grams, \d+ to \d+\. Not in the store: nowhere/);
    assert.equal((await page.$$("#legend button")).length, 6);
    assert.equal(new URL(page.url()).searchParams.get("words"), "radio, television, computer, telegraph, run_*, nowhere");
    assert.deepEqual(await broken(page), []);
    await picture(page, "years", { fullPage: false });
    return page;
  },

  async "a pointer shows the numbers of a year, and a line can be left out"() {
    const page = await open("/?words=radio,television&relative=1&smooth=3");
    await answered(page);
    const box = await (await page.$("#chart .u-over")).boundingBox();
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2);
    await page.waitForSelector(".tip:not([hidden])");
    assert.match(await text(page, ".tip"), /^\d{4}/);
    await picture(page, "pointer", { clip: { x: 0, y: 0, width: 1200, height: 900 } });
    const before = await inked(page);
    await page.click("#legend button");
    assert.equal(await page.$eval("#legend button", (b) => b.getAttribute("aria-pressed")), "false");
    await page.waitForFunction((n) => document.querySelector("#chart canvas") && n, {}, before);
  },

  async "options are kept in the link, and back leads back"() {
    const page = await open("/?words=straSSE&case_fold=1&smooth=5&from=1900&to=1950");
    await answered(page);
    assert.equal(await page.$eval("#smooth", (s) => s.value), "5");
    assert.equal(await page.$eval("#relative", (s) => s.value), "0");
    assert.ok(await page.$eval("#case_fold", (c) => c.checked));
    assert.equal((await page.$$("#table tbody tr")).length, 51);
    await page.select("#smooth", "0");
    await page.waitForFunction(() => !location.search.includes("smooth"));
    await answered(page);
    await page.goBack();
    await page.waitForFunction(() => document.querySelector("#smooth").value === "5");
    assert.match(await page.$eval("#csv", (a) => a.href), /format=csv$/);
    const csv = await page.evaluate(async () => (await fetch(document.querySelector("#csv").href)).text());
    assert.match(csv, /^year,straSSE\n1900,/);
  },

  async "what is wrong is told"() {
    const page = await open("/?words=radio&from=1950&to=1900");
    await page.waitForSelector("#years-error:not([hidden])");
    assert.match(await text(page, "#years-error"), /1950 is after 1900/);
    assert.deepEqual(await broken(page), []);
    await picture(page, "error");
    complaints.splice(0, complaints.length, ...complaints.filter((c) => !c.includes("400")));
  },

  async "the keyboard is enough"() {
    const page = await open("/");
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to the content");
    const seen = new Set();
    for (let i = 0; i < 20 && !seen.has("case_fold"); i++) {
      await page.keyboard.press("Tab");
      seen.add(await focused());
    }
    for (const id of ["tab-find", "theme", "words", "from", "to", "smooth", "relative", "case_fold"])
      assert.ok(seen.has(id), `${id} can be reached`);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", "what has the focus is seen");
    await page.focus("#words");
    await page.keyboard.type("radio");
    await page.keyboard.press("Enter");
    await answered(page);
    await page.focus("#chart");
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowLeft");
    assert.match(await text(page, "#years-status"), /^\d{4}: radio /);
    await picture(page, "keyboard");
  },

  async "a search shows progress and hits, and leads to a chart"() {
    const page = await open("/?view=find");
    await picture(page, "find-empty");
    await page.type("#match", "^s.*n$");
    await page.keyboard.press("Enter");
    await found(page);
    assert.ok((await page.$$("#hits tbody tr")).length > 3);
    assert.ok(await page.$eval("#cancel", (c) => c.hidden));
    assert.deepEqual(await broken(page), []);
    await picture(page, "find");
    await page.click("#hits a");
    await answered(page);
    await page.goBack();
    await found(page);
  },

  async "a search is cancelled, by button and by key"() {
    for (const how of ["button", "key"]) {
      const page = await open("/?view=find");
      const slow = "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(?<=\\d\\D\\d)$";
      await page.type("#match", slow);
      await page.keyboard.press("Enter");
      await page.waitForSelector("#running:not([hidden])");
      if (how === "button") await page.waitForFunction(() => document.querySelector("#progress").value > 0);
      if (how === "button") await picture(page, "searching");
      if (how === "button") await page.click("#cancel");
      else await page.keyboard.press("Escape");
      await page.waitForFunction(() => document.querySelector("#find-status").textContent === "Cancelled.");
      assert.ok(await page.$eval("#running", (r) => r.hidden));
      assert.ok(await page.$eval("#search", (s) => !s.hidden));
    }
  },

  async "a bad expression is explained"() {
    const page = await open("/?view=find&match=" + encodeURIComponent("a(b"));
    await page.waitForSelector("#find-error:not([hidden])");
    assert.match(await text(page, "#find-error"), /missing closing parenthesis/);
    complaints.splice(0, complaints.length, ...complaints.filter((c) => !c.includes("400")));
  },

  async "dark where the system is, and by the button"() {
    const page = await open("/?words=radio,television,computer,telegraph,Albert+Einstein,love,railway,steam+engine,sun,Sherlock+Holmes&relative=1&smooth=3", { dark: true });
    await answered(page);
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await back();
    assert.deepEqual(await broken(page), []);
    await picture(page, "dark");
    await page.click("#theme"); // light
    assert.notEqual(await back(), dark);
    await page.reload();
    await answered(page);
    assert.notEqual(await back(), dark, "the choice is kept");
    await page.click("#theme"); // dark
    assert.equal(await back(), dark);
    await page.goto(`${origin}/?view=find&match=^ra`);
    await found(page);
    assert.deepEqual(await broken(page), []);
    await picture(page, "dark-find");
  },

  async "without the chart's library there is a picture"() {
    const prepare = async (page) => {
      await page.setRequestInterception(true);
      page.on("request", (request) => request.url().endsWith("/uplot.js") ? request.respond({ contentType: "text/javascript", body: "" }) : request.continue());
    };
    const page = await open("/?words=radio,television&relative=1&smooth=3", { dark: true, prepare });
    await answered(page);
    await page.waitForFunction(() => document.querySelector("#chart img")?.naturalWidth > 100);
    assert.deepEqual(await broken(page), []);
    await picture(page, "picture");
  },

  async "a running job is shown"() {
    for (const dark of [false, true]) {
      const page = await open(`${job}/`, { dark });
      await page.waitForFunction(() => document.querySelector("#facts dd"));
      assert.equal(await text(page, "#phase"), "Reading");
      assert.match(await text(page, "#command"), /^ngram count /);
      assert.deepEqual(await broken(page), []);
      await picture(page, dark ? "job-dark" : "job");
    }
  },

  async "on a phone nothing is cut off"() {
    for (const [name, address] of [["phone", "/?words=radio,television,steam+engine&relative=1&smooth=3"], ["phone-find", "/?view=find&match=^s.*n$"]]) {
      const page = await open(address, { width: 390, height: 844, phone: true });
      await (name === "phone" ? answered(page) : found(page));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(over, 0, "no scrolling sideways");
      const small = await page.$$eval("button, select, input:not([type=hidden]):not([type=checkbox])", (all) =>
        all.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 32).map((e) => e.id || e.textContent));
      assert.deepEqual(small, [], "large enough to be hit");
      assert.deepEqual(await broken(page), []);
      await picture(page, name, { fullPage: name === "phone" });
    }
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  complaints.length = 0;
  try {
    await check();
    assert.deepEqual(complaints, [], "the console is empty");
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n${error.stack}\n${complaints.join("\n")}`);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
