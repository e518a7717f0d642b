import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Any as _google_protobuf_Any, Any__Output as _google_protobuf_Any__Output } from './google/protobuf/Any.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from './google/rpc/Status.js';
import type { AnomalyServiceClient as _residuum_v1_AnomalyServiceClient, AnomalyServiceDefinition as _residuum_v1_AnomalyServiceDefinition } from './residuum/v1/AnomalyService.js';
import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from './residuum/v1/Files.js';
import type { Heatmap as _residuum_v1_Heatmap, Heatmap__Output as _residuum_v1_Heatmap__Output } from './residuum/v1/Heatmap.js';
import type { ImageScore as _residuum_v1_ImageScore, ImageScore__Output as _residuum_v1_ImageScore__Output } from './residuum/v1/ImageScore.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from './residuum/v1/ItemError.js';
import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from './residuum/v1/ModelRef.js';
import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from './residuum/v1/Pixels.js';
import type { Region as _residuum_v1_Region, Region__Output as _residuum_v1_Region__Output } from './residuum/v1/Region.js';
import type { ScoreRequest as _residuum_v1_ScoreRequest, ScoreRequest__Output as _residuum_v1_ScoreRequest__Output } from './residuum/v1/ScoreRequest.js';
import type { ScoreResponse as _residuum_v1_ScoreResponse, ScoreResponse__Output as _residuum_v1_ScoreResponse__Output } from './residuum/v1/ScoreResponse.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      Any: MessageTypeDefinition<_google_protobuf_Any, _google_protobuf_Any__Output>
    }
    rpc: {
      Status: MessageTypeDefinition<_google_rpc_Status, _google_rpc_Status__Output>
    }
  }
  residuum: {
    v1: {
      AnomalyService: SubtypeConstructor<typeof grpc.Client, _residuum_v1_AnomalyServiceClient> & { service: _residuum_v1_AnomalyServiceDefinition }
      Files: MessageTypeDefinition<_residuum_v1_Files, _residuum_v1_Files__Output>
      Heatmap: MessageTypeDefinition<_residuum_v1_Heatmap, _residuum_v1_Heatmap__Output>
      ImageScore: MessageTypeDefinition<_residuum_v1_ImageScore, _residuum_v1_ImageScore__Output>
      ItemError: MessageTypeDefinition<_residuum_v1_ItemError, _residuum_v1_ItemError__Output>
      ModelRef: MessageTypeDefinition<_residuum_v1_ModelRef, _residuum_v1_ModelRef__Output>
      Pixels: MessageTypeDefinition<_residuum_v1_Pixels, _residuum_v1_Pixels__Output>
      Region: MessageTypeDefinition<_residuum_v1_Region, _residuum_v1_Region__Output>
      ScoreRequest: MessageTypeDefinition<_residuum_v1_ScoreRequest, _residuum_v1_ScoreRequest__Output>
      ScoreResponse: MessageTypeDefinition<_residuum_v1_ScoreResponse, _residuum_v1_ScoreResponse__Output>
    }
  }
}

