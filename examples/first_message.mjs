const token = globalThis.process?.env.TOKEN ?? prompt("A token");
const socket = new WebSocket("ws://127.0.0.1:8000/ws");
const send = (frame) => socket.send(JSON.stringify(frame));
socket.onopen = () => {
  send({ op: "auth", id: 1, token });
  send({ op: "consume", id: 2, queue: "orders" });
};
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.op === "error") console.error(frame.message);
  if (frame.op !== "deliver") return;
  for (const message of frame.messages) console.log(message.body);
  send({ op: "ack", receipts: frame.messages.map((m) => m.receipt) });
};
socket.onclose = ({ code, reason }) => console.log("closed:", code, reason);
