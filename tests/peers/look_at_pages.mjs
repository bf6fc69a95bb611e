// Looks at pages as a reader's browser does, and says what is wrong with each.
//
// Reads {"base", "pages": [{"name", "path", "form"}], "shots"} from stdin; a page with a form is what answers that form when it is posted to its
// path. With "shots", a folder, it also takes a picture of every page in every view. Writes one line of JSON for each page and view.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(path.join(root, ".cache/node/package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const task = JSON.parse(readFileSync(0, "utf8"));
const desktop = { viewport: { width: 1000, height: 800 } };
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const views = {
  light: { ...desktop, colorScheme: "light" },
  dark: { ...desktop, colorScheme: "dark" },
  phone: { ...phone, colorScheme: "light" },
  "phone-dark": { ...phone, colorScheme: "dark" },
  "no-script": { ...desktop, javaScriptEnabled: false },
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  env: { ...process.env, FONTCONFIG_FILE: path.join(root, "scripts/fonts.conf"), XDG_CACHE_HOME: path.join(root, ".cache") },
});

// One tab for each view; what goes on in it is told to the page that is looked at.
async function tab(name) {
  const context = await browser.newContext({ ...views[name], locale: task.locale ?? "en-US" });
  const page = await context.newPage();
  const tab = { name, page, seen: undefined, requests: [], form: "" };
  page.on("console", (message) => message.type() === "error" && tab.seen.errors.push(message.text()));
  page.on("pageerror", (error) => tab.seen.errors.push(String(error)));
  page.on("dialog", (dialog) => (tab.seen.errors.push(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => request.url().startsWith(task.base) || tab.seen.elsewhere.push(request.url()));
  page.on("requestfinished", (request) => tab.requests.push(request));
  await page.route("**/start-of-a-form", (route) => route.fulfill({ contentType: "text/html", body: tab.form }));
  return tab;
}

// A form is filled and sent by hand, so that it works without scripts too.
async function open(tab, { path, form }) {
  if (!form) return tab.page.goto(task.base + path, { waitUntil: "load" });
  const fields = Object.entries(form).map(([name, value]) => `<input name="${name}" value="${value}">`);
  const icon = `<link rel="icon" href="data:,">`;
  tab.form = `<!doctype html>${icon}<form method="post" action="${task.base + path}">${fields.join("")}<button>Go</button></form>`;
  await tab.page.goto(`${task.base}/start-of-a-form`);
  const [answer] = await Promise.all([tab.page.waitForNavigation({ waitUntil: "load" }), tab.page.click("button")]);
  return answer;
}

async function look(tab, wanted) {
  const { page, name } = tab;
  const seen = { page: wanted.name, view: name, errors: [], elsewhere: [], bytes: 0 };
  Object.assign(tab, { seen, requests: [] });
  const answer = await open(tab, wanted);
  seen.status = answer.status();
  seen.heading = (await page.locator("h1").first().textContent())?.trim() ?? "";
  for (const request of tab.requests.filter((request) => request.resourceType() !== "image" && !request.url().endsWith("/start-of-a-form"))) {
    const sizes = await request.sizes();
    seen.bytes += sizes.responseHeadersSize + sizes.responseBodySize;
  }
  if (name !== "no-script") {
    seen.overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
    seen.rules = passes.length;
    seen.violations = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  }
  if (task.shots) await page.screenshot({ path: path.join(task.shots, `${wanted.name}-${name}.png`), fullPage: true });
  console.log(JSON.stringify(seen));
}

const tabs = [];
for (const name of Object.keys(views)) tabs.push(await tab(name));
for (const wanted of task.pages) {
  for (const tab of tabs) await look(tab, wanted);
}
await browser.close();
