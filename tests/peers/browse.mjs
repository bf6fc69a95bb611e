// A reader at a phone, in the dark and without JavaScript: does what it is told on one page and says what came of it, as JSON.
//
//   browse.mjs subscribe ADDRESS EMAIL NAME    fills the form to sign up
//   browse.mjs press ADDRESS                   presses the button of the page
//   browse.mjs choose ADDRESS FIELD=VALUE…     fills the form of preferences and saves it
//
// Says {title, note, links, trouble}: trouble is everything the page tried to fetch from elsewhere, and every error of the browser.
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const { chromium } = createRequire(import.meta.url)(path.join(root, ".cache/node/node_modules/playwright-core"));

const [act, address, ...rest] = process.argv.slice(2);
const home = new URL(address).origin;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const trouble = [];
try {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, colorScheme: "dark", javaScriptEnabled: false, locale: "en" });
  const page = await context.newPage();
  page.on("request", (request) => new URL(request.url()).origin === home || trouble.push(`asked ${request.url()}`));
  page.on("requestfailed", (request) => trouble.push(`failed ${request.url()}`));
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  await page.goto(address);
  if (act === "subscribe") {
    await page.getByLabel("E-mail address").fill(rest[0]);
    await page.getByLabel("Name").fill(rest[1]);
    // Whoever is faster than two seconds is taken for a program.
    await page.waitForTimeout(2100);
  }
  for (const field of act === "choose" ? rest : []) {
    const [name, value] = field.split("=");
    const control = page.locator(`[name="${name}"]`).first();
    if ((await control.evaluate((node) => node.tagName)) === "SELECT") await control.selectOption(value);
    else await control.fill(value);
  }
  await page.locator("main form button").first().click();
  await page.waitForLoadState("load");
  const note = page.locator(".note");
  const links = await page.locator("main a").evaluateAll((all) => all.map((one) => one.href));
  const said = (await note.count()) > 0 ? await note.first().innerText() : "";
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  if (width > 390) trouble.push(`the page is ${width} pixels wide on a phone of 390`);
  console.log(JSON.stringify({ title: await page.locator("h1").innerText(), note: said, links, trouble }));
} finally {
  await browser.close();
}
