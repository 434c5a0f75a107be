// Starts the built Ostiary for a test and ends it by its process.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.OSTIARY_BIN ?? join(here, "..", "..", "bin", "ostiary");

// startServer returns the URL of a new server's HTTP surface and a function that ends it. Keys are
// pre-shared keys; none is development mode.
export async function startServer(keys = "") {
  const folder = await mkdtemp(join(tmpdir(), "ostiary-e2e-"));
  const args = ["serve", "--data-dir", folder, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
  args.push(...(keys ? ["--authn-method", "preshared"] : ["--dev"]));
  const env = keys ? { ...process.env, OSTIARY_AUTHN_PRESHARED_KEYS: keys } : process.env;
  const server = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  server.stderr.on("data", (text) => (log += text));
  const ended = new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("close", resolve);
  });
  const url = await Promise.race([
    new Promise((resolve) => {
      createInterface({ input: server.stdout }).on("line", (line) => {
        const match = /^ready: gRPC on \S+, HTTP on (http:\/\/[^,]+),/.exec(line);
        if (match) resolve(match[1]);
      });
    }),
    ended.then((code) => {
      throw new Error(`${binary} ended with ${code} before it was ready\n${log}`);
    }),
  ]);
  const stop = async () => {
    server.kill("SIGTERM");
    const code = await ended;
    await rm(folder, { recursive: true });
    if (code !== 0) throw new Error(`the server ended with ${code}\n${log}`);
  };
  return { url, stop };
}
