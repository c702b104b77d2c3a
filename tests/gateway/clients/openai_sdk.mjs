// The official OpenAI SDK for Node, unmodified: the address and the key come from the environment.
import OpenAI, { APIUserAbortError, toFile } from "openai";
import { all, billed, check, equal, fault, ok, rejects, same, stage, until } from "./checks.mjs";

const MODEL = "gpt-4o-mini";
const messages = [{ role: "user", content: "Where is my order?" }];
const ASKED = { model: MODEL, messages };
const LATER = { headers: { "x-lanewise-deadline": "8h", "x-lanewise-workflow": "tickets" } };
const client = new OpenAI();
const stopping = new OpenAI({ baseURL: `${process.env.STOPPING_URL}/v1` });

/** A client that does something when the headers of an answer are there. */
const noticing = (notice) =>
  new OpenAI({
    fetch: async (...call) => {
      const response = await fetch(...call);
      await notice(response);
      return response;
    },
  });

await check("a call is answered", async () => {
  const answer = await client.chat.completions.create(ASKED);
  ok(answer.choices[0].message.content);
  ok(answer._request_id);
});

await check("the first event of a stream is there before the last is sent", async () => {
  const stream = await stopping.chat.completions.create({ ...ASKED, stream: true });
  let [text, before] = ["", ""];
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    if (text && !before) {
      before = text;
      await stage("go");
    }
  }
  ok(before && text.length > before.length);
});

await check("an aborted stream ends the call at the provider", async () => {
  const stream = await stopping.chat.completions.create({ ...ASKED, stream: true });
  for await (const chunk of stream) if (chunk) break;
  await stage("gone");
});

await check("an aborted call is the SDK's own error", async () => {
  const aborting = new AbortController();
  const call = client.chat.completions.create(ASKED, { ...LATER, signal: aborting.signal });
  aborting.abort();
  await rejects(call, APIUserAbortError);
});

await check("a response is answered and streamed", async () => {
  ok((await client.responses.create({ model: MODEL, input: "Hello" })).output_text);
  const asked = { model: MODEL, input: "Hello", stream: true };
  const events = await all(await client.responses.create(asked));
  equal(events.at(-1).type, "response.completed");
  const halted = await stopping.responses.create(asked);
  const seen = [];
  for await (const event of halted) {
    if (!seen.length) await stage("go");
    seen.push(event.type);
  }
  equal(seen.at(-1), "response.completed");
});

await check("the SDK's stream helper sums it up", async () => {
  const whole = await client.chat.completions
    .stream({ ...ASKED, stream_options: { include_usage: true } })
    .finalChatCompletion();
  ok(whole.choices[0].message.content);
  ok(whole.usage.completion_tokens > 0);
});

await check("embeddings are made", async () => {
  const asked = { model: "text-embedding-3-small", input: ["Hello", "world"] };
  const vectors = await client.embeddings.create(asked);
  equal(vectors.data.length, 2);
  equal(vectors.data[0].embedding.length, 1536);
});

await check("texts are completed and moderated", async () => {
  const asked = { model: "gpt-3.5-turbo-instruct", prompt: "Once upon", stream: true };
  ok((await all(await client.completions.create(asked))).map((part) => part.choices[0]?.text).join(""));
  equal((await client.moderations.create({ input: "Hello" })).results.length, 1);
});

await check("models are listed", async () => {
  ok((await all(client.models.list())).some((model) => model.id === MODEL));
  equal((await client.models.retrieve(MODEL)).id, MODEL);
});

await check("errors are the SDK's own", async () => {
  const none = client.chat.completions.create({ ...ASKED, model: "no-such-model" });
  await rejects(none, (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  const bad = client.chat.completions.create({ ...ASKED, temperature: 99 });
  await rejects(bad, (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");
  const stranger = new OpenAI({ apiKey: "lw-nobody" });
  await rejects(stranger.chat.completions.create(ASKED), OpenAI.AuthenticationError);
  await rejects(stranger.models.list(), OpenAI.AuthenticationError);
  const poor = new OpenAI({ apiKey: process.env.POOR_KEY });
  await rejects(poor.chat.completions.create(ASKED), OpenAI.RateLimitError);
});

await check("the SDK's own retries get over a provider's rate limit and its faults", async () => {
  await fault({ kind: "rate_limit", seconds: 1 });
  ok((await client.chat.completions.create(ASKED)).choices.length);
  await fault({ kind: "http_error", status: 500 });
  ok((await client.chat.completions.create(ASKED)).choices.length);
});

await check("a call that can wait is answered on its connection", async () => {
  const before = await billed();
  const { data, response } = await client.chat.completions.create(ASKED, LATER).withResponse();
  ok(data.choices[0].message.content);
  ok(response.headers.get("x-lanewise-request").startsWith("req_"));
  ok((await client.embeddings.create({ model: "text-embedding-3-small", input: "Hello" }, LATER)).data[0]);
  ok((await client.responses.create({ model: MODEL, input: "Hello" }, LATER)).output_text);
  equal(await billed(), before + 3);
});

await check("white space before a late answer is no matter", async () => {
  await stage("impatient");
  await stage("hold");
  const late = noticing(() => stage("release"));
  ok((await late.chat.completions.create(ASKED, LATER)).choices[0].message.content);
});

await check("a call cut off by a restart is taken up again by the SDK and paid once", async () => {
  const before = await billed();
  await stage("hold");
  const call = client.chat.completions.create(ASKED, LATER);
  await stage("let_go");
  await stage("release");
  ok((await call).choices[0].message.content);
  equal(await billed(), before + 1);
});

await check("a call that timed out is taken up again by the SDK and paid once", async () => {
  const before = await billed();
  await stage("impatient");
  await stage("hold");
  let tries = 0; // the headers of the first try are there, so it is written down; then its time is over
  const hasty = noticing(() => (++tries === 2 ? stage("release") : undefined));
  const answer = await hasty.chat.completions.create(ASKED, { ...LATER, timeout: 2_000 });
  ok(answer.choices[0].message.content);
  ok(tries >= 2);
  equal(await billed(), before + 1);
});

await check("what fails after the headers is told to the call that is made again", async () => {
  await stage("impatient");
  await stage("hold");
  const bad = { ...ASKED, temperature: 99 };
  const named = { headers: { ...LATER.headers, "idempotency-key": "node-bad" } };
  const cut = noticing(() => stage("release")).chat.completions.create(bad, named);
  await rejects(cut, { name: "TypeError", message: "terminated" }); // which the SDK does not try again
  await rejects(client.chat.completions.create(bad, named), OpenAI.BadRequestError);
});

await check("a background response is polled", async () => {
  const asked = { model: MODEL, input: "Which box?", background: true };
  const made = await client.responses.create(asked, LATER);
  equal(made.status, "queued");
  const done = await until(async () => {
    const found = await client.responses.retrieve(made.id);
    return found.status === "completed" && found;
  });
  ok(done.output_text);
  await stage("hold");
  const other = await client.responses.create(asked, LATER);
  ok(["cancelled", "queued", "in_progress"].includes((await client.responses.cancel(other.id)).status));
});

const lines = (count) =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({ custom_id: `line-${at}`, method: "POST", url: "/v1/chat/completions", body: ASKED }),
  ).join("\n");
const ordered = async () => {
  const file = await client.files.create({
    file: await toFile(Buffer.from(lines(3)), "lines.jsonl"),
    purpose: "batch",
  });
  const order = { endpoint: "/v1/chat/completions", completion_window: "24h" };
  return client.batches.create({ ...order, input_file_id: file.id, metadata: { of: "node" } });
};

await check("a file becomes a batch and its answers a file", async () => {
  const made = await ordered();
  const done = await until(async () => {
    const found = await client.batches.retrieve(made.id);
    return found.status === "completed" && found;
  });
  same(done.metadata, { of: "node" });
  equal(done.request_counts.completed, 3);
  const content = await (await client.files.content(done.output_file_id)).text();
  const found = content.trimEnd().split("\n").map((line) => JSON.parse(line));
  same(found.map((line) => line.custom_id), ["line-0", "line-1", "line-2"]);
  ok(found[0].response.body.choices[0].message.content);
  ok((await all(client.batches.list({ limit: 1 }))).some((batch) => batch.id === made.id));
  ok((await all(client.files.list())).some((file) => file.id === made.input_file_id));
  equal((await client.files.retrieve(made.input_file_id)).purpose, "batch");
  ok((await client.files.delete(made.input_file_id)).deleted);
  await rejects(client.files.retrieve(made.input_file_id), OpenAI.NotFoundError);
});

await check("a batch is cancelled", async () => {
  await stage("hold");
  const made = await ordered();
  const { status } = await client.batches.cancel(made.id);
  ok(["cancelling", "cancelled"].includes(status), status); // at once, where nothing was sent yet
  await stage("release");
  await until(async () => (await client.batches.retrieve(made.id)).status === "cancelled");
});
