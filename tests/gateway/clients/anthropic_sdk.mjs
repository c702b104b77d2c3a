// The official Anthropic SDK for Node, unmodified: the address and the key come from the environment.
import Anthropic, { APIUserAbortError } from "@anthropic-ai/sdk";
import { all, billed, check, equal, fault, ok, rejects, same, stage, until } from "./checks.mjs";

const MODEL = "claude-haiku-4-5";
const messages = [{ role: "user", content: "Where is my order?" }];
const ASKED = { model: MODEL, max_tokens: 60, messages };
const LATER = { headers: { "x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets" } };
const requests = ["a", "b"].map((custom_id) => ({ custom_id, params: ASKED }));
const client = new Anthropic();
const stopping = new Anthropic({ baseURL: process.env.STOPPING_URL });

/** A client that does something when the headers of an answer are there. */
const noticing = (notice) =>
  new Anthropic({
    fetch: async (...call) => {
      const response = await fetch(...call);
      await notice(response);
      return response;
    },
  });

await check("a call is answered", async () => {
  const answer = await client.messages.create(ASKED);
  ok(answer.content[0].text);
  ok(answer.usage.output_tokens > 0);
  ok(answer._request_id);
});

await check("the first event of a stream is there before the last is sent", async () => {
  const stream = await stopping.messages.create({ ...ASKED, stream: true });
  let [text, before] = ["", ""];
  for await (const event of stream) {
    text += event.delta?.text ?? "";
    if (text && !before) {
      before = text;
      await stage("go");
    }
  }
  ok(before && text.length > before.length);
});

await check("an aborted stream ends the call at the provider", async () => {
  const stream = stopping.messages.stream(ASKED);
  stream.on("error", () => {});
  await new Promise((resolve) => stream.once("text", resolve));
  stream.abort();
  await rejects(stream.done(), APIUserAbortError);
  await stage("gone");
});

await check("the SDK's stream helper sums it up", async () => {
  const whole = await client.messages.stream(ASKED).finalMessage();
  ok(whole.content[0].text);
  ok(whole.usage.output_tokens > 0);
});

await check("tokens are counted", async () => {
  ok((await client.messages.countTokens({ model: MODEL, messages })).input_tokens > 0);
});

await check("the beta side of the SDK works as well", async () => {
  const asked = { ...ASKED, betas: ["token-efficient-tools-2025-02-19"] };
  ok((await client.beta.messages.create(asked)).content[0].text);
  ok((await client.beta.messages.create(asked, LATER)).content[0].text);
  ok((await client.beta.messages.countTokens({ model: MODEL, messages })).input_tokens > 0);
  const made = await client.beta.messages.batches.create({ requests });
  equal((await client.beta.messages.batches.retrieve(made.id)).id, made.id);
});

await check("models are listed", async () => {
  ok((await all(client.models.list())).some((model) => model.id === MODEL));
  equal((await client.models.retrieve(MODEL)).id, MODEL);
});

await check("errors are the SDK's own", async () => {
  const none = client.messages.create({ ...ASKED, model: "no-such-model" });
  await rejects(none, (error) => error instanceof Anthropic.NotFoundError && error.type === "not_found_error");
  await rejects(client.messages.create({ ...ASKED, temperature: 99 }), Anthropic.BadRequestError);
  const stranger = new Anthropic({ apiKey: "lw-nobody" });
  await rejects(stranger.messages.create(ASKED), Anthropic.AuthenticationError);
  await rejects(stranger.models.list(), Anthropic.AuthenticationError);
  const poor = new Anthropic({ apiKey: process.env.POOR_KEY });
  await rejects(poor.messages.create(ASKED), Anthropic.RateLimitError);
});

await check("the SDK's own retries get over a provider's rate limit and its faults", async () => {
  await fault({ kind: "rate_limit", seconds: 1 });
  ok((await client.messages.create(ASKED)).content.length);
  await fault({ kind: "overloaded" });
  ok((await client.messages.create(ASKED)).content.length);
});

await check("a call that can wait is answered on its connection", async () => {
  const before = await billed();
  const { data, response } = await client.messages.create(ASKED, LATER).withResponse();
  ok(data.content[0].text);
  ok(response.headers.get("x-lanewise-request").startsWith("req_"));
  equal(await billed(), before + 1);
});

await check("an answer too long for the SDK is waited for where a time limit was chosen", async () => {
  const long = { ...ASKED, max_tokens: 60_000 };
  await rejects(async () => client.messages.create(long, LATER), /Streaming is required/);
  ok((await client.messages.create(long, { ...LATER, timeout: 600_000 })).content[0].text);
});

await check("white space before a late answer is no matter", async () => {
  await stage("impatient");
  await stage("hold");
  const late = noticing(() => stage("release"));
  ok((await late.messages.create(ASKED, LATER)).content[0].text);
});

await check("a call cut off by a restart is taken up again by the SDK and paid once", async () => {
  const before = await billed();
  await stage("hold");
  const call = client.messages.create(ASKED, LATER);
  await stage("let_go");
  await stage("release");
  ok((await call).content[0].text);
  equal(await billed(), before + 1);
});

await check("what fails after the headers is told to the call that is made again", async () => {
  await stage("impatient");
  await stage("hold");
  const bad = { ...ASKED, temperature: 99 };
  const named = { headers: { ...LATER.headers, "idempotency-key": "node-bad-message" } };
  const cut = noticing(() => stage("release")).messages.create(bad, named);
  await rejects(cut, { name: "TypeError", message: "terminated" }); // which the SDK does not try again
  await rejects(client.messages.create(bad, named), Anthropic.BadRequestError);
});

await check("a message batch is made and its results are read", async () => {
  const made = await client.messages.batches.create({ requests });
  equal(made.processing_status, "in_progress");
  const done = await until(async () => {
    const found = await client.messages.batches.retrieve(made.id);
    return found.processing_status === "ended" && found;
  });
  equal(done.request_counts.succeeded, 2);
  const found = await all(await client.messages.batches.results(made.id));
  same(found.map((line) => line.custom_id).sort(), ["a", "b"]);
  ok(found[0].result.message.content[0].text);
  ok((await all(client.messages.batches.list({ limit: 1 }))).some((batch) => batch.id === made.id));
});

await check("a message batch is cancelled", async () => {
  await stage("hold");
  const made = await client.messages.batches.create({ requests });
  const status = (await client.messages.batches.cancel(made.id)).processing_status;
  ok(["canceling", "ended"].includes(status), status); // at once, where nothing was sent yet
  await stage("release");
  await until(async () => (await client.messages.batches.retrieve(made.id)).processing_status === "ended");
});
