// A worker over WebSocket, for a page or for Node 22: reconnects, acknowledges, reports failures.
//
//     const worker = consume({ url: "ws://127.0.0.1:8000/ws", token, queue: "orders", handle: (body) => console.log(body) });
//     worker.stop();

const WRONG_TOKEN = 4001;

export function consume({ url, token, queue, handle, prefetch = 16 }) {
  let socket;
  let failed = 0;
  let stopped = false;

  function open() {
    socket = new WebSocket(url, "brokerweb.v1");
    const send = (frame) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
    socket.onopen = () => {
      send({ op: "auth", token });
      send({ op: "consume", id: 1, queue, prefetch });
    };
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op === "ok") failed = 0;
      if (frame.op === "deliver") frame.messages.forEach((message) => attempt(message, send));
      if (frame.op === "error" || frame.op === "closed") console.error(frame);
    };
    socket.onclose = ({ code }) => {
      if (stopped || code === WRONG_TOKEN) return;
      failed += 1;
      setTimeout(() => stopped || open(), Math.random() * Math.min(30_000, 200 * 2 ** failed));
    };
  }

  async function attempt({ receipt, body }, send) {
    try {
      await handle(body);
      send({ op: "ack", receipts: [receipt] });
    } catch (error) {
      send({ op: "nack", items: [{ receipt, error: String(error) }] });
    }
  }

  open();
  return {
    stop() {
      stopped = true;
      socket.close(1000); // what is unsettled is ready again at once, unharmed
    },
  };
}
