import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Any as _google_protobuf_Any, Any__Output as _google_protobuf_Any__Output } from './google/protobuf/Any.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from './google/rpc/Status.js';
import type { Box as _residuum_v1_Box, Box__Output as _residuum_v1_Box__Output } from './residuum/v1/Box.js';
import type { CodecServiceClient as _residuum_v1_CodecServiceClient, CodecServiceDefinition as _residuum_v1_CodecServiceDefinition } from './residuum/v1/CodecService.js';
import type { DecodeRequest as _residuum_v1_DecodeRequest, DecodeRequest__Output as _residuum_v1_DecodeRequest__Output } from './residuum/v1/DecodeRequest.js';
import type { DecodeResponse as _residuum_v1_DecodeResponse, DecodeResponse__Output as _residuum_v1_DecodeResponse__Output } from './residuum/v1/DecodeResponse.js';
import type { EncodeRequest as _residuum_v1_EncodeRequest, EncodeRequest__Output as _residuum_v1_EncodeRequest__Output } from './residuum/v1/EncodeRequest.js';
import type { EncodeResponse as _residuum_v1_EncodeResponse, EncodeResponse__Output as _residuum_v1_EncodeResponse__Output } from './residuum/v1/EncodeResponse.js';
import type { Evidence as _residuum_v1_Evidence, Evidence__Output as _residuum_v1_Evidence__Output } from './residuum/v1/Evidence.js';
import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from './residuum/v1/Files.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from './residuum/v1/ItemError.js';
import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from './residuum/v1/ModelRef.js';
import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from './residuum/v1/Pixels.js';

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
      Box: MessageTypeDefinition<_residuum_v1_Box, _residuum_v1_Box__Output>
      CodecService: SubtypeConstructor<typeof grpc.Client, _residuum_v1_CodecServiceClient> & { service: _residuum_v1_CodecServiceDefinition }
      DecodeRequest: MessageTypeDefinition<_residuum_v1_DecodeRequest, _residuum_v1_DecodeRequest__Output>
      DecodeResponse: MessageTypeDefinition<_residuum_v1_DecodeResponse, _residuum_v1_DecodeResponse__Output>
      EncodeRequest: MessageTypeDefinition<_residuum_v1_EncodeRequest, _residuum_v1_EncodeRequest__Output>
      EncodeResponse: MessageTypeDefinition<_residuum_v1_EncodeResponse, _residuum_v1_EncodeResponse__Output>
      Evidence: MessageTypeDefinition<_residuum_v1_Evidence, _residuum_v1_Evidence__Output>
      Files: MessageTypeDefinition<_residuum_v1_Files, _residuum_v1_Files__Output>
      ImageFormat: EnumTypeDefinition
      ItemError: MessageTypeDefinition<_residuum_v1_ItemError, _residuum_v1_ItemError__Output>
      ModelRef: MessageTypeDefinition<_residuum_v1_ModelRef, _residuum_v1_ModelRef__Output>
      OnAnomaly: EnumTypeDefinition
      Pixels: MessageTypeDefinition<_residuum_v1_Pixels, _residuum_v1_Pixels__Output>
    }
  }
}

