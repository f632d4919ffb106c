const env = globalThis.process?.env ?? {};
const url = env.BROKERWEB_URL ?? "http://127.0.0.1:8000";
const fail = (why) => {
  console.error(why);
  if (globalThis.process) process.exit(1);
};
if (!globalThis.WebSocket) fail("this needs Node 22 or newer");
const token = env.BROKERWEB_TOKEN || (globalThis.process ? fail("set BROKERWEB_TOKEN") : prompt("A token"));
const socket = new WebSocket(url.replace("http", "ws") + "/ws");
const send = (frame) => socket.send(JSON.stringify(frame));
socket.onopen = () => {
  send({ op: "auth", id: 1, token });
  send({ op: "consume", id: 2, queue: "orders" });
};
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.op === "error") fail(frame.message);
  if (frame.op !== "deliver") return;
  for (const message of frame.messages) console.log(message.body);
  send({ op: "ack", receipts: frame.messages.map((m) => m.receipt) });
};
socket.onclose = ({ code, reason }) => fail(`${url} has closed: ${code} ${reason}`);
socket.onerror = () => fail(`${url} does not answer`);
