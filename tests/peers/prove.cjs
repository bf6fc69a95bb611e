// Signs up in Chromium where a proof of work is asked for, and says as JSON what a person saw.
//
//   node tests/peers/prove.cjs PAGE ADDRESS
"use strict";
const path = require("node:path");
const { chromium } = require(path.join(__dirname, "../../.cache/node/node_modules/playwright-core"));

async function main(address, email) {
  const told = { errors: [], elsewhere: [] };
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  const { origin } = new URL(address);
  const open = async (options) => {
    const page = await (await browser.newContext(options)).newPage();
    page.on("console", (said) => said.type() === "error" && told.errors.push(said.text()));
    page.on("pageerror", (error) => told.errors.push(String(error)));
    page.on("request", (request) => new URL(request.url()).origin === origin || told.elsewhere.push(request.url()));
    await page.goto(address);
    return page;
  };
  const send = async (page) => {
    await page.click("main form button");
    await page.waitForURL(`${origin}/subscribe`);
    return page.textContent("h1");
  };
  try {
    const page = await open({});
    await page.fill("#email", email);
    // The form was shown long enough for a person to fill it.
    await page.waitForTimeout(500);
    told.heading = await send(page);
    // What a form on another site sends: no stamp, so our page comes with one more button.
    const other = await open({});
    await other.evaluate((email) => {
      const form = document.querySelector("form[data-work]").cloneNode(true);
      form.removeAttribute("data-work");
      for (const name of ["stamp", "proof"]) form.elements[name].remove();
      form.elements.email.value = email;
      document.body.append(form);
      form.submit();
    }, `b${email}`);
    await other.waitForURL(`${origin}/subscribe`);
    await other.waitForTimeout(500);
    await other.click("main form button");
    await other.waitForFunction(() => !document.querySelector("form[data-work]"));
    told.embedded = await other.textContent("h1");
    const plain = await open({ javaScriptEnabled: false });
    told.without = await plain.innerText("noscript");
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(told));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
