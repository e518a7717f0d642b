/** Real servers for the tests: the one of TEST_SERVER, and others that a test starts. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const PYTHON = process.env.TEST_PYTHON;
const BUNDLES = `${ROOT}tests/data`;

/** Address of a server with the models `tiny` (16x16 gray), `tiny-map` (any size) and `fashion`. */
export const SERVER = process.env.TEST_SERVER ?? "";

/** Why tests that use SERVER are skipped; false if they are not. */
export const noServer = SERVER ? false : "TEST_SERVER is not set";

/** Why tests that start servers are skipped; false if they are not. */
export const noPython = PYTHON ? false : "TEST_PYTHON is not set";

/** The root of the repository. */
export { ROOT };

/** A server of the tiny models in a process group, for one test. */
export class Server {
  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
    private readonly adminPort: number,
  ) {}

  /** Starts a server and waits until it has a port; 0 picks a free one. */
  static async start(flags: string[] = [], port = 0): Promise<Server> {
    const ports = ["--port", `${port}`, "--metrics-port", "0", "--admin-port", "0"];
    const command = ["-m", "service", "--bundles", BUNDLES, "--host", "127.0.0.1", ...ports, ...flags];
    const child = spawn(PYTHON as string, command, {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const found = /port (\d+), admin (\d+)/.exec(line);
      if (found) return new Server(child, Number(found[1]), Number(found[2]));
    }
    throw new Error("the server did not start");
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get adminAddress(): string {
    return `127.0.0.1:${this.adminPort}`;
  }

  /** Kills the server and whatever it started, without a chance to finish anything. */
  async kill(): Promise<void> {
    const gone = this.process.exitCode !== null || this.process.signalCode !== null;
    if (gone) return;
    const exited = once(this.process, "exit");
    process.kill(-(this.process.pid as number), "SIGKILL");
    await exited;
  }
}
