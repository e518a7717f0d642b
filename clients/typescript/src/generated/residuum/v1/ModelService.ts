import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetModelRequest as _residuum_v1_GetModelRequest, GetModelRequest__Output as _residuum_v1_GetModelRequest__Output } from '../../residuum/v1/GetModelRequest.js';
import type { GetModelResponse as _residuum_v1_GetModelResponse, GetModelResponse__Output as _residuum_v1_GetModelResponse__Output } from '../../residuum/v1/GetModelResponse.js';
import type { ListModelsRequest as _residuum_v1_ListModelsRequest, ListModelsRequest__Output as _residuum_v1_ListModelsRequest__Output } from '../../residuum/v1/ListModelsRequest.js';
import type { ListModelsResponse as _residuum_v1_ListModelsResponse, ListModelsResponse__Output as _residuum_v1_ListModelsResponse__Output } from '../../residuum/v1/ListModelsResponse.js';
import type { LoadModelRequest as _residuum_v1_LoadModelRequest, LoadModelRequest__Output as _residuum_v1_LoadModelRequest__Output } from '../../residuum/v1/LoadModelRequest.js';
import type { LoadModelResponse as _residuum_v1_LoadModelResponse, LoadModelResponse__Output as _residuum_v1_LoadModelResponse__Output } from '../../residuum/v1/LoadModelResponse.js';
import type { UnloadModelRequest as _residuum_v1_UnloadModelRequest, UnloadModelRequest__Output as _residuum_v1_UnloadModelRequest__Output } from '../../residuum/v1/UnloadModelRequest.js';
import type { UnloadModelResponse as _residuum_v1_UnloadModelResponse, UnloadModelResponse__Output as _residuum_v1_UnloadModelResponse__Output } from '../../residuum/v1/UnloadModelResponse.js';

export interface ModelServiceClient extends grpc.Client {
  GetModel(argument: _residuum_v1_GetModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _residuum_v1_GetModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _residuum_v1_GetModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _residuum_v1_GetModelRequest, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  getModel(argument: _residuum_v1_GetModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  getModel(argument: _residuum_v1_GetModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  getModel(argument: _residuum_v1_GetModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;
  getModel(argument: _residuum_v1_GetModelRequest, callback: grpc.requestCallback<_residuum_v1_GetModelResponse__Output>): grpc.ClientUnaryCall;

  ListModels(argument: _residuum_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _residuum_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _residuum_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _residuum_v1_ListModelsRequest, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _residuum_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _residuum_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _residuum_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _residuum_v1_ListModelsRequest, callback: grpc.requestCallback<_residuum_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;

  LoadModel(argument: _residuum_v1_LoadModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  LoadModel(argument: _residuum_v1_LoadModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  LoadModel(argument: _residuum_v1_LoadModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  LoadModel(argument: _residuum_v1_LoadModelRequest, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  loadModel(argument: _residuum_v1_LoadModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  loadModel(argument: _residuum_v1_LoadModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  loadModel(argument: _residuum_v1_LoadModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;
  loadModel(argument: _residuum_v1_LoadModelRequest, callback: grpc.requestCallback<_residuum_v1_LoadModelResponse__Output>): grpc.ClientUnaryCall;

  UnloadModel(argument: _residuum_v1_UnloadModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  UnloadModel(argument: _residuum_v1_UnloadModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  UnloadModel(argument: _residuum_v1_UnloadModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  UnloadModel(argument: _residuum_v1_UnloadModelRequest, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  unloadModel(argument: _residuum_v1_UnloadModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  unloadModel(argument: _residuum_v1_UnloadModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  unloadModel(argument: _residuum_v1_UnloadModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;
  unloadModel(argument: _residuum_v1_UnloadModelRequest, callback: grpc.requestCallback<_residuum_v1_UnloadModelResponse__Output>): grpc.ClientUnaryCall;

}

export interface ModelServiceHandlers extends grpc.UntypedServiceImplementation {
  GetModel: grpc.handleUnaryCall<_residuum_v1_GetModelRequest__Output, _residuum_v1_GetModelResponse>;

  ListModels: grpc.handleUnaryCall<_residuum_v1_ListModelsRequest__Output, _residuum_v1_ListModelsResponse>;

  LoadModel: grpc.handleUnaryCall<_residuum_v1_LoadModelRequest__Output, _residuum_v1_LoadModelResponse>;

  UnloadModel: grpc.handleUnaryCall<_residuum_v1_UnloadModelRequest__Output, _residuum_v1_UnloadModelResponse>;

}

export interface ModelServiceDefinition extends grpc.ServiceDefinition {
  GetModel: MethodDefinition<_residuum_v1_GetModelRequest, _residuum_v1_GetModelResponse, _residuum_v1_GetModelRequest__Output, _residuum_v1_GetModelResponse__Output>
  ListModels: MethodDefinition<_residuum_v1_ListModelsRequest, _residuum_v1_ListModelsResponse, _residuum_v1_ListModelsRequest__Output, _residuum_v1_ListModelsResponse__Output>
  LoadModel: MethodDefinition<_residuum_v1_LoadModelRequest, _residuum_v1_LoadModelResponse, _residuum_v1_LoadModelRequest__Output, _residuum_v1_LoadModelResponse__Output>
  UnloadModel: MethodDefinition<_residuum_v1_UnloadModelRequest, _residuum_v1_UnloadModelResponse, _residuum_v1_UnloadModelRequest__Output, _residuum_v1_UnloadModelResponse__Output>
}
