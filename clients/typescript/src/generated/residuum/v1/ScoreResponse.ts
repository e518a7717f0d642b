import type { ImageScore as _residuum_v1_ImageScore, ImageScore__Output as _residuum_v1_ImageScore__Output } from '../../residuum/v1/ImageScore.js';
import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from '../../residuum/v1/ItemError.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../google/rpc/Status.js';
import type { Long } from '@grpc/proto-loader';

export interface ScoreResponse {
  'results'?: (_residuum_v1_ImageScore)[];
  'model'?: (_residuum_v1_ModelRef | null);
  'heatScale'?: (number | string);
  'id'?: (number | string | Long);
  'errors'?: (_residuum_v1_ItemError)[];
  'status'?: (_google_rpc_Status | null);
}

export interface ScoreResponse__Output {
  'results': (_residuum_v1_ImageScore__Output)[];
  'model': (_residuum_v1_ModelRef__Output | null);
  'heatScale': (number);
  'id': (number);
  'errors': (_residuum_v1_ItemError__Output)[];
  'status': (_google_rpc_Status__Output | null);
}
