import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ScoreRequest as _residuum_v1_ScoreRequest, ScoreRequest__Output as _residuum_v1_ScoreRequest__Output } from '../../residuum/v1/ScoreRequest.js';
import type { ScoreResponse as _residuum_v1_ScoreResponse, ScoreResponse__Output as _residuum_v1_ScoreResponse__Output } from '../../residuum/v1/ScoreResponse.js';

export interface AnomalyServiceClient extends grpc.Client {
  Score(argument: _residuum_v1_ScoreRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _residuum_v1_ScoreRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _residuum_v1_ScoreRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _residuum_v1_ScoreRequest, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _residuum_v1_ScoreRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _residuum_v1_ScoreRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _residuum_v1_ScoreRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _residuum_v1_ScoreRequest, callback: grpc.requestCallback<_residuum_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;

  ScoreStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse__Output>;
  ScoreStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse__Output>;
  scoreStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse__Output>;
  scoreStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse__Output>;

}

export interface AnomalyServiceHandlers extends grpc.UntypedServiceImplementation {
  Score: grpc.handleUnaryCall<_residuum_v1_ScoreRequest__Output, _residuum_v1_ScoreResponse>;

  ScoreStream: grpc.handleBidiStreamingCall<_residuum_v1_ScoreRequest__Output, _residuum_v1_ScoreResponse>;

}

export interface AnomalyServiceDefinition extends grpc.ServiceDefinition {
  Score: MethodDefinition<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse, _residuum_v1_ScoreRequest__Output, _residuum_v1_ScoreResponse__Output>
  ScoreStream: MethodDefinition<_residuum_v1_ScoreRequest, _residuum_v1_ScoreResponse, _residuum_v1_ScoreRequest__Output, _residuum_v1_ScoreResponse__Output>
}
