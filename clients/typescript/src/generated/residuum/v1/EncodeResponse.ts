import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from '../../residuum/v1/ItemError.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../google/rpc/Status.js';
import type { Long } from '@grpc/proto-loader';

export interface EncodeResponse {
  'records'?: (Buffer | Uint8Array | string)[];
  'model'?: (_residuum_v1_ModelRef | null);
  'modelId'?: (Buffer | Uint8Array | string);
  'id'?: (number | string | Long);
  'qualities'?: (number)[];
  'evidenceBytes'?: (number)[];
  'errors'?: (_residuum_v1_ItemError)[];
  'status'?: (_google_rpc_Status | null);
}

export interface EncodeResponse__Output {
  'records': (Buffer)[];
  'model': (_residuum_v1_ModelRef__Output | null);
  'modelId': (Buffer);
  'id': (number);
  'qualities': (number)[];
  'evidenceBytes': (number)[];
  'errors': (_residuum_v1_ItemError__Output)[];
  'status': (_google_rpc_Status__Output | null);
}
