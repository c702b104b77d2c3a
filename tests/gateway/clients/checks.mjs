// A script of checks prints one JSON line for each promise: "kept", or what went wrong.
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";

const PATIENCE_MS = 40_000;

export { deepStrictEqual as same, ok, rejects, strictEqual as equal };

/** Ask something of the stage that the gateway stands on: see conftest.py. */
export async function stage(verb) {
  const got = await fetch(`${process.env.STAGE_URL}/stage/${verb}`, { method: "POST" });
  ok(got.ok, `${verb}: ${got.status}`);
}

/** How many requests the provider has billed. */
export async function billed() {
  const got = await fetch(`${process.env.SANDBOX_URL}/sandbox/books`);
  return (await got.json()).requests;
}

/** The next real-time call meets this at the provider. */
export async function fault(rule) {
  const body = JSON.stringify({ operation: "live", times: 1, ...rule });
  await fetch(`${process.env.SANDBOX_URL}/sandbox/faults`, { method: "POST", body });
}

/** Look until it is there; fails in the end by the patience of the check. */
export async function until(look) {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function all(iterable) {
  const found = [];
  for await (const each of iterable) found.push(each);
  return found;
}

export async function check(promise, body) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took too long")), PATIENCE_MS);
  });
  let said = "kept";
  try {
    await Promise.race([body(), late]);
  } catch (error) {
    said = error.stack + (error.cause ? `\n${error.cause.stack}` : "");
  } finally {
    clearTimeout(timer);
    await stage("release");
  }
  console.log(JSON.stringify({ promise, said }));
}
