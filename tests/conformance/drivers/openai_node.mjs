// openai-node, as it documents itself. Reads {"case", "target"} a line, answers {"saw"} or {"failed"} a line.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The package lies in the folder that the first argument names.
const found = createRequire(pathToFileURL(process.argv[2] + "/package.json")).resolve("openai");
const module = await import(pathToFileURL(found.replace(/\.js$/, ".mjs")));
const { default: OpenAI, toFile } = module;
const shared = JSON.parse(process.argv[3]); // texts and pictures that all drivers send

const client = (target, key) =>
  new OpenAI({ baseURL: target.base_url, apiKey: key ?? target.key, maxRetries: 0, timeout: 30000 });
const user = (content) => [{ role: "user", content }];
const chat = (target, more) =>
  client(target).chat.completions.create({ model: target.models.chat, messages: user(shared.HELLO), ...more });
const hash = (data) => createHash("sha256").update(data).digest("hex").slice(0, 12);
const parameters = shared.TOOL_SCHEMA;
const tools = shared.TOOL_NAMES.map((name) => ({ type: "function", function: { name, parameters } }));
const tokens = (usage) => [usage.prompt_tokens, usage.completion_tokens];

const refused = (key, model) => async (target) => {
  try {
    await client(target, key).chat.completions.create({
      model: model ?? target.models.chat, messages: user(shared.HELLO),
    });
  } catch (error) {
    const raised = [];
    for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) raised.push(kind.name);
    return { raised, status: error.status };
  }
  return "no error";
};

const cases = {
  async plain(target) {
    const answer = await chat(target);
    const choice = answer.choices[0];
    return { text: choice.message.content, finish: choice.finish_reason, tokens: tokens(answer.usage) };
  },
  async streamed(target) {
    const chunks = [];
    for await (const chunk of await chat(target, { stream: true, stream_options: { include_usage: true } }))
      chunks.push(chunk);
    const pieces = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? ""));
    const choices = chunks.flatMap((chunk) => chunk.choices);
    return {
      text: pieces.join(""), pieces: pieces.filter(Boolean).length, finish: choices.at(-1).finish_reason,
      tokens: tokens(chunks.findLast((chunk) => chunk.usage).usage),
      order: chunks.map((chunk) => (chunk.usage ? "usage" : "delta")),
    };
  },
  async tools(target) {
    const choice = (await chat(target, { tools })).choices[0];
    const calls = choice.message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
    return { calls, finish: choice.finish_reason };
  },
  async tools_streamed(target) {
    const written = [];
    let finish = null;
    for await (const chunk of await chat(target, { tools, stream: true }))
      for (const choice of chunk.choices) {
        finish = choice.finish_reason ?? finish;
        for (const piece of choice.delta.tool_calls ?? []) {
          const held = (written[piece.index] ??= ["", ""]);
          held[0] += piece.function.name ?? "";
          held[1] += piece.function.arguments ?? "";
        }
      }
    return { calls: written.map(([name, text]) => [name, JSON.parse(text)]), finish };
  },
  async letters(target) {
    return { text: (await chat(target, { messages: user(shared.LETTERS) })).choices[0].message.content };
  },
  async large(target) {
    const messages = [{ role: "system", content: "word ".repeat(200000) }, ...user("short")];
    const answer = await chat(target, { messages });
    return { text: answer.choices[0].message.content, read: answer.usage.prompt_tokens };
  },
  async image_in(target) {
    const url = "data:image/png;base64," + shared.PNG_BASE64;
    const parts = [{ type: "text", text: "look" }, { type: "image_url", image_url: { url } }];
    return { text: (await chat(target, { messages: user(parts) })).choices[0].message.content };
  },
  async cancel(target) {
    const stream = await chat(target, { messages: user(shared.SLOW), stream: true });
    let pieces = 0;
    for await (const _ of stream) if (++pieces === 3) break; // leaving the loop aborts the request
    return { pieces };
  },
  async embeddings(target) {
    const rows = async (more) =>
      (await client(target).embeddings.create({ model: target.models.embedding, input: ["a", "b"], ...more })).data
        .map((row) => row.embedding.map((n) => Math.round(n * 1e4) / 1e4));
    const [packed, plain] = [await rows({}), await rows({ encoding_format: "float" })];
    return { vectors: plain, same: JSON.stringify(packed) === JSON.stringify(plain) };
  },
  bad_key: refused("wrong-key"),
  unknown_model: refused(undefined, "no-such-model"),
  rate_limit: refused(),
  provider_down: refused(),
  too_long: refused(),
  async response(target) {
    const answer = await client(target).responses.create({ model: target.models.chat, input: shared.HELLO });
    return { text: answer.output_text, tokens: [answer.usage.input_tokens, answer.usage.output_tokens] };
  },
  async response_streamed(target) {
    const wish = { model: target.models.chat, input: shared.HELLO, stream: true };
    const events = [];
    for await (const event of await client(target).responses.create(wish)) events.push(event);
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    return { text: deltas.map((event) => event.delta).join(""), order: events.map((event) => event.type) };
  },
  async image(target) {
    const answer = await client(target).images.generate({ model: target.models.image, prompt: shared.HELLO });
    return { images: answer.data.map((one) => hash(one.b64_json)) };
  },
  async speech(target) {
    const wish = { model: target.models.speech, voice: "alloy", input: shared.HELLO };
    const sound = Buffer.from(await (await client(target).audio.speech.create(wish)).arrayBuffer());
    return { sound: hash(sound), bytes: sound.length };
  },
  async transcription(target) {
    const file = await toFile(Buffer.from(shared.WAV_BASE64, "base64"), "a.wav");
    return { text: (await client(target).audio.transcriptions.create({ model: target.models.transcription, file })).text };
  },
  async files(target) {
    const sdk = client(target);
    const body = { model: target.models.chat, messages: user(shared.HELLO) };
    const line = { custom_id: "one", method: "POST", url: "/v1/chat/completions", body };
    const content = Buffer.from(JSON.stringify(line, null, 1).replaceAll("\n", " ") + "\n");
    const kept = await sdk.files.create({ file: await toFile(content, "in.jsonl"), purpose: "batch" });
    const back = Buffer.from(await (await sdk.files.content(kept.id)).arrayBuffer());
    const deleted = (await sdk.files.delete(kept.id)).deleted;
    return { bytes: kept.bytes, same: back.equals(content), deleted };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  if (order.case === "?") answer = Object.keys(cases).sort();
  else
    try {
      answer = { saw: await cases[order.case](order.target) };
    } catch (error) {
      answer = { failed: error.stack ?? String(error) };
    }
  console.log(JSON.stringify(answer));
}
