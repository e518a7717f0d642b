/** A server before another, whose answers to Encode a test decides. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { UntypedServiceImplementation, handleUnaryCall } from "@grpc/grpc-js";
import type { EncodeRequest__Output } from "../src/generated/residuum/v1/EncodeRequest.js";
import type { EncodeResponse } from "../src/generated/residuum/v1/EncodeResponse.js";
import { encodeRpc } from "../src/rpcs.js";

export class Gate {
  private constructor(
    private readonly server: Server,
    readonly address: string,
  ) {}

  static async start(encode: handleUnaryCall<EncodeRequest__Output, EncodeResponse>): Promise<Gate> {
    const server = new Server();
    const handlers: UntypedServiceImplementation = { Encode: encode };
    server.addService({ Encode: encodeRpc }, handlers);
    const port = await new Promise<number>((resolve, reject) => {
      const done = (error: Error | null, port: number) => (error ? reject(error) : resolve(port));
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), done);
    });
    return new Gate(server, `127.0.0.1:${port}`);
  }

  close(): void {
    this.server.forceShutdown();
  }
}
