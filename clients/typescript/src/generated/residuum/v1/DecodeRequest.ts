import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';
import type { ImageFormat as _residuum_v1_ImageFormat, ImageFormat__Output as _residuum_v1_ImageFormat__Output } from '../../residuum/v1/ImageFormat.js';
import type { Long } from '@grpc/proto-loader';

export interface DecodeRequest {
  'model'?: (_residuum_v1_ModelRef | null);
  'records'?: (Buffer | Uint8Array | string)[];
  'format'?: (_residuum_v1_ImageFormat);
  'id'?: (number | string | Long);
  'partial'?: (boolean);
}

export interface DecodeRequest__Output {
  'model': (_residuum_v1_ModelRef__Output | null);
  'records': (Buffer)[];
  'format': (_residuum_v1_ImageFormat__Output);
  'id': (number);
  'partial': (boolean);
}
