/** A relay in front of a server that can hold its answers back. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

export class Relay {
  private readonly sockets = new Set<Socket>();
  private held: [Socket, Buffer][] | undefined;

  private constructor(
    private readonly server: Server,
    target: string,
  ) {
    const [host, port] = target.split(":");
    server.on("connection", (client) => {
      const upstream = connect(Number(port), host);
      for (const socket of [client, upstream]) {
        this.sockets.add(socket);
        socket.on("error", () => socket.destroy());
      }
      client.pipe(upstream);
      upstream.on("data", (data) => (this.held ? this.held.push([client, data]) : client.write(data)));
      upstream.on("close", () => client.destroy());
    });
  }

  /** A relay to the server at an address. */
  static async to(target: string): Promise<Relay> {
    const server = createServer().listen(0, "127.0.0.1");
    const relay = new Relay(server, target);
    await once(server, "listening");
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on no answer arrives. */
  hold(): void {
    this.held = [];
  }

  /** The answers that were held back arrive, and later ones too. */
  release(): void {
    for (const [client, data] of this.held ?? []) client.write(data);
    this.held = undefined;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
