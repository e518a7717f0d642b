import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from './residuum/v1/Files.js';
import type { GetModelRequest as _residuum_v1_GetModelRequest, GetModelRequest__Output as _residuum_v1_GetModelRequest__Output } from './residuum/v1/GetModelRequest.js';
import type { GetModelResponse as _residuum_v1_GetModelResponse, GetModelResponse__Output as _residuum_v1_GetModelResponse__Output } from './residuum/v1/GetModelResponse.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from './residuum/v1/ItemError.js';
import type { ListModelsRequest as _residuum_v1_ListModelsRequest, ListModelsRequest__Output as _residuum_v1_ListModelsRequest__Output } from './residuum/v1/ListModelsRequest.js';
import type { ListModelsResponse as _residuum_v1_ListModelsResponse, ListModelsResponse__Output as _residuum_v1_ListModelsResponse__Output } from './residuum/v1/ListModelsResponse.js';
import type { LoadModelRequest as _residuum_v1_LoadModelRequest, LoadModelRequest__Output as _residuum_v1_LoadModelRequest__Output } from './residuum/v1/LoadModelRequest.js';
import type { LoadModelResponse as _residuum_v1_LoadModelResponse, LoadModelResponse__Output as _residuum_v1_LoadModelResponse__Output } from './residuum/v1/LoadModelResponse.js';
import type { Model as _residuum_v1_Model, Model__Output as _residuum_v1_Model__Output } from './residuum/v1/Model.js';
import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from './residuum/v1/ModelRef.js';
import type { ModelServiceClient as _residuum_v1_ModelServiceClient, ModelServiceDefinition as _residuum_v1_ModelServiceDefinition } from './residuum/v1/ModelService.js';
import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from './residuum/v1/Pixels.js';
import type { UnloadModelRequest as _residuum_v1_UnloadModelRequest, UnloadModelRequest__Output as _residuum_v1_UnloadModelRequest__Output } from './residuum/v1/UnloadModelRequest.js';
import type { UnloadModelResponse as _residuum_v1_UnloadModelResponse, UnloadModelResponse__Output as _residuum_v1_UnloadModelResponse__Output } from './residuum/v1/UnloadModelResponse.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  residuum: {
    v1: {
      Files: MessageTypeDefinition<_residuum_v1_Files, _residuum_v1_Files__Output>
      GetModelRequest: MessageTypeDefinition<_residuum_v1_GetModelRequest, _residuum_v1_GetModelRequest__Output>
      GetModelResponse: MessageTypeDefinition<_residuum_v1_GetModelResponse, _residuum_v1_GetModelResponse__Output>
      ItemError: MessageTypeDefinition<_residuum_v1_ItemError, _residuum_v1_ItemError__Output>
      ListModelsRequest: MessageTypeDefinition<_residuum_v1_ListModelsRequest, _residuum_v1_ListModelsRequest__Output>
      ListModelsResponse: MessageTypeDefinition<_residuum_v1_ListModelsResponse, _residuum_v1_ListModelsResponse__Output>
      LoadModelRequest: MessageTypeDefinition<_residuum_v1_LoadModelRequest, _residuum_v1_LoadModelRequest__Output>
      LoadModelResponse: MessageTypeDefinition<_residuum_v1_LoadModelResponse, _residuum_v1_LoadModelResponse__Output>
      Model: MessageTypeDefinition<_residuum_v1_Model, _residuum_v1_Model__Output>
      ModelRef: MessageTypeDefinition<_residuum_v1_ModelRef, _residuum_v1_ModelRef__Output>
      ModelService: SubtypeConstructor<typeof grpc.Client, _residuum_v1_ModelServiceClient> & { service: _residuum_v1_ModelServiceDefinition }
      Pixels: MessageTypeDefinition<_residuum_v1_Pixels, _residuum_v1_Pixels__Output>
      UnloadModelRequest: MessageTypeDefinition<_residuum_v1_UnloadModelRequest, _residuum_v1_UnloadModelRequest__Output>
      UnloadModelResponse: MessageTypeDefinition<_residuum_v1_UnloadModelResponse, _residuum_v1_UnloadModelResponse__Output>
    }
  }
}

