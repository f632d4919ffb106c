// A worker over WebSocket, for a page or for Node 22: reconnects, acknowledges, reports failures.
//
//     const worker = consume({ url: "http://127.0.0.1:8000", token, queue: "orders", handle: (body) => console.log(body) });
//     worker.ended.catch((error) => console.error(error.message)); // why it cannot go on
//     worker.stop();
//
// As a program, until Ctrl-C: BROKERWEB_TOKEN=bw_… node examples/websocket_worker.mjs orders

const WRONG_TOKEN = 4001;

export function consume({ url, token, queue, handle, prefetch = 16 }) {
  let socket, again, refuse, finish;
  let failed = 0;
  let stopped = false;
  const ended = new Promise((resolve, reject) => ([finish, refuse] = [resolve, reject]));

  function open() {
    socket = new WebSocket(url.replace("http", "ws") + "/ws", "brokerweb.v1");
    const send = (frame) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frame));
    socket.onopen = () => {
      send({ op: "auth", token });
      send({ op: "consume", id: 1, queue, prefetch });
    };
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op === "ok") failed = 0;
      if (frame.op === "deliver") frame.messages.forEach((message) => attempt(message, send));
      if (frame.op === "closed" || (frame.op === "error" && frame.id === 1)) {
        if (frame.retryable) socket.close();
        else end(new Error(`${frame.message} [${frame.code}]`));
      } else if (frame.op === "error") console.error(`${frame.message} [${frame.code}]`); // a lease had ended
    };
    const lost = ({ code = 1006, reason = "no answer" }) => {
      if (stopped) return;
      socket.onclose = socket.onerror = null; // both may come
      if (code === WRONG_TOKEN) return end(new Error(reason || "the token is wrong"));
      failed += 1;
      console.error(`${url} has closed: ${code} ${reason}`);
      again = setTimeout(open, Math.random() * Math.min(30_000, 200 * 2 ** failed));
    };
    socket.onclose = socket.onerror = lost;
  }

  async function attempt({ receipt, body }, send) {
    try {
      await handle(body);
      send({ op: "ack", receipts: [receipt] });
    } catch (error) {
      send({ op: "nack", items: [{ receipt, error: String(error) }] });
    }
  }

  function end(error) {
    stopped = true;
    clearTimeout(again);
    const done = () => (error ? refuse(error) : finish());
    if (socket.readyState === WebSocket.CLOSED) return done();
    socket.onclose = done;
    socket.close(1000); // what is unsettled is ready again at once, unharmed
    setTimeout(done, 500); // whether the broker answers or not
  }

  open();
  return { ended, stop: () => end() };
}

if (globalThis.process?.argv[1]?.endsWith("websocket_worker.mjs")) {
  const { BROKERWEB_URL: url = "http://127.0.0.1:8000", BROKERWEB_TOKEN: token } = process.env;
  const lacks = globalThis.WebSocket ? !token && "set BROKERWEB_TOKEN" : "this needs Node 22 or newer";
  if (lacks) {
    console.error(lacks);
    process.exit(1);
  }
  const worker = consume({ url, token, queue: process.argv[2] ?? "orders", handle: (body) => console.log(body) });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, worker.stop);
  worker.ended.then(
    () => process.exit(0),
    (error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
}
