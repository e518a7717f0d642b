import type { Pixels as _residuum_v1_Pixels, Pixels__Output as _residuum_v1_Pixels__Output } from '../../residuum/v1/Pixels.js';
import type { Files as _residuum_v1_Files, Files__Output as _residuum_v1_Files__Output } from '../../residuum/v1/Files.js';
import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { Evidence as _residuum_v1_Evidence, Evidence__Output as _residuum_v1_Evidence__Output } from '../../residuum/v1/Evidence.js';
import type { ItemError as _residuum_v1_ItemError, ItemError__Output as _residuum_v1_ItemError__Output } from '../../residuum/v1/ItemError.js';
import type { Status as _google_rpc_Status, Status__Output as _google_rpc_Status__Output } from '../../google/rpc/Status.js';
import type { Long } from '@grpc/proto-loader';

export interface DecodeResponse {
  'pixels'?: (_residuum_v1_Pixels | null);
  'files'?: (_residuum_v1_Files | null);
  'model'?: (_residuum_v1_ModelRef | null);
  'id'?: (number | string | Long);
  'evidence'?: (_residuum_v1_Evidence)[];
  'errors'?: (_residuum_v1_ItemError)[];
  'status'?: (_google_rpc_Status | null);
  'images'?: "pixels"|"files";
}

export interface DecodeResponse__Output {
  'pixels'?: (_residuum_v1_Pixels__Output | null);
  'files'?: (_residuum_v1_Files__Output | null);
  'model': (_residuum_v1_ModelRef__Output | null);
  'id': (number);
  'evidence': (_residuum_v1_Evidence__Output)[];
  'errors': (_residuum_v1_ItemError__Output)[];
  'status': (_google_rpc_Status__Output | null);
  'images'?: "pixels"|"files";
}
