import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DecodeRequest as _residuum_v1_DecodeRequest, DecodeRequest__Output as _residuum_v1_DecodeRequest__Output } from '../../residuum/v1/DecodeRequest.js';
import type { DecodeResponse as _residuum_v1_DecodeResponse, DecodeResponse__Output as _residuum_v1_DecodeResponse__Output } from '../../residuum/v1/DecodeResponse.js';
import type { EncodeRequest as _residuum_v1_EncodeRequest, EncodeRequest__Output as _residuum_v1_EncodeRequest__Output } from '../../residuum/v1/EncodeRequest.js';
import type { EncodeResponse as _residuum_v1_EncodeResponse, EncodeResponse__Output as _residuum_v1_EncodeResponse__Output } from '../../residuum/v1/EncodeResponse.js';

export interface CodecServiceClient extends grpc.Client {
  Decode(argument: _residuum_v1_DecodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  Decode(argument: _residuum_v1_DecodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  Decode(argument: _residuum_v1_DecodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  Decode(argument: _residuum_v1_DecodeRequest, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  decode(argument: _residuum_v1_DecodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  decode(argument: _residuum_v1_DecodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  decode(argument: _residuum_v1_DecodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;
  decode(argument: _residuum_v1_DecodeRequest, callback: grpc.requestCallback<_residuum_v1_DecodeResponse__Output>): grpc.ClientUnaryCall;

  DecodeStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse__Output>;
  DecodeStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse__Output>;
  decodeStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse__Output>;
  decodeStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse__Output>;

  Encode(argument: _residuum_v1_EncodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  Encode(argument: _residuum_v1_EncodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  Encode(argument: _residuum_v1_EncodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  Encode(argument: _residuum_v1_EncodeRequest, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  encode(argument: _residuum_v1_EncodeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  encode(argument: _residuum_v1_EncodeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  encode(argument: _residuum_v1_EncodeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;
  encode(argument: _residuum_v1_EncodeRequest, callback: grpc.requestCallback<_residuum_v1_EncodeResponse__Output>): grpc.ClientUnaryCall;

  EncodeStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse__Output>;
  EncodeStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse__Output>;
  encodeStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse__Output>;
  encodeStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse__Output>;

}

export interface CodecServiceHandlers extends grpc.UntypedServiceImplementation {
  Decode: grpc.handleUnaryCall<_residuum_v1_DecodeRequest__Output, _residuum_v1_DecodeResponse>;

  DecodeStream: grpc.handleBidiStreamingCall<_residuum_v1_DecodeRequest__Output, _residuum_v1_DecodeResponse>;

  Encode: grpc.handleUnaryCall<_residuum_v1_EncodeRequest__Output, _residuum_v1_EncodeResponse>;

  EncodeStream: grpc.handleBidiStreamingCall<_residuum_v1_EncodeRequest__Output, _residuum_v1_EncodeResponse>;

}

export interface CodecServiceDefinition extends grpc.ServiceDefinition {
  Decode: MethodDefinition<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse, _residuum_v1_DecodeRequest__Output, _residuum_v1_DecodeResponse__Output>
  DecodeStream: MethodDefinition<_residuum_v1_DecodeRequest, _residuum_v1_DecodeResponse, _residuum_v1_DecodeRequest__Output, _residuum_v1_DecodeResponse__Output>
  Encode: MethodDefinition<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse, _residuum_v1_EncodeRequest__Output, _residuum_v1_EncodeResponse__Output>
  EncodeStream: MethodDefinition<_residuum_v1_EncodeRequest, _residuum_v1_EncodeResponse, _residuum_v1_EncodeRequest__Output, _residuum_v1_EncodeResponse__Output>
}
