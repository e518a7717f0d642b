import type { ModelRef as _residuum_v1_ModelRef, ModelRef__Output as _residuum_v1_ModelRef__Output } from '../../residuum/v1/ModelRef.js';

export interface UnloadModelRequest {
  'model'?: (_residuum_v1_ModelRef | null);
}

export interface UnloadModelRequest__Output {
  'model': (_residuum_v1_ModelRef__Output | null);
}
